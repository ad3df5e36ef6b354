"""The decision: what a tenant's rules and a person's facts mean for this session, now.

Pure: frozen dataclasses in, a `Decision` out, time is an argument. `decide` judges in a fixed order:

1. **Prove what you own.** Whoever has a second factor is asked for it under every level, off and grace
   included: a thief with the password must not enrol a key of his own. Locked or unreadable authenticators
   count as owned; the way out is help, never enrolment.
2. **Own what is demanded**, or be within the days of grace.
3. **Have proved enough**, by methods the policy allows.

Stricter rules never open anything: a session passes iff it proved what it owns, and either nothing is
demanded, or 2 and 3 hold, or grace is open and the best that is owned was proved. Each of these can only turn
false when a method goes, a level, scope or strength rises, or a time shrinks (proved in
`tests/policies/test_engine_properties.py`). What a session may do to authenticators: `policies.sensitive`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

from accounts.assurance import SECOND_FACTORS, Method, Proof, Strength, strength_of, strength_with

ADMINISTRATOR: Final = "administrator"
AHEAD: Final = timedelta(minutes=-1)  # two clocks may differ by this; a younger proof proves nothing yet

TIER: Final = {
    Method.WEBAUTHN: 3,
    Method.TOTP: 2,
    Method.RECOVERY_CODE: 2,  # as good as the app it stands in for: a lost telephone is no dead end
    Method.SMS_CODE: 1,
    Method.EMAIL_CODE: 1,
}


class Enforcement(StrEnum):
    """How much a policy demands. Under `ALWAYS` no exception (a trusted browser) stands in for the factor."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"
    ALWAYS = "always"


class Outcome(StrEnum):
    ALLOW = "allow"
    ALLOW_IN_GRACE = "allow_in_grace"
    STEP_UP = "step_up"
    ENROL = "enrol"
    DENY = "deny"


class Reason(StrEnum):
    """Why: codes that are stored, and worded elsewhere. Their values never change."""

    PERSON_INACTIVE = "person_inactive"
    TENANT_INACTIVE = "tenant_inactive"
    NO_POLICY = "no_policy"
    NO_EVIDENCE = "no_evidence"  # no proof by anything still bound to the person
    SECOND_FACTOR_OWED = "second_factor_owed"
    SECOND_FACTOR_EXPIRED = "second_factor_expired"
    PROOF_NOT_ALLOWED = "proof_not_allowed"  # proved, by a method the policy does not allow
    PROOF_TOO_WEAK = "proof_too_weak"
    NOTHING_USABLE = "nothing_usable"  # all that would do is locked or unreadable: help is the way out
    SECOND_FACTOR_PROVED = "second_factor_proved"
    NOTHING_ENROLLED = "nothing_enrolled"
    POLICY_OFF = "policy_off"
    POLICY_OPTIONAL = "policy_optional"
    OUT_OF_SCOPE = "out_of_scope"
    DEMAND_MET = "demand_met"
    FACTOR_REQUIRED = "factor_required"
    ENROLLED_TOO_WEAK = "enrolled_too_weak"
    ENROLLED_NOT_ALLOWED = "enrolled_not_allowed"
    ENROLLED_UNUSABLE = "enrolled_unusable"
    ONLY_RECOVERY_CODES = "only_recovery_codes"
    GRACE_OPEN = "grace_open"
    GRACE_OVER = "grace_over"
    GRACE_CLOSED = "grace_closed"  # by a reset, for good
    GRACE_NEEDS_BEST = "grace_needs_best"  # open, but never on less than the best the person owns
    NO_GRACE = "no_grace"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom a policy's demand is for: everyone, or any of these roles, or staff. Others may, and need not."""

    everyone: bool = True
    roles: frozenset[str] = frozenset()
    staff: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A tenant's policy, as `policies.document.rules_from` reads it.

    `enabled` is apart from the level, so that off and on again restores it. `allowed` is in order of
    preference. `strength` holds the roles that need another one than `MULTI_FACTOR`. `enforced_since` anchors
    grace. `passkey_login` is for the sign-in page: the engine judges what was proved, not on which page.
    """

    version: int
    enabled: bool = True
    enforcement: Enforcement = Enforcement.REQUIRED
    scope: Scope = Scope()
    allowed: tuple[Method, ...] = (Method.WEBAUTHN, Method.TOTP, Method.RECOVERY_CODE)
    strength: Mapping[str, Strength] = field(default_factory=dict)
    grace_days: int = 0
    enforced_since: datetime | None = None
    second_factor_lifetime: timedelta = timedelta(hours=12)
    fresh_for: timedelta = timedelta(minutes=5)
    idle: timedelta = timedelta(minutes=30)
    administrators_idle: timedelta = timedelta(minutes=15)
    passkey_login: bool = False


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One authenticator a person owns; `method` is a second factor (ValueError otherwise).

    `usable` is False for what is locked or cannot be decrypted and for recovery codes that are used up: it
    stays listed, for owning it still closes the door to enrolment by password alone.
    """

    method: Method
    binding: UUID
    bound_at: datetime
    user_verified: bool = False
    usable: bool = True

    def __post_init__(self) -> None:
        if self.method not in SECOND_FACTORS:
            raise ValueError(f"{self.method} is not something one enrols.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A person and this session of theirs. All times are aware.

    `known_since`: when the address was first known here; None: not known, so no grace. `grace_closed_at`: set
    by a reset. `proofs`: this session's own; those by an authenticator no longer `enrolled` prove nothing.
    `signed_in_at`: when this session's first factor was proved; None: take its earliest proof.
    """

    role: str
    is_staff: bool
    is_active: bool
    tenant_is_active: bool
    groups: frozenset[str] = frozenset()
    known_since: datetime | None = None
    grace_closed_at: datetime | None = None
    enrolled: tuple[Enrolled, ...] = ()
    proofs: tuple[Proof, ...] = ()
    signed_in_at: datetime | None = None

    @property
    def roles(self) -> frozenset[str]:
        """The person's role; staff are administrators too, so that nobody is one by the back door."""
        return frozenset({self.role, ADMINISTRATOR} if self.is_staff else {self.role})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided and why, with `reasons` in the order in which they applied.

    `deadline`: the end of grace, where it matters. `satisfied_by`: the methods that would end a stop or the
    grace, the preferred one first; none: only help is left. `valid_until`: time alone does not change the
    outcome before; None: it never does.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...]
    deadline: datetime | None = None
    satisfied_by: tuple[Method, ...] = ()
    policy_version: int | None = None
    valid_until: datetime | None = None

    @property
    def is_allowed(self) -> bool:
        return self.outcome in (Outcome.ALLOW, Outcome.ALLOW_IN_GRACE)


