"""Publishing a policy: one numbered, immutable version, in force on the next request of every session."""

from typing import Any

from django.utils import timezone

from accounts.errors import NotAllowed
from accounts.models import Tenant, User
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies import document as documents
from policies.errors import ReasonMissing, StaleDraft
from policies.models import MFAPolicy, PolicyVersion


def publish(
    policy: MFAPolicy,
    document: dict[str, Any],
    *,
    actor: User | None,
    reason: str,
    enabled: bool | None = None,
    based_on: int | None = None,
) -> PolicyVersion:
    """Put a document in force. `actor` None is the site itself; `based_on` is the version the change began from.

    Raises NotAllowed (recorded), ReasonMissing, StaleDraft, or `policies.document.DocumentError` naming the fields.
    `enforced_since` is set at the first version that demands anything and never moves.
    """
    if not may_publish(actor, policy):
        record(Kind.POLICY_PUBLISH_REFUSED, actor=actor, target=policy, tenant=policy.tenant_id, code=NotAllowed.code)
        raise NotAllowed
    if not reason.strip():
        raise ReasonMissing
    documents.validate(document)
    return _publish(policy, document, actor=actor, reason=reason.strip(), enabled=enabled, based_on=based_on)


def may_publish(actor: User | None, policy: MFAPolicy) -> bool:
    """Whether the actor answers for the policy's tenant; None is the site itself.

    The default tenant's policy binds the platform's administrators too, so only they publish it.
    """
    if actor is None or (actor.is_active and actor.is_superuser):
        return True
    is_theirs = actor.tenant_id == policy.tenant_id and not policy.tenant.is_default
    return actor.is_active and actor.is_staff and is_theirs


@unit_of_work
def _publish(
    policy: MFAPolicy,
    document: dict[str, Any],
    *,
    actor: User | None,
    reason: str,
    enabled: bool | None,
    based_on: int | None,
) -> PolicyVersion:
    locked = MFAPolicy.objects.select_for_update(of=("self",)).select_related("tenant").get(pk=policy.pk)
    if based_on is not None and based_on != locked.version:
        raise StaleDraft
    before = locked.versions.filter(number=locked.version).first()
    _advance(locked, document, locked.enabled if enabled is None else enabled)
    version = PolicyVersion.objects.create(
        policy=locked,
        number=locked.version,
        schema=documents.SCHEMA,
        document=document,
        enabled=locked.enabled,
        author_id=actor.pk if actor else None,
        author_label=str(actor) if actor else "system",
        reason=reason,
    )
    _record(locked, before, version, actor)
    return version


def _advance(policy: MFAPolicy, document: dict[str, Any], enabled: bool) -> None:
    policy.version += 1
    policy.enabled = enabled
    if policy.enforced_since is None and enabled and documents.demands(document):
        policy.enforced_since = timezone.now()
    policy.save(update_fields=["version", "enabled", "enforced_since"])
    Tenant.objects.filter(pk=policy.tenant_id).update(policy_version=policy.version)


def _record(policy: MFAPolicy, before: PolicyVersion | None, after: PolicyVersion, actor: User | None) -> None:
    kind = Kind.POLICY_PUBLISHED
    if before is not None and before.enabled != after.enabled:
        kind = Kind.POLICY_SWITCHED_ON if after.enabled else Kind.POLICY_SWITCHED_OFF
    record(
        kind,
        actor=actor,
        target=policy,
        tenant=policy.tenant_id,
        version=after.number,
        previous_version=before.number if before else 0,
        before=before.document if before else {},
        after=after.document,
        reason=after.reason,
    )
