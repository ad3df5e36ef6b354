"""Reading the events of a chain in the order of their numbers, page by page: constant memory, no long transaction.

Nothing that stands there is believed. SQLite holds any value in any column, and ids, moments and documents as texts, of
which several are read as the same: what is spelt otherwise than recording spells it is Unreadable.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain as chained
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from django.db import DataError, OperationalError, connection
from django.db.models import Exists, OuterRef, QuerySet, TextField
from django.db.models.functions import Cast

from audit.chain import GENESIS, PLATFORM, is_hash
from audit.encoding import visible
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
ILLEGIBLE: Final = "?"  # in place of a number
LONGEST: Final = 60  # characters of what stands for one
LONGEST_SENTENCE: Final = 200  # of what SQLite says


class Unreadable(Exception):
    """A row whose values are not of their columns' types, or spelt otherwise, as SQLite lets somebody write them."""

    def __init__(self, sequence: Any, what: str = "event") -> None:
        super().__init__(f"The {what} {visible(str(sequence), LONGEST)} cannot be read.")
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
    stored = AuditChain.objects.filter(pk=chain).values_list("sequence", "hash")
    found = _listed(stored[:2], otherwise=[(None, None)])
    if not found:
        return Head(chain)
    return _head(chain, *found[0]) if len(found) == 1 else _head(chain, None, None)


def heads() -> dict[UUID, tuple[Head, bool]]:
    """Every head, by chain, and whether an event stands beyond it; one query.

    One that has a second, or is spelt otherwise, fits nothing; what is of no chain is left out. Raises Unreadable.
    """
    beyond = AuditEvent.objects.filter(chain=OuterRef("pk"), sequence__gt=OuterRef("sequence"))
    stored = AuditChain.objects.annotate(is_behind=Exists(beyond))
    found: dict[UUID, tuple[Head, bool]] = {}
    listed = _listed(stored.values_list(_spelt("id"), "sequence", "hash", "is_behind"), otherwise=None)
    if listed is None:
        raise Unreadable("of a chain", what="head")
    for spelling, sequence, digest, is_behind in listed:
        if (chain := _id_of(spelling)) is None:
            continue
        is_one = chain not in found and _are_ids([chain], [spelling])
        found[chain] = (_head(chain, sequence, digest), is_behind) if is_one else (_head(chain, None, None), True)
    return found


def _id_of(spelling: Any) -> UUID | None:
    try:
        return UUID(spelling)
    except (AttributeError, TypeError, ValueError):
        return None


def _head(chain: UUID, sequence: Any, digest: Any) -> Head:
    """A head as its row states it. What is no number or no hash, fits nothing."""
    if type(sequence) is int and sequence >= 0 and is_hash(digest):
        return Head(chain, sequence, digest, found=True)
    return Head(chain, hash="", found=True)


def chains() -> Iterator[UUID]:
    """Every chain that has a head or an event, in the order of their ids; two queries each, over indexes.

    Raises Unreadable where a row names a chain that is no id.
    """
    if AuditEvent.objects.filter(chain__isnull=True).exists() or AuditChain.objects.filter(id__isnull=True).exists():
        raise Unreadable("of no chain")
    here: UUID | None = None
    while True:
        of_heads = AuditChain.objects.order_by("pk").values_list("pk", _spelt("id"))
        of_events = AuditEvent.objects.order_by("chain").values_list("chain", _spelt("chain"))
        if here is not None:
            of_heads, of_events = of_heads.filter(pk__gt=here), of_events.filter(chain__gt=here)
        found = _listed(chained(of_heads[:1], of_events[:1]), otherwise=[(None, None)])
        if not found:
            return
        ids, spellings = zip(*found, strict=True)
        if not _are_ids(ids, spellings):
            raise Unreadable("of a chain that is no id, or spelt otherwise")
        here = min(ids)
        yield here


def _are_ids(ids: Sequence[Any], spellings: Sequence[Any]) -> bool:
    """Whether they are, and on SQLite spelt as recording spells them."""
    if not all([isinstance(each, UUID) for each in ids]):
        return False
    return connection.vendor != "sqlite" or adapted(connection.ops, ids) == list(spellings)


def hash_of(chain: UUID, sequence: int) -> str | None:
    """The stored hash of one event, GENESIS for number 0, None where there is no such event; "" for what is no hash."""
    return GENESIS if sequence == 0 else _hash_in("hash", chain, sequence)


def hash_before(chain: UUID, sequence: int) -> str | None:
    """The same of the hash which an event says it follows."""
    return _hash_in("prev_hash", chain, sequence)


