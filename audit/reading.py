"""Reading events in the order of their ids, a page at a time: each page costs the same, however many events there are.

What is asked for is a `Selection`. A page takes the first events of each of its branches, which an index finds in
order, and of those the first: nothing is counted, and no more is sorted than a page of each branch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from audit.identifiers import earliest
from audit.models import AuditEvent

BATCH: Final = 2000  # events

Events = QuerySet[AuditEvent]


@dataclass(frozen=True, slots=True)
class Selection:
    """The events of which every condition holds, and one of the branches: each with an equality that has an index."""

    conditions: Q = field(default_factory=Q)
    branches: tuple[Q, ...] = (Q(),)


def between(since: datetime | None, until: datetime | None) -> Q:
    """The condition on events dated `since` or later, and before `until`: on their ids, which are in that order."""
    condition = Q() if since is None else Q(id__gte=earliest(since))
    return condition if until is None else condition & Q(id__lt=earliest(until))


def newest(selection: Selection, size: int, *, before: UUID | None = None) -> Events:
    """The newest `size` events of a selection that come before this one, newest first."""
    return _first(selection, size, "-id", Q() if before is None else Q(id__lt=before))


def oldest(selection: Selection, size: int, *, after: UUID | None = None) -> Events:
    """The oldest `size` events of a selection that come after this one, oldest first."""
    return _first(selection, size, "id", Q() if after is None else Q(id__gt=after))


def batches(
    selection: Selection, columns: tuple[str, ...], *, after: UUID | None = None, size: int = BATCH
) -> Iterator[list[tuple[Any, ...]]]:
    """The values of `columns`, of which the first is `id`, of all events after this one, oldest first."""
    while found := list(oldest(selection, size, after=after).values_list(*columns)):
        yield found
        after = found[-1][0]


def number_of(selection: Selection, most: int) -> int:
    """How many events there are, counted no further than `most`."""
    return len(oldest(selection, most).values_list("pk"))


def _first(selection: Selection, size: int, order: str, place: Q) -> Events:
    events = AuditEvent.objects.filter(selection.conditions & place).order_by(order)
    if len(selection.branches) == 1:
        return events.filter(selection.branches[0])[:size]
    each = [_ids(events.filter(branch)[:size]) for branch in selection.branches]
    ids = each[0].union(*each[1:]).order_by(order)[:size] if each else ()
    return AuditEvent.objects.filter(pk__in=list(ids)).order_by(order)


def _ids(events: Events) -> Any:
    """The ids of a page, as a query that every database lets be part of a union."""
    return AuditEvent.objects.filter(pk__in=events.values("pk")).order_by().values_list("pk", flat=True)
