"""Administrators who look through the record: recorded, with what they asked for, once an hour for each question."""

import hashlib
import json
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from accounts.session_store import SessionStore
from audit.kinds import Kind
from audit.log import record
from policies.evidence.asked import Asked

ANEW_AFTER: Final = timedelta(hours=1)
REMEMBERED: Final = 50  # questions of a session; older ones are recorded again
_LOOKS: Final = "looks"  # in the session: digest of a question → when it was recorded, in seconds


def looked_through(asked: Asked, tenants: list[UUID] | None, *, actor: User, session: SessionStore) -> None:
    """Record that somebody is about to be shown these events. Further pages of the same question are the same look.

    In the chain of the tenant whose events alone are asked for, where `tenants` names one, else of the actor's.
    """
    now, question = int(timezone.now().timestamp()), _digest(asked)
    recent = {known: at for known, at in session.get(_LOOKS, {}).items() if at > now - ANEW_AFTER.total_seconds()}
    if question in recent:
        return
    tenant = tenants[0] if tenants is not None and len(tenants) == 1 else None
    record(Kind.RECORD_LOOKED_THROUGH, actor=actor, tenant=tenant, asked=asked.kept)
    session[_LOOKS] = dict([*recent.items(), (question, now)][-REMEMBERED:])


def _digest(asked: Asked) -> str:
    """The session need not hold whom somebody looked for."""
    return hashlib.sha256(json.dumps(asked.kept, sort_keys=True).encode()).hexdigest()
