"""The decision, example by example: in `decisions.txt` and `lifetimes.txt`; `scene` explains their words."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from accounts.assurance import ADMISSIONS, Method, Proof
from policies import engine
from policies.engine import AHEAD, decide
from policies.terms import (
    Decision,
    Enforcement,
    Enrolled,
    Exclude,
    Excluded,
    Facts,
    KeyRules,
    Outcome,
    Reason,
    Rules,
    Scope,
    UserVerification,
)
from tests.policies.scene import (
    DAY,
    HOUR,
    IN_GRACE,
    KEY,
    KEYS_FOR_USERS,
    KNOWN,
    MINUTE,
    NOW,
    PASSWORD,
    SHE,
    TICK,
    TOTP,
    by,
    examples,
    excluding,
    facts,
    facts_in,
    in_words,
    rules,
    rules_in,
)

WEBAUTHN, APP, CODE = Method.WEBAUTHN, Method.TOTP, Method.RECOVERY_CODE


@pytest.mark.parametrize(("rule", "person", "proved", "decided"), examples("decisions.txt"))
@pytest.mark.security(49, 53, 62, 66)
def test_it_is_decided(rule: str, person: str, proved: str, decided: str) -> None:
    rules = rules_in(rule)
    decision = decide(rules, facts_in(person, proved), NOW)
    assert in_words(decision) == decided
    assert decision.policy_version == (None if rules is None else 7)
    assert (decision.facts, decision.at) == (facts_in(person, proved), NOW)
    assert decision.is_allowed is decided.startswith("allow")


def test_the_examples_cover_every_outcome_and_reason() -> None:
    decided = [row.values[3] for row in examples("decisions.txt")]
    assert {word for one in decided for word in one.replace(":", "").split()} >= {*Outcome, *Reason}


EXCLUDES = [(Excluded.GROUP, "finance", 1), (Excluded.PERSON, str(SHE), 3), (Excluded.GROUP, "nobody's", 5)]

STRANGE_PROOFS = {
    "another method under its id": Proof(WEBAUTHN, NOW, TOTP.binding, True),
    "no authenticator in particular": Proof(APP, NOW),
    "an app replaced since": Proof(APP, NOW, UUID(int=9)),
    "a code from tomorrow": Proof(APP, NOW + MINUTE + TICK, TOTP.binding),
    "a password from tomorrow": replace(PASSWORD, at=NOW + MINUTE + TICK),
}


@pytest.mark.parametrize("strange", STRANGE_PROOFS.values(), ids=STRANGE_PROOFS)
def test_a_proof_that_belongs_to_nothing_proves_nothing(strange: Proof) -> None:
    assert in_words(decide(rules("optional"), facts(TOTP, proofs=(strange,)), NOW)) == "deny: no_evidence"
    beside = facts(TOTP, proofs=(PASSWORD, strange))
    assert in_words(decide(rules("optional"), beside, NOW)) == "step_up: second_factor_owed > totp"


@pytest.mark.parametrize("ago", [12 * HOUR - TICK, -MINUTE], ids=["at the last moment", "by a clock a minute ahead"])
def test_a_proof_at_the_edge_of_its_lifetime_counts(ago: timedelta) -> None:
    assert decide(rules(), facts(TOTP, proofs=(PASSWORD, by(TOTP, ago))), NOW).outcome is Outcome.ALLOW


@pytest.mark.parametrize("method", [Method.PASSWORD, Method.SSO, *sorted(ADMISSIONS)])
def test_a_first_factor_is_not_something_one_enrols(method: Method) -> None:
    with pytest.raises(ValueError, match=rf"^{method} is not something one enrols\.$"):
        Enrolled(method, UUID(int=1), NOW)


@pytest.mark.parametrize(("rule", "person", "proved", "holds_for"), examples("lifetimes.txt"))
def test_a_decision_says_how_long_it_holds(rule: str, person: str, proved: str, holds_for: str) -> None:
    hours, _, minutes = holds_for.partition(":")
    end = NOW + int(hours) * HOUR + int(minutes) * MINUTE if holds_for else None
    assert decide(rules_in(rule), facts_in(person, proved), NOW).valid_until == end


@pytest.mark.security(67)
@pytest.mark.parametrize("since", [TICK, 0 * TICK, -TICK], ids=["after", "at once", "before"])
def test_a_factor_that_is_enrolled_ends_the_trust_in_every_browser(since: timedelta) -> None:
    added = replace(KEY, bound_at=NOW - HOUR + since)
    owner = facts(TOTP, added, trusted_since=NOW - HOUR)
    outcome = decide(rules(trusted_browser_days=30), owner, NOW).outcome
    assert outcome is (Outcome.STEP_UP if since > 0 * TICK else Outcome.ALLOW)


@pytest.mark.security(67)
@pytest.mark.parametrize(
    ("rule", "person", "days"),
    [
        ("required trusting", "totp", 30),
        ("required trusting-for-a-day", "totp", 1),
        ("required", "totp", 0),
        ("always trusting", "totp", 0),
        ("required trusting", "", 0),
        ("required trusting without-her-until-soon", "", 30),
        ("required trusting without-her-until-now", "", 0),
        ("required trusting keys", "key", 0),
        ("required trusting but-no-users", "totp", 0),
        ("required trusting emergency", "key", 0),
        ("required trusting another-emergency", "key", 30),
        ("required trusting for-ten-minutes", "totp", 0),
        ("-", "totp", 0),
    ],
)
def test_trust_is_offered_for_as_long_as_the_policy_honours_it(rule: str, person: str, days: int) -> None:
    """Where no second factor is owed, a browser may be trusted for the time when one is."""
    assert (
        engine.days_of_trust(rules_in(rule), facts_in(person, "password totp" if "totp" in person else ""), NOW) == days
    )


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
        month = decide(rules("optional"), facts_in("", "password@720h"), NOW)
        assert (month.outcome, month.valid_until) == (Outcome.ALLOW, None)

    @pytest.mark.parametrize("ago", [-10 * MINUTE, 5 * MINUTE], ids=["after it", "before it"])
    def test_a_version_that_waits_for_its_confirmation_holds_no_longer_than_that(self, ago: timedelta) -> None:
        waiting = rules(in_force_until=NOW + 10 * MINUTE)
        session = facts(TOTP, proofs=(PASSWORD, by(TOTP, 12 * HOUR - ago) if ago > 0 * HOUR else by(TOTP)))
        assert decide(waiting, session, NOW).valid_until == NOW + (ago if ago > 0 * HOUR else 10 * MINUTE)

    def test_nor_does_a_refusal(self) -> None:
        waiting = rules(in_force_until=NOW + 10 * MINUTE)
        assert decide(waiting, facts(), NOW).valid_until == NOW + 10 * MINUTE
        assert decide(waiting, facts(proofs=()), NOW).valid_until == NOW + 10 * MINUTE

    def test_of_several_excludes_the_last_to_end_counts(self) -> None:
        three = [excluding(kind, value, NOW + hours * HOUR)["excludes"] for kind, value, hours in EXCLUDES]
        rule = rules(excludes=tuple(one for entry in three for one in entry))  # type: ignore[attr-defined]
        assert decide(rule, facts_in("in-finance", "password"), NOW).valid_until == NOW + 3 * HOUR

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
            pytest.param(facts_in("known extended", "password"), NOW + 30 * DAY, id="in grace, extended"),
            pytest.param(facts_in("known capped", "password"), NOW + HOUR, id="in grace, capped"),
            pytest.param(facts_in("known administrator", "password"), None, id="an administrator without days"),
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


class TestShape:
    """What callers and stored receipts build on."""

    def test_the_defaults_are_strict(self) -> None:
        assert Rules(version=1) == Rules(
            version=1,
            enabled=True,
            enforcement=Enforcement.REQUIRED,
            scope=Scope(everyone=True, roles=frozenset(), groups=frozenset(), staff=False, sources=frozenset()),
            excludes=(),
            allowed=(WEBAUTHN, APP, CODE),
            strength={},
            minimum_factors=1,
            grace_days=0,
            new_grace_days=0,
            administrators_grace_days=0,
            snoozes=0,
            enforced_since=None,
            trusted_browser_days=0,
            trusted_browser_never=frozenset(),
            keys=KeyRules(UserVerification.PREFERRED, attested=False, allowed=frozenset(), denied=frozenset()),
            second_factor_lifetime=12 * HOUR,
            fresh_for=5 * MINUTE,
            idle=30 * MINUTE,
            administrators_idle=15 * MINUTE,
            passkey_login=False,
            break_glass=frozenset(),
            contact="",
            in_force_until=None,
        )
        assert KeyRules().synced is True

    def test_facts_claim_nothing_by_themselves(self) -> None:
        assert Facts(role="user", is_staff=False, is_active=True, tenant_is_active=True) == Facts(
            role="user",
            is_staff=False,
            is_active=True,
            tenant_is_active=True,
            person=None,
            groups=frozenset(),
            source="password",
            known_since=None,
            first_sign_in_at=None,
            grace_closed_at=None,
            grace_cap=None,
            extended_to=None,
            enrolled=(),
            proofs=(),
            signed_in_at=None,
            trusted_since=None,
        )

    def test_a_decision_says_no_more_than_it_is_told(self) -> None:
        bare = Decision(outcome=Outcome.DENY, reasons=(), facts=facts(), at=NOW)
        assert (bare.deadline, bare.satisfied_by, bare.policy_version, bare.valid_until) == (None, (), None, None)

    def test_what_is_enrolled_is_usable_unless_said_otherwise(self) -> None:
        assert Enrolled(APP, UUID(int=1), NOW) == Enrolled(
            APP, UUID(int=1), NOW, user_verified=False, usable=True, aaguid=None, synced=False, attested=False
        )

    @pytest.mark.parametrize(
        "value",
        [
            rules(),
            facts(),
            TOTP,
            Scope(),
            KeyRules(),
            Exclude(Excluded.PERSON, str(SHE), NOW),
            decide(rules(), facts(), NOW),
        ],
        ids=type,
    )
    def test_inputs_and_outputs_are_frozen(self, value: object) -> None:
        with pytest.raises(FrozenInstanceError):
            value.__setattr__(next(iter(value.__slots__)), None)  # type: ignore[attr-defined]

    def test_stored_codes_never_change(self) -> None:
        assert [outcome.value for outcome in Outcome] == ["allow", "allow_in_grace", "step_up", "enrol", "deny"]
        assert [level.value for level in Enforcement] == ["optional", "required", "always"]
        assert [one.value for one in Excluded] == ["person", "group", "role", "source"]
        assert [one.value for one in UserVerification] == ["discouraged", "preferred", "required"]
        assert {reason.value for reason in Reason} == {reason.name.lower() for reason in Reason}

    def test_the_engine_needs_neither_django_nor_a_database(self) -> None:
        look = "import sys, policies.engine; print([m for m in ('django', 'sqlite3') if m in sys.modules])"
        seen = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
        assert seen.stdout.strip() == "[]"
