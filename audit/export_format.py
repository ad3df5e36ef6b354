"""Exports of the record: what a file says of itself in its first line, and the lines of JSON of a whole chain.

Standard library only, for any verifier. A **whole** export holds every event of one chain up to its head, with
everything that is hashed, so that `python -m audit.verify` can prove it. A **selection** is what a filter left: it
proves nothing about what was left out, and its head line says so. A selection as CSV begins with the names of its
columns, as spreadsheets want it: by them the verifier knows it, and says so in its place.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from audit.row import Row

FORMAT: Final = "gatehouse-audit"
VERSION: Final = 2
READ: Final = (1, VERSION)  # files are kept for years; in the first version, all events are of form 1
NO_PROOF: Final = "A selection of events. It proves nothing about what was left out."
COLUMNS: Final = (
    *("id", "user_id", "user_email", "action", "resource", "details"),
    *("ip_address", "timestamp", "success"),
)
"""Of a selection as CSV: the fields of `audit.summary.Summary`, which a verifier without Django cannot ask."""

_to_json = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode


def line_of(value: Mapping[str, Any]) -> str:
    """One line of ASCII and its line feed, whatever the texts hold: no reader finds another line in it."""
    return _to_json(value) + "\n"


def head_of_chain(chain: UUID, *, sequence: int, digest: str, at: datetime) -> dict[str, Any]:
    """What the first line of a whole export says: it ends with event number `sequence`, hashed `digest`."""
    return _head(whole=True, at=at) | {"chain": str(chain), "sequence": sequence, "hash": digest}


def head_of_selection(chosen: Mapping[str, Any], *, at: datetime) -> dict[str, Any]:
    """What the first line of a filtered export says. `chosen` is the filter, as JSON values."""
    return _head(whole=False, at=at) | {"filter": dict(chosen), "note": NO_PROOF}


def of_row(row: Row) -> dict[str, Any]:
    """An event as a line of a whole export holds it: every column, by its name."""
    found = {name: getattr(row, name) for name in Row.__slots__}
    tenant = row.tenant_id and str(row.tenant_id)
    return found | {"id": str(row.id), "chain": str(row.chain), "tenant_id": tenant, "at": moment(row.at)}


def moment(at: datetime) -> str:
    """A moment as exports write it: UTC, microseconds, and as it is hashed."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _head(*, whole: bool, at: datetime) -> dict[str, Any]:
    return {"format": FORMAT, "version": VERSION, "whole": whole, "at": moment(at)}
