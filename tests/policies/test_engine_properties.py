"""What holds for every policy, person and session: total, deterministic, monotonic, and right about time.

The examples of `test_engine` say what is decided; these say what can never be.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.assurance import SECOND_FACTORS, Method, Proof, Strength, strength_of
from policies.demands import acceptable, deadline_of, excludes_of, is_break_glass, is_demanded
from policies.engine import AHEAD, decide
from policies.terms import (
    ADMINISTRATOR,
    Enforcement,
    Enrolled,
    Facts,
    KeyRules,
    Outcome,
    Reason,
    Rules,
    Scope,
    UserVerification,
)
from tests.policies.scene import (
    CODES,
    DAY,
    HOUR,
    IN_GRACE,
    KEY,
    KNOWN,
    MINUTE,
    NOW,
    OTHER_PRODUCT,
    PASSWORD,
    PRODUCT,
    SMS,
    TICK,
    TOTP,
    by,
    facts,
    rules,
)
from tests.policies.strategies import METHODS, ROLES, no, patient, people, rule_sets


@st.composite
def tightened(draw: st.DrawFn, rule: Rules) -> Rules:
    """The same policy, stricter in any number of ways."""
    raised: dict[str, Any] = {
        "enabled": rule.enabled or draw(st.booleans()),
        "enforcement": draw(st.sampled_from([*Enforcement][[*Enforcement].index(rule.enforcement) :])),
        "scope": draw(widened(rule.scope)),
        "excludes": tuple(
            replace(one, until=draw(st.sampled_from([one.until, NOW, NOW - DAY, min(one.until, NOW + HOUR)])))
            for one in rule.excludes
            if draw(st.booleans())
        ),
        "allowed": draw(without(rule.allowed)),
        "strength": {
            **rule.strength,
            **dict.fromkeys(draw(st.sets(st.sampled_from(ROLES))), Strength.PHISHING_RESISTANT),
        },
        "minimum_factors": draw(st.integers(rule.minimum_factors, 2)),
        **{name: draw(st.integers(0, getattr(rule, name))) for name in FEWER_DAYS},
        "trusted_browser_never": rule.trusted_browser_never | draw(st.frozensets(st.sampled_from(ROLES))),
        "keys": draw(choosier(rule.keys)),
        "second_factor_lifetime": draw(
            st.sampled_from([rule.second_factor_lifetime, min(rule.second_factor_lifetime, HOUR), timedelta(0)])
        ),
    }
    kept = draw(st.sets(st.sampled_from(sorted(raised))))
    return replace(rule, **{name: value for name, value in raised.items() if name not in kept})


FEWER_DAYS = ("grace_days", "new_grace_days", "administrators_grace_days", "trusted_browser_days")


def without(ones: tuple[Any, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Some of these, in their order."""
    return (
        st.sets(st.sampled_from(ones)).map(lambda gone: tuple(one for one in ones if one not in gone))
        if ones
        else (st.just(()))
    )


@st.composite
def widened(draw: st.DrawFn, scope: Scope) -> Scope:
    return Scope(
        everyone=scope.everyone or draw(st.booleans()),
        roles=scope.roles | draw(st.frozensets(st.sampled_from(ROLES))),
        groups=scope.groups | draw(st.frozensets(st.just("finance"))),
        staff=scope.staff or draw(st.booleans()),
        sources=scope.sources | draw(st.frozensets(st.sampled_from(["password", "sso:acme"]))),
    )


@st.composite
def choosier(draw: st.DrawFn, keys: KeyRules) -> KeyRules:
    """The same rules for keys, or stricter ones; a list of allowed products never becomes empty, which is all."""
    levels = [*UserVerification]
    products = st.frozensets(st.sampled_from([PRODUCT, OTHER_PRODUCT]), min_size=1)
    fewer = products.map(lambda some: (keys.allowed & some) or keys.allowed)
    return KeyRules(
        user_verification=draw(st.sampled_from(levels[levels.index(keys.user_verification) :])),
        attested=keys.attested or draw(st.booleans()),
        allowed=draw(fewer if keys.allowed else st.just(frozenset()) | products),
        denied=keys.denied | draw(st.frozensets(st.sampled_from([PRODUCT, OTHER_PRODUCT]))),
        synced=keys.synced and draw(st.booleans()),
    )


