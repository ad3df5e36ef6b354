"""Reading sealed rows in batches by their keys, opening them, and writing them anew by compare and swap.

A batch is one SELECT and one UPDATE, whatever its size. What is read here is never logged, and no message names it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Left
from django.views.decorators.debug import sensitive_variables

from accounts.keyring import KEY_ID, KeyRing, UnreadableSecret, key_id_of
from accounts.sealed import Place

KEY_ID_LENGTH: Final = 8
BATCH: Final = 2000  # rows: a sign-in may have to wait as long as one batch takes


class Row(NamedTuple):
    """One sealed row. `home` is the key of the row in which the ciphertext stands, `stated` the key id beside it."""

    pk: UUID
    owner: UUID
    stored: str | None
    stated: str
    home: Any


class Fault(NamedTuple):
    """One row that does not open: where, whose, under which key, and why; never what it holds."""

    place: str
    table: str
    row: str
    owner: str
    key_id: str
    reason: str


class NotWritten(Exception):
    """A row that was just written does not read back as what was written: the database, or a trigger, changed it."""

    def __init__(self, place: Place, row: UUID) -> None:
        super().__init__(place.kind, row)
        self.place, self.row = place, row

    def __str__(self) -> str:
        return f"{self.place.label}: row {self.row} does not read back as it was written"


def not_under(place: Place, key_id: str) -> "QuerySet[Any]":
    """The rows that are not under this key: by what the ciphertext says itself, and by the column beside it."""
    rows = place.rows().annotate(start=Left("stored", len(key_id) + 1))
    others: QuerySet[Any] = rows.filter(~Q(**{place.key_id: key_id}) | Q(start__isnull=True) | ~Q(start=f"{key_id}$"))
    return others


def foreign(place: Place, key_id: str = "") -> "QuerySet[Any]":
    """The rows that hold something which names no key: plaintext, or a bare Fernet token, of another site."""
    rows = place.rows().annotate(start=Left("stored", KEY_ID_LENGTH + 1))
    named: QuerySet[Any] = rows.filter(start__gt="").exclude(start__endswith="$")
    return named


def reachable(place: Place, rows: "QuerySet[Any]") -> "QuerySet[Any]":
    """Those of them whose row beside is still there: an inner join."""
    if place.beside is None:
        return rows
    relation, column, _key = place.beside
    return rows.filter(**{f"{relation}__{column}__isnull": False})


def held(place: Place, rows: "QuerySet[Any]") -> "QuerySet[Any]":
    """The same, with both rows taken until the end of the transaction; what others hold is left out (PostgreSQL)."""
    return reachable(place, rows).select_for_update(skip_locked=True)


def read(place: Place, rows: "QuerySet[Any]", *, after: UUID | None, size: int = BATCH) -> list[Row]:
    """The next `size` of these rows in the order of their keys."""
    home = "pk" if place.beside is None else f"{place.beside[0]}_id"
    if after is not None:
        rows = rows.filter(pk__gt=after)
    found = rows.order_by("pk").values_list("pk", place.owner, "stored", place.key_id, home)[:size]
    return [Row._make(values) for values in found]


def batches(place: Place, *, size: int = BATCH) -> Iterator[list[Row]]:
    """Every row of a place, batch by batch, in constant memory."""
    after = None
    while rows := read(place, place.rows(), after=after, size=size):
        yield rows
        after = rows[-1].pk


@sensitive_variables()
def open_row(ring: KeyRing, place: Place, row: Row, *, foreign: bool = False) -> str:
    """The secret of one row. `foreign`: also what another site wrote, as ours would have. Raises UnreadableSecret."""
    stored = row.stored or ""
    secret = ring.unseal(stored, place.context(row.pk, row.owner), adopt_foreign=foreign)
    return secret if "$" in stored else place.tidied(secret)


class Change(NamedTuple):
    """What is to be written in a row, and the frame in which it opens (`Context.frame`)."""

    row: Row
    new: str
    frame: bytes


@sensitive_variables()
def resealed(ring: KeyRing, place: Place, rows: Iterable[Row], *, foreign: bool) -> tuple[list[Change], list[Fault]]:
    """These secrets under the primary key, and a report of each that does not open. `foreign`: as in `open_row`."""
    changes, faults = [], []
    for row in rows:
        context = place.context(row.pk, row.owner)
        frame, stored = context.frame(), row.stored or ""
        try:
            if "$" in stored:
                new = ring.reseal(stored, frame)
            else:
                new = ring.seal(open_row(ring, place, row, foreign=foreign), context)
        except UnreadableSecret as error:
            faults.append(fault_of(place, row, error))
        else:
            changes.append(Change(row, new, frame))
    return changes, faults


def fault_of(place: Place, row: Row, error: UnreadableSecret) -> Fault:
    """How a row that does not open is reported."""
    return fault(place, row, error.reason, error.key_id)


def fault(place: Place, row: Row, reason: str, key_id: str = "") -> Fault:
    """A report of one row. The key is the one that the ciphertext names, else the one in the column."""
    named = key_id or key_id_of(row.stored or "") or (row.stated if KEY_ID.fullmatch(row.stated) else "")
    return Fault(place.label, place.home._meta.db_table, str(row.pk), str(row.owner), named, str(reason))


@sensitive_variables()
def write(place: Place, changes: Sequence[Change], key_id: str) -> set[UUID]:
    """Store new ciphertexts under this key wherever the old one still stands; returns the rows that were written.

    Whoever changed a row meanwhile wins: it is left as it is.
    """
    if not changes:
        return set()
    if connection.vendor == "postgresql":
        return _write_at_once(place, changes, key_id)
    return {row.pk for row, new, _frame in changes if _write_one(place, row, new, key_id)}


@sensitive_variables()
def require_written(ring: KeyRing, place: Place, changes: Iterable[Change], written: set[UUID]) -> None:
    """Read these rows back, and open them. Raises NotWritten for the first that is not what it should be."""
    if not written:
        return
    found = {pk: (stored, stated) for pk, stored, stated in _as_they_stand(place, written)}
    start = f"{ring.primary_id}$"
    for row, _new, frame in changes:
        if row.pk not in written:
            continue
        stored, stated = found.get(row.pk, (None, ""))
        if stated != ring.primary_id or not (stored or "").startswith(start) or not _opens(ring, stored, frame):
            raise NotWritten(place, row.pk)


def _as_they_stand(place: Place, keys: set[UUID]) -> "QuerySet[Any]":
    """Key, ciphertext and stated key id of these rows, by a statement of its own."""
    return _among(place, keys).order_by().values_list("pk", "stored", place.key_id)


def _among(place: Place, keys: set[UUID]) -> "QuerySet[Any]":
    """The rows with these keys; on PostgreSQL as one parameter, because a thousand cost more than opening the rows."""
    rows = place.rows()
    if connection.vendor != "postgresql":
        chosen: QuerySet[Any] = rows.filter(pk__in=keys)
        return chosen
    pk = f"{_quoted(place.model._meta.db_table)}.{_column(place.model, 'pk')}"
    wanted = f"{pk} = ANY(string_to_array(%s, ',')::uuid[])"
    return rows.extra(where=[wanted], params=[_joined(keys)])  # noqa: S610  # nosec B610 (names of our own models)


def _joined(values: Iterable[object]) -> str:
    """An array as one text, for `string_to_array`: no key and no ciphertext has a comma."""
    return ",".join(map(str, values))


def _opens(ring: KeyRing, stored: str, frame: bytes) -> bool:
    try:
        ring.require_open(stored, frame)
    except UnreadableSecret:
        return False
    return True


def _write_at_once(place: Place, changes: Sequence[Change], key_id: str) -> set[UUID]:
    """PostgreSQL: every row of the batch in one statement."""
    homes, rows = _joined(one.row.home for one in changes), _joined(one.row.pk for one in changes)
    old, new = _joined(one.row.stored for one in changes), _joined(one.new for one in changes)
    with connection.cursor() as cursor:
        if place.beside is None:
            cursor.execute(_sql_within(place), [key_id, rows, old, new])
        else:
            key = place.beside[2]
            cursor.execute(_sql_beside(place), [[key], homes, rows, old, new, key, key_id])
        return {pk for (pk,) in cursor.fetchall()}


def _sql_within(place: Place) -> str:
    names = _names(place)
    return (  # noqa: S608 (names of our own models)
        "UPDATE {table} AS t SET {column} = n.new, {key_id} = %s"
        " FROM unnest({pks}, {texts}, {texts}) AS n(id, old, new)"
        " WHERE t.{pk} = n.id AND t.{column} = n.old RETURNING t.{pk}"
    ).format(**names)


def _sql_beside(place: Place) -> str:
    """Both rows change or neither: the second UPDATE takes its rows from the first."""
    names = _names(place)
    return (  # noqa: S608 (names of our own models)
        "WITH written AS (UPDATE {home} AS h SET {column} = jsonb_set(h.{column}, %s::text[], to_jsonb(n.new))"
        " FROM unnest({homes}, {pks}, {texts}, {texts}) AS n(home, id, old, new)"
        " WHERE h.{home_pk} = n.home AND h.{column} ->> %s = n.old RETURNING n.id AS id)"
        " UPDATE {table} AS t SET {key_id} = %s FROM written AS w WHERE t.{pk} = w.id RETURNING t.{pk}"
    ).format(**names)


def _names(place: Place) -> dict[str, str]:
    """The names of tables and columns, quoted, and the types of the keys."""
    column = place.ciphertext if place.beside is None else place.beside[1]
    return {
        "table": _quoted(place.model._meta.db_table),
        "pk": _column(place.model, "pk"),
        "pks": f"string_to_array(%s, ',')::{place.model._meta.pk.rel_db_type(connection)}[]",
        "texts": "string_to_array(%s, ',')",
        "key_id": _column(place.model, place.key_id),
        "home": _quoted(place.home._meta.db_table),
        "home_pk": _column(place.home, "pk"),
        "homes": f"string_to_array(%s, ',')::{place.home._meta.pk.rel_db_type(connection)}[]",
        "column": _column(place.home, column),
    }


def _column(model: type[Model], name: str) -> str:
    field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    return _quoted(field.column)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _write_one(place: Place, row: Row, new: str, key_id: str) -> bool:
    """Elsewhere (SQLite, whose one writer holds everything anyway): row by row."""
    unchanged = place.model._default_manager.filter(pk=row.pk)
    if place.beside is None:
        untouched = unchanged.filter(**{place.ciphertext: row.stored})
        return untouched.update(**{place.ciphertext: new, place.key_id: key_id}) == 1
    relation, column, key = place.beside
    home = place.home._default_manager.filter(pk=row.home)
    data: Any = home.values_list(column, flat=True).first()
    same = isinstance(data, dict) and data.get(key) == row.stored
    if not same or not unchanged.filter(**{relation: row.home}).exists():
        return False
    home.update(**{column: data | {key: new}})
    return unchanged.update(**{place.key_id: key_id}) == 1
