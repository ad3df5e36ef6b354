"""What was recorded about oneself, for oneself: the newest events, and of other people's acts not where they sat."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from accounts import activity_words
from accounts.models import User
from audit.declarations import Severity
from audit.models import AuditEvent

SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Happening:
    """One event as its person is told it. `ip` and `agent` are empty where somebody else acted."""

    at: datetime
    sentence: str
    is_warning: bool
    ip: str
    agent: str


def recent(person: User) -> list[Happening]:
    """The last `SHOWN` events about this person that have words for them, the newest first; one query.

    Only what happened in the tenant where they are, since they came: how it was elsewhere is that tenant's to know.
    """
    since = max(person.date_joined, person.known_since)
    events = AuditEvent.objects.filter(
        target_id=str(person.pk), tenant_id=person.tenant_id, at__gte=since, kind__in=list(activity_words.YOURS)
    )
    columns = events.only("id", "kind", "at", "actor_id", "ip", "user_agent", "payload")
    return [_happening(event, person) for event in columns.order_by("-id")[:SHOWN]]


def _happening(event: AuditEvent, person: User) -> Happening:
    by_other = event.actor_id not in ("", str(person.pk))
    severity = event.severity
    return Happening(
        at=event.at,
        sentence=activity_words.told(event.kind, event.payload, by_other=by_other),
        is_warning=severity is not None and severity >= Severity.WARNING,
        ip="" if by_other else event.ip,
        agent="" if by_other else event.user_agent,
    )
