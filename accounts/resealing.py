"""Sealing rows anew, batch by batch: held, opened, sealed, written by compare and swap, read back and opened again.

A batch is one SELECT, one UPDATE and one SELECT, whatever its size. It is kept as columns, and on PostgreSQL each
column travels as one text: for a million secrets, an object for each row costs as much as all their cryptography.
What is read here is never logged, and no message names it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from threading import Lock
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Model, QuerySet
from django.views.decorators.debug import sensitive_variables

from accounts.keyring import KeyRing, UnreadableSecret, framed, frames_of
from accounts.sealed import Place
from accounts.sealed_rows import BATCH, Fault, Row, fault_of, open_row, reachable

_computing: Final = Lock()
"""Held by the thread of this process that opens and seals. Two at once would only pass the interpreter back and forth:
the library lets go of it now and then within every token."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one place, column by column, all as text: ids with their dashes, a ciphertext that is gone as "".

    `homes` are the keys of the rows in which the ciphertexts stand, `stated` the key ids beside them.
    """

    keys: Sequence[str]
    owners: Sequence[str]
    stored: Sequence[str]
    stated: Sequence[str]
    homes: Sequence[str]

    def row(self, number: int) -> Row:
        """One of them, as a row."""
        key, owner = UUID(self.keys[number]), UUID(self.owners[number])
        return Row(key, owner, self.stored[number] or None, self.stated[number], self.homes[number])

    def frames(self, place: Place) -> list[bytes]:
        """What each secret has to begin with (`keyring.frames_of`)."""
        return frames_of(place.kind, _bytes_of(self.keys), _bytes_of(self.owners))


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written, column by column: which rows, what stands there, what shall.

    `secrets` is what the library opened, and has to open again: each with the frame of its context.
    """

    keys: Sequence[str]
    homes: Sequence[str]
    old: Sequence[str]
    new: Sequence[str]
    secrets: Sequence[bytes] = field(repr=False)

    def those(self, which: Sequence[object]) -> "Changes":
        """The ones of which this is true."""
        if all(which):
            return self
        # No generator: the locals of one would stand in an error report.
        columns = (self.keys, self.homes, self.old, self.new)
        keys, homes, old, new = [list(compress(each, which)) for each in columns]
        return Changes(keys, homes, old, new, list(compress(self.secrets, which)))


class NotWritten(Exception):
    """A row that was just written does not read back as what was written: the database, or a trigger, changed it."""

    def __init__(self, place: str, row: str, table: str) -> None:
        super().__init__(place, row, table)
        self.place, self.row, self.table = place, row, table

    def __str__(self) -> str:
        return f"{self.place}: row {self.row} of {self.table} does not read back as it was written"


def hold(place: Place, rows: "QuerySet[Any]", *, after: str | None, size: int = BATCH) -> Batch:
    """The next `size` of these rows, which are ours until the end of the transaction, and the rows beside them.

    In the order in which the ciphertexts stand, after the one that `after` is the home of. What others hold is left
    out (PostgreSQL).
    """
    home = place.home_key
    taken = reachable(place, rows).select_for_update(skip_locked=True)
    if after is not None:
        taken = _beyond(place, taken.filter(**{f"{home}__gt": after}), after)
    return Batch(*_columns(taken.order_by(home)[:size], "pk", place.owner, "stored", place.key_id, home))


@sensitive_variables()
def resealed(ring: KeyRing, place: Place, batch: Batch, *, foreign: bool) -> tuple[Changes, list[Fault]]:
    """These secrets under the primary key, and a report of each that does not open. `foreign`: as in `open_row`."""
    secrets: list[bytes] = []
    faults = []
    with _computing:
        for number, (stored, frame) in enumerate(zip(batch.stored, batch.frames(place), strict=True)):
            try:
                if "$" in stored:
                    secrets.append(ring.opened(stored, frame))
                else:
                    secrets.append(framed(open_row(ring, place, batch.row(number), foreign=foreign), frame))
            except UnreadableSecret as error:
                secrets.append(b"")
                faults.append(fault_of(place, batch.row(number), error))
        opened = Changes(batch.keys, batch.homes, batch.stored, batch.stored, secrets).those(secrets)
        return replace(opened, new=ring.sealed(opened.secrets)), faults


