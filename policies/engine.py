"""The decision: what a tenant's rules and a person's facts mean for this session, now.

Pure: frozen dataclasses in, a `Decision` out, time is an argument. `decide` judges in a fixed order:

1. **Prove what you own.** Whoever has a second factor is asked for it under every level, off and grace
   included: a thief with the password must not enrol a key of his own. Locked or unreadable authenticators
   count as owned; the way out is help, never enrolment.
2. **Own what is demanded**, or be within the days of grace.
3. **Have proved enough**, by what the policy accepts.

Who was let in by an access pass and has nothing yet can only enrol, under every level, off and grace included.

One exception may stand in for a step-up: a trusted browser, where the policy says so, below `ALWAYS`, and only
where no phishing resistance is demanded. It proves nothing, and the receipt says so.

Stricter rules never open anything: a session passes iff it proved what it owns, no access pass holds it, and either
nothing is demanded, or 2 and 3 hold, or grace is open and the best that is owned was proved, or its browser is trusted.
Each of these can only turn false when a method goes, a level, scope or strength rises, or a time shrinks (proved
in `tests/policies/test_engine_properties.py`). What is demanded of whom: `policies.demands`. What a session may do
to authenticators: `policies.sensitive`.
"""

from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import Final, NamedTuple

from accounts.assurance import SECOND_FACTORS, Method, Proof, Strength, strength_of
from policies.demands import (
    TIER,
    acceptable,
    counts,
    deadline_of,
    enrollable,
    excludes_of,
    in_order,
    is_accepted,
    is_break_glass,
    personal,
    required_strength,
    waived,
)
from policies.terms import Decision, Enforcement, Facts, Outcome, Reason, Rules

AHEAD: Final = timedelta(minutes=-1)  # two clocks may differ by this; a younger proof proves nothing yet
ONE_EACH: Final = SECOND_FACTORS - {Method.WEBAUTHN}  # of the others a person has one


class _Verdict(NamedTuple):
    outcome: Outcome
    reasons: tuple[Reason, ...]


_Found = tuple[_Verdict, tuple[Method, ...]]


class _Evidence(NamedTuple):
    """A session's proofs: of who signed in, of second factors within their lifetime, and of those run out."""

    who: list[Proof]
    live: list[Proof]
    spent: list[Proof]


def decide(rules: Rules | None, facts: Facts, now: datetime) -> Decision:
    """Judge one session by its tenant's rules at `now` (aware). Total: every combination decides.

    No policy and no evidence are denied; there is no default pass and no superuser bypass.
    """
    if not facts.is_active:
        return _denied(Reason.PERSON_INACTIVE, rules, facts, now)
    if not facts.tenant_is_active:
        return _denied(Reason.TENANT_INACTIVE, rules, facts, now)
    if rules is None:
        return _denied(Reason.NO_POLICY, None, facts, now)
    rules = personal(rules, facts)
    evidence = _evidence(rules, facts, now)
    outcome, reasons = verdict = _judge(rules, facts, evidence, now)
    ways = _ways_out(rules, facts, evidence, outcome, now)
    return Decision(
        outcome=outcome,
        reasons=(*reasons, *_remarks(rules, facts, outcome, ways)),
        facts=facts,
        at=now,
        deadline=deadline_of(rules, facts) if _speaks_of_grace(outcome, reasons) else None,
        satisfied_by=ways,
        policy_version=rules.version,
        valid_until=_valid_until(rules, facts, (verdict, ways), now),
    )


def _denied(reason: Reason, rules: Rules | None, facts: Facts, now: datetime) -> Decision:
    version = None if rules is None else rules.version
    return Decision(outcome=Outcome.DENY, reasons=(reason,), facts=facts, at=now, policy_version=version)


def _speaks_of_grace(outcome: Outcome, reasons: tuple[Reason, ...]) -> bool:
    return outcome is Outcome.ALLOW_IN_GRACE or (outcome is Outcome.ENROL and Reason.ADMITTED_TO_ENROL not in reasons)


def _remarks(rules: Rules, facts: Facts, outcome: Outcome, ways: tuple[Method, ...]) -> tuple[Reason, ...]:
    """What else a receipt has to say."""
    stuck = (Reason.NOTHING_USABLE,) if outcome is Outcome.STEP_UP and not ways else ()
    return (*stuck, Reason.BREAK_GLASS) if is_break_glass(rules, facts) else stuck


def _judge(rules: Rules, facts: Facts, evidence: _Evidence, now: datetime) -> _Verdict:
    if not any(evidence):
        return _Verdict(Outcome.DENY, (Reason.NO_EVIDENCE,))
    verdict = _by_evidence(rules, facts, evidence, now)
    if verdict.outcome is Outcome.STEP_UP and _is_trusted(rules, facts, evidence, now):
        return _Verdict(Outcome.ALLOW, (Reason.TRUSTED_BROWSER, *verdict.reasons))
    return verdict


