"""What the rules ask of one person: whether anything, how strong, with what, and by when."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from accounts.assurance import Method, Strength
from policies.demands import (
    acceptable,
    counts,
    deadline_of,
    end_of_grace,
    enrollable,
    excludes_of,
    idle_limit,
    in_order,
    is_accepted,
    is_break_glass,
    is_demanded,
    personal,
    required_strength,
    waived,
)
from policies.terms import Enforcement, Exclude, Excluded, Facts, KeyRules, Reason, Rules, Scope, UserVerification
from tests.policies.scene import (
    ATTESTED,
    BRANDED,
    CODES,
    DAY,
    HOUR,
    IN_GRACE,
    KEY,
    KEYS_FOR_ADMINISTRATORS,
    KEYS_FOR_USERS,
    KNOWN,
    MAIL,
    MINUTE,
    NOW,
    OTHER_PRODUCT,
    PRODUCT,
    SHE,
    SMS,
    STAFF,
    SYNCED,
    TICK,
    TOTP,
    VERIFIED,
    by,
    facts,
    facts_in,
    locked,
    rules,
    rules_in,
)

WEBAUTHN, APP, CODE, SMS_CODE = Method.WEBAUTHN, Method.TOTP, Method.RECOVERY_CODE, Method.SMS_CODE
MULTI, RESISTANT = Strength.MULTI_FACTOR, Strength.PHISHING_RESISTANT
EMERGENCY: dict[str, Any] = {"break_glass": frozenset({SHE})}


class TestWhether:
    """Whether anything is demanded, apart from what is owned."""

    @pytest.mark.parametrize(
        ("rule", "fact", "demanded"),
        [
            (rules("optional"), facts(), False),
            (rules("required"), facts(), True),
            (rules("always"), facts(), True),
            (rules("always", enabled=False), facts(), False),
            (rules(scope=STAFF), facts(), False),
            (rules(scope=STAFF), facts(is_staff=True), True),
            (rules("optional", **EMERGENCY), facts(), True),
            (rules(enabled=False, **EMERGENCY), facts(), True),
        ],
    )
    def test_a_demand_is_apart_from_what_is_owned(self, rule: Rules, fact: Facts, demanded: bool) -> None:
        assert is_demanded(rule, fact, NOW) is demanded
        assert is_demanded(rule, replace(fact, enrolled=(TOTP, KEY)), NOW) is demanded

    @pytest.mark.parametrize(
        ("words", "person", "why"),
        [
            ("required", "", None),
            ("optional disabled for-staff without-her", "", Reason.POLICY_OFF),
            ("optional for-staff without-her", "", Reason.POLICY_OPTIONAL),
            ("required for-staff without-her", "", Reason.OUT_OF_SCOPE),
            ("required for-users without-her", "", Reason.EXCLUDED),
        ],
    )
    def test_the_first_reason_not_to_is_given(self, words: str, person: str, why: Reason | None) -> None:
        rule = rules_in(words)
        assert rule is not None
        assert waived(rule, facts_in(person, "password"), NOW) is why

    @pytest.mark.parametrize(("later", "demanded"), [(-TICK, False), (0 * TICK, True), (TICK, True)], ids=str)
    def test_an_exclude_ends(self, later: timedelta, demanded: bool) -> None:
        rule = rules(excludes=(Exclude(Excluded.PERSON, str(SHE), NOW),))
        assert is_demanded(rule, facts(), NOW + later) is demanded

    def test_somebody_unknown_is_excluded_by_no_name(self) -> None:
        assert excludes_of(rules(excludes=(Exclude(Excluded.PERSON, "", NOW + DAY),)), facts(person=None)) == []

    def test_only_what_names_a_person_excludes_them_ended_or_not(self) -> None:
        past = Exclude(Excluded.GROUP, "finance", NOW - DAY)
        by_name = Exclude(Excluded.PERSON, str(SHE), NOW + DAY)
        other_kind = Exclude(Excluded.ROLE, "finance", NOW + DAY)
        by_role = Exclude(Excluded.ROLE, "user", NOW + DAY)
        by_source = Exclude(Excluded.SOURCE, "password", NOW + DAY)
        everything = rules(excludes=(past, other_kind, by_name, by_role, by_source))
        person = facts(groups=frozenset({"finance"}))
        assert excludes_of(everything, person) == [past, by_name, by_role, by_source]
        assert excludes_of(everything, replace(person, is_staff=True)) == []
        assert excludes_of(everything, replace(person, role="administrator")) == []


class TestWhat:
    """How strong, with what, in which order."""

    @pytest.mark.parametrize(
        ("strength", "fact", "demand"),
        [
            ({}, facts(), MULTI),
            ({}, facts(is_staff=True), MULTI),
            (KEYS_FOR_USERS, facts(), RESISTANT),
            (KEYS_FOR_USERS, facts(role="administrator"), MULTI),
            (KEYS_FOR_USERS, facts(is_staff=True), RESISTANT),
            (KEYS_FOR_ADMINISTRATORS, facts(), MULTI),
            (KEYS_FOR_ADMINISTRATORS, facts(role="administrator"), RESISTANT),
            (KEYS_FOR_ADMINISTRATORS, facts(is_staff=True), RESISTANT),
        ],
    )
    def test_the_highest_strength_of_a_persons_roles_is_demanded(
        self, strength: dict[str, Strength], fact: Facts, demand: Strength
    ) -> None:
        assert required_strength(rules(strength=strength), fact) is demand

    def test_what_may_be_enrolled_meets_the_demand(self) -> None:
        wide = rules("required", CODE, SMS_CODE, APP, WEBAUTHN, Method.EMAIL_CODE)
        assert enrollable(wide, facts()) == (SMS_CODE, APP, WEBAUTHN, Method.EMAIL_CODE)
        assert enrollable(replace(wide, strength=KEYS_FOR_USERS), facts()) == (WEBAUTHN,)

    def test_acceptable_is_what_is_usable_allowed_and_strong_enough(self) -> None:
        person = facts(TOTP, locked(KEY), CODES, SMS)
        assert acceptable(rules(), person) == [TOTP]
        assert acceptable(rules(strength=KEYS_FOR_USERS), person) == []
        assert acceptable(rules("required", SMS_CODE, APP), person) == [TOTP, SMS]
        assert acceptable(rules(keys=KeyRules(attested=True)), facts(KEY, ATTESTED, TOTP)) == [ATTESTED, TOTP]

    def test_methods_come_in_the_order_of_the_policy(self) -> None:
        assert in_order(rules("required", APP, WEBAUTHN), [WEBAUTHN, CODE, APP]) == (APP, WEBAUTHN)
        assert in_order(rules("required", APP), [SMS_CODE, CODE, WEBAUTHN]) == (WEBAUTHN, CODE, SMS_CODE)

    @pytest.mark.parametrize(
        ("fact", "limit"),
        [
            (facts(), 30 * MINUTE),
            (facts(role="administrator"), 15 * MINUTE),
            (facts(is_staff=True), 15 * MINUTE),
        ],
    )
    def test_administrators_may_idle_half_as_long(self, fact: Facts, limit: timedelta) -> None:
        assert idle_limit(rules(), fact) == limit


class TestKeys:
    """What a key has to be, and what a proof by it has to show."""

    @pytest.mark.parametrize(
        ("asked", "accepted"),
        [
            pytest.param(KeyRules(), [KEY, VERIFIED, SYNCED, ATTESTED, BRANDED], id="nothing"),
            pytest.param(KeyRules(user_verification=UserVerification.REQUIRED), [VERIFIED], id="to ask who is there"),
            pytest.param(
                KeyRules(user_verification=UserVerification.DISCOURAGED),
                [KEY, VERIFIED, SYNCED, ATTESTED, BRANDED],
                id="not to ask who is there",
            ),
            pytest.param(KeyRules(attested=True), [ATTESTED], id="a maker's word"),
            pytest.param(KeyRules(allowed=frozenset({PRODUCT, OTHER_PRODUCT})), [BRANDED], id="of some brands"),
            pytest.param(KeyRules(denied=frozenset({PRODUCT})), [KEY, VERIFIED, SYNCED, ATTESTED], id="not of one"),
            pytest.param(KeyRules(synced=False), [KEY, VERIFIED, ATTESTED, BRANDED], id="not to be copied"),
        ],
    )
    def test_keys_are_judged_by_what_they_are(self, asked: KeyRules, accepted: list[Any]) -> None:
        keys = [KEY, VERIFIED, SYNCED, ATTESTED, BRANDED]
        assert [one for one in keys if is_accepted(rules(keys=asked), one)] == accepted
        assert [one for one in keys if counts(rules(keys=asked), facts(*keys), by(one, verified=True))] == accepted

    @pytest.mark.parametrize("one", [TOTP, CODES])
    def test_nothing_else_is(self, one: Any) -> None:
        strict = KeyRules(UserVerification.REQUIRED, True, frozenset({PRODUCT}), frozenset({OTHER_PRODUCT}), False)
        assert is_accepted(rules(keys=strict), one)
        assert counts(rules(keys=strict), facts(one), by(one))

    @pytest.mark.parametrize("one", [SMS, MAIL])
    def test_what_is_not_allowed_is_not_accepted(self, one: Any) -> None:
        assert not is_accepted(rules(), one)
        assert not counts(rules(), facts(one), by(one))

    @pytest.mark.parametrize(
        ("asking", "verified", "counted"),
        [
            ("discouraged", False, True),
            ("preferred", False, True),
            ("required", False, False),
            ("required", True, True),
        ],
    )
    def test_a_touch_is_no_proof_where_a_key_has_to_ask(self, asking: str, verified: bool, counted: bool) -> None:
        rule = rules(keys=KeyRules(user_verification=UserVerification(asking)))
        assert counts(rule, facts(VERIFIED), by(VERIFIED, verified=verified)) is counted

    def test_a_proof_counts_by_the_authenticator_it_was_given_with(self) -> None:
        assert not counts(rules(), facts(KEY), by(TOTP))
        assert not counts(rules(), facts(KEY), replace(by(TOTP), binding=KEY.binding))
        assert counts(rules(keys=KeyRules(attested=True)), facts(KEY, ATTESTED), by(ATTESTED))
        assert not counts(rules(keys=KeyRules(attested=True)), facts(KEY, ATTESTED), by(KEY))
        assert counts(rules(), facts(locked(KEY)), by(KEY)), "locked since"


class TestEmergencies:
    """A break-glass account: a key, and no other rule."""

    STRICT = rules(
        "optional",
        APP,
        enabled=False,
        scope=STAFF,
        excludes=(Exclude(Excluded.PERSON, str(SHE), NOW + DAY),),
        minimum_factors=2,
        keys=KeyRules(UserVerification.REQUIRED, attested=True, synced=False),
        trusted_browser_days=30,
        second_factor_lifetime=3 * HOUR,
        administrators_idle=12 * MINUTE,
        in_force_until=NOW + HOUR,
        **IN_GRACE,
        **EMERGENCY,
    )

    def test_the_rules_as_they_are_for_it(self) -> None:
        assert personal(self.STRICT, facts()) == replace(
            self.STRICT,
            enabled=True,
            enforcement=Enforcement.ALWAYS,
            scope=Scope(),
            excludes=(),
            allowed=(WEBAUTHN,),
            strength={"user": RESISTANT},
            minimum_factors=1,
            keys=KeyRules(),
            enforced_since=None,
        )
        assert personal(self.STRICT, facts(is_staff=True)).strength == {"user": RESISTANT, "administrator": RESISTANT}

    def test_every_question_is_answered_by_them(self) -> None:
        person = facts(KEY, TOTP, SYNCED, **KNOWN, extended_to=NOW + DAY)
        assert is_demanded(self.STRICT, person, NOW)
        assert required_strength(self.STRICT, person) is RESISTANT
        assert enrollable(self.STRICT, person) == (WEBAUTHN,)
        assert acceptable(self.STRICT, person) == [KEY, SYNCED]
        assert deadline_of(self.STRICT, person) is None

    @pytest.mark.parametrize(
        ("named", "person", "whether"),
        [({SHE}, SHE, True), ({UUID(int=71)}, SHE, False), (set(), SHE, False), ({SHE}, None, False)],
    )
    def test_it_is_one_by_name_only(self, named: set[UUID], person: UUID | None, whether: bool) -> None:
        rule = rules(break_glass=frozenset(named))
        assert is_break_glass(rule, facts(person=person, role="administrator")) is whether
        if not whether:
            assert personal(rule, facts(person=person)) is rule


SINCE = NOW - DAY
LATER = NOW + 60 * DAY


class TestDeadline:
    """The ledger: what the policy gives, capped, extended, closed (security 62)."""

    pytestmark = pytest.mark.security(62)

    RULES = rules(grace_days=10, new_grace_days=5, administrators_grace_days=3, enforced_since=SINCE)
    HERE = {"known_since": SINCE - TICK, "first_sign_in_at": NOW}
    NEW = {"known_since": SINCE, "first_sign_in_at": NOW}

    @pytest.mark.parametrize(
        ("person", "deadline"),
        [
            pytest.param(HERE, SINCE + 10 * DAY, id="here before: from the beginning"),
            pytest.param(NEW, NOW + 5 * DAY, id="new: from the first sign-in"),
            pytest.param(NEW | {"first_sign_in_at": None}, None, id="new, never signed in"),
            pytest.param(HERE | {"first_sign_in_at": None}, SINCE + 10 * DAY, id="here before, never signed in"),
            pytest.param(HERE | {"role": "administrator"}, SINCE + 3 * DAY, id="an administrator"),
            pytest.param(HERE | {"is_staff": True}, SINCE + 3 * DAY, id="staff"),
            pytest.param(NEW | {"role": "administrator"}, NOW + 3 * DAY, id="a new administrator"),
            pytest.param({"first_sign_in_at": NOW}, None, id="known since when?"),
            pytest.param(HERE | {"grace_closed_at": SINCE - 300 * DAY}, None, id="closed, however long ago"),
            pytest.param(HERE | {"grace_closed_at": SINCE, "extended_to": LATER}, None, id="closed and extended"),
            pytest.param(HERE | {"grace_cap": NOW + DAY}, NOW + DAY, id="capped"),
            pytest.param(HERE | {"grace_cap": NOW - DAY}, NOW - DAY, id="capped in the past"),
            pytest.param(HERE | {"grace_cap": LATER}, SINCE + 10 * DAY, id="capped above what there is"),
            pytest.param(NEW | {"grace_cap": NOW + DAY}, NOW + DAY, id="new and capped"),
            pytest.param(HERE | {"extended_to": LATER}, LATER, id="extended"),
            pytest.param(HERE | {"extended_to": NOW}, SINCE + 10 * DAY, id="extended by less than there is"),
            pytest.param(HERE | {"grace_cap": NOW, "extended_to": NOW + DAY}, NOW + DAY, id="extended past a cap"),
            pytest.param(HERE | {"grace_cap": NOW + DAY, "extended_to": NOW}, NOW + DAY, id="extended within a cap"),
            pytest.param(NEW | {"first_sign_in_at": None, "extended_to": LATER}, LATER, id="extended from nothing"),
            pytest.param(HERE | {"is_staff": True, "extended_to": LATER}, SINCE + 3 * DAY, id="staff is not extended"),
            pytest.param({"extended_to": LATER}, None, id="extended, known since when?"),
        ],
    )
    def test_the_deadline(self, person: dict[str, Any], deadline: datetime | None) -> None:
        assert deadline_of(self.RULES, facts(**person)) == deadline

    @pytest.mark.parametrize("days", ["grace_days", "new_grace_days", "administrators_grace_days"])
    def test_no_days_are_no_deadline(self, days: str) -> None:
        people = {"grace_days": facts(**self.HERE), "new_grace_days": facts(**self.NEW)}
        person = people.get(days, facts(is_staff=True, **self.HERE))
        none = replace(self.RULES, **{days: 0})
        assert deadline_of(self.RULES, person) is not None
        assert deadline_of(none, person) is None
        assert deadline_of(none, replace(person, grace_cap=LATER)) is None

    def test_nothing_is_given_before_enforcement_began(self) -> None:
        unstarted = replace(self.RULES, enforced_since=None)
        for person in (self.HERE, self.NEW, self.HERE | {"extended_to": LATER}):
            assert deadline_of(unstarted, facts(**person)) is None

    def test_shortening_takes_effect_for_all(self) -> None:
        assert deadline_of(replace(self.RULES, grace_days=9), facts(**self.HERE)) == SINCE + 9 * DAY
        assert deadline_of(replace(self.RULES, new_grace_days=1), facts(**self.NEW)) == NOW + DAY


class TestEndOfGrace:
    """What goes with somebody who moves, changes roles or is made anew (security 62)."""

    pytestmark = pytest.mark.security(62)

    RULES, HERE, NEW = TestDeadline.RULES, TestDeadline.HERE, TestDeadline.NEW
    NONE = replace(RULES, grace_days=0, new_grace_days=0, administrators_grace_days=0)

    @pytest.mark.parametrize(
        ("rule", "person", "end"),
        [
            pytest.param(RULES, HERE, SINCE + 10 * DAY, id="their deadline"),
            pytest.param(RULES, HERE | {"extended_to": LATER}, LATER, id="extended"),
            pytest.param(RULES, HERE | {"grace_cap": NOW - DAY}, NOW - DAY, id="capped before"),
            pytest.param(RULES, NEW | {"role": "administrator"}, NOW + 3 * DAY, id="an administrator's"),
            pytest.param(NONE, HERE, SINCE, id="none was given: over from the start"),
            pytest.param(NONE, NEW, NOW, id="none to new people: over from their start"),
            pytest.param(NONE, HERE | {"is_staff": True}, SINCE, id="none to administrators"),
            pytest.param(replace(RULES, enabled=False), HERE, SINCE + 10 * DAY, id="switched off"),
            pytest.param(replace(RULES, scope=STAFF), HERE, SINCE + 10 * DAY, id="out of scope"),
            pytest.param(replace(NONE, enforced_since=None), HERE, None, id="nothing was ever demanded"),
            pytest.param(RULES, NEW | {"first_sign_in_at": None}, None, id="not begun"),
            pytest.param(RULES, {"first_sign_in_at": NOW}, None, id="known since when?"),
            pytest.param(NONE, HERE | {"grace_closed_at": NOW}, None, id="a reset ended it"),
            pytest.param(replace(RULES, **EMERGENCY), HERE, None, id="an account for emergencies never had any"),
        ],
    )
    def test_it_is_taken_along(self, rule: Rules, person: dict[str, Any], end: datetime | None) -> None:
        assert end_of_grace(rule, facts(**person)) == end


def test_the_modules_need_neither_django_nor_a_database() -> None:
    look = "import sys, policies.demands; print([m for m in ('django', 'sqlite3') if m in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"
