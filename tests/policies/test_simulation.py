"""A person's next sign-in, forecast by the engine itself; and the tests that are kept with a policy."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.assurance import Method, Proof
from policies.engine import decide
from policies.rollout import simulation
from policies.rollout.simulation import Ending, Forecast, ending_of, failing, proof_by, sign_in
from policies.terms import Decision, Facts, KeyRules, Outcome, Reason, Rules, UserVerification
from tests.policies.documents import policy_test, policy_tests
from tests.policies.scene import (
    BRANDED,
    CODES,
    DAY,
    IN_GRACE,
    KEY,
    KEYS_FOR_ADMINISTRATORS,
    KEYS_FOR_USERS,
    KNOWN,
    NOW,
    OTHER_PRODUCT,
    PRODUCT,
    SHE,
    SMS,
    TOTP,
    VERIFIED,
    by,
    facts,
    facts_in,
    locked,
    rules,
    rules_in,
)
from tests.policies.strategies import patient, people, rule_sets


@pytest.mark.parametrize(
    ("rule", "person", "ending", "reasons"),
    [
        ("required", "totp", Ending.ASKED, "second_factor_proved demand_met"),
        ("required", "totp codes", Ending.ASKED, "second_factor_proved demand_met"),
        ("optional", "", Ending.PASSES, "nothing_enrolled policy_optional"),
        ("optional", "totp", Ending.ASKED, "second_factor_proved policy_optional"),
        ("required", "", Ending.MUST_ENROL, "nothing_enrolled factor_required no_grace"),
        ("required grace", "known", Ending.IN_GRACE, "nothing_enrolled factor_required grace_open"),
        ("required keys grace", "known totp", Ending.IN_GRACE, "second_factor_proved enrolled_too_weak grace_open"),
        ("required keys", "totp", Ending.MUST_ENROL, "second_factor_proved enrolled_too_weak no_grace"),
        ("required", "totp*", Ending.DENIED, "second_factor_owed nothing_usable"),
        ("required", "off totp", Ending.DENIED, "person_inactive"),
        ("-", "totp", Ending.DENIED, "no_policy"),
        ("required", "key totp codes", Ending.ASKED, "second_factor_proved demand_met"),
        ("required asking-who", "key verified-key", Ending.ASKED, "second_factor_proved demand_met"),
        ("required trusting", "trusted totp", Ending.ASKED, "second_factor_proved demand_met"),
        ("required for-sso", "by-sso totp", Ending.ASKED, "second_factor_proved demand_met"),
        ("required without-her", "", Ending.PASSES, "nothing_enrolled excluded"),
        ("required emergency", "key* totp", Ending.DENIED, "second_factor_owed nothing_usable break_glass"),
        ("required grace-for-new", "new-and-never-in", Ending.MUST_ENROL, ""),
    ],
)
def test_it_ends(rule: str, person: str, ending: Ending, reasons: str) -> None:
    forecast = sign_in(rules_in(rule), facts_in(person, "password"), NOW)
    if person != "new-and-never-in":
        assert (forecast.ending, " ".join(forecast.decision.reasons)) == (ending, reasons)
    else:
        assert forecast.ending is Ending.IN_GRACE, "this would be the first sign-in"


def test_what_a_session_proved_or_a_browser_is_trusted_for_plays_no_part() -> None:
    usual = sign_in(rules(), facts(TOTP), NOW)
    assert sign_in(rules(), facts(TOTP, proofs=(by(TOTP),), signed_in_at=NOW - DAY), NOW) == usual
    assert sign_in(rules(trusted_browser_days=30), facts(TOTP, trusted_since=NOW), NOW).asked


def test_it_begins_with_the_word_of_the_provider_or_a_password() -> None:
    for source, method in (("password", Method.PASSWORD), ("sso:acme", Method.SSO)):
        after = sign_in(rules("optional"), facts(source=source), NOW).decision.facts
        assert after.proofs == (Proof(method, NOW),)
        assert (after.signed_in_at, after.first_sign_in_at, after.trusted_since) == (NOW, NOW, None)
    before = facts(first_sign_in_at=NOW - DAY)
    assert sign_in(rules(), before, NOW).decision.facts.first_sign_in_at == NOW - DAY


def test_a_question_is_answered_by_the_preferred_method() -> None:
    answered = sign_in(rules("required", Method.TOTP, Method.WEBAUTHN), facts(KEY, TOTP), NOW).decision.facts.proofs
    assert answered == (Proof(Method.PASSWORD, NOW), Proof(Method.TOTP, NOW, TOTP.binding, False, TOTP.bound_at))


def test_of_several_keys_one_that_will_do_is_used() -> None:
    asking = rules(keys=KeyRules(user_verification=UserVerification.REQUIRED))
    forecast = sign_in(asking, facts(locked(TOTP), KEY, VERIFIED), NOW)
    assert forecast.ending is Ending.ASKED
    assert forecast.decision.facts.proofs[-1] == proof_by(VERIFIED, NOW)
    assert proof_by(VERIFIED, NOW) == Proof(Method.WEBAUTHN, NOW, VERIFIED.binding, True, VERIFIED.bound_at)


@pytest.mark.parametrize(
    ("outcome", "asked", "ending"),
    [
        (Outcome.ALLOW, False, Ending.PASSES),
        (Outcome.ALLOW, True, Ending.ASKED),
        (Outcome.ALLOW_IN_GRACE, False, Ending.IN_GRACE),
        (Outcome.ALLOW_IN_GRACE, True, Ending.IN_GRACE),
        (Outcome.ENROL, True, Ending.MUST_ENROL),
        (Outcome.STEP_UP, False, Ending.DENIED),
        (Outcome.DENY, False, Ending.DENIED),
    ],
)
def test_what_an_outcome_means(outcome: Outcome, asked: bool, ending: Ending) -> None:
    decision = Decision(outcome=outcome, reasons=(), facts=facts(), at=NOW)
    assert ending_of(decision, asked=asked) is ending
    assert Forecast(decision, asked).ending is ending
    assert ending.is_stopped is (not decision.is_allowed)


@pytest.mark.parametrize(
    ("rule", "person", "for_good"),
    [
        ("required", "totp administrator", True),
        ("optional", "administrator", True),
        ("required disabled", "administrator", True),
        ("required grace-for-administrators", "known administrator", False),
        ("required", "administrator", False),
        ("required without-her", "", False),
        ("required emergency", "key administrator", False),
        ("required", "totp* administrator", False),
        ("-", "totp administrator", False),
    ],
)
def test_getting_in_for_good_is_not_by_grace_exclude_or_emergency(rule: str, person: str, for_good: bool) -> None:
    assert sign_in(rules_in(rule), facts_in(person, ""), NOW).gets_in_for_good is for_good


def test_nor_by_the_trust_in_a_browser() -> None:
    trusted = decide(rules(trusted_browser_days=30), facts(TOTP, trusted_since=NOW), NOW)
    assert trusted.is_allowed
    assert not Forecast(trusted, asked=False).gets_in_for_good


@patient
@given(st.none() | rule_sets, people())
def test_a_forecast_is_what_the_engine_says_of_the_session_it_ends_in(rule: Rules | None, person: Facts) -> None:
    forecast = sign_in(rule, person, NOW)
    decision = forecast.decision
    assert decide(rule, decision.facts, NOW) == decision
    assert forecast.ending.is_stopped is (not decision.is_allowed)
    assert len(decision.facts.proofs) == (2 if forecast.asked else 1)
    if decision.outcome is Outcome.STEP_UP:
        assert not decision.satisfied_by or not forecast.asked
        assert Reason.NOTHING_USABLE in decision.reasons


@patient
@given(rule_sets, people())
def test_who_owns_a_factor_gets_in_only_by_it(rule: Rules, person: Facts) -> None:
    forecast = sign_in(rule, person, NOW)
    if person.enrolled and forecast.decision.is_allowed:
        assert forecast.asked


@patient
@given(rule_sets, people())
def test_the_same_person_is_forecast_the_same(rule: Rules, person: Facts) -> None:
    assert sign_in(rule, person, NOW) == sign_in(replace(rule), replace(person), NOW)


def result(rule: Rules, **test: Any) -> Ending | None:
    """How a test of the policy really ends, None where it holds."""
    found = failing([policy_test(**test)], rule, NOW)
    return found[0][1] if found else None


class TestPolicyTests:
    """Assertions kept with the policy."""

    @pytest.mark.parametrize(
        ("rule", "test", "really"),
        [
            (rules(), {}, None),
            (rules(), {"expect": "must_enrol"}, Ending.ASKED),
            (rules(), {"methods": []}, Ending.MUST_ENROL),
            (rules(), {"methods": [], "expect": "must_enrol"}, None),
            (rules("optional"), {"methods": []}, None),
            (rules(strength=KEYS_FOR_ADMINISTRATORS), {"role": "administrator", "expect": "must_enrol"}, None),
            (rules(strength=KEYS_FOR_ADMINISTRATORS), {"role": "administrator"}, Ending.MUST_ENROL),
            (rules(strength=KEYS_FOR_ADMINISTRATORS), {}, None),
            (rules(strength=KEYS_FOR_USERS), {"methods": ["totp", "webauthn"]}, None),
            (rules(**IN_GRACE), {"methods": [], "expect": "in_grace"}, None),
            (rules(**IN_GRACE), {"methods": [], "known": "new", "expect": "must_enrol"}, None),
            (rules(new_grace_days=1, **IN_GRACE), {"methods": [], "known": "new", "expect": "in_grace"}, None),
            (rules(grace_days=1, enforced_since=NOW - DAY), {"methods": []}, Ending.MUST_ENROL),
            (rules(grace_days=1), {"methods": [], "expect": "in_grace"}, Ending.MUST_ENROL),
            (rules(minimum_factors=2), {}, Ending.MUST_ENROL),
            (rules(minimum_factors=2), {"methods": ["totp", "webauthn"]}, None),
            (rules(), {"methods": ["recovery_code"], "expect": "must_enrol"}, None),
            (rules(), {"methods": ["sms_code"], "expect": "must_enrol"}, None),
            (rules(keys=KeyRules(attested=True, synced=False)), {"methods": ["webauthn"]}, None),
            (rules(keys=KeyRules(UserVerification.REQUIRED)), {"methods": ["webauthn"]}, None),
            (rules(keys=KeyRules(allowed=frozenset({PRODUCT, OTHER_PRODUCT}))), {"methods": ["webauthn"]}, None),
        ],
    )
    def test_a_test_says_how_it_really_ends(self, rule: Rules, test: dict[str, Any], really: Ending | None) -> None:
        assert result(rule, **test) is really

    def test_groups_and_sources_are_the_tests(self) -> None:
        for_finance, for_sso = rules_in("required for-finance"), rules_in("required for-sso")
        assert for_finance is not None
        assert for_sso is not None
        assert result(for_finance, methods=[], groups=["finance"], expect="must_enrol") is None
        assert result(for_finance, methods=[]) is None
        assert result(for_sso, methods=[], source="sso:acme", expect="must_enrol") is None
        assert result(for_sso, methods=[]) is None

    def test_nobody_in_a_test_is_an_account_for_emergencies_or_excluded_by_name(self) -> None:
        without_her = rules_in("required without-her")
        assert without_her is not None
        assert result(without_her, methods=[], expect="must_enrol") is None
        assert result(rules(break_glass=frozenset({SHE})), expect="allowed") is None

    def test_a_test_that_expects_a_denial(self) -> None:
        assert result(rules(), expect="denied") is Ending.ASKED

    def test_every_test_that_fails_is_named(self) -> None:
        tests = [policy_test(name="One"), policy_test(name="Two", methods=[]), policy_test(name="Three", role="user")]
        assert failing(tests, rules(), NOW) == [(tests[1], Ending.MUST_ENROL)]
        assert failing([], rules(), NOW) == []

    def test_authenticators_of_a_test_are_apart(self) -> None:
        person = simulation._facts_of(policy_test(methods=["webauthn", "totp", "recovery_code"]), rules(), NOW)
        assert len({one.binding for one in person.enrolled}) == 3
        assert all(one.usable and one.bound_at < NOW for one in person.enrolled)

    @patient
    @given(policy_tests, rule_sets)
    def test_every_test_ends_somehow(self, tests: list[dict[str, Any]], rule: Rules) -> None:
        for test, ending in failing(tests, rule, NOW):
            assert test in tests
            assert ending.value != test["expect"]


@pytest.mark.parametrize("known", [KNOWN, {}])
def test_a_forecast_writes_nothing_to_what_it_is_given(known: dict[str, Any]) -> None:
    person = facts(KEY, TOTP, CODES, SMS, BRANDED, **known)
    before = repr(person)
    sign_in(rules(), person, NOW)
    assert repr(person) == before


def test_the_module_needs_neither_django_nor_a_database() -> None:
    look = "import sys, policies.rollout.simulation; print([m for m in ('django', 'sqlite3') if m in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"
