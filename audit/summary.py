"""The public summary of an event: what other systems are given of it, in a shape that stays.

It derives from the event and says nothing that the event does not. Fields are never renamed or given another meaning.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

from audit.declarations import Outcome


class Read(NamedTuple):
    """What is read of an event for a summary: columns of the table, by their names."""

    id: UUID
    tenant_id: UUID | None
    kind: str
    at: datetime
    outcome: str
    actor_id: str
    actor_label: str
    target_type: str
    target_id: str
    target_label: str
    ip: str
    user_agent: str
    request_id: str
    payload: dict[str, Any]


class Details(TypedDict):
    """What has no field of its own. What is not known is None; what was erased is gone from both."""

    outcome: str
    """"ok", "refused" (a rule or a wrong proof stood in the way) or "failed" (something is broken)."""
    tenant_id: str | None
    """The tenant whose record it stands in; None: the platform's."""
    target: str | None
    """How whom it happened to was called at the time; of a person, the mail address."""
    user_agent: str | None
    request_id: str | None
    facts: dict[str, Any]
    """What `audit.catalogue` declares for this kind of event."""


class Summary(TypedDict):
    """One event."""

    id: str
    """A UUIDv7: ids sort as the events happened."""
    user_id: str | None
    """The id of whoever acted; None where nobody was known, or the site itself acted."""
    user_email: str | None
    """Their mail address at the time; None as above, and once it was erased."""
    action: str
    """The kind, `subject:action` in the past tense. Values never change; new ones are added."""
    resource: str | None
    """What it happened to, as `type:id`, such as `accounts.user:…`; None where that is nothing."""
    details: Details
    ip_address: str | None
    """Where the request came from; None for what happened in no request."""
    timestamp: str
    """RFC 3339 in UTC with microseconds."""
    success: bool
    """Whether the outcome is "ok"."""


def stamp(at: datetime) -> str:
    """A moment as summaries tell it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def summary_of(event: Any) -> Summary:
    """The summary of an `AuditEvent`, a pending entry, or a `Read`."""
    return {
        "id": str(event.id),
        "user_id": event.actor_id or None,
        "user_email": (event.actor_label or None) if event.actor_id else None,
        "action": event.kind,
        "resource": f"{event.target_type}:{event.target_id}" if event.target_id else None,
        "details": {
            "outcome": event.outcome,
            "tenant_id": str(event.tenant_id) if event.tenant_id else None,
            "target": event.target_label or None,
            "user_agent": event.user_agent or None,
            "request_id": event.request_id or None,
            "facts": event.payload,
        },
        "ip_address": event.ip or None,
        "timestamp": stamp(event.at),
        "success": event.outcome == Outcome.OK,
    }
