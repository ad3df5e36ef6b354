"""Appending to the chains, hand-written because sign-ins pay for it: three statements, on PostgreSQL two."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.backends.utils import CursorWrapper

from audit import chain, keys, stream
from audit.entries import Entry
from audit.models import AuditEvent

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
    key = keys.primary()
    dialect = _dialect_of(connection)
    by_chain = attrgetter("chain")
    with connection.cursor() as cursor:
        for chain_id, group in groupby(sorted(entries, key=by_chain), key=by_chain):
            head = dialect.uuid(connection.ops, chain_id)
            sequence, previous = _lock(cursor, dialect, head)
            members = list(group)
            for sequence, entry in enumerate(members, start=sequence + 1):  # noqa: B020
                previous = _seal(entry, sequence, previous, key)
            rows = [dialect.row(connection.ops, entry) for entry in members]
            dialect.write(cursor, dialect, rows, (sequence, previous, head))
            stream.send(connection, members)


def _lock(cursor: CursorWrapper, dialect: "_Dialect", head: Any) -> tuple[int, str]:
    """Number and hash of the newest event of a chain, which is ours until the transaction ends."""
    cursor.execute(dialect.lock, (head,))
    if (found := cursor.fetchone()) is None:
        cursor.execute(_OPEN, (head, 0, chain.GENESIS))  # waits for whoever opens it at the same time
        cursor.execute(dialect.lock, (head,))
        found = cursor.fetchone()
    sequence, digest = found
    return sequence, digest


def _seal(entry: Entry, sequence: int, previous: str, key: keys.Key) -> str:
    """Give an entry its place, hash and MAC; return the hash for the next one."""
    entry.sequence = sequence
    entry.prev_hash = previous
    entry.hash = chain.link(previous, chain.canonical(entry))
    entry.mac = chain.authenticate(key.secret, entry.hash)
    entry.key_id = key.id
    return entry.hash


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


Convert = Callable[[BaseDatabaseOperations, Any], Any]


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What databases spell differently, and how values of the event's columns are passed to them."""

    lock: str
    insert: str
    places: str
    write: Callable[..., None]
    uuid: Convert
    columns: tuple[tuple[str, Convert | None], ...]

    def row(self, ops: BaseDatabaseOperations, entry: Entry) -> list[Any]:
        return [c(ops, getattr(entry, n)) if c else getattr(entry, n) for n, c in self.columns]


_dialects: dict[str, _Dialect] = {}


def _dialect_of(connection: BaseDatabaseWrapper) -> _Dialect:
    if connection.vendor not in _dialects:
        _dialects[connection.vendor] = _make_dialect(connection)
    return _dialects[connection.vendor]


def _make_dialect(connection: BaseDatabaseWrapper) -> _Dialect:
    fields = AuditEvent._meta.concrete_fields
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    uuid = _same if connection.features.has_native_uuid_field else _uuid_as_hex
    converters: dict[type, Convert] = {models.UUIDField: uuid, models.DateTimeField: _moment}
    converters[models.JSONField] = _json
    return _Dialect(
        lock=_LOCK if connection.features.has_select_for_update else _LOOK,
        insert=" ".join(("INSERT INTO audit_auditevent (", names, ") VALUES ")),
        places=f"({places})",
        write=_write_at_once if connection.vendor == "postgresql" else _write_apart,
        uuid=uuid,
        columns=tuple((field.attname, converters.get(type(field))) for field in fields),
    )


def _same(ops: BaseDatabaseOperations, value: Any) -> Any:
    return value


def _uuid_as_hex(ops: BaseDatabaseOperations, value: UUID | None) -> str | None:
    return None if value is None else value.hex


def _moment(ops: BaseDatabaseOperations, value: datetime) -> Any:
    return ops.adapt_datetimefield_value(value)


def _json(ops: BaseDatabaseOperations, value: Any) -> Any:
    return ops.adapt_json_value(value, None)
