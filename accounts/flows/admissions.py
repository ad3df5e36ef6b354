"""The guard after a reset: who has nothing left needs more than a password to enrol again (security 54, 55).

Whoever holds the password may be the thief for whom the reset was made up on the telephone. So a session may enrol
only if it also proved a mailed link or an access pass, after the reset and not long ago. Those two live in
`flows.enrolment_links` and `flows.access_passes`; their callers hold the person's row, as those here do.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone

from accounts.assurance import ADMISSIONS
from accounts.errors import EnrolmentGuarded
from accounts.models import AccessPass, EnrolmentLink, HelpRequest, User
from audit.kinds import Kind
from audit.log import record

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

GOOD_FOR: Final = timedelta(minutes=30)


def require(person: User, session: "SessionStore") -> None:
    """Raise EnrolmentGuarded unless this person may enrol by their password, or this session was admitted."""
    if not is_admitted(person, session):
        raise EnrolmentGuarded


def is_admitted(person: User, session: "SessionStore") -> bool:
    """Whether nothing guards enrolment, or this session proved a link or a pass since it does, lately."""
    guarded_at = person.enrolment_guarded_at
    if guarded_at is None:
        return True
    since = max(guarded_at, timezone.now() - GOOD_FOR)
    return any(proof.method in ADMISSIONS and proof.at >= since for proof in session.proofs_of(person))


def guard(person: User) -> None:
    """From now on a password alone does not enrol, and what was proved before does not count."""
    person.enrolment_guarded_at = timezone.now()
    person.save(update_fields=["enrolment_guarded_at"])


def void(person: User, *, reason: str, actor: User | None = None) -> None:
    """End every link and pass of a person that is not used yet; ended passes are recorded, with `reason`."""
    EnrolmentLink.objects.filter(person=person, used_at=None).update(used_at=timezone.now())
    revoke_passes(person, reason=reason, actor=actor)


def revoke_passes(person: User, *, reason: str, actor: User | None = None) -> None:
    """End the person's pass, if one is not used yet."""
    for held in AccessPass.objects.filter(person=person, used_at=None, revoked_at=None):
        AccessPass.objects.filter(pk=held.pk).update(revoked_at=timezone.now())
        record(Kind.ACCESS_PASS_REVOKED, actor=actor, target=person, reason=reason, **about(held))


def use_up(person: User, session: "SessionStore") -> None:
    """Something is enrolled: the guard is lifted, what led there ends, and this session is an ordinary one."""
    if person.enrolment_guarded_at is None:
        return
    void(person, reason="enrolled", actor=person)
    waiting = HelpRequest.objects.filter(person=person, closed_at=None)
    waiting.update(closed_at=timezone.now(), closed_by=person.pk, closed_by_label=str(person))
    session.forget(person, ADMISSIONS)
    person.enrolment_guarded_at = None
    person.save(update_fields=["enrolment_guarded_at"])


def about(held: AccessPass) -> dict[str, Any]:
    """What events say of a pass."""
    return {
        "access_pass": str(held.pk),
        "intervention": None if held.intervention_id is None else str(held.intervention_id),
    }
