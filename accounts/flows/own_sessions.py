"""One's own sessions: to look at and to end. What ends is dead at its next request (security 68).

Whoever ends a session elsewhere means the device it is on: the trust in its browser goes with it.
"""

import uuid
from typing import TYPE_CHECKING, Final

from django.db.models import QuerySet
from django.utils import timezone

from accounts.flows import browsers
from accounts.models import Browser, Session, User
from accounts.session_store import end
from audit.kinds import Kind
from audit.log import record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

BY_OWNER: Final = "ended_by_owner"
OUTDATED: Final = "password_changed"
SHOWN: Final = 50


def live(person: User) -> list[Session]:
    """The person's sessions that somebody could go on in, the one used last at the head; the first `SHOWN`."""
    return list(_live(person).order_by("-last_seen_at", "-created_at")[:SHOWN])


@unit_of_work
def end_one(person: User, session: "SessionStore", public_id: uuid.UUID) -> bool:
    """End one session of this person; False where they have none of this id. One that has ended stays so."""
    found = Session.objects.filter(person=person, public_id=public_id).defer("session_data").first()
    if found is None:
        return False
    _end(person, [found])
    if found.browser is not None and found.browser != session.row.browser:
        browsers.stop_trusting(person, [found.browser])
    return True


@unit_of_work
def end_others(person: User, session: "SessionStore") -> int:
    """End every session of this person but this one, and the trust in every other browser; returns how many ended."""
    ended = _end(person, list(_live(person).exclude(public_id=session.row.public_id)))
    trusted = Browser.objects.filter(person=person).exclude(trusted_at=None).values_list("pk", flat=True)
    browsers.stop_trusting(person, [one for one in trusted if one != session.row.browser])
    return ended


@unit_of_work
def end_outdated(person: User, session: "SessionStore") -> None:
    """End the session at hand, whose password is not the person's any more; the request goes on as nobody's."""
    row = session.row
    if end(Session.objects.filter(public_id=row.public_id)):
        record(Kind.SESSION_ENDED, actor=person, target=person, session=str(row.public_id), reason=OUTDATED)
    session.flush()


def _live(person: User) -> QuerySet[Session]:
    rows = Session.objects.filter(person=person, ended_at=None, expire_date__gt=timezone.now())
    return rows.defer("session_data")


def _end(person: User, sessions: list[Session]) -> int:
    """Those that this call ended, one event each; somebody else may have been faster."""
    alive = [one for one in sessions if end(Session.objects.filter(pk=one.pk))]
    for one in alive:
        record(Kind.SESSION_ENDED, actor=person, target=person, session=str(one.public_id), reason=BY_OWNER)
    return len(alive)