def _hash_in(column: str, chain: UUID, sequence: int) -> str | None:
    stored = AuditEvent.objects.filter(chain=chain, sequence=sequence).values_list(column, flat=True)
    found = _listed(stored[:1], otherwise=[None])
    return (found[0] if is_hash(found[0]) else "") if found else None


def hashes_of(chain: UUID, sequences: Sequence[int]) -> dict[int, str]:
    """As `hash_of`, of a page of events in one query: by number, without those that are not there."""
    stored = AuditEvent.objects.filter(chain=chain, sequence__in=sequences).values_list("sequence", "hash")
    listed = _listed(stored, otherwise=None)
    if listed is not None:
        return dict(listed) | {0: GENESIS}
    found = {number: hash_of(chain, number) for number in sequences}
    return {number: digest for number, digest in found.items() if digest is not None}


def first_since(chain: UUID, since: datetime) -> int | None:
    """The number of the first event that is dated `since` or later: reads what is before it, and believes it.

    1 where that event has no number.
    """
    later = AuditEvent.objects.filter(chain=chain, at__gte=since).order_by("sequence")
    found = _listed(later.values_list("sequence", flat=True)[:1], otherwise=[None])
    return (found[0] if type(found[0]) is int else 1) if found else None


def next_number(chain: UUID, after: int) -> Any:
    """The number of the event that follows number `after`, however far away; None at the end."""
    rest = AuditEvent.objects.filter(chain=chain, sequence__gt=after).order_by("sequence")
    found = _listed(rest.values_list("sequence", flat=True)[:1], otherwise=[ILLEGIBLE])
    return found[0] if found else None


def end_of_gap(chain: UUID, after: int) -> int | None:
    """The number before the next event after number `after`; None where none follows that has a number."""
    following = next_number(chain, after)
    return following - 1 if isinstance(following, int) else None


def numbers_of(events: QuerySet[AuditEvent]) -> Iterator[tuple[UUID, Any]]:
    """Chain and number of each; ILLEGIBLE in place of the first that cannot be read, and of all after it."""
    try:
        yield from events.values_list("chain", "sequence").iterator()
    except _Failed as error:
        _require_unreadable(error)
        yield PLATFORM, ILLEGIBLE


def has_stray(chain: UUID) -> bool:
    """Whether an event stands before the first, or has no number."""
    events = AuditEvent.objects.filter(chain=chain)
    return events.filter(sequence__lt=1).exists() or events.filter(sequence__isnull=True).exists()


def contradiction() -> str | None:
    """What does not fit together in a file of SQLite, in its words: indexes lack rows or have others than the table.

    Somebody who writes into its schema can hide an event from every list, and show one that is in no chain.
    """
    if connection.vendor != "sqlite":
        return None
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check(1)")
        found = str(cursor.fetchone()[0])
    return None if found == "ok" else visible(found, LONGEST_SENTENCE)


def continuing(chain: UUID, digest: str) -> UUID | None:
    """The id of the event that says it follows the one hashed `digest`. Reads the whole chain."""
    found = AuditEvent.objects.filter(chain=chain, prev_hash=digest).values_list("pk", flat=True)
    return next(iter(_listed(found[:1], otherwise=[])), None)


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
        reached = end_of_gap(chain, end) if is_empty else end
        if reached is None:
            return
        after = reached


def _page(chain: UUID, after: int, upto: int) -> Iterator[Row]:
    """All at once, or where one of them cannot be read, one by one up to that one."""
    most = upto - after + 1
    try:
        page = _read(chain, after, upto, slice(most))
    except _Failed as error:
        _require_unreadable(error)
        for place in range(most):
            yield from _read_one(chain, after, upto, place)
    else:
        yield from page


def _read_one(chain: UUID, after: int, upto: int, place: int) -> list[Row]:
    part = slice(place, place + 1)
    try:
        return _read(chain, after, upto, part)
    except _Failed as error:
        _require_unreadable(error)
        numbers = _between(chain, after, upto).values_list("sequence", flat=True)
        raise Unreadable(next(iter(_listed(numbers[part], otherwise=[])), ILLEGIBLE)) from error


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


def _listed(values: Iterable[Any], *, otherwise: Any) -> Any:
    """All of them as a list, or the other thing where one cannot be read."""
    try:
        return list(values)
    except _Failed as error:
        _require_unreadable(error)
        return otherwise


def _require_unreadable(error: Exception) -> None:
    """Raise an error again that says nothing of what stands there."""
    if isinstance(error, OperationalError) and _NO_TEXT not in str(error):
        raise error