@sensitive_variables()
def write(place: Place, changes: Changes, key_id: str) -> set[str]:
    """Store new ciphertexts under this key wherever the old one still stands; returns the homes that were written.

    Whoever changed a row meanwhile wins: it is left as it is.
    """
    if not changes.keys:
        return set()
    if connection.vendor == "postgresql":
        return _write_at_once(place, changes, key_id)
    each = zip(changes.keys, changes.homes, changes.old, changes.new, strict=True)
    return {home for key, home, old, new in each if _write_one(place, key, home, old, new, key_id=key_id)}


@sensitive_variables()
def require_written(ring: KeyRing, place: Place, changes: Changes, written: set[str]) -> None:
    """Read these rows back, and open them to what was sealed. Raises NotWritten for the first that is anything else."""
    if not written:
        return
    ours = changes.those([home in written for home in changes.homes])
    rows = _among(place, ours.homes).order_by(place.home_key)
    homes, stored, stated = _columns(rows, place.home_key, "stored", place.key_id)
    if not (homes == ours.homes and stored == ours.new and set(stated) == {ring.primary_id}):
        _require_same(place, ours, ring.primary_id, dict(zip(homes, zip(stored, stated, strict=True), strict=True)))
    with _computing:
        for key, ciphertext, secret in zip(ours.keys, ours.new, ours.secrets, strict=True):
            if not _opens_to(ring, ciphertext, secret):
                raise NotWritten(place.label, key, place.model._meta.db_table)


def _opens_to(ring: KeyRing, ciphertext: str, secret: bytes) -> bool:
    try:
        return ring.opened(ciphertext, secret) == secret
    except UnreadableSecret:
        return False


def _require_same(place: Place, ours: Changes, key_id: str, found: dict[str, tuple[str, str]]) -> None:
    """Raise NotWritten for the first row that was `found` otherwise, or not at all."""
    for key, home, new in zip(ours.keys, ours.homes, ours.new, strict=True):
        if found.get(home) != (new, key_id):
            raise NotWritten(place.label, key, place.model._meta.db_table)


def _bytes_of(ids: Iterable[str]) -> bytes:
    """UUIDs one after the other, as 16 bytes each."""
    return bytes.fromhex("".join(ids).replace("-", ""))


@sensitive_variables()
def _columns(rows: "QuerySet[Any]", *names: str) -> list[Sequence[str]]:
    """These columns of these rows, all as text, NULL as the empty one.

    On PostgreSQL each comes as one text with commas in between. A value that has one itself, which no id and no
    ciphertext of ours has, makes too many parts: then the rows are read one by one.
    """
    found = rows.values_list(*names)
    if connection.vendor == "postgresql":
        count, *texts = _joined_columns(found, len(names))
        columns = [text.split(",") for text in texts] if count else [[] for _ in names]
        if all(len(column) == count for column in columns):
            return columns
    every = list(found)
    return [["" if row[place] is None else str(row[place]) for row in every] for place in range(len(names))]


def _joined_columns(rows: "QuerySet[Any, tuple[Any, ...]]", number: int) -> tuple[Any, ...]:
    """How many rows there are, and each of their columns as one text."""
    names = [f"column_{place}" for place in range(number)]
    joined = ", ".join(f"string_agg(coalesce({name}::text, ''), ',')" for name in names)
    sql, params = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), {joined} FROM ({sql}) AS batch ({', '.join(names)})", params)  # noqa: S608
        found: tuple[Any, ...] = cursor.fetchone()
    return found


def _beyond(place: Place, rows: "QuerySet[Any]", after: str) -> "QuerySet[Any]":
    """The same said of the rows beside: PostgreSQL would walk all those before them in every batch."""
    if place.beside is None:
        return rows
    said = f"{_quoted(place.home._meta.db_table)}.{_column(place.home, 'pk')} > %s"
    return rows.extra(where=[said], params=[after])  # noqa: S610  # nosec B610 (names of our own models)


