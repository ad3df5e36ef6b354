"""What the engine is told about one person and one session, and where the rules come from.

`User` knows nothing of the policy; whoever asks "is a factor demanded of this person?" asks here.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from django.conf import settings

from accounts import keyring
from accounts.adapters import SUPPORTED_TYPE
from accounts.assurance import Method, Proof
from accounts.flows import methods
from accounts.models import Tenant, User
from accounts.rows import Select, attach
from policies import document as documents
from policies import engine
from policies.models import MFAPolicy, PolicyVersion


def supported_methods() -> tuple[Method, ...]:
    """The site's ceiling over every policy."""
    return tuple(method for method, name in SUPPORTED_TYPE.items() if name in settings.MFA_SUPPORTED_TYPES)


def floor_digest() -> str:
    """Sixteen hex digits that change with every site-wide setting a decision depends on."""
    return _floor_digest(tuple(settings.MFA_SUPPORTED_TYPES), settings.MFA_PASSKEY_LOGIN_ENABLED)


@lru_cache(maxsize=8)
def _floor_digest(*inputs: object) -> str:
    return sha256(repr(inputs).encode()).hexdigest()[:16]


def rules_of(tenant_id: uuid.UUID) -> engine.Rules | None:
    """The rules in force for a tenant, in one query; None when there is no policy (and nobody gets in)."""
    found = _IN_FORCE.first(tenant_id)
    return None if found is None else _rules(*found)


def rules_for(person: User) -> engine.Rules | None:
    """As `rules_of` for the person's tenant, which comes along in the same query if it is not there yet."""
    found = _IN_FORCE.first(person.tenant_id)
    if found is None:
        return None
    version, policy, tenant = found
    if not User.tenant.is_cached(person):
        attach(person, "tenant", tenant)
    return _rules(version, policy, tenant)


_IN_FORCE = Select(
    f"{PolicyVersion._meta.db_table} v"
    f" JOIN {MFAPolicy._meta.db_table} m ON m.id = v.policy_id AND m.version = v.number"
    f" JOIN {Tenant._meta.db_table} t ON t.id = m.tenant_id"
    " WHERE m.tenant_id = %s",
    v=PolicyVersion,
    m=MFAPolicy,
    t=Tenant,
)


def _rules(version: PolicyVersion, policy: MFAPolicy, tenant: Tenant) -> engine.Rules:
    attach(version, "policy", policy)
    return rules_from(version)


def rules_from(version: PolicyVersion) -> engine.Rules:
    """The rules that one version of a policy states, under the site's ceilings."""
    return documents.rules_from(
        version.document,
        version=version.number,
        enabled=version.policy.enabled,
        enforced_since=version.policy.enforced_since,
        ceilings=supported_methods(),
    )


def gather(
    person: User,
    proofs: Iterable[Proof] = (),
    *,
    signed_in_at: datetime | None = None,
    owned: tuple[engine.Enrolled, ...] | None = None,
) -> engine.Facts:
    """One person's facts and what their session proved; one query for what they own, unless `owned` says it."""
    return engine.Facts(
        role=person.role,
        is_staff=person.is_staff,
        is_active=person.is_active,
        tenant_is_active=person.tenant.is_active,
        known_since=person.known_since,
        grace_closed_at=person.grace_closed_at,
        enrolled=enrolled(person) if owned is None else owned,
        proofs=tuple(proofs),
        signed_in_at=signed_in_at,
    )


def enrolled(person: User) -> tuple[engine.Enrolled, ...]:
    """The person's live authenticators. Locked ones, used-up code sets and lost keys are owned but not usable."""
    ring = _key_ids()
    return tuple(
        engine.Enrolled(
            method=Method(binding.kind),
            binding=binding.pk,
            bound_at=binding.bound_at,
            user_verified=credential is not None and credential.user_verified,
            usable=binding.locked_at is None
            and (not binding.sealed_under or binding.sealed_under in ring)
            and (bool(has_codes) or binding.kind != Method.RECOVERY_CODE),
        )
        for binding, credential, has_codes in methods.owned(person)
    )


def _key_ids() -> frozenset[str]:
    """The keys that can open secrets. Under a misconfigured ring none: sealed factors are owned, but unusable."""
    try:
        return frozenset(keyring.current().ids)
    except keyring.MisconfiguredKeys:
        return frozenset()


def mfa_required(person: User) -> bool:
    """Whether the policy demands a second factor of this person (what other systems call `mfa_enabled`)."""
    rules = rules_of(person.tenant_id)
    return rules is None or engine.is_demanded(rules, gather(person, owned=()))
