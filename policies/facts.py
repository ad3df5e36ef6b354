"""What the engine is told about one person and one session, and where the rules come from.

`User` knows nothing of the policy; whoever asks "is a factor demanded of this person?" asks here.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts import keyring
from accounts.adapters import SUPPORTED_TYPE
from accounts.assurance import Method, Proof
from accounts.flows import methods
from accounts.models import Binding, RecoveryCode, Tenant, User, WebAuthnCredential
from accounts.rows import Select, attach
from audit import context
from audit.models import AuditChain
from policies import demands
from policies import document as documents
from policies import floor as floors
from policies.models import MFAPolicy, PolicyVersion
from policies.terms import Enrolled, Facts, Rules


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a judgement needs: the rules in force, those judged beside them (report only), and the facts."""

    rules: Rules | None
    report: Rules | None
    facts: Facts


def supported_methods() -> tuple[Method, ...]:
    """The site's ceiling over every policy."""
    return tuple(method for method, name in SUPPORTED_TYPE.items() if name in settings.MFA_SUPPORTED_TYPES)


def floor_digest() -> str:
    """Sixteen hex digits that change with every site-wide setting a decision depends on."""
    return _floor_digest(
        tuple(settings.MFA_SUPPORTED_TYPES), settings.MFA_PASSKEY_LOGIN_ENABLED, settings.MFA_POLICY_FLOOR
    )


@lru_cache(maxsize=8)
def _floor_digest(*inputs: object) -> str:
    return sha256(repr(inputs).encode()).hexdigest()[:16]


def rules_of(tenant_id: uuid.UUID) -> Rules | None:
    """The rules in force for a tenant, in one query; None when there is no policy (and nobody gets in)."""
    found = _IN_FORCE.first(None, timezone.now(), tenant_id)
    return None if found is None else _rules(found[0], found[2])


def situation(
    person: User,
    proofs: Iterable[Proof] = (),
    *,
    signed_in_at: datetime | None = None,
    owned: tuple[Enrolled, ...] | None = None,
) -> Situation:
    """One person and what their session proved, before the rules of their tenant.

    Two queries: rules and groups, which bring the tenant if it is not there yet; and what the person owns, unless
    `owned` says it.
    """
    found = _IN_FORCE.first(person.pk, timezone.now(), person.tenant_id)
    groups: frozenset[str] = frozenset()
    rules = report = None
    if found is not None:
        version, reported, policy, tenant, names, *head = found
        context.expect_head(person.tenant_id, *head)
        groups = frozenset(json.loads(names or "[]"))
        rules, report = _rules(version, policy), None if reported is None else _rules(reported, policy)
        if not User.tenant.is_cached(person):
            attach(person, "tenant", tenant)
    if owned is None:
        owned = enrolled(person)
    return Situation(rules, report, gather(person, proofs, groups=groups, signed_in_at=signed_in_at, owned=owned))


def rules_by_tenant(tenant_ids: Iterable[uuid.UUID], now: datetime | None = None) -> dict[uuid.UUID, Rules]:
    """The rules in force for each of these tenants, in one query; a tenant without a policy is missing.

    Of a thousand tenants only the columns are read that their rules are made of: no models.
    """
    in_force = PolicyVersion.objects.filter(is_in_force(now or timezone.now()), policy__tenant__in=set(tenant_ids))
    return {tenant: _stated(*columns) for tenant, *columns in in_force.values_list("policy__tenant", *_STATED)}


def is_in_force(now: datetime) -> Q:
    """Which `PolicyVersion` of each policy is in force at `now`, as a condition: the same rule as `_IN_FORCE`."""
    lapsed = Q(policy__confirm_by__lte=now)
    return Q(lapsed, number=F("policy__fallback_version")) | Q(
        ~lapsed | Q(policy__confirm_by=None), number=F("policy__version")
    )


_GROUPS = (
    "(SELECT {aggregate}(g.name) FROM auth_group g JOIN accounts_user_groups j ON j.group_id = g.id"
    " WHERE j.user_id = %s){cast}"
)
_IN_FORCE = Select(
    f"{MFAPolicy._meta.db_table} m JOIN {PolicyVersion._meta.db_table} v ON v.policy_id = m.id"
    " AND v.number = CASE WHEN m.confirm_by <= %s THEN m.fallback_version ELSE m.version END"
    f" LEFT JOIN {PolicyVersion._meta.db_table} r ON r.policy_id = m.id AND r.number = m.report_version"
    f" JOIN {Tenant._meta.db_table} t ON t.id = m.tenant_id"
    f" LEFT JOIN {AuditChain._meta.db_table} h ON h.id = m.tenant_id"
    " WHERE m.tenant_id = %s",
    {
        "sqlite": _GROUPS.format(aggregate="json_group_array", cast=""),
        "postgresql": _GROUPS.format(aggregate="json_agg", cast="::text"),
    },
    "h.sequence",
    "h.hash",
    v=PolicyVersion,
    r=PolicyVersion,
    m=MFAPolicy,
    t=Tenant,
)
"""A version that waits for its confirmation is out of force at its time, whether or not anybody noticed."""


def _rules(version: PolicyVersion, policy: MFAPolicy) -> Rules:
    attach(version, "policy", policy)
    return rules_from(version)


def rules_from(version: PolicyVersion) -> Rules:
    """The rules that one version of a policy states, under the site's ceilings and on the platform's floor."""
    policy = version.policy
    return _stated(
        version.document, version.number, version.enabled, version.enforced_since, policy.version, policy.confirm_by
    )


_STATED = ("document", "number", "enabled", "enforced_since", "policy__version", "policy__confirm_by")


