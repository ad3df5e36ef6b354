"""Making and changing tenants: every tenant has a policy from its first moment."""

from typing import TYPE_CHECKING, Any

from accounts.errors import NotAllowed
from accounts.models import Tenant, TenantDomain, User
from accounts.models.tenants import DEFAULT_TENANT_SLUG
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies import document as documents
from policies.flows.publish import publish
from policies.models import MFAPolicy

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

DEFAULT_POLICY_CODE = "pol-mfa-required"


@unit_of_work
def create(
    name: str,
    slug: str,
    *,
    actor: User | None,
    session: "SessionStore | None" = None,
    document: dict[str, Any] | None = None,
    is_default: bool = False,
    **fields: Any,
) -> Tenant:
    """A tenant and its policy, enforcing unless the document says otherwise. `actor` None is the site itself.

    Anybody else publishes that policy, in this fresh `session`. Raises NotAllowed, or NotFresh as publishing does.
    """
    if actor is not None and not actor.is_superuser:
        raise NotAllowed
    tenant = Tenant.objects.create(name=name, slug=slug, is_default=is_default, **fields)
    code = DEFAULT_POLICY_CODE if is_default else f"pol-{slug}"
    policy = MFAPolicy.objects.create(tenant=tenant, code=code)
    record(Kind.TENANT_CREATED, actor=actor, target=tenant)
    record(Kind.POLICY_CREATED, actor=actor, target=policy, tenant=tenant)
    publish(
        policy, document or documents.default_document(), actor=actor, session=session, reason="The tenant was made."
    )
    tenant.refresh_from_db()
    return tenant


@unit_of_work
def change(tenant: Tenant, *, actor: User, **fields: Any) -> Tenant:
    """Change a tenant's settings. Switching it off or on bites on the next request of everybody in it."""
    if not (actor.is_superuser or (actor.is_staff and actor.tenant_id == tenant.pk)):
        raise NotAllowed
    locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
    changed = {name: value for name, value in fields.items() if getattr(locked, name) != value}
    if not changed:
        return locked
    if "is_active" in changed and (not actor.is_superuser or locked.is_default):
        raise NotAllowed
    before = {name: str(getattr(locked, name)) for name in changed}
    for name, value in changed.items():
        setattr(locked, name, value)
    locked.save(update_fields=[*changed])
    after = {name: str(value) for name, value in changed.items()}
    record(Kind.TENANT_CHANGED, actor=actor, target=locked, before=before, after=after)
    if "is_active" in changed:
        record(Kind.TENANT_ACTIVATED if locked.is_active else Kind.TENANT_DEACTIVATED, actor=actor, target=locked)
    return locked


@unit_of_work
def set_domains(tenant: Tenant, domains: set[str], *, actor: User) -> None:
    """Give a tenant exactly these mail domains. Platform administrators only: a domain decides who joins."""
    if not actor.is_superuser:
        raise NotAllowed
    current = set(tenant.domains.values_list("domain", flat=True))
    for domain in sorted(domains - current):
        row = TenantDomain(tenant=tenant, domain=domain)
        row.full_clean()
        row.save()
        record(Kind.DOMAIN_ADDED, actor=actor, target=tenant, domain=row.domain)
    for domain in sorted(current - domains):
        tenant.domains.filter(domain=domain).delete()
        record(Kind.DOMAIN_REMOVED, actor=actor, target=tenant, domain=domain)


def ensure_default() -> Tenant:
    """The default tenant, made on the first call."""
    found = Tenant.objects.filter(is_default=True).first()
    return found or create("Default Organization", DEFAULT_TENANT_SLUG, actor=None, is_default=True)
