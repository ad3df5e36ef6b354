"""One event with its place in the chain: standard library only, for whatever reads events."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(slots=True)
class Row:
    """An event as it stands in the table or in an export, without the cost of a model."""

    id: UUID
    form: int
    chain: UUID
    sequence: int
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
    salts: dict[str, str]
    digests: dict[str, str]
    prev_hash: str
    hash: str
    mac: str
    key_id: str