def _stated(
    document: Any,
    number: int,
    enabled: bool,
    enforced_since: datetime | None,
    newest: int,
    confirm_by: datetime | None,
) -> Rules:
    return documents.rules_from(
        document,
        version=number,
        enabled=enabled,
        enforced_since=enforced_since,
        ceilings=supported_methods(),
        floor=floors.current(),
        in_force_until=confirm_by if number == newest else None,
    )


def gather(
    person: User,
    proofs: Iterable[Proof] = (),
    *,
    groups: frozenset[str],
    signed_in_at: datetime | None = None,
    owned: tuple[Enrolled, ...],
) -> Facts:
    """One person's facts and what their session proved, from what was read before."""
    return Facts(
        person=person.pk,
        role=person.role,
        is_staff=person.is_staff,
        is_active=person.is_active,
        tenant_is_active=person.tenant.is_active,
        groups=groups,
        known_since=person.known_since,
        first_sign_in_at=person.first_sign_in_at or signed_in_at,
        grace_closed_at=person.grace_closed_at,
        grace_cap=person.grace_cap,
        extended_to=person.grace_extended_to,
        enrolled=owned,
        proofs=tuple(proofs),
        signed_in_at=signed_in_at,
    )


def gather_many(people: Iterable[User], *, owning: bool = True) -> dict[uuid.UUID, Facts]:
    """The facts of many people, by their ids, without any session: two queries, and their tenants if missing.

    Not `owning`, without what they own, which what is demanded of them does not depend on: one query.
    """
    people = list(people)
    owned: dict[uuid.UUID, list[Enrolled]] = defaultdict(list)
    groups: dict[uuid.UUID, set[str]] = defaultdict(set)
    ring = key_ids()
    for person_id, *columns in _owned_by(people) if owning else ():
        owned[person_id].append(as_enrolled(Owned(*columns), ring))
    memberships = User.groups.through.objects.filter(user__in=people)
    for person_id, name in memberships.values_list("user_id", "group__name"):
        groups[person_id].add(name)
    return {
        person.pk: gather(person, groups=frozenset(groups[person.pk]), owned=tuple(owned[person.pk]))
        for person in people
    }


class Owned(NamedTuple):
    """What decisions depend on of one authenticator's rows; what only keys have is None for others."""

    binding: uuid.UUID
    kind: str
    bound_at: datetime
    locked_at: datetime | None
    sealed_under: str
    has_codes: bool
    user_verified: bool | None = None
    aaguid: uuid.UUID | None = None
    synced: bool | None = None
    attested: bool | None = None


_BINDING = ("id", "kind", "bound_at", "locked_at", "sealed_under", "has_codes")
_CREDENTIAL = ("user_verified", "aaguid", "backup_eligible", "attested")


def _owned_by(people: list[User]) -> QuerySet[Binding, tuple[Any, ...]]:
    """Per live authenticator its owner's id, and the columns of `Owned`: a million of them make no million models."""
    left = RecoveryCode.objects.filter(binding=OuterRef("pk"), used_at=None)
    live = Binding.objects.filter(person__in=[person.pk for person in people], unbound_at=None).order_by("bound_at")
    of_keys = [f"credential__{name}" for name in _CREDENTIAL]
    return live.annotate(has_codes=Exists(left)).values_list("person_id", *_BINDING, *of_keys)


def enrolled(person: User) -> tuple[Enrolled, ...]:
    """The person's live authenticators. Locked ones, used-up code sets and lost keys are owned but not usable."""
    ring = key_ids()
    return tuple(
        as_enrolled(_owned(binding, credential, has_codes=bool(left)), ring)
        for binding, credential, left in methods.owned(person)
    )


def _owned(binding: Binding, credential: WebAuthnCredential | None, *, has_codes: bool) -> Owned:
    stated = (binding.pk, binding.kind, binding.bound_at, binding.locked_at, binding.sealed_under, has_codes)
    if credential is None:
        return Owned(*stated)
    return Owned(*stated, credential.user_verified, credential.aaguid, credential.backup_eligible, credential.attested)


def as_enrolled(one: Owned, ring: frozenset[str]) -> Enrolled:
    """One authenticator as the engine sees it; `ring` are the ids of the keys that can open secrets."""
    return Enrolled(
        method=Method(one.kind),
        binding=one.binding,
        bound_at=one.bound_at,
        user_verified=bool(one.user_verified),
        usable=one.locked_at is None
        and (not one.sealed_under or one.sealed_under in ring)
        and (one.has_codes or one.kind != Method.RECOVERY_CODE),
        aaguid=one.aaguid,
        synced=bool(one.synced),
        attested=bool(one.attested),
    )


def key_ids() -> frozenset[str]:
    """The keys that can open secrets. Under a misconfigured ring none: sealed factors are owned, but unusable."""
    try:
        return frozenset(keyring.current().ids)
    except keyring.MisconfiguredKeys:
        return frozenset()


def lost_key_ids() -> frozenset[str]:
    """The keys that somebody's secret is sealed under and that cannot open it: they are not in the ring.

    One step along an index for each key that was ever used, however many secrets there are.
    """
    used = Binding.objects.order_by("sealed_under").values_list("sealed_under", flat=True)
    found: set[str] = set()
    last = used.filter(sealed_under__gt="").first()
    while last is not None:
        found.add(last)
        last = used.filter(sealed_under__gt=last).first()
    return frozenset(found - key_ids())


def mfa_required(person: User) -> bool:
    """Whether the policy demands a second factor of this person (what other systems call `mfa_enabled`)."""
    found = situation(person, owned=())
    return found.rules is None or demands.is_demanded(found.rules, found.facts, timezone.now())
