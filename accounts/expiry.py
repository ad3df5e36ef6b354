"""What runs out: rows that nobody can use any more, by what operators call them. Every room adds its own."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet

from accounts import notices
from accounts.flows import browsers, throttles
from accounts.models import AccessPass, Ceremony, EnrolmentLink, HelpRequest, Invitation, PendingEnrolment, Session

KEPT: Final = timedelta(days=30)  # what became of a pass or a call for help stays to be seen for a while
Expired = Callable[[datetime], QuerySet[Any]]

_EXPIRED: Final[dict[str, Expired]] = {
    "sessions": lambda now: Session.objects.filter(expire_date__lt=now),
    "ceremonies": lambda now: Ceremony.objects.filter(expires_at__lt=now),
    "unfinished enrolments": lambda now: PendingEnrolment.objects.filter(expires_at__lt=now),
    "enrolment links": lambda now: EnrolmentLink.objects.filter(expires_at__lt=now),
    "access passes": lambda now: AccessPass.objects.filter(expires_at__lt=now - KEPT).exclude(
        used_at=None, revoked_at=None
    ),
    "requests for help": lambda now: HelpRequest.objects.filter(asked_at__lt=now - KEPT),
    "invitations": lambda now: Invitation.objects.filter(expires_at__lt=now),
    "counters": throttles.idle,
    "notices": notices.expired,
    "browsers": browsers.forgotten,
}


def register(name: str, expired: Expired) -> None:
    """Add a kind of row, with what of it has run out at a moment. Raises ValueError for another's name."""
    if _EXPIRED.setdefault(name, expired) is not expired:
        raise ValueError(f"What is called {name} is removed already.")
    _EXPIRED[name] = expired


def expired(now: datetime) -> dict[str, QuerySet[Any]]:
    """The rows that have run out at `now`, by what operators call them."""
    return {name: rows(now) for name, rows in _EXPIRED.items()}
