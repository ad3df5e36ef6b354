"""Administrators who look at what is sensitive about somebody: each look is recorded."""

from typing import Any, Final

from accounts.models import User
from audit.kinds import Kind
from audit.log import record

EVENT: Final = "event"
SIGN_INS: Final = "sign_ins"
SIGN_IN: Final = "sign_in"
SESSION: Final = "session"


def looked_at(page: str, person: User, *, actor: User, **what: Any) -> None:
    """Record that somebody looked at a page about somebody else; at one's own, nothing."""
    if actor.pk != person.pk:
        record(Kind.ADMIN_VIEWED_SENSITIVE, actor=actor, target=person, page=page, **what)
