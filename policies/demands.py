"""What a tenant's rules ask of one person: whether anything, how strong, with what, and by when. Pure.

An account for emergencies (break-glass) is asked for a key and for nothing else, so every question here is first
answered by `personal`: the rules as they are for this person.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from accounts.assurance import Method, Proof, Strength, strength_with
from policies.terms import (
    ADMINISTRATOR,
    Enforcement,
    Enrolled,
    Exclude,
    Excluded,
    Facts,
    KeyRules,
    Reason,
    Rules,
    Scope,
    UserVerification,
)

TIER: Final = {
    Method.WEBAUTHN: 3,
    Method.TOTP: 2,
    Method.RECOVERY_CODE: 2,  # as good as the app it stands in for: a lost telephone is no dead end
    Method.SMS_CODE: 1,
    Method.EMAIL_CODE: 1,
}


def is_break_glass(rules: Rules, facts: Facts) -> bool:
    """Whether this is one of the tenant's accounts for emergencies."""
    return bool(rules.break_glass) and facts.person in rules.break_glass


def personal(rules: Rules, facts: Facts) -> Rules:
    """The rules as they are for this person: of a break-glass account a key, and no other rule."""
    if not is_break_glass(rules, facts):
        return rules
    return replace(
        rules,
        enabled=True,
        enforcement=Enforcement.ALWAYS,
        scope=Scope(),
        allowed=(Method.WEBAUTHN,),
        strength=dict.fromkeys(facts.roles, Strength.PHISHING_RESISTANT),
        minimum_factors=1,
        enforced_since=None,
        excludes=(),
        keys=KeyRules(),
    )


def waived(rules: Rules, facts: Facts, now: datetime) -> Reason | None:
    """Why nothing is demanded of this person; None if something is."""
    if not rules.enabled:
        return Reason.POLICY_OFF
    if rules.enforcement is Enforcement.OPTIONAL:
        return Reason.POLICY_OPTIONAL
    if not _in_scope(rules.scope, facts):
        return Reason.OUT_OF_SCOPE
    return Reason.EXCLUDED if any(now < one.until for one in excludes_of(rules, facts)) else None


def _in_scope(scope: Scope, facts: Facts) -> bool:
    return (
        scope.everyone
        or bool(scope.roles & facts.roles)
        or bool(scope.groups & facts.groups)
        or (scope.staff and facts.is_staff)
        or facts.source in scope.sources
    )


def excludes_of(rules: Rules, facts: Facts) -> list[Exclude]:
    """The excludes that name this person, ended ones too; for administrators there are none."""
    if not rules.excludes or ADMINISTRATOR in facts.roles:
        return []
    named = _named(facts)
    return [one for one in rules.excludes if (one.kind, one.value) in named]


def _named(facts: Facts) -> set[tuple[Excluded, str]]:
    """All that an exclude may call this person."""
    named = {(Excluded.SOURCE, facts.source), (Excluded.PERSON, str(facts.person))}
    named.update([(Excluded.ROLE, role) for role in facts.roles])
    named.update([(Excluded.GROUP, group) for group in facts.groups])
    return named


def is_demanded(rules: Rules, facts: Facts, now: datetime) -> bool:
    """Whether the policy requires a second factor of this person (not whether they have one)."""
    return waived(personal(rules, facts), facts, now) is None


def required_strength(rules: Rules, facts: Facts) -> Strength:
    """The highest strength demanded of any of the person's roles."""
    strength = personal(rules, facts).strength
    return max([strength.get(role, Strength.MULTI_FACTOR) for role in facts.roles])


def enrollable(rules: Rules, facts: Facts) -> tuple[Method, ...]:
    """The methods whose enrolment meets the policy's demand on this person, the preferred one first."""
    demand = required_strength(rules, facts)
    strong = [method for method in personal(rules, facts).allowed if strength_with(method) >= demand]
    return tuple([method for method in strong if method is not Method.RECOVERY_CODE])


