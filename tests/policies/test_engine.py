"""The decision, example by example: in `decisions.txt` and `lifetimes.txt`; `scene` explains their words."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from accounts.assurance import Method, Proof, Strength
from policies import engine
from policies.engine import (
    AHEAD,
    Decision,
    Enforcement,
    Enrolled,
    Facts,
    Outcome,
    Reason,
    Rules,
    Scope,
    acceptable,
    deadline_of,
    decide,
    enrollable,
    idle_limit,
    in_order,
    is_demanded,
    required_strength,
)
from tests.policies.scene import (
    CODES,
    DAY,
    HOUR,
    IN_GRACE,
    KEY,
    KEYS_FOR_ADMINISTRATORS,
    KEYS_FOR_USERS,
    KNOWN,
    MINUTE,
    NOW,
    PASSWORD,
    SMS,
    STAFF,
    TICK,
    TOTP,
    by,
    examples,
    facts,
    facts_in,
    in_words,
    locked,
    rules,
    rules_in,
)

WEBAUTHN, APP, CODE, SMS_CODE = Method.WEBAUTHN, Method.TOTP, Method.RECOVERY_CODE, Method.SMS_CODE
MULTI, RESISTANT = Strength.MULTI_FACTOR, Strength.PHISHING_RESISTANT


@pytest.mark.parametrize(("rule", "person", "proved", "decided"), examples("decisions.txt"))
@pytest.mark.security(49, 53, 62, 66)
def test_it_is_decided(rule: str, person: str, proved: str, decided: str) -> None:
    rules = rules_in(rule)
    decision = decide(rules, facts_in(person, proved), NOW)
    assert in_words(decision) == decided
    assert decision.policy_version == (None if rules is None else 7)
    assert decision.is_allowed is decided.startswith("allow")


def test_the_examples_cover_every_outcome_and_reason() -> None:
    decided = [row.values[3] for row in examples("decisions.txt")]
    assert {word for one in decided for word in one.replace(":", "").split()} >= {*Outcome, *Reason}


STRANGE_PROOFS = {
    "another method under its id": Proof(WEBAUTHN, NOW, TOTP.binding, True),
    "no authenticator in particular": Proof(APP, NOW),
    "an app replaced since": Proof(APP, NOW, UUID(int=9)),
    "a code from tomorrow": Proof(APP, NOW + MINUTE + TICK, TOTP.binding),
    "a password from tomorrow": replace(PASSWORD, at=NOW + MINUTE + TICK),
}


@pytest.mark.parametrize("strange", STRANGE_PROOFS.values(), ids=STRANGE_PROOFS)
def test_a_proof_that_belongs_to_nothing_proves_nothing(strange: Proof) -> None:
    assert in_words(decide(rules("off"), facts(TOTP, proofs=(strange,)), NOW)) == "deny: no_evidence"
    beside = facts(TOTP, proofs=(PASSWORD, strange))
    assert in_words(decide(rules("off"), beside, NOW)) == "step_up: second_factor_owed > totp"


@pytest.mark.parametrize("ago", [12 * HOUR - TICK, -MINUTE], ids=["at the last moment", "by a clock a minute ahead"])
def test_a_proof_at_the_edge_of_its_lifetime_counts(ago: timedelta) -> None:
    assert decide(rules(), facts(TOTP, proofs=(PASSWORD, by(TOTP, ago))), NOW).outcome is Outcome.ALLOW


@pytest.mark.parametrize("method", [Method.PASSWORD, Method.SSO, Method.ACCESS_PASS])
def test_a_first_factor_is_not_something_one_enrols(method: Method) -> None:
    with pytest.raises(ValueError, match=rf"^{method} is not something one enrols\.$"):
        Enrolled(method, UUID(int=1), NOW)


@pytest.mark.parametrize(("rule", "person", "proved", "holds_for"), examples("lifetimes.txt"))
def test_a_decision_says_how_long_it_holds(rule: str, person: str, proved: str, holds_for: str) -> None:
    hours, _, minutes = holds_for.partition(":")
    end = NOW + int(hours) * HOUR + int(minutes) * MINUTE if holds_for else None
    assert decide(rules_in(rule), facts_in(person, proved), NOW).valid_until == end


class TestTime:
    """`valid_until` and `deadline` at their edges."""

    def test_grace_may_end_before_the_factor_does(self) -> None:
        rule = rules(strength=KEYS_FOR_USERS, grace_days=1, enforced_since=NOW - 23 * HOUR)
        assert decide(rule, facts_in("known totp", "password totp"), NOW).valid_until == NOW + HOUR

    def test_a_clock_a_minute_ahead_gives_a_minute_more(self) -> None:
        ahead = facts(TOTP, proofs=(PASSWORD, by(TOTP, -MINUTE)))
        assert decide(rules(), ahead, NOW).valid_until == NOW + 12 * HOUR + MINUTE

    def test_a_proof_from_the_end_of_time_does_not_overflow(self) -> None:
        last = datetime.max.replace(tzinfo=NOW.tzinfo)
        ahead = facts(TOTP, proofs=(PASSWORD, Proof(APP, last, TOTP.binding)))
        assert decide(rules(), ahead, NOW).valid_until == last + AHEAD

    def test_a_password_never_runs_out_within_its_session(self) -> None:
        assert decide(rules("off"), facts_in("", "password@720h"), NOW) == decide(rules("off"), facts(), NOW)

    @pytest.fixture
    def judged(self, monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
        """The moments at which the engine judges, in their order."""
        moments: list[datetime] = []
        judge = engine._judge
        monkeypatch.setattr(engine, "_judge", lambda *facts: moments.append(facts[-1]) or judge(*facts))
        return moments

    def test_many_proofs_by_one_authenticator_are_judged_once(self, judged: list[datetime]) -> None:
        often = tuple(by(TOTP, minutes * MINUTE) for minutes in range(600))
        assert decide(rules(), facts(TOTP, proofs=(PASSWORD, *often)), NOW).valid_until == NOW + 12 * HOUR
        assert judged == [NOW, NOW + 12 * HOUR]

    def test_nothing_is_judged_after_the_first_change(self, judged: list[datetime]) -> None:
        assert decide(rules_in("required keys grace"), facts_in("known totp", "password totp"), NOW).is_allowed
        assert judged == [NOW, NOW + 11 * HOUR]

    @pytest.mark.parametrize(
        ("fact", "deadline"),
        [
            pytest.param(facts_in("known", "password"), NOW + 13 * DAY, id="in grace"),
            pytest.param(facts_in("", "password"), None, id="enrolling without ever having had any"),
            pytest.param(facts_in("known totp", "password totp"), None, id="met"),
            pytest.param(facts_in("known totp", "password"), None, id="a question comes first"),
            pytest.param(facts_in("known", ""), None, id="denied"),
        ],
    )
    def test_a_decision_names_the_deadline_where_it_matters(self, fact: Facts, deadline: datetime | None) -> None:
        assert decide(rules(**IN_GRACE), fact, NOW).deadline == deadline

    def test_enrolment_says_since_when_grace_is_over(self) -> None:
        late = rules(grace_days=14, enforced_since=NOW - 20 * DAY)
        assert decide(late, facts(**KNOWN), NOW).deadline == NOW - 6 * DAY

    @pytest.mark.parametrize(
        "words", ["off grace", "optional grace", "required disabled grace", "required for-staff grace"]
    )
    def test_there_is_no_deadline_where_nothing_is_demanded(self, words: str) -> None:
        rule = rules_in(words)
        assert rule is not None
        assert deadline_of(rule, facts(**KNOWN)) is None

    def test_the_deadline_counts_from_the_beginning_of_enforcement(self) -> None:
        assert deadline_of(rules(grace_days=90, enforced_since=NOW), facts(**KNOWN)) == NOW + 90 * DAY


class TestDemand:
    """What a policy asks of whom."""

    @pytest.mark.parametrize(
        ("rule", "fact", "demanded"),
        [
            (rules("off"), facts(), False),
            (rules("optional"), facts(), False),
            (rules("required"), facts(), True),
            (rules("always"), facts(), True),
            (rules("always", enabled=False), facts(), False),
            (rules(scope=STAFF), facts(), False),
            (rules(scope=STAFF), facts(is_staff=True), True),
        ],
    )
    def test_a_demand_is_apart_from_what_is_owned(self, rule: Rules, fact: Facts, demanded: bool) -> None:
        assert is_demanded(rule, fact) is demanded
        assert is_demanded(rule, replace(fact, enrolled=(TOTP, KEY))) is demanded

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


class TestShape:
    """What callers and stored receipts build on."""

    def test_the_defaults_are_strict(self) -> None:
        assert Rules(version=1) == Rules(
            version=1,
            enabled=True,
            enforcement=Enforcement.REQUIRED,
            scope=Scope(everyone=True, roles=frozenset(), staff=False),
            allowed=(WEBAUTHN, APP, CODE),
            strength={},
            grace_days=0,
            enforced_since=None,
            second_factor_lifetime=12 * HOUR,
            fresh_for=5 * MINUTE,
            idle=30 * MINUTE,
            administrators_idle=15 * MINUTE,
            passkey_login=False,
        )

    def test_a_decision_says_no_more_than_it_is_told(self) -> None:
        bare = Decision(outcome=Outcome.DENY, reasons=())
        assert (bare.deadline, bare.satisfied_by, bare.policy_version, bare.valid_until) == (None, (), None, None)

    def test_what_is_enrolled_is_usable_unless_said_otherwise(self) -> None:
        assert Enrolled(APP, UUID(int=1), NOW) == Enrolled(APP, UUID(int=1), NOW, user_verified=False, usable=True)

    @pytest.mark.parametrize("value", [rules(), facts(), TOTP, Scope(), decide(rules(), facts(), NOW)], ids=type)
    def test_inputs_and_outputs_are_frozen(self, value: object) -> None:
        with pytest.raises(FrozenInstanceError):
            value.__setattr__(next(iter(value.__slots__)), None)  # type: ignore[attr-defined]

    def test_stored_codes_never_change(self) -> None:
        assert [outcome.value for outcome in Outcome] == ["allow", "allow_in_grace", "step_up", "enrol", "deny"]
        assert [level.value for level in Enforcement] == ["off", "optional", "required", "always"]
        assert {reason.value for reason in Reason} == {reason.name.lower() for reason in Reason}

    def test_the_engine_needs_neither_django_nor_a_database(self) -> None:
        look = "import sys, policies.engine; print([m for m in ('django', 'sqlite3') if m in sys.modules])"
        seen = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
        assert seen.stdout.strip() == "[]"
