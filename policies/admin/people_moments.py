"""Which moments of somebody's past whoever answers for them may see: those since they came to this tenant.

An address brings along when it first signed in, the deadline it left and that a reset ended its grace. They hold
everywhere, but when they were is another tenant's to know. Platform administrators see all of it.
"""

from dataclasses import replace
from datetime import datetime

from accounts.models import User
from policies.terms import Decision


def seen_from(person: User, viewer: User) -> datetime | None:
    """Since when what happened to the person is for this viewer to see; None: all of it.

    `known_since` is when they came from another tenant, and `date_joined` when this row was made.
    """
    return None if viewer.is_superuser else max(person.date_joined, person.known_since)


def may_see(moment: datetime | None, person: User, viewer: User) -> bool:
    """Whether this moment is for this viewer to see."""
    since = seen_from(person, viewer)
    return moment is None or since is None or moment >= since


def as_seen(decision: Decision, person: User, viewer: User) -> Decision:
    """A receipt without the moments from elsewhere; the person is known since they came."""
    since, known = seen_from(person, viewer), decision.facts
    if since is None:
        return decision

    def kept(moment: datetime | None) -> datetime | None:
        return moment if may_see(moment, person, viewer) else None

    came = max(known.known_since, person.date_joined) if known.known_since else None
    seen = replace(
        known,
        known_since=came,
        first_sign_in_at=kept(known.first_sign_in_at),
        grace_closed_at=kept(known.grace_closed_at),
        grace_cap=kept(known.grace_cap),
    )
    return replace(decision, facts=seen, deadline=kept(decision.deadline))
