"""A receipt in sentences: nothing is missing, nothing is guessed, and a stored one reads as it did."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from accounts.assurance import Method
from accounts.authenticators.aaguids import PRODUCTS
from accounts.gates import Explanation
from policies import demands, explanations, receipts, sentences
from policies.engine import decide
from policies.explanations import Reader
from policies.rollout.simulation import Ending
from policies.terms import Facts, KeyRules, Outcome, Reason, Rules, UserVerification
from tests.policies.scene import (
    BRANDED,
    CODES,
    DAY,
    HOUR,
    IN_GRACE,
    KEY,
    KEYS_FOR_USERS,
    KNOWN,
    NOW,
    PASSWORD,
    PRODUCT,
    SHE,
    SYNCED,
    TOTP,
    by,
    facts,
    locked,
    rules,
)
from tests.policies.strategies import patient, people, rule_sets

BERLIN = ZoneInfo("Europe/Berlin")
HER = Reader(BERLIN)
OF_DANA = Reader(BERLIN, "Dana")


def explained(rule: Rules | None, person: Facts, reader: Reader = HER) -> Explanation:
    return explanations.explained(decide(rule, person, NOW), reader, rule)


def values(said: Explanation) -> dict[str, str]:
    """The facts by their labels; of several with one label the last."""
    return dict(said.facts)


# -- nothing is missing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (sentences.SENTENCES, Reason),
        (sentences.THEIRS, Reason),
        (sentences.YOUR_OUTCOMES, Outcome),
        (sentences.THEIR_OUTCOMES, Outcome),
        (sentences.WOULD_BE, Outcome),
        (sentences.ENDINGS, Ending),
        (sentences.METHODS, Method),
    ],
    ids=["reasons to you", "reasons about you", "outcomes to you", "outcomes", "would be", "endings", "methods"],
)
def test_every_code_has_words_and_no_two_the_same(words: Any, codes: Any) -> None:
    assert set(words) == set(codes)
    said = [str(one) for one in words.values()]
    assert all(said) and len(set(said)) == len(said)


@pytest.mark.parametrize("table", [sentences.THEIRS, sentences.THEIR_OUTCOMES, sentences.WOULD_BE, sentences.ENDINGS])
def test_whatever_somebody_is_called_the_sentences_about_them_are_whole(table: Any) -> None:
    for words in table.values():
        said = sentences.about(words, "100 % %(name)s <b>")
        assert "%(name)s is" not in said.replace("100 % %(name)s <b>", "")
        assert said.endswith(".")


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_reasons_are_told_in_their_order_in_every_language(language: str) -> None:
    reasons = [Reason.SECOND_FACTOR_PROVED, Reason.TOO_FEW_FACTORS, Reason.GRACE_OVER]
    with translation.override(language):
        assert [str(one) for one in sentences.of(reasons)] == [str(sentences.SENTENCES[one]) for one in reasons]
        assert len(sentences.of(reasons, "Dana")) == 3


@patient
@given(st.none() | rule_sets, people(), st.sampled_from([HER, OF_DANA]))
def test_every_decision_can_be_explained(rule: Rules | None, person: Facts, reader: Reader) -> None:
    decision = decide(rule, person, NOW)
    said = explanations.explained(decision, reader, rule)
    assert said.outcome and len(said.reasons) == len(decision.reasons) and said.version
    assert all(label and words for label, words in said.facts)
    assert bool(said.way_out) is (decision.outcome is not Outcome.ALLOW)
    assert bool(said.deadline) is (decision.deadline is not None)
    assert "%(" not in repr(said)


@patient
@given(rule_sets, people())
def test_what_is_not_accepted_says_why_and_what_is_does_not(rule: Rules, person: Facts) -> None:
    personal = demands.personal(rule, person)
    acceptable = demands.acceptable(rule, person)
    for one in person.enrolled:
        refused = explanations.refusals(personal, person, one)
        if one.method is not Method.RECOVERY_CODE:
            assert (not refused) is (one in acceptable)
        if not demands.is_accepted(personal, one) or not one.usable:
            assert refused


@patient
@given(rule_sets, people())
def test_a_stored_receipt_reads_as_it_did(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    read = replace(decision, facts=receipts.facts_from(receipts.stored(decision.facts)), valid_until=None)
    assert explanations.explained(read, OF_DANA, rule) == explanations.explained(decision, OF_DANA, rule)


# -- what it says ----------------------------------------------------------------------------------------------


def test_to_the_person_it_says_you_and_about_them_their_name() -> None:
    said, about = explained(rules(), facts()), explained(rules(), facts(), OF_DANA)
    assert said.outcome == "Before you can go on, a method for two-step verification has to be set up."
    assert [str(one) for one in said.reasons][-1] == "It has to be set up before you can go on."
    assert about.outcome == "Dana was stopped, to set up two-step verification."
    assert about.reasons[-1] == "The policy gives Dana no time to set it up."


def test_the_version_and_the_contact_are_named() -> None:
    said = explained(rules(contact="the desk"), facts())
    assert (said.version, said.contact) == ("Decided by version 7 of the policy.", "the desk")
    assert explained(None, facts()).version == "There is no policy that could have decided."


def test_the_deadline_has_its_time_zone() -> None:
    open_ = explained(rules(**IN_GRACE), facts(**KNOWN))
    assert open_.deadline == "The time to set it up ends on 14 May 2030, 14:00 (Europe/Berlin)."
    over = explained(rules(grace_days=1, enforced_since=NOW - 2 * DAY), facts(**KNOWN))
    assert over.deadline == "The time to set it up ended on 30 April 2030, 14:00 (Europe/Berlin)."
    assert explained(rules(), facts()).deadline == ""


def test_in_german_the_month_is_german() -> None:
    with translation.override("de"):
        assert explanations.moment(datetime(2030, 5, 1, 22, 30, tzinfo=UTC), BERLIN) == "2. Mai 2030, 00:30"


@pytest.mark.parametrize(
    ("rule", "person", "way_out"),
    [
        (rules(), facts(TOTP), "This would do: Authenticator app."),
        (rules(), facts(TOTP, KEY), "One of these would do: Passkey or security key, Authenticator app."),
        (rules("required", Method.WEBAUTHN), facts(), "This would do, once it is set up: Passkey or security key."),
        (rules(), facts(locked(TOTP)), "Nothing that one can do alone would change this: only help is left."),
        (rules(), facts(is_active=False), "Nothing that one can do alone would change this: only help is left."),
        (rules(), facts(proofs=()), "Signing in again would do."),
        (rules("optional"), facts(), ""),
    ],
    ids=["a code", "either", "set up", "locked", "switched off", "nothing proved", "let in"],
)
def test_the_way_out_is_named(rule: Rules, person: Facts, way_out: str) -> None:
    assert explained(rule, person).way_out == way_out


def test_what_is_known_of_the_person_is_told() -> None:
    person = facts(
        role="administrator",
        is_staff=True,
        groups=frozenset({"pilots", "finance"}),
        source="sso:acme",
        known_since=NOW - DAY,
        first_sign_in_at=NOW - HOUR,
        grace_closed_at=NOW,
        grace_cap=NOW,
        extended_to=NOW,
        trusted_since=NOW,
        tenant_is_active=False,
        is_active=False,
    )
    assert values(explained(rules(), person)) == {
        "Role": "Administrator",
        "Groups": "finance, pilots",
        "Signs in": "acme",
        "Account": "switched off",
        "Tenant": "switched off",
        "Known since": "30 April 2030, 14:00",
        "First sign-in": "1 May 2030, 13:00",
        "Grace ended by a reset": "1 May 2030, 14:00",
        "Grace at most until": "1 May 2030, 14:00",
        "Extended until": "1 May 2030, 14:00",
        "Browser trusted since": "1 May 2030, 14:00",
        "Methods set up": "none",
        "Proved": "Password; 1 May 2030, 13:00",
        "Time zone": "Europe/Berlin",
    }


def test_staff_by_the_back_door_are_called_what_they_are() -> None:
    assert values(explained(rules(), facts(is_staff=True)))["Role"] == "User, with the rights of an administrator"


def test_what_is_not_known_is_said() -> None:
    told = values(explained(rules(), facts(proofs=())))
    assert told["Known since"] == "not known, so there is no grace"
    assert (told["Groups"], told["Proved"]) == ("none", "nothing")


YUBIKEY = next(aaguid for aaguid, name in PRODUCTS.items() if name == "YubiKey Bio")
LABEL = "Passkey or security key"


@pytest.mark.parametrize(
    ("rule", "one", "said"),
    [
        (rules(), KEY, "accepted"),
        (rules(), replace(KEY, aaguid=YUBIKEY), "accepted; YubiKey Bio"),
        (rules("required", Method.TOTP), KEY, "not accepted: the policy does not allow it"),
        (rules(), locked(KEY), "not accepted: it is locked, or cannot be read"),
        (
            rules(keys=KeyRules(user_verification=UserVerification.REQUIRED)),
            KEY,
            "not accepted: it did not ask for a PIN, a fingerprint or a face when it was added",
        ),
        (rules(keys=KeyRules(attested=True)), KEY, "not accepted: its maker does not vouch for it"),
        (
            rules(keys=KeyRules(allowed=frozenset({PRODUCT}))),
            KEY,
            "not accepted: its product is not on the policy’s list",
        ),
        (rules(keys=KeyRules(denied=frozenset({PRODUCT}))), BRANDED, "not accepted: the policy refuses its product"),
        (rules(keys=KeyRules(synced=False)), SYNCED, "not accepted: it is copied between devices"),
        (
            rules(keys=KeyRules(synced=False, attested=True)),
            SYNCED,
            "not accepted: its maker does not vouch for it, it is copied between devices",
        ),
    ],
    ids=[
        "accepted",
        "product",
        "not allowed",
        "locked",
        "no pin",
        "no maker",
        "not listed",
        "refused",
        "copied",
        "two things",
    ],
)
def test_a_key_says_whether_it_is_accepted_and_why_not(rule: Rules, one: Any, said: str) -> None:
    assert values(explained(rule, facts(one)))[LABEL] == f"{said}; added on 2 March 2030, 13:00"


def test_an_app_where_a_key_is_demanded_says_so() -> None:
    told = values(explained(rules(strength=KEYS_FOR_USERS), facts(TOTP)))
    assert told["Authenticator app"].startswith("not accepted: a security key or passkey is demanded")


def test_recovery_codes_stand_in_or_are_used_up() -> None:
    assert values(explained(rules(), facts(TOTP, CODES)))["Recovery codes"].startswith("stands in for another method")
    used = values(explained(rules(), facts(TOTP, locked(CODES))))["Recovery codes"]
    assert used.startswith("not accepted: all are used, or they are locked")


def test_of_an_account_for_emergencies_the_key_alone_counts() -> None:
    rule = rules("required", Method.TOTP, break_glass=frozenset({SHE}))
    told = values(explained(rule, facts(KEY, TOTP)))
    assert told[LABEL].startswith("accepted")
    assert told["Authenticator app"].startswith("not accepted")


def test_without_the_rules_nothing_is_said_of_what_they_accept() -> None:
    decision = decide(rules(), facts(KEY), NOW)
    said = explanations.explained(decision, OF_DANA)
    assert dict(said.facts)[LABEL] == "added on 2 March 2030, 13:00"
    assert said.contact == ""


def test_names_are_told_where_they_are_known() -> None:
    reader = Reader(BERLIN, methods={KEY.binding: "Blue key"})
    said = explained(rules(), facts(KEY, proofs=(PASSWORD, by(KEY))), reader)
    assert f"{LABEL} “Blue key”" in values(said)
    assert values(said)["Proved"].startswith(f"{LABEL} “Blue key”; ")


@pytest.mark.parametrize(
    ("person", "flaw"),
    [
        (facts(proofs=(by(KEY),)), "by what has been removed since"),
        (facts(KEY, proofs=(by(KEY, 13 * HOUR),)), "too long ago: it lasts for 12 hours"),
        (facts(TOTP, proofs=(by(TOTP),)), "not accepted by the policy"),
    ],
    ids=["removed", "run out", "not allowed"],
)
def test_a_proof_that_does_not_count_says_why(person: Facts, flaw: str) -> None:
    told = values(explained(rules("required", Method.WEBAUTHN), person))["Proved"]
    assert told.endswith(f"; {flaw}")


def test_no_secret_is_told() -> None:
    """Nothing but what the receipt holds: ids of authenticators are not even in the words."""
    said = repr(explained(rules(), facts(KEY, TOTP, CODES, proofs=(PASSWORD, by(KEY)))))
    assert all(str(one.binding) not in said for one in (KEY, TOTP, CODES))
    assert str(UUID(int=70)) not in said