@patient
@given(st.none() | rule_sets, people())
def test_every_combination_decides(rule: Rules | None, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    assert decision.outcome in Outcome
    assert decision.reasons
    assert len(set(decision.reasons)) == len(decision.reasons)
    assert decision.valid_until is None or decision.valid_until > NOW
    assert (decision.facts, decision.at) == (person, NOW)
    assert len(set(decision.satisfied_by)) == len(decision.satisfied_by)


@patient
@given(rule_sets, people())
def test_the_same_question_has_the_same_answer(rule: Rules, person: Facts) -> None:
    again = replace(person, proofs=tuple(reversed(person.proofs)), enrolled=tuple(reversed(person.enrolled)))
    shuffled = replace(rule, excludes=tuple(reversed(rule.excludes)))
    assert decide(rule, person, NOW) == decide(replace(rule), replace(person), NOW) == decide(shuffled, person, NOW)
    assert replace(decide(rule, again, NOW), facts=person) == decide(rule, person, NOW)


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
@given(rule_sets, people(signed_in=False))
def test_no_evidence_is_never_allowed(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    assert decision.outcome is Outcome.DENY
    assert decision.valid_until is None or not person.is_active or decision.valid_until == rule.in_force_until


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
        decision = decide(rule, thief, NOW)
        trusted = Reason.TRUSTED_BROWSER in decision.reasons
        assert decision.outcome in (Outcome.STEP_UP, Outcome.DENY) or trusted
        assert not trusted or person.trusted_since is not None


@pytest.mark.security(54, 55)
@patient
@given(rule_sets, people(), st.sampled_from([HOUR, 0 * HOUR, 40 * DAY]))
def test_an_access_pass_leads_to_enrolment_and_nowhere_else(rule: Rules, person: Facts, ago: timedelta) -> None:
    """Under every policy, off and grace included; where something is owned it changes nothing."""
    admitted = replace(person, proofs=(*person.proofs, PASSWORD, Proof(Method.ACCESS_PASS, NOW - ago)))
    decision = decide(rule, admitted, NOW)
    if person.enrolled:
        without = replace(admitted, proofs=tuple(p for p in admitted.proofs if p.method is not Method.ACCESS_PASS))
        assert replace(decision, facts=person) == replace(decide(rule, without, NOW), facts=person)
    else:
        assert decision.outcome in (Outcome.ENROL, Outcome.DENY)
        assert (decision.outcome is Outcome.DENY) == (not person.is_active or not person.tenant_is_active)
        assert decision.deadline is None


@pytest.mark.security(54)
@patient
@given(rule_sets, people())
def test_a_mailed_link_beside_a_password_changes_no_decision(rule: Rules, person: Facts) -> None:
    first = replace(person, proofs=(*person.proofs, PASSWORD))
    linked = replace(first, proofs=(*first.proofs, Proof(Method.ENROLMENT_LINK, NOW - MINUTE)))
    assert replace(decide(rule, linked, NOW), facts=first) == decide(rule, first, NOW)


@patient
@given(rule_sets, people())
def test_a_full_pass_under_a_demand_has_proved_two_factors(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    if Reason.DEMAND_MET in decision.reasons:
        assert strength_of(person.proofs) >= Strength.MULTI_FACTOR
        methods = {proof.method for proof in person.proofs} & {one.method for one in person.enrolled}
        assert methods & ({Method.WEBAUTHN} if is_break_glass(rule, person) else set(rule.allowed))


@patient
@given(rule_sets, people(), st.sampled_from(METHODS))
def test_owning_more_never_answers_a_question(rule: Rules, person: Facts, method: Method) -> None:
    """An authenticator that was added but not proved turns no step-up and no denial into a pass."""
    added = Enrolled(method, UUID(int=99), NOW - MINUTE)
    richer = decide(rule, replace(person, enrolled=(*person.enrolled, added)), NOW)
    if person.enrolled and richer.is_allowed:
        assert decide(rule, person, NOW).outcome in (Outcome.ALLOW, Outcome.ALLOW_IN_GRACE, Outcome.ENROL)


@patient
@given(rule_sets, people(), st.integers(0, 3))
def test_proving_less_never_opens_anything(rule: Rules, person: Facts, index: int) -> None:
    """But without its access pass a session is not for enrolling alone any more: grace may let it through."""
    fewer = replace(person, proofs=person.proofs[:index] + person.proofs[index + 1 :])
    decision = decide(rule, person, NOW)
    if decide(rule, fewer, NOW).is_allowed and not decision.is_allowed:
        assert person.proofs[index].method is Method.ACCESS_PASS
        assert (decision.outcome, Reason.ADMITTED_TO_ENROL in decision.reasons) == (Outcome.ENROL, True)


@settings(patient, max_examples=300)
@given(rule_sets, people())
def test_time_alone_changes_nothing_before_valid_until(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    until = decision.valid_until or NOW + 400 * DAY
    ends = [one.until for one in rule.excludes] + [end for end in (deadline_of(rule, person),) if end]
    for later in (NOW + TICK, NOW + (until - NOW) / 2, until - TICK, *ends):
        if NOW < later < until:
            same = decide(rule, person, later)
            assert (same.outcome, same.reasons) == (decision.outcome, decision.reasons)
            assert (same.satisfied_by, same.deadline) == (decision.satisfied_by, decision.deadline)
            assert same.valid_until == decision.valid_until


@patient
@given(rule_sets, people())
def test_something_changes_at_valid_until(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    if decision.valid_until is None:
        return
    starts = {proof.at + AHEAD for proof in person.proofs} | {rule.in_force_until}
    after = decide(rule, person, decision.valid_until)
    assert (after.outcome, after.reasons) != (decision.outcome, decision.reasons) or decision.valid_until in starts


@patient
@given(rule_sets, people())
def test_what_would_satisfy_a_step_up_does(rule: Rules, person: Facts) -> None:
    decision = decide(rule, person, NOW)
    if decision.outcome is Outcome.STEP_UP:
        assert (Reason.NOTHING_USABLE in decision.reasons) is (not decision.satisfied_by)
        for method in decision.satisfied_by:
            tries = [by(one, 0 * HOUR, verified=one.user_verified) for one in person.enrolled if one.usable]
            proved = [replace(person, proofs=(*person.proofs, one)) for one in tries if one.method is method]
            assert any(decide(rule, one, NOW).outcome is not Outcome.STEP_UP for one in proved)


@patient
@given(rule_sets, people(), st.integers(0, 90))
def test_the_way_out_of_enrolment_is_to_enrol_and_prove(rule: Rules, person: Facts, minutes: int) -> None:
    """No endless loop: after enrolling what was asked for, somebody who signed in is let through."""
    person = replace(person, proofs=(*person.proofs, PASSWORD))
    decision = decide(rule, person, NOW)
    for _ in range(rule.minimum_factors):
        if decision.outcome is not Outcome.ENROL or not decision.satisfied_by:
            return
        person = after_enrolling(person, decision.satisfied_by[0], rule)
        decision = decide(rule, person, NOW + minutes * TICK)
    assert decision.outcome is Outcome.ALLOW


def after_enrolling(person: Facts, method: Method, rule: Rules) -> Facts:
    """With one more authenticator of this method, as good as they get, proved just now."""
    aaguid = min(rule.keys.allowed - rule.keys.denied, default=UUID(int=900))
    new = Enrolled(method, uuid4(), NOW, user_verified=True, aaguid=aaguid, attested=True)
    proofs = (*person.proofs, by(new, 0 * HOUR, verified=method is Method.WEBAUTHN))
    return replace(person, enrolled=(*person.enrolled, new), proofs=proofs)


@pytest.mark.security(62)
@patient
@given(rule_sets, people())
def test_grace_is_given_by_the_policy_or_by_an_extension_and_never_after_a_reset(rule: Rules, person: Facts) -> None:
    deadline = deadline_of(rule, person)
    if decide(rule, person, NOW).outcome is Outcome.ALLOW_IN_GRACE:
        assert deadline is not None
        assert deadline > NOW
    if deadline is None:
        return
    assert person.grace_closed_at is None
    assert rule.enforced_since is not None
    assert person.known_since is not None
    days = max(rule.grace_days, rule.new_grace_days, rule.administrators_grace_days)
    begun = max(rule.enforced_since, person.first_sign_in_at or rule.enforced_since)
    given = min(begun + days * DAY, person.grace_cap or NOW + 400 * DAY)
    is_extended = ADMINISTRATOR not in person.roles and deadline == person.extended_to
    assert deadline <= given or is_extended


@pytest.mark.security(49, 62)
@patient
@given(rule_sets, people(), st.booleans())
def test_an_administrator_has_no_exceptions(rule: Rules, person: Facts, is_staff: bool) -> None:
    """No exclude and no extension changes anything for them, whatever it names."""
    person = replace(person, is_staff=True) if is_staff else replace(person, role=ADMINISTRATOR)
    plain, unextended = replace(rule, excludes=()), replace(person, extended_to=None)
    assert replace(decide(rule, person, NOW), facts=unextended) == decide(plain, unextended, NOW)
    assert deadline_of(rule, person) == deadline_of(plain, unextended)
    assert excludes_of(rule, person) == []


@pytest.mark.security(49, 67, 69)
@settings(patient, max_examples=300)
@given(rule_sets, people())
def test_trust_in_a_browser_opens_nothing_where_a_key_is_demanded(rule: Rules, person: Facts) -> None:
    rule = replace(rule, trusted_browser_days=30)
    person = replace(
        person, is_active=True, tenant_is_active=True, trusted_since=NOW - HOUR, proofs=(PASSWORD, *person.proofs)
    )
    decision = decide(rule, person, NOW)
    if Reason.TRUSTED_BROWSER in decision.reasons:
        assert rule.enforcement is not Enforcement.ALWAYS
        assert all(rule.strength.get(role) is not Strength.PHISHING_RESISTANT for role in person.roles)
        assert not rule.trusted_browser_never & person.roles
        assert len(acceptable(rule, person)) >= rule.minimum_factors or not is_demanded(rule, person, NOW)
        assert not is_break_glass(rule, person)
        untrusted = decide(rule, replace(person, trusted_since=None), NOW)
        assert untrusted.outcome is Outcome.STEP_UP
        assert decision.reasons[1:] == tuple(one for one in untrusted.reasons if one is not Reason.NOTHING_USABLE)


@pytest.mark.security(49)
@settings(patient, max_examples=300)
@given(rule_sets, people())
def test_where_a_key_is_demanded_a_full_pass_has_proved_one(rule: Rules, person: Facts) -> None:
    demanded = any(rule.strength.get(role) is Strength.PHISHING_RESISTANT for role in person.roles)
    decision = decide(rule, person, NOW)
    if Reason.DEMAND_MET in decision.reasons and (demanded or is_break_glass(rule, person)):
        keys = {one.binding for one in person.enrolled if one.method is Method.WEBAUTHN}
        assert any(proof.method is Method.WEBAUTHN and proof.binding in keys for proof in person.proofs)


@settings(patient, max_examples=300)
@given(rule_sets, people(), no)
def test_an_account_for_emergencies_gets_in_by_key_and_by_nothing_else(
    rule: Rules, person: Facts, switched_off: bool
) -> None:
    """No switch, level, scope, exclude, grace, trust or list of products changes what is asked of it."""
    assert person.person is not None
    rule = replace(rule, break_glass=frozenset({person.person}), enabled=rule.enabled and not switched_off)
    decision = decide(rule, person, NOW)
    plain = Rules(version=rule.version, break_glass=rule.break_glass, in_force_until=rule.in_force_until)
    assert decision == decide(replace(plain, second_factor_lifetime=rule.second_factor_lifetime), person, NOW)
    assert decision.outcome is not Outcome.ALLOW_IN_GRACE
    if decision.is_allowed:
        keys = {one.binding for one in person.enrolled if one.method is Method.WEBAUTHN and one.usable}
        assert keys
        assert any(proof.method is Method.WEBAUTHN for proof in person.proofs)


@pytest.mark.security(53)
@patient
@given(rule_sets, people())
def test_nobody_enrols_past_a_factor_they_own(rule: Rules, person: Facts) -> None:
    """Locked or not, allowed or not: before enrolment comes a proof by something that is enrolled."""
    if person.enrolled and decide(rule, person, NOW).outcome is Outcome.ENROL:
        bound = {(one.method, one.binding) for one in person.enrolled}
        assert any((proof.method, proof.binding) in bound for proof in person.proofs)


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
