"""What becomes of a version after it was published: confirmed, out of force, or no longer reported on."""

from typing import TYPE_CHECKING

from accounts.models import User
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies.errors import NothingToConfirm, ReasonMissing, SignedInBefore
from policies.flows.publish import lock, lock_for, require_fresh
from policies.models import MFAPolicy, PolicyVersion

if TYPE_CHECKING:
    from accounts.session_store import SessionStore


@unit_of_work
def confirm(policy: MFAPolicy, *, actor: User, session: "SessionStore") -> None:
    """Keep the version that waits for it. Only a session made after it shows that one can still sign in.

    Raises NotAllowed, NotFresh, NothingToConfirm (also when the time is over) or SignedInBefore.
    """
    locked = lock_for(policy, actor)
    if locked.confirm_by is None:
        raise NothingToConfirm
    version = PolicyVersion.objects.get(policy=locked, number=locked.version)
    if session.row.signed_in_at is None or session.row.signed_in_at <= version.created_at:
        raise SignedInBefore
    require_fresh(actor, session)
    locked.confirm_by = locked.fallback_version = None
    locked.save(update_fields=["confirm_by", "fallback_version"])
    record(Kind.POLICY_CONFIRMED, actor=actor, target=locked, tenant=locked.tenant_id, version=locked.version)


@unit_of_work
def settle(policy: MFAPolicy) -> None:
    """Write down and record that a version went out of force unconfirmed, if one did."""
    lock(policy)


@unit_of_work
def stop_report(policy: MFAPolicy, *, actor: User, session: "SessionStore", reason: str) -> None:
    """No longer judge the version in report-only. Raises NotAllowed, NotFresh, ReasonMissing or NothingToConfirm."""
    locked = lock_for(policy, actor)
    require_fresh(actor, session)
    if not reason.strip():
        raise ReasonMissing
    if locked.report_version is None:
        raise NothingToConfirm
    number, locked.report_version = locked.report_version, None
    locked.save(update_fields=["report_version"])
    record(
        Kind.POLICY_REPORT_STOPPED,
        actor=actor,
        target=locked,
        tenant=locked.tenant_id,
        version=number,
        reason=reason.strip(),
    )
