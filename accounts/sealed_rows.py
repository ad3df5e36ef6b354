"""Which sealed rows there are; reading them in batches, opening them, and reporting those that do not open.

What is read here is never logged, and no message names it. `accounts.resealing` writes them anew.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Left
from django.views.decorators.debug import sensitive_variables

from accounts.keyring import KEY_ID, KEY_ID_LENGTH, KeyRing, UnreadableSecret, key_id_of
from accounts.sealed import Place

BATCH: Final = 2000  # rows: a sign-in may have to wait as long as one batch takes


class Row(NamedTuple):
    """One sealed row; `stated` is the key id beside the ciphertext, `home` the key of the row in which that stands."""

    pk: UUID
    owner: UUID
    stored: str | None
    stated: str
    home: object = None


class Fault(NamedTuple):
    """One row that does not open: where, whose, under which key, and why; never what it holds.

    `row` is a key of `table`: of the row that the secret is sealed for, by which the record names an authenticator too.
    `home` says where the ciphertext stands, if that is a row of another table, as "table key".
    """

    place: str
    table: str
    row: str
    owner: str
    key_id: str
    reason: str
    home: str = ""


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


def read(place: Place, rows: "QuerySet[Any]", *, after: UUID | None, size: int = BATCH) -> list[Row]:
    """The next `size` of these rows in the order of their keys."""
    if after is not None:
        rows = rows.filter(pk__gt=after)
    found = rows.order_by("pk").values_list("pk", place.owner, "stored", place.key_id, place.home_key)[:size]
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


def fault_of(place: Place, row: Row, error: UnreadableSecret) -> Fault:
    """How a row that does not open is reported."""
    return fault(place, row, error.reason, error.key_id)


def fault(place: Place, row: Row, reason: str, key_id: str = "") -> Fault:
    """A report of one row. The key is the one that the ciphertext names, else the one in the column."""
    named = key_id or key_id_of(row.stored or "") or (row.stated if KEY_ID.fullmatch(row.stated) else "")
    home = f"{place.home._meta.db_table} {row.home}" if place.beside and row.home else ""
    return Fault(place.label, place.model._meta.db_table, str(row.pk), str(row.owner), named, str(reason), home)