class _Verdict(NamedTuple):
    outcome: Outcome
    reasons: tuple[Reason, ...]


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
        return _denied(Reason.PERSON_INACTIVE, rules)
    if not facts.tenant_is_active:
        return _denied(Reason.TENANT_INACTIVE, rules)
    if rules is None:
        return _denied(Reason.NO_POLICY, None)
    outcome, reasons = verdict = _judge(rules, facts, facts.proofs, now)
    ways = _ways_out(rules, facts, outcome, now)
    return Decision(
        outcome=outcome,
        reasons=reasons if ways or outcome is not Outcome.STEP_UP else (*reasons, Reason.NOTHING_USABLE),
        deadline=deadline_of(rules, facts) if outcome in (Outcome.ALLOW_IN_GRACE, Outcome.ENROL) else None,
        satisfied_by=ways,
        policy_version=rules.version,
        valid_until=_valid_until(rules, facts, verdict, now),
    )


def _denied(reason: Reason, rules: Rules | None) -> Decision:
    return Decision(outcome=Outcome.DENY, reasons=(reason,), policy_version=rules.version if rules else None)


def _judge(rules: Rules, facts: Facts, proofs: Collection[Proof], now: datetime) -> _Verdict:
    evidence = _evidence(rules, facts, proofs, now)
    if not any(evidence):
        return _Verdict(Outcome.DENY, (Reason.NO_EVIDENCE,))
    if owed := _owed(rules, facts, evidence):
        return _Verdict(Outcome.STEP_UP, (owed,))
    proved = Reason.SECOND_FACTOR_PROVED if facts.enrolled else Reason.NOTHING_ENROLLED
    if waived := _waived(rules, facts):
        return _Verdict(Outcome.ALLOW, (proved, waived))
    outcome, reasons = _measure(rules, facts, evidence, now)
    return _Verdict(outcome, (proved, *reasons))


def _evidence(rules: Rules, facts: Facts, proofs: Collection[Proof], now: datetime) -> _Evidence:
    evidence = _Evidence([], [], [])
    bound = {(one.binding, one.method) for one in facts.enrolled}
    for proof in proofs:
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
    if [proof for proof in evidence.live if proof.method in rules.allowed]:
        return None
    if evidence.live:
        return Reason.PROOF_NOT_ALLOWED
    return Reason.SECOND_FACTOR_EXPIRED if evidence.spent else Reason.SECOND_FACTOR_OWED


def _proved_best(facts: Facts, evidence: _Evidence) -> bool:
    tiers = [TIER[one.method] for one in facts.enrolled]
    return not tiers or max(tiers) in [TIER[proof.method] for proof in evidence.live]


