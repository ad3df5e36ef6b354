"""A tenant, those who answer for it, and the sessions in which they publish."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import Binding, Tenant, User, WebAuthnCredential
from accounts.session_store import SessionStore
from audit.models import AuditEvent
from policies import document as documents
from policies.flows import drafts, publish
from policies.models import MFAPolicy, PolicyDraft, PolicyVersion
from tests.factories import AdministratorFactory, TenantFactory, enrol_totp, verified_client


def document(**rules: Any) -> dict[str, Any]:
    """The default document with these rules."""
    return documents.default_document() | rules


def administrator(tenant: Tenant | None = None, **fields: Any) -> User:
    """An administrator with an app, of a tenant of their own unless one is given."""
    person = AdministratorFactory(tenant=tenant or TenantFactory(), **fields)
    enrol_totp(person)
    return person


def give_key(person: User, **fields: Any) -> Binding:
    """A security key as it stands after its enrolment; `fields` are the credential's."""
    binding = Binding.objects.create(person=person, kind=Binding.Kind.WEBAUTHN)
    stated = {"user_verified": True, "backup_eligible": False, "backed_up": False, "aaguid": binding.pk} | fields
    WebAuthnCredential.objects.create(
        binding=binding, credential_id=binding.pk.bytes, public_key=b"", algorithm=-7, **stated
    )
    return binding


def session_in(client: Any) -> SessionStore:
    """The session of this browser, as the next request would read it."""
    return SessionStore(client.cookies[settings.SESSION_COOKIE_NAME].value)


def fresh_session(person: User) -> SessionStore:
    """A session made now, in which password and app were proved just now."""
    return session_in(verified_client(person))


def published(
    actor: User, *, policy: MFAPolicy | None = None, reason: str = "for a test", **given: Any
) -> PolicyVersion:
    """What this person publishes, in a fresh session unless one is given; `how` is for the flow, the rest are rules."""
    how = given.pop("how", {})
    session = given.pop("session", None) or fresh_session(actor)
    policy = policy or actor.tenant.policy
    return publish.publish(policy, document(**given), actor=actor, session=session, reason=reason, **how)


def drafted(actor: User, *, revision: int = 0, **rules: Any) -> PolicyDraft:
    """The draft of the person's own policy, saved with these rules."""
    return drafts.save(actor.tenant.policy, document(**rules), enabled=True, actor=actor, revision=revision)


def numbers(policy: MFAPolicy) -> list[int]:
    """The versions there are, first to last."""
    return list(PolicyVersion.objects.filter(policy=policy).order_by("number").values_list("number", flat=True))


def events(kind: str, tenant: Tenant) -> Iterable[AuditEvent]:
    """What was recorded of this kind about the tenant, first to last."""
    return list(AuditEvent.objects.filter(kind=kind, tenant_id=tenant.pk).order_by("id"))


def in_force(tenant: Tenant) -> int:
    """The number of the version that everybody is judged by now."""
    return publish.number_in_force(MFAPolicy.objects.get(tenant=tenant), timezone.now())
