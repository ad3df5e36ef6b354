"""Ending somebody's sessions at once, by an administrator who answers for them (security 68)."""

import uuid
from collections.abc import Iterable

from accounts.errors import NotAllowed
from accounts.flows import people
from accounts.models import Session, User
from accounts.session_store import end
from audit.kinds import Kind
from audit.log import record, unit_of_work

BY_ADMINISTRATOR = "ended_by_administrator"


@unit_of_work
def end_each(public_ids: Iterable[uuid.UUID], *, actor: User) -> int:
    """End the sessions with these public ids, one event each; returns how many were alive.

    Raises NotAllowed, and ends none, if the actor does not answer for the person of one of them.
    """
    alive = Session.objects.filter(public_id__in=list(public_ids), ended_at=None).defer("session_data")
    sessions = list(alive.select_related("person__tenant").order_by("created_at"))
    if not all(session.person and people.manages(actor, session.person) for session in sessions):
        raise NotAllowed
    return sum(_end(session, actor) for session in sessions)


def _end(session: Session, actor: User) -> int:
    """One if this call ended it; somebody else may have been faster."""
    ended = end(Session.objects.filter(pk=session.pk))
    if ended:
        record(
            Kind.SESSION_ENDED,
            actor=actor,
            target=session.person,
            session=str(session.public_id),
            reason=BY_ADMINISTRATOR,
        )
    return ended