def _among(place: Place, homes: Iterable[str]) -> "QuerySet[Any]":
    """The rows whose ciphertexts stand there; for PostgreSQL a list of which it does not know how long it is.

    Knowing it to be two thousand, it reads the whole table where that has less than some hundred thousand rows.
    """
    rows = place.rows()
    if connection.vendor != "postgresql":
        chosen: QuerySet[Any] = rows.filter(**{f"{place.home_key}__in": list(homes)})
        return chosen
    wanted = "{table}.{home_column} IN (SELECT unnest({homes}))".format(**_names(place))
    return rows.extra(where=[wanted], params=[",".join(homes)])  # noqa: S610  # nosec B610 (names of our own models)


def _write_at_once(place: Place, changes: Changes, key_id: str) -> set[str]:
    """PostgreSQL: every row of the batch in one statement, each column as one text: none of them has a comma."""
    columns = [",".join(column) for column in (changes.homes, changes.old, changes.new)]
    with connection.cursor() as cursor:
        if place.beside is None:
            cursor.execute(_sql_within(place), [key_id, *columns])
        else:
            key = place.beside[2]
            cursor.execute(_sql_beside(place), [[key], *columns, key, key_id])
        [written] = cursor.fetchone()
    return set(written.split(",")) if written else set()


def _sql_within(place: Place) -> str:
    return (  # noqa: S608 (names of our own models)
        "WITH written AS (UPDATE {table} AS t SET {column} = n.new, {key_id} = %s"
        " FROM unnest({homes}, {texts}, {texts}) AS n(home, old, new)"
        " WHERE t.{home_pk} = n.home AND t.{column} = n.old RETURNING n.home AS home)"
        " SELECT string_agg(home::text, ',') FROM written"
    ).format(**_names(place))


def _sql_beside(place: Place) -> str:
    """Both rows change or neither: the second UPDATE takes its rows from the first."""
    return (  # noqa: S608 (names of our own models)
        "WITH beside AS (UPDATE {home} AS h SET {column} = jsonb_set(h.{column}, %s::text[], to_jsonb(n.new))"
        " FROM unnest({homes}, {texts}, {texts}) AS n(home, old, new)"
        " WHERE h.{home_pk} = n.home AND h.{column} ->> %s = n.old RETURNING n.home AS home),"
        " written AS (UPDATE {table} AS t SET {key_id} = %s FROM beside AS b"
        " WHERE t.{home_column} = b.home RETURNING b.home)"
        " SELECT string_agg(home::text, ',') FROM written"
    ).format(**_names(place))


def _names(place: Place) -> dict[str, str]:
    """The names of tables and columns, quoted, and the types of the keys."""
    column = place.ciphertext if place.beside is None else place.beside[1]
    return {
        "table": _quoted(place.model._meta.db_table),
        "home_column": _column(place.model, place.home_key),
        "texts": "string_to_array(%s, ',')",
        "key_id": _column(place.model, place.key_id),
        "home": _quoted(place.home._meta.db_table),
        "home_pk": _column(place.home, "pk"),
        "homes": f"string_to_array(%s, ',')::{place.home._meta.pk.rel_db_type(connection)}[]",
        "column": _column(place.home, column),
    }


def _column(model: type[Model], name: str) -> str:
    field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)  # also by its attname
    return _quoted(field.column)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _write_one(place: Place, key: str, home: str, old: str, new: str, *, key_id: str) -> bool:
    """Elsewhere (SQLite, whose one writer holds everything anyway): row by row."""
    unchanged = place.model._default_manager.filter(pk=key)
    if place.beside is None:
        untouched = unchanged.filter(**{place.ciphertext: old})
        return untouched.update(**{place.ciphertext: new, place.key_id: key_id}) == 1
    relation, column, name = place.beside
    beside = place.home._default_manager.filter(pk=home)
    data: Any = beside.values_list(column, flat=True).first()
    same = isinstance(data, dict) and data.get(name) == old
    if not same or not unchanged.filter(**{relation: home}).exists():
        return False
    beside.update(**{column: data | {name: new}})
    return unchanged.update(**{place.key_id: key_id}) == 1
