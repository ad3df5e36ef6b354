"""What holds for every policy, person and session: total, deterministic, monotonic, and right about time.

The examples of `test_engine` say what is decided; these say what can never be.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.assurance import SECOND_FACTORS, Method, Proof, Strength, strength_of
from policies.engine import AHEAD, Enforcement, Enrolled, Facts, Outcome, Reason, Rules, Scope, decide
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
    SSO,
    TICK,
    TOTP,
    by,
    facts,
    rules,
)

ROLES = ("user", "administrator")
METHODS = sorted(SECOND_FACTORS)
BINDINGS = [UUID(int=number) for number in range(1, 5)]

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """One of these, the first as often as all others together: most days are ordinary."""
    return st.sampled_from([*[usual] * len(others), *others])


# moments where something begins, ends, or is just about to
ages = mostly(HOUR, AHEAD - TICK, AHEAD, -TICK, 0 * HOUR, MINUTE, 12 * HOUR - TICK, 12 * HOUR, 13 * HOUR)
yes, no = mostly(True, False, True), mostly(False, True, False)

rule_sets = st.builds(
    Rules,
    version=st.just(7),
    enabled=yes,
    enforcement=mostly(Enforcement.REQUIRED, *Enforcement),
    scope=mostly(
        Scope(),
        Scope(everyone=False),
        Scope(everyone=False, staff=True),
        Scope(everyone=False, roles=frozenset({"user"})),
        Scope(everyone=False, roles=frozenset({"administrator"})),
    ),
    allowed=st.lists(st.sampled_from(METHODS), unique=True).map(tuple),
    strength=mostly({}, KEYS_FOR_USERS, KEYS_FOR_ADMINISTRATORS, dict.fromkeys(ROLES, Strength.PHISHING_RESISTANT)),
    grace_days=mostly(14, 0, 1, 90),
    enforced_since=mostly(NOW - DAY, None, NOW - 14 * DAY, NOW - 14 * DAY + TICK, NOW + DAY),
    second_factor_lifetime=mostly(12 * HOUR, HOUR, 24 * HOUR),
)
owned = st.lists(st.tuples(st.sampled_from(METHODS), yes), max_size=len(BINDINGS))
first_factors = mostly((PASSWORD,), (), (replace(PASSWORD, at=NOW + HOUR),), (PASSWORD, SSO))
anything = st.builds(Proof, st.sampled_from(Method), ages.map(lambda ago: NOW - ago), st.sampled_from(BINDINGS))


@st.composite
def people(draw: st.DrawFn, *, proving: bool = True) -> Facts:
    """Anybody; mostly they typed a password and prove what they own, sometimes what they do not."""
    enrolled = tuple(
        Enrolled(method, binding, NOW - 90 * DAY, usable=usable)
        for binding, (method, usable) in zip(BINDINGS, draw(owned), strict=False)
    )
    by_owned = st.builds(
        lambda one, ago, verified: by(one, ago, verified=verified), st.sampled_from(enrolled), ages, no
    )
    proofs = draw(first_factors) + tuple(
        draw(st.lists(st.one_of(by_owned, by_owned, anything) if enrolled else anything, max_size=3))
    )
    return Facts(
        role=draw(mostly("user", "administrator", "auditor")),
        is_staff=draw(no),
        is_active=draw(mostly(True, True, True, False)),
        tenant_is_active=draw(mostly(True, True, True, False)),
        known_since=draw(mostly(NOW - 300 * DAY, None, NOW - DAY, NOW - DAY - TICK)),
        grace_closed_at=draw(mostly(None, None, None, NOW - DAY)),
        enrolled=enrolled,
        proofs=proofs if proving else (),
    )


@st.composite
def tightened(draw: st.DrawFn, rule: Rules) -> Rules:
    """The same policy, stricter in any number of ways."""
    gone = draw(st.sets(st.sampled_from(Method)))
    roles = draw(st.frozensets(st.sampled_from(ROLES)))
    raised: dict[str, Any] = {
        "enabled": rule.enabled or draw(st.booleans()),
        "enforcement": draw(st.sampled_from([*Enforcement][[*Enforcement].index(rule.enforcement) :])),
        "scope": Scope(
            everyone=rule.scope.everyone or draw(st.booleans()),
            roles=rule.scope.roles | roles,
            staff=rule.scope.staff or draw(st.booleans()),
        ),
        "allowed": tuple(method for method in rule.allowed if method not in gone),
        "strength": {
            **rule.strength,
            **dict.fromkeys(draw(st.sets(st.sampled_from(ROLES))), Strength.PHISHING_RESISTANT),
        },
        "grace_days": draw(st.integers(0, rule.grace_days)),
        "second_factor_lifetime": draw(
            st.sampled_from([rule.second_factor_lifetime, min(rule.second_factor_lifetime, HOUR), timedelta(0)])
        ),
    }
    kept = draw(st.sets(st.sampled_from(sorted(raised))))
    return replace(rule, **{name: value for name, value in raised.items() if name not in kept})


@patient
@given(st.none() | rule_sets, people())
def test_every_combination_decides(rule: Rules | None, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    assert decision.outcome in Outcome
    assert decision.reasons
    assert len(set(decision.reasons)) == len(decision.reasons)
    assert decision.valid_until is None or decision.valid_until > NOW
    assert len(set(decision.satisfied_by)) == len(decision.satisfied_by)


@patient
@given(rule_sets, people())
def test_the_same_question_has_the_same_answer(rule: Rules, person: Facts) -> None:
    again = replace(person, proofs=tuple(reversed(person.proofs)), enrolled=tuple(reversed(person.enrolled)))
    assert decide(rule, person, NOW) == decide(replace(rule), replace(person), NOW) == decide(rule, again, NOW)


@pytest.mark.security(66)
@settings(patient, max_examples=500)
@given(rule_sets, people(), st.data())
def test_stricter_rules_never_turn_a_stop_into_a_pass(rule: Rules, person: Facts, data: st.DataObject) -> None:
    if decide(data.draw(tightened(rule)), person, NOW).is_allowed:
        assert decide(rule, person, NOW).is_allowed


@pytest.mark.security(66)
@patient
@given(rule_sets, people(), st.data())
def test_a_pass_in_grace_never_becomes_a_full_pass_by_tightening(
    rule: Rules, person: Facts, data: st.DataObject
) -> None:
    if decide(data.draw(tightened(rule)), person, NOW).outcome is Outcome.ALLOW:
        assert decide(rule, person, NOW).outcome is Outcome.ALLOW


@patient
@given(rule_sets, people(proving=False))
def test_no_evidence_is_never_allowed(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    assert decision.outcome is Outcome.DENY
    assert decision.valid_until is None


@patient
@given(rule_sets, people())
def test_nobody_is_allowed_without_a_policy_or_when_switched_off(rule: Rules, person: Facts) -> None:
    assert decide(None, person, NOW).outcome is Outcome.DENY
    assert decide(rule, replace(person, is_active=False), NOW).outcome is Outcome.DENY
    assert decide(rule, replace(person, tenant_is_active=False), NOW).outcome is Outcome.DENY


@pytest.mark.security(49, 53)
@patient
@given(rule_sets, people())
def test_who_owns_a_factor_passes_and_enrols_only_by_proving_one(rule: Rules, person: Facts) -> None:
    """A thief with the password reaches neither a page nor enrolment."""
    thief = replace(person, proofs=tuple(proof for proof in person.proofs if proof.method not in SECOND_FACTORS))
    if person.enrolled:
        assert decide(rule, thief, NOW).outcome in (Outcome.STEP_UP, Outcome.DENY)


@patient
@given(rule_sets, people())
def test_a_full_pass_under_a_demand_has_proved_two_factors(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    if Reason.DEMAND_MET in decision.reasons:
        assert strength_of(person.proofs) >= Strength.MULTI_FACTOR
        methods = {proof.method for proof in person.proofs}
        assert methods & set(rule.allowed) & {one.method for one in person.enrolled}


@patient
@given(rule_sets, people(), st.sampled_from(sorted(SECOND_FACTORS)))
def test_owning_more_never_answers_a_question(rule: Rules, person: Facts, method: Method) -> None:
    """An authenticator that was added but not proved turns no step-up and no denial into a pass."""
    added = Enrolled(method, UUID(int=99), NOW - MINUTE)
    richer = decide(rule, replace(person, enrolled=(*person.enrolled, added)), NOW)
    if person.enrolled and richer.is_allowed:
        assert decide(rule, person, NOW).outcome in (Outcome.ALLOW, Outcome.ALLOW_IN_GRACE, Outcome.ENROL)


@patient
@given(rule_sets, people(), st.integers(0, 3))
def test_proving_less_never_opens_anything(rule: Rules, person: Facts, index: int) -> None:
    fewer = replace(person, proofs=person.proofs[:index] + person.proofs[index + 1 :])
    if decide(rule, fewer, NOW).is_allowed:
        assert decide(rule, person, NOW).is_allowed


@settings(patient, max_examples=300)
@given(rule_sets, people())
def test_time_alone_changes_nothing_before_valid_until(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    until = decision.valid_until or NOW + 400 * DAY
    for later in (NOW + TICK, NOW + (until - NOW) / 2, until - TICK):
        if NOW < later < until:
            same = decide(rule, person, later)
            assert (same.outcome, same.reasons[0]) == (decision.outcome, decision.reasons[0])
            assert same.valid_until == decision.valid_until


@patient
@given(rule_sets, people())
def test_something_changes_at_valid_until(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    if decision.valid_until is None:
        return
    starts = {proof.at + AHEAD for proof in person.proofs}
    after = decide(rule, person, decision.valid_until)
    assert (after.outcome, after.reasons) != (decision.outcome, decision.reasons) or decision.valid_until in starts


@patient
@given(rule_sets, people())
def test_what_would_satisfy_a_step_up_does(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    if decision.outcome is Outcome.STEP_UP:
        assert (Reason.NOTHING_USABLE in decision.reasons) is (not decision.satisfied_by)
        for one in person.enrolled:
            if one.method in decision.satisfied_by and one.usable:
                proofs = (*person.proofs, Proof(one.method, NOW, one.binding))
                assert decide(rule, replace(person, proofs=proofs), NOW).outcome is not Outcome.STEP_UP


@patient
@given(rule_sets, people(), st.integers(0, 90))
def test_the_way_out_of_enrolment_is_to_enrol_and_prove(rule: Rules, person: Facts, minutes: int) -> None:
    """No endless loop: after enrolling what was asked for, somebody who signed in is let through."""
    person = replace(person, proofs=(*person.proofs, PASSWORD))
    decision = decide(rule, person, NOW)
    for method in decision.satisfied_by if decision.outcome is Outcome.ENROL else ():
        new = Enrolled(method, UUID(int=77), NOW)
        proofs = (*person.proofs, Proof(method, NOW, new.binding))
        done = replace(person, enrolled=(*person.enrolled, new), proofs=proofs)
        assert decide(rule, done, NOW + minutes * TICK).outcome is Outcome.ALLOW


@patient
@given(rule_sets, people())
def test_grace_is_only_for_those_known_before_and_never_reset(rule: Rules, person: Facts) -> None:
    if decide(rule, person, NOW).outcome is Outcome.ALLOW_IN_GRACE:
        assert rule.enforced_since is not None
        assert person.known_since is not None
        assert person.known_since < rule.enforced_since
        assert person.grace_closed_at is None
        assert NOW < rule.enforced_since + rule.grace_days * DAY


def test_taking_methods_away_lets_no_text_message_in() -> None:
    """Why, where nothing owned is allowed, the best of it must be proved, and not just any."""
    person = facts(TOTP, SMS, CODES, proofs=(PASSWORD, by(SMS)), **KNOWN)
    for allowed in [(Method.TOTP,), (Method.WEBAUTHN,), ()]:
        for level in Enforcement:
            rule = replace(rules(level, **IN_GRACE), allowed=allowed)
            assert not decide(rule, person, NOW).is_allowed


def test_taking_methods_away_lets_no_forbidden_key_in() -> None:
    """Why grace covers what is proved, and not only what is owned: the list gets shorter, the door stays as it is."""
    person = facts(KEY, TOTP, proofs=(PASSWORD, by(KEY)), **KNOWN)
    apps_only = rules("required", Method.TOTP, **IN_GRACE)
    neither = rules("required", Method.RECOVERY_CODE, **IN_GRACE)
    assert decide(neither, person, NOW).outcome is Outcome.ALLOW_IN_GRACE
    assert decide(apps_only, person, NOW).outcome is Outcome.ALLOW_IN_GRACE
