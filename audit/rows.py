"""Reading the events of a chain in the order of their numbers, page by page: constant memory, no long transaction.

Nothing that stands there is believed. SQLite holds any value in any column, and ids, moments and documents as texts, of
which several are read as the same: what is spelt otherwise than recording spells it is Unreadable.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from django.db import DataError, OperationalError, connection
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from audit.chain import GENESIS, is_hash
from audit.ledger import adapted
from audit.models import AuditChain, AuditEvent
from audit.row import Row

PAGE: Final = 2000  # numbers
_Failed = (  # what converters raise, and SQLite for what is no text
    AttributeError,
    DataError,
    OperationalError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
_NO_TEXT: Final = "Could not decode to UTF-8"  # SQLite's words for bytes that are none
_SEVERAL_SPELLINGS: Final = ("id", "tenant_id", "at", "payload", "salts", "digests")  # on SQLite
_OF: Final = attrgetter(*_SEVERAL_SPELLINGS)


class Unreadable(Exception):
    """A row whose values are not of their columns' types, or spelt otherwise, as SQLite lets somebody write them."""

    def __init__(self, sequence: Any) -> None:
        super().__init__(f"The event {sequence} cannot be read.")
        self.sequence = sequence


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain as its head states it; `found` is False where there is none."""

    chain: UUID
    sequence: int = 0
    hash: str = GENESIS
    found: bool = False


def head_of(chain: UUID) -> Head:
    """The head at this moment: every event up to it is committed."""
    heads = AuditChain.objects.filter(pk=chain).values_list("sequence", "hash")
    try:
        found: list[tuple[Any, Any]] = list(heads[:1])
    except _Failed as error:
        _require_unreadable(error)
        found = [(None, None)]
    for sequence, digest in found:
        if type(sequence) is int and sequence >= 0 and is_hash(digest):
            return Head(chain, sequence, digest, found=True)
    return Head(chain, hash="", found=True) if found else Head(chain)  # no hash is spelt so


def chains() -> Iterator[UUID]:
    """Every chain that has a head or an event, in the order of their ids; two queries each, over indexes.

    Raises Unreadable where a row names a chain that is no id.
    """
    here: UUID | None = None
    while True:
        heads = AuditChain.objects.order_by("pk").values_list("pk", _spelt("id"))
        events = AuditEvent.objects.order_by("chain").values_list("chain", _spelt("chain"))
        if here is not None:
            heads, events = heads.filter(pk__gt=here), events.filter(chain__gt=here)
        try:
            found = [*heads[:1], *events[:1]]
        except _Failed as error:
            _require_unreadable(error)
            raise Unreadable("of a chain that is no id") from error
        if not found:
            return
        ids = [each for each, _spelling in found]
        if connection.vendor == "sqlite" and adapted(connection.ops, ids) != [spelling for _each, spelling in found]:
            raise Unreadable("of a chain whose id is spelt otherwise")
        here = min(ids)
        yield here


def hash_of(chain: UUID, sequence: int) -> str | None:
    """The stored hash of one event, GENESIS for number 0, None where there is no such event; "" for what is no hash."""
    if sequence == 0:
        return GENESIS
    stored = AuditEvent.objects.filter(chain=chain, sequence=sequence).values_list("hash", flat=True)
    try:
        found: list[Any] = list(stored[:1])
    except _Failed as error:
        _require_unreadable(error)
        found = [None]
    return (found[0] if is_hash(found[0]) else "") if found else None


def hashes_of(chain: UUID, sequences: Iterable[int]) -> dict[int, str]:
    """As `hash_of`, of a page of events in one query: by number, without those that are not there."""
    found = AuditEvent.objects.filter(chain=chain, sequence__in=sequences).values_list("sequence", "hash")
    return dict(found) | {0: GENESIS}


def first_since(chain: UUID, since: datetime) -> int | None:
    """The number of the first event that is dated `since` or later: reads what is before it, and believes it."""
    later = AuditEvent.objects.filter(chain=chain, at__gte=since).order_by("sequence")
    return later.values_list("sequence", flat=True).first()


def next_number(chain: UUID, after: int) -> Any:
    """The number of the event that follows number `after`, however far away; None at the end."""
    rest = AuditEvent.objects.filter(chain=chain, sequence__gt=after).order_by("sequence")
    return _first(rest.values_list("sequence", flat=True))


def has_number_below_one(chain: UUID) -> bool:
    """Whether an event stands before the first."""
    return AuditEvent.objects.filter(chain=chain, sequence__lt=1).exists()


def continuing(chain: UUID, digest: str) -> UUID | None:
    """The id of the event that says it follows the one hashed `digest`. Reads the whole chain."""
    found: UUID | None = _first(AuditEvent.objects.filter(chain=chain, prev_hash=digest).values_list("pk", flat=True))
    return found


def numbered(chain: UUID, after: int, upto: int) -> Iterator[Row]:
    """The events of a chain with numbers from `after` + 1 to `upto`, in order. Raises Unreadable.

    Every one of them, also where several have the same number, up to one more than there are numbers in a page: then
    one of those is too many.
    """
    while after < upto:
        end, is_empty = min(after + PAGE, upto), True
        for row in _page(chain, after, end):
            is_empty = False
            yield row
        following = next_number(chain, end) if is_empty else end + 1
        if not isinstance(following, int):
            return
        after = following - 1


def _page(chain: UUID, after: int, upto: int) -> Iterator[Row]:
    """All at once, or where one of them cannot be read, one by one up to that one."""
    most = upto - after + 1
    try:
        yield from _read(chain, after, upto, slice(most))
    except _Failed as error:
        _require_unreadable(error)
    else:
        return
    for place in range(most):
        yield from _read_one(chain, after, upto, place)


def _read_one(chain: UUID, after: int, upto: int, place: int) -> list[Row]:
    part = slice(place, place + 1)
    try:
        return _read(chain, after, upto, part)
    except _Failed as error:
        _require_unreadable(error)
        raise Unreadable(_first(_between(chain, after, upto).values_list("sequence", flat=True)[part])) from error


def _read(chain: UUID, after: int, upto: int, part: slice) -> list[Row]:
    found = _between(chain, after, upto)
    if connection.vendor != "sqlite":
        return [Row(*values) for values in found.values_list(*Row.__slots__)[part]]
    spelt = [_spelt(name) for name in _SEVERAL_SPELLINGS]
    return [_row_as_recorded(values) for values in found.values_list(*Row.__slots__, *spelt)[part]]


def _between(chain: UUID, after: int, upto: int) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(chain=chain, sequence__gt=after, sequence__lte=upto).order_by("sequence")


def _spelt(name: str) -> Cast:
    return Cast(name, TextField())


def _row_as_recorded(values: Sequence[Any]) -> Row:
    """The row whose columns these are, and its `_SEVERAL_SPELLINGS` after them. Raises ValueError."""
    row = Row(*values[: len(Row.__slots__)])
    if adapted(connection.ops, _OF(row)) != list(values[len(Row.__slots__) :]):
        raise ValueError("spelt otherwise")
    return row


def _first(values: Any) -> Any:
    """The first of them, or None; also where it cannot be read."""
    try:
        return next(iter(values[:1]), None)
    except _Failed as error:
        _require_unreadable(error)
        return None


def _require_unreadable(error: Exception) -> None:
    """Raise an error again that says nothing of what stands there."""
    if isinstance(error, OperationalError) and _NO_TEXT not in str(error):
        raise error
