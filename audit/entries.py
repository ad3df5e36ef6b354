"""Making the entry of one event: who, whom, where, when."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from audit import context
from audit.chain import FORM, PLATFORM
from audit.declarations import Declaration, Outcome
from audit.encoding import visible
from audit.identifiers import uuid7

LABEL_LIMIT = 320  # characters: the longest mail address
ID_LIMIT = 64
TYPE_LIMIT = 100
SALT_LENGTH = 16  # bytes
SYSTEM = "system"
ANONYMOUS = "anonymous"


@dataclass(slots=True)
class Entry:
    """An event on its way to the table, with the names of its columns; `Draft` draws its salts, and seals it."""

    id: UUID
    chain: UUID
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
    personal: frozenset[str]  # fields of the payload
    salts: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    form: int = FORM
    sequence: int = 0
    prev_hash: str = ""
    hash: str = ""
    mac: str = ""
    key_id: str = ""


def entry_of(
    declaration: Declaration,
    actor: Any,
    target: Any,
    tenant: Any,
    outcome: Outcome | None,
    payload: dict[str, Any],
) -> Entry:
    """The entry of an event that happens now, in the current context; see `audit.log.record`."""
    here = context.current()
    if actor is None and getattr(here.person, "is_authenticated", False):
        actor = here.person
    at, tenant_id = timezone.now(), _tenant_id(tenant, target, actor)
    actor_id, actor_label = who = _named(actor)
    target_id, target_label = who if target is actor else _named(target)
    return Entry(
        id=uuid7(at),
        chain=PLATFORM if tenant_id is None else tenant_id,
        tenant_id=tenant_id,
        kind=declaration.kind,
        at=at,
        outcome=str(outcome or declaration.outcome),
        actor_id=actor_id,
        actor_label=actor_label or (ANONYMOUS if context.in_request() else SYSTEM),
        target_type=_type_of(target),
        target_id=target_id,
        target_label=target_label,
        ip=here.ip,
        user_agent=here.user_agent,
        request_id=here.request_id,
        payload=declaration.encode(payload),
        personal=declaration.personal,
    )


def _tenant_id(tenant: Any, target: Any, actor: Any) -> UUID | None:
    if tenant is not None:
        owner: UUID | None = getattr(tenant, "pk", tenant)
    else:
        owner = getattr(target, "tenant_id", None) or getattr(actor, "tenant_id", None)
    return owner


def _named(thing: Any) -> tuple[str, str]:
    """Id and label. The id is the key, or the public id where there is one: a session's key must not be told."""
    if thing is None:
        return "", ""
    identifier = getattr(thing, "public_id", None) or thing.pk
    return visible(str(identifier), ID_LIMIT), visible(str(thing), LABEL_LIMIT)


def _type_of(thing: Any) -> str:
    if thing is None:
        return ""
    meta = getattr(thing, "_meta", None)
    return visible(meta.label_lower if meta else type(thing).__name__, TYPE_LIMIT)
