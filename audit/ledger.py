"""Appending to the chains, hand-written because sign-ins pay for it: three statements, on PostgreSQL two, or one.

One is enough where the request has read on its way where the chain ends (`context.expect_head`): the events go in if it
still ends there, by number and hash. Otherwise the chain is looked at, and they are sealed anew.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.operations import BaseDatabaseOperations

from audit import chain, context, direct, keys, stream
from audit.drafts import COLUMNS, Draft
from audit.entries import Entry
from audit.errors import NotRecorded
from audit.keys import Key

_LOOK = "SELECT sequence, hash FROM audit_auditchain WHERE id = %s"  # where a writer has the database to itself
_LOCK = "SELECT sequence, hash FROM audit_auditchain WHERE id = %s FOR UPDATE"
_OPEN = "INSERT INTO audit_auditchain (id, sequence, hash) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_ADVANCE = "UPDATE audit_auditchain SET sequence = %s, hash = %s WHERE id = %s"
_INSERT = "INSERT INTO audit_auditevent ({names}) VALUES ({places})"
_CONTINUE = (
    "WITH head AS (UPDATE audit_auditchain SET sequence = %s, hash = %s WHERE id = %s AND sequence = %s AND hash = %s"
    " RETURNING id) INSERT INTO audit_auditevent ({names}) SELECT {names_of_event}"
    " FROM head, json_populate_recordset(NULL::audit_auditevent, %s::json) AS event"
)

Place = tuple[int, str]  # number and hash of the newest event


def append(connection: BaseDatabaseWrapper, entries: Iterable[Entry]) -> None:
    """Write entries at the ends of their chains, in the order given, inside the caller's transaction.

    Chains are locked in the order of their ids, so that no two transactions wait for each other, and stay
    locked until the transaction ends: call this last. Raises KeyMissing or KeyMalformed, NotRecorded, and database
    errors.
    """
    key, dialect = keys.primary(), _dialect_of(connection)
    waiting: dict[UUID, list[Draft]] = {}
    for entry in entries:
        waiting.setdefault(entry.chain, []).append(Draft(entry))
    expected = context.current().heads
    for chain_id in sorted(waiting):
        drafts, head = waiting[chain_id], dialect.uuid(chain_id)
        seen = expected.pop(chain_id, None) if dialect.may_expect else None
        if seen is None or not dialect.continues(connection, dialect, head, seen, _seal(drafts, seen, key), drafts):
            seen = _lock(connection, dialect, head)
            if not dialect.continues(connection, dialect, head, seen, _seal(drafts, seen, key), drafts):
                raise NotRecorded(f"{len(drafts)} events of chain {chain_id}")
        stream.send(connection, [draft.entry for draft in drafts])


def _seal(drafts: list[Draft], end: Place, key: Key) -> Place:
    """Give events their places after this end of their chain; returns the new one."""
    sequence, digest = end
    for draft in drafts:
        sequence += 1
        digest = draft.seal(sequence, digest, key)
    return sequence, digest


def _lock(connection: BaseDatabaseWrapper, dialect: "_Dialect", head: Any) -> Place:
    """Number and hash of the newest event of a chain, which is ours until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(dialect.lock, (head,))
        if (found := cursor.fetchone()) is None:
            cursor.execute(_OPEN, (head, 0, chain.GENESIS))  # waits for whoever opens it at the same time
            cursor.execute(dialect.lock, (head,))
            found = cursor.fetchone()
    sequence, digest = found
    return sequence, digest


def _continues_apart(
    connection: BaseDatabaseWrapper, dialect: "_Dialect", head: Any, seen: Place, end: Place, drafts: list[Draft]
) -> bool:
    """Events, then the head, which nobody else writes to meanwhile."""
    rows = [adapted(connection.ops, [getattr(draft.entry, name) for name in COLUMNS]) for draft in drafts]
    with connection.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(dialect.insert, rows[0])
        else:
            cursor.executemany(dialect.insert, rows)
        cursor.execute(_ADVANCE, (*end, head))
    return True


def _continues(
    connection: BaseDatabaseWrapper, dialect: "_Dialect", head: str, seen: Place, end: Place, drafts: list[Draft]
) -> bool:
    """Events and head in one statement; False, and nothing written, where the chain does not end as it was seen.

    The UPDATE waits for whoever holds the chain, and then looks at the head as they left it. The events are one
    parameter: spelling each of their values costs the driver more than all the rest.
    """
    rows = ",".join([draft.as_json() for draft in drafts])
    values = (str(end[0]), end[1], head, str(seen[0]), seen[1], f"[{rows}]")
    return direct.affected(connection, dialect.insert, values) == len(drafts)


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What databases spell differently, and how values are passed to them."""

    lock: str
    insert: str
    continues: Callable[..., bool]
    uuid: Callable[[UUID], Any]
    may_expect: bool  # what was read before the chain is held


_dialects: dict[str, _Dialect] = {}


def _dialect_of(connection: BaseDatabaseWrapper) -> _Dialect:
    if connection.vendor not in _dialects:
        _dialects[connection.vendor] = _make_dialect(connection)
    return _dialects[connection.vendor]


def _make_dialect(connection: BaseDatabaseWrapper) -> _Dialect:
    quoted = [connection.ops.quote_name(name) for name in COLUMNS]
    names = ", ".join(quoted)
    if connection.vendor == "postgresql":
        insert = _CONTINUE.format(names=names, names_of_event=", ".join([f"event.{name}" for name in quoted]))
        return _Dialect(_LOCK, insert, _continues, str, may_expect=True)
    insert = _INSERT.format(names=names, places=", ".join(["%s"] * len(COLUMNS)))
    return _Dialect(_LOOK, insert, _continues_apart, _hex, may_expect=False)


def adapted(ops: BaseDatabaseOperations, values: Iterable[Any]) -> list[Any]:
    """Values as models pass them to a database that knows texts and numbers alone: what stands there then."""
    return [convert(ops, each) if (convert := _CONVERTERS.get(type(each))) else each for each in values]


def _hex(value: UUID) -> str:
    return value.hex


_CONVERTERS: dict[type, Callable[[BaseDatabaseOperations, Any], Any]] = {
    UUID: lambda _ops, value: value.hex,
    datetime: lambda ops, value: ops.adapt_datetimefield_value(value),
    dict: lambda ops, value: ops.adapt_json_value(value, None),
}