def _by_evidence(rules: Rules, facts: Facts, evidence: _Evidence, now: datetime) -> _Verdict:
    if owed := _owed(rules, facts, evidence):
        return _Verdict(Outcome.STEP_UP, (owed,))
    if not facts.enrolled and _is_admitted_to_enrol(evidence):
        return _Verdict(Outcome.ENROL, (Reason.NOTHING_ENROLLED, Reason.ADMITTED_TO_ENROL))
    proved = Reason.SECOND_FACTOR_PROVED if facts.enrolled else Reason.NOTHING_ENROLLED
    if why := waived(rules, facts, now):
        return _Verdict(Outcome.ALLOW, (proved, why))
    outcome, reasons = _measure(rules, facts, evidence, now)
    return _Verdict(outcome, (proved, *reasons))


def _is_admitted_to_enrol(evidence: _Evidence) -> bool:
    """Whether an access pass let this session in: somebody read it out, and it opens enrolment alone."""
    return any(proof.method is Method.ACCESS_PASS for proof in evidence.who)


def _is_trusted(rules: Rules, facts: Facts, evidence: _Evidence, now: datetime) -> bool:
    """Whether the policy takes this browser's trust for a second factor: never in place of owning one.

    Trust ends where anything is enrolled after it (security 67).
    """
    since = facts.trusted_since
    return (
        since is not None
        and now < _trusted_until(rules, since)
        and all(one.bound_at <= since for one in facts.enrolled)
        and strength_of(evidence.who, spent=(*evidence.live, *evidence.spent)) > Strength.NONE
        and _may_trust(rules, facts, now)
    )


def _may_trust(rules: Rules, facts: Facts, now: datetime) -> bool:
    """Whether the policy takes any browser's trust for this person's second factor."""
    return (
        rules.enforcement is not Enforcement.ALWAYS
        and not rules.trusted_browser_never & facts.roles
        and required_strength(rules, facts) < Strength.PHISHING_RESISTANT
        and (waived(rules, facts, now) is not None or _lacking(rules, facts) is None)
    )


def days_of_trust(rules: Rules | None, facts: Facts, now: datetime) -> int:
    """For how many days a browser that this person trusts at `now` would stand in for their second factor; 0: not.

    By the rule that honours it. Not while a version waits for its confirmation: what is trusted under it would be so
    under the one before, too.
    """
    if rules is None:
        return 0
    rules = personal(rules, facts)
    return rules.trusted_browser_days if rules.in_force_until is None and _may_trust(rules, facts, now) else 0


def _trusted_until(rules: Rules, since: datetime) -> datetime:
    return since + timedelta(days=rules.trusted_browser_days)


def _evidence(rules: Rules, facts: Facts, now: datetime) -> _Evidence:
    evidence = _Evidence([], [], [])
    bound = [(one.binding, one.method) for one in facts.enrolled]
    for proof in facts.proofs:
        age = now - proof.at
        if age < AHEAD:
            continue
        if proof.method not in SECOND_FACTORS:
            evidence.who.append(proof)
        elif (proof.binding, proof.method) in bound:
            (evidence.live if age < rules.second_factor_lifetime else evidence.spent).append(proof)
    return evidence


def _owed(rules: Rules, facts: Facts, evidence: _Evidence) -> Reason | None:
    """First: prove what you own. Allowed methods do, and so does the best one owned, allowed or not.

    The latter lets people come in whose methods were all taken off the list, to enrol another, without a
    lesser one (a text message beside a key) ever becoming good enough by a stricter policy.
    """
    if _proved_best(facts, evidence):
        return None
    if any(counts(rules, facts, proof) for proof in evidence.live):
        return None
    if evidence.live:
        return Reason.PROOF_NOT_ALLOWED
    return Reason.SECOND_FACTOR_EXPIRED if evidence.spent else Reason.SECOND_FACTOR_OWED


def _proved_best(facts: Facts, evidence: _Evidence) -> bool:
    tiers = [TIER[one.method] for one in facts.enrolled]
    return not tiers or max(tiers) in [TIER[proof.method] for proof in evidence.live]


def _measure(rules: Rules, facts: Facts, evidence: _Evidence, now: datetime) -> _Verdict:
    """Second and third, where something is demanded: owned, and proved; or in grace."""
    lacking = _lacking(rules, facts)
    short = lacking or _unproved(rules, facts, evidence)
    if short is None:
        return _Verdict(Outcome.ALLOW, (Reason.DEMAND_MET,))
    grace = _grace(rules, facts, evidence, now)
    if grace is Reason.GRACE_OPEN:
        return _Verdict(Outcome.ALLOW_IN_GRACE, (short, grace))
    return _Verdict(Outcome.ENROL, (short, grace)) if lacking else _Verdict(Outcome.STEP_UP, (short,))


