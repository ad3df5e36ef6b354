"""Administrators who look through the record: recorded, with what they asked for, once an hour for each question."""

from uuid import UUID

from accounts.flows import viewing
from accounts.models import User
from accounts.session_store import SessionStore
from audit.kinds import Kind
from audit.log import record
from policies.evidence.asked import Asked


def looked_through(asked: Asked, tenants: list[UUID] | None, *, actor: User, session: SessionStore) -> None:
    """Record that somebody is about to be shown these events. Further pages of the same question are the same look.

    In the chain of the tenant whose events alone are asked for, where `tenants` names one, else of the actor's.
    """
    if viewing.is_news(asked.kept, session):
        tenant = tenants[0] if tenants is not None and len(tenants) == 1 else None
        record(Kind.RECORD_LOOKED_THROUGH, actor=actor, tenant=tenant, asked=asked.kept)
