"""What becomes of a version after it was published: confirmed, out of force, or no longer reported on."""

from typing import TYPE_CHECKING

from accounts.models import User
from accounts.words import one_line
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies import enforcement
from policies.errors import NothingToConfirm, NotShown, ReasonMissing, SignedInBefore
from policies.flows.publish import administrators, lock, lock_for, require_fresh
from policies.models import MFAPolicy, PolicyVersion
from policies.rollout.simulation import is_for_good

if TYPE_CHECKING:
    from accounts.session_store import SessionStore


@unit_of_work
def confirm(policy: MFAPolicy, *, actor: User, session: "SessionStore") -> None:
    """Keep the version that waits for it: shown by a session made after it that an administrator still gets in.

    Raises NotAllowed, NotFresh, NothingToConfirm (also when the time is over), NotShown or SignedInBefore.
    """
    locked = lock_for(policy, actor)
    if locked.confirm_by is None:
        raise NothingToConfirm
    if not is_about(locked, actor):
        raise NotShown
    version = PolicyVersion.objects.get(policy=locked, number=locked.version)
    if session.row.signed_in_at is None or session.row.signed_in_at <= version.created_at:
        raise SignedInBefore
    require_fresh(actor, session)
    if not gets_in_for_good(actor, session):
        raise NotShown
    locked.confirm_by = locked.fallback_version = None
    locked.save(update_fields=["confirm_by", "fallback_version"])
    record(Kind.POLICY_CONFIRMED, actor=actor, target=locked, tenant=locked.tenant_id, version=locked.version)


def is_about(policy: MFAPolicy, actor: User) -> bool:
    """Whether the actor's getting in says something about this tenant's administrators: as one of them.

    For a tenant that has none, the platform's administrators have to do.
    """
    return actor.tenant_id == policy.tenant_id or (actor.is_superuser and not administrators(policy))


def gets_in_for_good(actor: User, session: "SessionStore") -> bool:
    """Whether this session is let in by what the actor owns, by the rule that a publish asks; two queries."""
    return is_for_good(enforcement.judge(session, actor).decision)


@unit_of_work
def settle(policy: MFAPolicy) -> None:
    """Write down and record that a version went out of force unconfirmed, if one did."""
    lock(policy)


@unit_of_work
def stop_report(policy: MFAPolicy, *, actor: User, session: "SessionStore", reason: str) -> None:
    """No longer judge the version in report-only.

    Raises NotAllowed, NotFresh, UnreadableWords, ReasonMissing or NothingToConfirm.
    """
    locked = lock_for(policy, actor)
    require_fresh(actor, session)
    reason = one_line(reason)
    if not reason:
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
        reason=reason,
    )