def acceptable(rules: Rules, facts: Facts) -> list[Enrolled]:
    """The authenticators a person owns that meet the policy's demand on them and can be used."""
    rules = personal(rules, facts)
    methods = enrollable(rules, facts)
    return [one for one in facts.enrolled if one.usable and one.method in methods and is_accepted(rules, one)]


def is_accepted(rules: Rules, one: Enrolled) -> bool:
    """Whether the policy accepts this authenticator: its method, and of a key what it is."""
    if one.method not in rules.allowed:
        return False
    return one.method is not Method.WEBAUTHN or _is_key_accepted(rules.keys, one)


def _is_key_accepted(keys: KeyRules, one: Enrolled) -> bool:
    return (
        (one.user_verified or keys.user_verification is not UserVerification.REQUIRED)
        and (one.attested or not keys.attested)
        and (one.aaguid in keys.allowed or not keys.allowed)
        and one.aaguid not in keys.denied
        and (keys.synced or not one.synced)
    )


def counts(rules: Rules, facts: Facts, proof: Proof) -> bool:
    """Whether the policy accepts this proof: by what it was given, and of a key also whether it asked who is there."""
    if (
        proof.method is Method.WEBAUTHN
        and rules.keys.user_verification is UserVerification.REQUIRED
        and not proof.user_verified
    ):
        return False
    by = [one for one in facts.enrolled if (one.binding, one.method) == (proof.binding, proof.method)]
    return any(is_accepted(rules, one) for one in by)


def in_order(rules: Rules, methods: Collection[Method]) -> tuple[Method, ...]:
    """In the policy's order of preference; methods off its list only where none on it is among them."""
    listed = tuple(method for method in rules.allowed if method in methods)
    return listed or tuple(sorted(methods, key=lambda method: (-TIER[method], method)))


def idle_limit(rules: Rules, facts: Facts) -> timedelta:
    """How long this person's session may lie idle."""
    return rules.administrators_idle if ADMINISTRATOR in facts.roles else rules.idle


def deadline_of(rules: Rules, facts: Facts) -> datetime | None:
    """Until when this person may come in without what is demanded; None if they have no such time.

    Counted from when enforcement began for people known before, from their first sign-in for new ones. What
    they had before they moved or were made anew caps it; an extension, never an administrator's and only where
    the platform's floor has them, comes on top.
    A reset ends it for good. Whether anything is demanded is asked apart.
    """
    rules = personal(rules, facts)
    if facts.grace_closed_at is not None or rules.enforced_since is None or facts.known_since is None:
        return None
    deadline = _granted(rules, facts)
    if deadline is not None and facts.grace_cap is not None:
        deadline = min(deadline, facts.grace_cap)
    if facts.extended_to is None or not rules.extensions or ADMINISTRATOR in facts.roles:
        return deadline
    return max(deadline or facts.extended_to, facts.extended_to)


def end_of_grace(rules: Rules, facts: Facts) -> datetime | None:
    """What somebody takes along who moves, changes roles or is deleted: their deadline, whether or not a policy that
    is switched off or leaves them out asks for it just now.

    Where they are given no days it is the moment from which these would count: grace was over from the start. None:
    nothing was ever demanded here, they have not begun, or a reset ended it.
    """
    deadline = deadline_of(rules, facts)
    if deadline is not None or facts.grace_closed_at is not None or facts.known_since is None:
        return deadline
    return _counted_from(personal(rules, facts), facts)


def _granted(rules: Rules, facts: Facts) -> datetime | None:
    """What the policy itself gives."""
    days = rules.grace_days if _was_here(rules, facts) else rules.new_grace_days
    if ADMINISTRATOR in facts.roles:
        days = rules.administrators_grace_days
    begins = _counted_from(rules, facts)
    return begins + timedelta(days=days) if begins is not None and days else None


def _counted_from(rules: Rules, facts: Facts) -> datetime | None:
    if rules.enforced_since is None:
        return None
    return rules.enforced_since if _was_here(rules, facts) else facts.first_sign_in_at


def _was_here(rules: Rules, facts: Facts) -> bool:
    """Whether the person was known before anything was demanded."""
    since, known = rules.enforced_since, facts.known_since
    return since is not None and known is not None and known < since