def _waived(rules: Rules, facts: Facts) -> Reason | None:
    """Why nothing is demanded of this person; None if something is."""
    if not rules.enabled or rules.enforcement is Enforcement.OFF:
        return Reason.POLICY_OFF
    if rules.enforcement is Enforcement.OPTIONAL:
        return Reason.POLICY_OPTIONAL
    scope = rules.scope
    if scope.everyone or scope.roles & facts.roles or (scope.staff and facts.is_staff):
        return None
    return Reason.OUT_OF_SCOPE


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
    if acceptable(rules, facts):
        return None
    factors = [one for one in facts.enrolled if one.method is not Method.RECOVERY_CODE]
    allowed = [one for one in factors if one.method in rules.allowed]
    if not factors:
        return Reason.ONLY_RECOVERY_CODES if facts.enrolled else Reason.FACTOR_REQUIRED
    if not allowed:
        return Reason.ENROLLED_NOT_ALLOWED
    return Reason.ENROLLED_TOO_WEAK if any(one.usable for one in allowed) else Reason.ENROLLED_UNUSABLE


def _unproved(rules: Rules, facts: Facts, evidence: _Evidence) -> Reason | None:
    """What of the demand is not proved. A second factor that does not count may still tell who signed in."""
    who, live, spent = evidence
    demand = required_strength(rules, facts)
    allowed = [proof for proof in live if proof.method in rules.allowed]
    if strength_of(who + allowed, spent=live + spent) >= demand:
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


def _ways_out(rules: Rules, facts: Facts, outcome: Outcome, now: datetime) -> tuple[Method, ...]:
    """The methods that would end this: to enrol, or of those enrolled and usable the ones that suffice."""
    if outcome in (Outcome.ALLOW, Outcome.DENY):
        return ()
    if outcome is not Outcome.STEP_UP:
        return enrollable(rules, facts)
    usable = {one.method: one.binding for one in facts.enrolled if one.usable}
    tries = [Proof(method, now, binding) for method, binding in usable.items()]
    judged = [(one.method, _judge(rules, facts, (*facts.proofs, one), now).outcome) for one in tries]
    return in_order(rules, [method for method, after in judged if after is not outcome])


def _valid_until(rules: Rules, facts: Facts, verdict: _Verdict, now: datetime) -> datetime | None:
    """The first moment at which time alone changes the verdict, found by judging at each that could.

    Of several proofs by one authenticator only the last to run out could; a proof from ahead always may.
    """
    ages = [(now - proof.at, proof) for proof in facts.proofs]
    seen = sorted([proof for age, proof in ages if age >= AHEAD], key=attrgetter("at"))
    last = {(proof.method, proof.binding, proof.user_verified): proof.at for proof in seen}
    ends = [at + rules.second_factor_lifetime for (method, *_), at in last.items() if method in SECOND_FACTORS]
    moments = sorted([moment for moment in (*ends, deadline_of(rules, facts)) if moment and moment > now])
    changes = (moment for moment in moments if _judge(rules, facts, facts.proofs, moment) != verdict)
    return min([*islice(changes, 1), *[proof.at + AHEAD for age, proof in ages if age < AHEAD]], default=None)


def is_demanded(rules: Rules, facts: Facts) -> bool:
    """Whether the policy requires a second factor of this person (not whether they have one)."""
    return _waived(rules, facts) is None


def required_strength(rules: Rules, facts: Facts) -> Strength:
    """The highest strength demanded of any of the person's roles."""
    return max([rules.strength.get(role, Strength.MULTI_FACTOR) for role in facts.roles])


def enrollable(rules: Rules, facts: Facts) -> tuple[Method, ...]:
    """The methods whose enrolment meets the policy's demand on this person, the preferred one first."""
    demand = required_strength(rules, facts)
    strong = [method for method in rules.allowed if strength_with(method) >= demand]
    return tuple([method for method in strong if method is not Method.RECOVERY_CODE])


def acceptable(rules: Rules, facts: Facts) -> list[Enrolled]:
    """The authenticators a person owns that meet the policy's demand on them and can be used."""
    methods = enrollable(rules, facts)
    return [one for one in facts.enrolled if one.usable and one.method in methods]


def in_order(rules: Rules, methods: Collection[Method]) -> tuple[Method, ...]:
    """In the policy's order of preference; methods off its list only where none on it is among them."""
    listed = tuple(method for method in rules.allowed if method in methods)
    return listed or tuple(sorted(methods, key=lambda method: (-TIER[method], method)))


def idle_limit(rules: Rules, facts: Facts) -> timedelta:
    """How long this person's session may lie idle."""
    return rules.administrators_idle if ADMINISTRATOR in facts.roles else rules.idle


def deadline_of(rules: Rules, facts: Facts) -> datetime | None:
    """Until when this person may come in without what is demanded; None if they have no such time.

    Grace is for people known before enforcement began; a reset ends it for good.
    """
    since, known = rules.enforced_since, facts.known_since
    if since is None or known is None or known >= since or facts.grace_closed_at or not rules.grace_days:
        return None
    return since + timedelta(days=rules.grace_days) if is_demanded(rules, facts) else None
