"""Appending to the chains, hand-written because sign-ins pay for it: three statements, on PostgreSQL two."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.backends.utils import CursorWrapper

from audit import chain, keys, stream
from audit.drafts import COLUMNS, Draft
from audit.entries import Entry

_LOOK = "SELECT sequence, hash FROM audit_auditchain WHERE id = %s"  # where a writer has the database to itself
_LOCK = "SELECT sequence, hash FROM audit_auditchain WHERE id = %s FOR UPDATE"
_OPEN = "INSERT INTO audit_auditchain (id, sequence, hash) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_ADVANCE = "UPDATE audit_auditchain SET sequence = %s, hash = %s WHERE id = %s"


SEVERAL = 500  # events of one statement
Rows = list[list[Any]]
End = tuple[int, str, Any]  # number and hash of the newest event, and the chain's id


def append(connection: BaseDatabaseWrapper, entries: Iterable[Entry]) -> None:
    """Write entries at the ends of their chains, in the order given, inside the caller's transaction.

    Chains are locked in the order of their ids, so that no two transactions wait for each other, and stay
    locked until the transaction ends: call this last. Raises KeyMissing or KeyMalformed, and database errors.
    """
    key, dialect = keys.primary(), _dialect_of(connection)
    waiting: dict[UUID, list[Draft]] = {}
    for entry in entries:
        waiting.setdefault(entry.chain, []).append(Draft(entry))
    with connection.cursor() as cursor:
        for chain_id in sorted(waiting):
            drafts, head = waiting[chain_id], dialect.uuid(chain_id)
            sequence, digest = _lock(cursor, dialect, head)
            for draft in drafts:
                sequence += 1
                digest = draft.seal(sequence, digest, key)
            rows = [dialect.row(connection.ops, draft) for draft in drafts]
            dialect.write(cursor, dialect, rows, (sequence, digest, head))
            stream.send(connection, [draft.entry for draft in drafts])


def _lock(cursor: CursorWrapper, dialect: "_Dialect", head: Any) -> tuple[int, str]:
    """Number and hash of the newest event of a chain, which is ours until the transaction ends."""
    cursor.execute(dialect.lock, (head,))
    if (found := cursor.fetchone()) is None:
        cursor.execute(_OPEN, (head, 0, chain.GENESIS))  # waits for whoever opens it at the same time
        cursor.execute(dialect.lock, (head,))
        found = cursor.fetchone()
    sequence, digest = found
    return sequence, digest


def _write_apart(cursor: CursorWrapper, dialect: "_Dialect", rows: Rows, end: End) -> None:
    """Events, then the head."""
    if len(rows) == 1:
        cursor.execute(dialect.insert + dialect.places, rows[0])
    else:
        cursor.executemany(dialect.insert + dialect.places, rows)
    cursor.execute(_ADVANCE, end)


def _write_at_once(cursor: CursorWrapper, dialect: "_Dialect", rows: Rows, end: End) -> None:
    """Both in one statement; more than `SEVERAL` events in several, the head with the first of them."""
    advance, values = f"WITH head AS ({_ADVANCE}) ", list(end)
    for start in range(0, len(rows), SEVERAL):
        several = rows[start : start + SEVERAL]
        places = ", ".join([dialect.places] * len(several))
        cursor.execute(advance + dialect.insert + places, values + [value for row in several for value in row])
        advance, values = "", []


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What databases spell differently, and how values are passed to them."""

    lock: str
    insert: str
    write: Callable[..., None]
    uuid: Callable[[UUID], Any]
    row: Callable[[BaseDatabaseOperations, Draft], list[Any]]

    places = f"({', '.join(['%s'] * len(COLUMNS))})"


_dialects: dict[str, _Dialect] = {}


def _dialect_of(connection: BaseDatabaseWrapper) -> _Dialect:
    if connection.vendor not in _dialects:
        _dialects[connection.vendor] = _make_dialect(connection)
    return _dialects[connection.vendor]


def _make_dialect(connection: BaseDatabaseWrapper) -> _Dialect:
    names = ", ".join(map(connection.ops.quote_name, COLUMNS))
    insert = " ".join(("INSERT INTO audit_auditevent (", names, ") VALUES "))
    if connection.vendor == "postgresql":
        return _Dialect(_LOCK, insert, _write_at_once, str, _as_texts)
    return _Dialect(_LOOK, insert, _write_apart, _hex, _adapted)


def _as_texts(ops: BaseDatabaseOperations, draft: Draft) -> list[Any]:
    """PostgreSQL knows its columns' types; having psycopg spell them costs more than all the rest of a row."""
    return draft.row()


def _adapted(ops: BaseDatabaseOperations, draft: Draft) -> list[Any]:
    """As models pass them, to a database that knows texts and numbers alone."""
    values = [getattr(draft.entry, name) for name in COLUMNS]
    return [convert(ops, each) if (convert := _CONVERTERS.get(type(each))) else each for each in values]


def _hex(value: UUID) -> str:
    return value.hex


_CONVERTERS: dict[type, Callable[[BaseDatabaseOperations, Any], Any]] = {
    UUID: lambda _ops, value: value.hex,
    datetime: lambda ops, value: ops.adapt_datetimefield_value(value),
    dict: lambda ops, value: ops.adapt_json_value(value, None),
}
