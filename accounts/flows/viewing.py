"""Administrators who look at what is sensitive about somebody: each look is recorded."""

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Model
from django.utils import timezone

from accounts.models import Tenant, User
from audit.kinds import Kind
from audit.log import record

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

EVENT: Final = "event"
HISTORY: Final = "history"
PERSON: Final = "person"
AUTHENTICATOR: Final = "authenticator"
SIGN_INS: Final = "sign_ins"
SIGN_IN: Final = "sign_in"
SESSION: Final = "session"
SESSIONS: Final = "sessions"
HELP_REQUEST: Final = "help_request"
HELP_REQUESTS: Final = "help_requests"
NOTICE: Final = "notice"
NOTICES: Final = "notices"
ACT: Final = "act"

ANEW_AFTER: Final = timedelta(hours=1)
REMEMBERED: Final = 50  # questions of a session; older ones are recorded again
_LOOKS: Final = "looks"  # in the session: digest of a question → when it was recorded, in seconds


def looked_at(page: str, thing: Model, *, actor: User, **what: Any) -> None:
    """Record that somebody looked at a page about somebody else; at one's own, nothing.

    What belongs to a person (their session, an authenticator of theirs) is about that person.
    """
    whom = thing if isinstance(thing, User) else getattr(thing, "person", None) or thing
    if actor.pk != whom.pk:
        record(Kind.ADMIN_VIEWED_SENSITIVE, actor=actor, target=whom, page=page, **what)


def looked_through(
    page: str, tenant: Tenant | None, question: dict[str, Any], *, actor: User, session: "SessionStore"
) -> None:
    """Record that somebody was shown a list of many people's; further pages of the same question are the same look.

    `tenant` is the one whose people alone are listed, None where there are several.
    """
    if is_news({"list": page, **question}, session):
        record(Kind.ADMIN_VIEWED_SENSITIVE, actor=actor, target=tenant, page=page)


def is_news(question: Any, session: "SessionStore") -> bool:
    """Whether this was not asked in this session within the hour; from now on it was."""
    now, digest = int(timezone.now().timestamp()), _digest(question)
    recent = {known: at for known, at in session.get(_LOOKS, {}).items() if at > now - ANEW_AFTER.total_seconds()}
    if digest in recent:
        return False
    session[_LOOKS] = dict([*recent.items(), (digest, now)][-REMEMBERED:])
    return True


def _digest(question: Any) -> str:
    """The session need not hold whom somebody looked for."""
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