def _lacking(rules: Rules, facts: Facts) -> Reason | None:
    """What of the demand is not owned. Recovery codes alone are no authenticator."""
    found = acceptable(rules, facts)
    if found:
        return Reason.TOO_FEW_FACTORS if len(found) < rules.minimum_factors else None
    factors = [one for one in facts.enrolled if one.method is not Method.RECOVERY_CODE]
    accepted = [one for one in factors if is_accepted(rules, one)]
    if not factors:
        return Reason.ONLY_RECOVERY_CODES if facts.enrolled else Reason.FACTOR_REQUIRED
    if not accepted:
        return Reason.ENROLLED_NOT_ALLOWED
    return Reason.ENROLLED_TOO_WEAK if any(one.usable for one in accepted) else Reason.ENROLLED_UNUSABLE


def _unproved(rules: Rules, facts: Facts, evidence: _Evidence) -> Reason | None:
    """What of the demand is not proved. A second factor that does not count may still tell who signed in."""
    who, live, spent = evidence
    demand = required_strength(rules, facts)
    accepted = [proof for proof in live if counts(rules, facts, proof)]
    if strength_of(who + accepted, spent=live + spent) >= demand:
        return None
    enough = strength_of(who + live, spent=spent) >= demand
    return Reason.PROOF_NOT_ALLOWED if enough else Reason.PROOF_TOO_WEAK


def _grace(rules: Rules, facts: Facts, evidence: _Evidence, now: datetime) -> Reason:
    deadline = deadline_of(rules, facts)
    if deadline is None:
        return Reason.GRACE_CLOSED if facts.grace_closed_at else Reason.NO_GRACE
    if now >= deadline:
        return Reason.GRACE_OVER
    return Reason.GRACE_OPEN if _proved_best(facts, evidence) else Reason.GRACE_NEEDS_BEST


def _ways_out(rules: Rules, facts: Facts, evidence: _Evidence, outcome: Outcome, now: datetime) -> tuple[Method, ...]:
    """The methods that would end this: to enrol, or of those enrolled and usable the ones that suffice."""
    if outcome in (Outcome.ALLOW, Outcome.DENY):
        return ()
    if outcome is not Outcome.STEP_UP and _lacking(rules, facts):
        had = ONE_EACH & {one.method for one in acceptable(rules, facts)}
        return tuple([method for method in enrollable(rules, facts) if method not in had])
    usable = [one for one in facts.enrolled if one.usable]
    tries = [Proof(one.method, now, one.binding, user_verified=one.user_verified) for one in usable]
    tried = [(one.method, evidence._replace(live=[*evidence.live, one])) for one in tries]
    enough = {method for method, after in tried if _judge(rules, facts, after, now).outcome is not outcome}
    return in_order(rules, enough)


def _is_changed(rules: Rules, facts: Facts, found: _Found, moment: datetime) -> bool:
    """Whether the verdict or its ways out differ at a moment: what would do in grace alone is none afterwards."""
    verdict, ways = found
    evidence = _evidence(rules, facts, moment)
    if _judge(rules, facts, evidence, moment) != verdict:
        return True
    return _ways_out(rules, facts, evidence, verdict.outcome, moment) != ways


def _valid_until(rules: Rules, facts: Facts, found: _Found, now: datetime) -> datetime | None:
    """The first moment at which time alone changes the verdict or its ways out, found by judging at each that could.

    Of several proofs by one authenticator only the last to run out could; a proof from ahead always may, and so
    does a version that goes out of force unless it is confirmed.
    """
    ages = [(now - proof.at, proof) for proof in facts.proofs]
    ahead = [proof.at + AHEAD for age, proof in ages if age < AHEAD]
    seen = sorted([proof for age, proof in ages if age >= AHEAD], key=attrgetter("at"))
    last = {(proof.method, proof.binding, proof.user_verified): proof.at for proof in seen}
    ends = [at + rules.second_factor_lifetime for (method, *_), at in last.items() if method in SECOND_FACTORS]
    moments = sorted([moment for moment in (*ends, *_ends_of(rules, facts)) if moment and moment > now])
    changes = (one for one in moments if _is_changed(rules, facts, found, one))
    until = [*islice(changes, 1), *ahead, *([rules.in_force_until] if rules.in_force_until else [])]
    return min(until, default=None)


def _ends_of(rules: Rules, facts: Facts) -> list[datetime | None]:
    """When what the policy grants for a time ends: grace, excludes, the trust in a browser."""
    trusted = None if facts.trusted_since is None else _trusted_until(rules, facts.trusted_since)
    return [deadline_of(rules, facts), trusted, *[one.until for one in excludes_of(rules, facts)]]
