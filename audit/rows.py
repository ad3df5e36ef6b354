"""Reading the events of a chain in the order of their numbers, page by page: constant memory, no long transaction."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import DataError

from audit.chain import GENESIS
from audit.models import AuditChain, AuditEvent
from audit.row import Row

PAGE: Final = 2000  # rows
_UNREADABLE = (AttributeError, DataError, OverflowError, RecursionError, TypeError, ValueError)  # what converters raise


class Unreadable(Exception):
    """A row whose values are not of their columns' types, as SQLite lets somebody write them."""

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
    row = AuditChain.objects.filter(pk=chain).values_list("sequence", "hash").first()
    return Head(chain) if row is None else Head(chain, *row, found=True)


def chains() -> Iterator[UUID]:
    """Every chain that has a head or an event, in the order of their ids; two queries each, over indexes.

    Raises Unreadable where a row names a chain that is no id.
    """
    here: UUID | None = None
    while True:
        heads = AuditChain.objects.order_by("pk").values_list("pk", flat=True)
        events = AuditEvent.objects.order_by("chain").values_list("chain", flat=True)
        if here is not None:
            heads, events = heads.filter(pk__gt=here), events.filter(chain__gt=here)
        try:
            found = [*heads[:1], *events[:1]]
        except _UNREADABLE as error:
            raise Unreadable("of a chain that is no id") from error
        if not found:
            return
        here = min(found)
        yield here


def hash_of(chain: UUID, sequence: int) -> str | None:
    """The stored hash of one event, GENESIS for number 0, None where there is no such event."""
    if sequence == 0:
        return GENESIS
    return AuditEvent.objects.filter(chain=chain, sequence=sequence).values_list("hash", flat=True).first()


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
    return rest.values_list("sequence", flat=True).first()


def has_number_below_one(chain: UUID) -> bool:
    """Whether an event stands before the first."""
    return AuditEvent.objects.filter(chain=chain, sequence__lt=1).exists()


def continuing(chain: UUID, digest: str) -> UUID | None:
    """The id of the event that says it follows the one hashed `digest`. Reads the whole chain."""
    return AuditEvent.objects.filter(chain=chain, prev_hash=digest).values_list("pk", flat=True).first()


def numbered(chain: UUID, after: int, upto: int) -> Iterator[Row]:
    """The events of a chain with numbers from `after` + 1 to `upto`, in order. Raises Unreadable."""
    while after < upto:
        page = _page(chain, after, upto)
        yield from page
        if not page:
            return
        after = page[-1].sequence


def _page(chain: UUID, after: int, upto: int) -> list[Row]:
    try:
        return _read(chain, after, upto, PAGE)
    except _UNREADABLE:
        return _read_one(chain, after, upto)


def _read_one(chain: UUID, after: int, upto: int) -> list[Row]:
    try:
        return _read(chain, after, upto, 1)
    except _UNREADABLE as error:
        raise Unreadable(next_number(chain, after)) from error


def _read(chain: UUID, after: int, upto: int, limit: int) -> list[Row]:
    found = AuditEvent.objects.filter(chain=chain, sequence__gt=after, sequence__lte=upto).order_by("sequence")
    return [Row(*values) for values in found.values_list(*Row.__slots__)[:limit]]
