"""Making the entry of one event: who, whom, where, when, and the digests of what is personal."""

import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from audit import context
from audit.chain import FORM, PAYLOAD, PERSONAL_COLUMNS, PLATFORM, digest_of
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
    """An event on its way to the table, with the names of its columns; `ledger.append` numbers and seals it."""

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
    at = timezone.now()
    entry = Entry(
        id=uuid7(at),
        chain=PLATFORM,
        tenant_id=_tenant_id(tenant, target, actor),
        kind=declaration.kind,
        at=at,
        outcome=str(outcome or declaration.outcome),
        actor_id=_id_of(actor),
        actor_label=_label_of(actor) or (ANONYMOUS if context.in_request() else SYSTEM),
        target_type=_type_of(target),
        target_id=_id_of(target),
        target_label=_label_of(target),
        ip=here.ip,
        user_agent=here.user_agent,
        request_id=here.request_id,
        payload=declaration.encode(payload),
    )
    if entry.tenant_id is not None:
        entry.chain = entry.tenant_id
    _commit_to_personal_values(entry, declaration.personal)
    return entry


def _commit_to_personal_values(entry: Entry, fields: frozenset[str]) -> None:
    """Salt and digest every personal value that is there; the chain holds the digests alone."""
    values = {name: value for name in PERSONAL_COLUMNS if (value := getattr(entry, name))}
    values |= {PAYLOAD + name: entry.payload[name] for name in fields & entry.payload.keys()}
    salts = os.urandom(SALT_LENGTH * len(values)).hex()
    for number, (name, value) in enumerate(values.items()):
        salt = entry.salts[name] = salts[2 * SALT_LENGTH * number : 2 * SALT_LENGTH * (number + 1)]
        entry.digests[name] = digest_of(salt, name, value)


def _tenant_id(tenant: Any, target: Any, actor: Any) -> UUID | None:
    if tenant is not None:
        owner: UUID | None = getattr(tenant, "pk", tenant)
    else:
        owner = getattr(target, "tenant_id", None) or getattr(actor, "tenant_id", None)
    return owner


def _label_of(thing: Any) -> str:
    return "" if thing is None else visible(str(thing), LABEL_LIMIT)


def _id_of(thing: Any) -> str:
    """The key of a thing, or its public id where it has one: a session's key must not be told."""
    if thing is None:
        return ""
    return visible(str(getattr(thing, "public_id", None) or thing.pk), ID_LIMIT)


def _type_of(thing: Any) -> str:
    if thing is None:
        return ""
    meta = getattr(thing, "_meta", None)
    return visible(meta.label_lower if meta else type(thing).__name__, TYPE_LIMIT)
