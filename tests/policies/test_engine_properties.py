"""What holds for every policy, person and session: total, deterministic, monotonic, and right about time.

The examples of `test_engine` say what is decided; these say what can never be.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from accounts.assurance import SECOND_FACTORS, Method, Proof, Strength, strength_of
from policies.engine import AHEAD, Enforcement, Enrolled, Facts, Outcome, Reason, Rules, Scope, decide
from tests.policies.scene import (
    CODES,
    DAY,
    HOUR,
    IN_GRACE,
    KEY,
    KNOWN,
    MINUTE,
    NOW,
    PASSWORD,
    SMS,
    TICK,
    TOTP,
    by,
    facts,
    rules,
)

rarely = settings(
    max_examples=60, suppress_health_check=[HealthCheck.filter_too_much]
)  # of many drawn, few are the case at hand

ROLES = ("user", "administrator")
BINDINGS = [UUID(int=number) for number in range(1, 5)]

# moments where something begins, ends, or is just about to
ages = st.sampled_from([AHEAD - TICK, AHEAD, -TICK, 0 * HOUR, MINUTE, HOUR, 12 * HOUR - TICK, 12 * HOUR, 13 * HOUR])
days = st.sampled_from([-DAY, -HOUR, 0 * DAY, TICK, DAY, 13 * DAY, 14 * DAY, 14 * DAY + TICK, 60 * DAY])
strengths = st.sampled_from([Strength.MULTI_FACTOR, Strength.PHISHING_RESISTANT])

rule_sets = st.builds(
    Rules,
    version=st.just(7),
    enabled=st.booleans(),
    enforcement=st.sampled_from(Enforcement),
    scope=st.builds(Scope, everyone=st.booleans(), roles=st.frozensets(st.sampled_from(ROLES)), staff=st.booleans()),
    allowed=st.lists(st.sampled_from(sorted(SECOND_FACTORS)), unique=True).map(tuple),
    strength=st.dictionaries(st.sampled_from(ROLES), strengths),
    grace_days=st.sampled_from([0, 1, 14, 90]),
    enforced_since=st.none() | days.map(lambda ago: NOW - ago),
    second_factor_lifetime=st.sampled_from([HOUR, 12 * HOUR, 24 * HOUR]),
)
authenticators = st.lists(
    st.tuples(st.sampled_from(sorted(SECOND_FACTORS)), st.booleans()), max_size=len(BINDINGS)
).map(
    lambda owned: tuple(
        Enrolled(method, binding, NOW - 90 * DAY, usable=usable)
        for binding, (method, usable) in zip(BINDINGS, owned, strict=False)
    )
)


@st.composite
def people(draw: st.DrawFn, *, proving: bool = True) -> Facts:
    """Anybody; mostly they prove what they own, sometimes what they do not."""
    enrolled = draw(authenticators)
    owned = [(one.method, one.binding) for one in enrolled]
    anything = st.tuples(st.sampled_from(Method), st.none() | st.sampled_from(BINDINGS))
    proved = draw(st.lists(st.sampled_from(owned) | anything if owned else anything, max_size=3)) if proving else []
    first = [(Method.PASSWORD, None)] if proving and draw(st.booleans()) else []
    return Facts(
        role=draw(st.sampled_from([*ROLES, "auditor"])),
        is_staff=draw(st.booleans()),
        is_active=draw(st.sampled_from([True, True, True, False])),
        tenant_is_active=draw(st.sampled_from([True, True, True, False])),
        known_since=draw(st.none() | days.map(lambda ago: NOW - ago)),
        grace_closed_at=draw(st.sampled_from([None, None, NOW - DAY])),
        enrolled=enrolled,
        proofs=tuple(
            Proof(method, NOW - draw(ages), binding, draw(st.booleans())) for method, binding in [*first, *proved]
        ),
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


@given(st.none() | rule_sets, people())
def test_every_combination_decides(rule: Rules | None, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    assert decision.outcome in Outcome
    assert decision.reasons
    assert len(set(decision.reasons)) == len(decision.reasons)
    assert decision.valid_until is None or decision.valid_until > NOW
    assert len(set(decision.satisfied_by)) == len(decision.satisfied_by)


@given(rule_sets, people())
def test_the_same_question_has_the_same_answer(rule: Rules, person: Facts) -> None:
    again = replace(person, proofs=tuple(reversed(person.proofs)), enrolled=tuple(reversed(person.enrolled)))
    assert decide(rule, person, NOW) == decide(replace(rule), replace(person), NOW) == decide(rule, again, NOW)


@pytest.mark.security(66)
@settings(max_examples=500)
@given(rule_sets, people(), st.data())
def test_stricter_rules_never_turn_a_stop_into_a_pass(rule: Rules, person: Facts, data: st.DataObject) -> None:
    if decide(data.draw(tightened(rule)), person, NOW).is_allowed:
        assert decide(rule, person, NOW).is_allowed


@pytest.mark.security(66)
@given(rule_sets, people(), st.data())
def test_a_pass_in_grace_never_becomes_a_full_pass_by_tightening(
    rule: Rules, person: Facts, data: st.DataObject
) -> None:
    if decide(data.draw(tightened(rule)), person, NOW).outcome is Outcome.ALLOW:
        assert decide(rule, person, NOW).outcome is Outcome.ALLOW


@given(rule_sets, people(proving=False))
def test_no_evidence_is_never_allowed(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    assert decision.outcome is Outcome.DENY
    assert decision.valid_until is None


@given(rule_sets, people())
def test_nobody_is_allowed_without_a_policy_or_when_switched_off(rule: Rules, person: Facts) -> None:
    assert decide(None, person, NOW).outcome is Outcome.DENY
    assert decide(rule, replace(person, is_active=False), NOW).outcome is Outcome.DENY
    assert decide(rule, replace(person, tenant_is_active=False), NOW).outcome is Outcome.DENY


@pytest.mark.security(49, 53)
@given(rule_sets, people())
def test_who_owns_a_factor_passes_and_enrols_only_by_proving_one(rule: Rules, person: Facts) -> None:
    """A thief with the password reaches neither a page nor enrolment."""
    assume(person.enrolled)
    thief = replace(person, proofs=tuple(proof for proof in person.proofs if proof.method not in SECOND_FACTORS))
    assert decide(rule, thief, NOW).outcome in (Outcome.STEP_UP, Outcome.DENY)


@given(rule_sets, people())
def test_a_full_pass_under_a_demand_has_proved_two_factors(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    if Reason.DEMAND_MET in decision.reasons:
        assert strength_of(person.proofs) >= Strength.MULTI_FACTOR
        methods = {proof.method for proof in person.proofs}
        assert methods & set(rule.allowed) & {one.method for one in person.enrolled}


@given(rule_sets, people(), st.sampled_from(sorted(SECOND_FACTORS)))
def test_owning_more_never_answers_a_question(rule: Rules, person: Facts, method: Method) -> None:
    """An authenticator that was added but not proved turns no step-up and no denial into a pass."""
    added = Enrolled(method, UUID(int=99), NOW - MINUTE)
    assume(person.enrolled)
    richer = decide(rule, replace(person, enrolled=(*person.enrolled, added)), NOW)
    if richer.is_allowed:
        assert decide(rule, person, NOW).outcome in (Outcome.ALLOW, Outcome.ALLOW_IN_GRACE, Outcome.ENROL)


@given(rule_sets, people(), st.integers(0, 3))
def test_proving_less_never_opens_anything(rule: Rules, person: Facts, index: int) -> None:
    assume(index < len(person.proofs))
    fewer = replace(person, proofs=person.proofs[:index] + person.proofs[index + 1 :])
    if decide(rule, fewer, NOW).is_allowed:
        assert decide(rule, person, NOW).is_allowed


@settings(max_examples=300)
@given(rule_sets, people())
def test_time_alone_changes_nothing_before_valid_until(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    until = decision.valid_until or NOW + 400 * DAY
    for later in (NOW + TICK, NOW + (until - NOW) / 2, until - TICK):
        if NOW < later < until:
            same = decide(rule, person, later)
            assert (same.outcome, same.reasons[0]) == (decision.outcome, decision.reasons[0])
            assert same.valid_until == decision.valid_until


@rarely
@given(rule_sets, people())
def test_something_changes_at_valid_until(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    assume(decision.valid_until)
    starts = {proof.at + AHEAD for proof in person.proofs}
    after = decide(rule, person, decision.valid_until)
    assert (after.outcome, after.reasons) != (decision.outcome, decision.reasons) or decision.valid_until in starts


@rarely
@given(rule_sets, people())
def test_what_would_satisfy_a_step_up_does(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    assume(decision.outcome is Outcome.STEP_UP)
    for one in person.enrolled:
        proved = Proof(one.method, NOW, one.binding)
        after = decide(rule, replace(person, proofs=(*person.proofs, proved)), NOW)
        if one.method in decision.satisfied_by and one.usable:
            assert after.outcome is not Outcome.STEP_UP
    assert (Reason.NOTHING_USABLE in decision.reasons) is (not decision.satisfied_by)


@rarely
@given(rule_sets, people(), st.integers(0, 90))
def test_the_way_out_of_enrolment_is_to_enrol_and_prove(rule: Rules, person: Facts, minutes: int) -> None:
    """No endless loop: after enrolling what was asked for, somebody who signed in is let through."""
    person = replace(person, proofs=(*person.proofs, PASSWORD))
    decision = decide(rule, person, NOW)
    assume(decision.outcome is Outcome.ENROL)
    for method in decision.satisfied_by:
        new = Enrolled(method, UUID(int=77), NOW)
        proofs = (*person.proofs, Proof(method, NOW, new.binding))
        done = replace(person, enrolled=(*person.enrolled, new), proofs=proofs)
        assert decide(rule, done, NOW + minutes * TICK).outcome is Outcome.ALLOW


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
