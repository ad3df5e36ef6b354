"""Reading events in the order of their ids, a page at a time: each page costs the same, however many events there are.

What is asked for is a `Selection`. A page takes the first events of each of its branches, which an index finds in
order, and of those the first: nothing is counted, and no more is sorted than a page of each branch.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import merge
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from audit.declarations import Outcome
from audit.identifiers import earliest
from audit.models import AuditEvent

BATCH: Final = 2000  # events

INDEXED: Final = ("actor_id", "actor_label", "target_id", "target_label", "ip")  # each with kind and outcome too

Events = QuerySet[AuditEvent]
Value = tuple[str, str]  # one of the columns `INDEXED`, and what stands there


@dataclass(frozen=True, slots=True)
class Selection:
    """The events of which every condition holds, and one of the branches: each with an equality that has an index."""

    conditions: Q = field(default_factory=Q)
    branches: tuple[Q, ...] = (Q(),)


def between(since: datetime | None, until: datetime | None) -> Q:
    """The condition on events dated `since` or later, and before `until`: on their ids, which are in that order."""
    condition = Q() if since is None else Q(id__gte=earliest(since))
    return condition if until is None else condition & Q(id__lt=earliest(until))


def recorded(tenant_id: UUID | None) -> list[tuple[str, str]]:
    """Each kind of event that there is, of one tenant or of everybody, with each outcome that it ever had; one query.

    A few steps in an index for each kind, however many events there are, also for kinds that no catalogue knows.
    """
    mine = "TRUE" if tenant_id is None else "tenant_id = %(tenant)s"
    values = {outcome.value: outcome.value for outcome in Outcome} | {"tenant": _stored(tenant_id)}
    with connection.cursor() as cursor:
        cursor.execute(_RECORDED.format(mine=mine), values)
        return [(kind, outcome) for kind, outcome in cursor.fetchall()]


def is_large() -> bool:
    """Whether the database is one for very many events, so that one more query is worth not walking them."""
    return connection.vendor == "postgresql"


def recorded_by(values: Sequence[Value]) -> dict[Value, list[tuple[str, str]]]:
    """As `recorded`, for each of these values of the events that have it in its column; at least one, one query."""
    parts, given = [], {outcome.value: outcome.value for outcome in Outcome}
    for number, (column, value) in enumerate(values):
        mine = f"{INDEXED[INDEXED.index(column)]} = %(value_{number})s"
        parts.append(_NUMBERED.format(number=number, found=_RECORDED.format(mine=mine)))
        given[f"value_{number}"] = value
    there: dict[Value, list[tuple[str, str]]] = {pair: [] for pair in values}
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), given)
        for number, kind, outcome in sorted(cursor.fetchall()):
            there[values[number]].append((kind, outcome))
    return there


def newest(selection: Selection, size: int, *, before: UUID | None = None) -> Events:
    """The newest `size` events of a selection that come before this one, newest first."""
    return _first(selection, size, "-id", Q() if before is None else Q(id__lt=before))


def oldest(selection: Selection, size: int, *, after: UUID | None = None) -> Events:
    """The oldest `size` events of a selection that come after this one, oldest first."""
    return _first(selection, size, "id", Q() if after is None else Q(id__gt=after))


def batches(
    selection: Selection, columns: tuple[Any, ...], *, after: UUID | None = None, size: int = BATCH
) -> Iterator[list[tuple[Any, ...]]]:
    """The values of `columns`, of which the first is `id`, of all events after this one, oldest first."""
    if len(selection.branches) == 1:
        yield from _pages(selection, columns, after, size)
        return
    each = max(1, size // max(1, len(selection.branches)))
    branches = [replace(selection, branches=(one,)) for one in selection.branches]
    streams = [chain.from_iterable(_pages(one, columns, after, each)) for one in branches]
    merged = _each_once(merge(*streams, key=itemgetter(0)))
    while found := list(islice(merged, size)):
        yield found


def number_of(selection: Selection, most: int) -> int:
    """No fewer than there are, counted no further than `most`; what is in two branches may be counted twice."""
    number = 0
    for branch in selection.branches:
        if number < most:
            events = AuditEvent.objects.filter(selection.conditions & branch)
            number += events.order_by()[: most - number].count()
    return number


_RECORDED: Final = """
    WITH RECURSIVE known(kind) AS (
        SELECT (SELECT kind FROM audit_auditevent WHERE {mine} ORDER BY kind LIMIT 1)
        UNION ALL
        SELECT (SELECT kind FROM audit_auditevent WHERE {mine} AND kind > known.kind ORDER BY kind LIMIT 1)
        FROM known WHERE known.kind IS NOT NULL
    ), ended(outcome) AS (VALUES (%(ok)s), (%(refused)s), (%(failed)s))
    SELECT known.kind, ended.outcome FROM known CROSS JOIN ended WHERE (
        SELECT TRUE FROM audit_auditevent WHERE {mine} AND kind = known.kind AND outcome = ended.outcome LIMIT 1
    )
    ORDER BY known.kind, ended.outcome
"""


_NUMBERED: Final = "SELECT {number} AS number, found.* FROM ({found}) AS found"


def _stored(tenant_id: UUID | None) -> Any:
    """As the database at hand holds an id."""
    return AuditEvent._meta.get_field("tenant_id").get_db_prep_value(tenant_id, connection)


def _pages(
    selection: Selection, columns: tuple[Any, ...], after: UUID | None, size: int
) -> Iterator[list[tuple[Any, ...]]]:
    while found := list(oldest(selection, size, after=after).values_list(*columns)):
        yield found
        after = found[-1][0]


def _each_once(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """These rows in their order, without those that came by another branch already."""
    last = None
    for row in rows:
        if row[0] != last:
            yield row
        last = row[0]


def _first(selection: Selection, size: int, order: str, place: Q) -> Events:
    events = AuditEvent.objects.filter(selection.conditions & place).order_by(order)
    if len(selection.branches) == 1:
        return events.filter(selection.branches[0])[:size]
    each = [_ids(events.filter(branch)[:size]) for branch in selection.branches]
    if not each:
        return AuditEvent.objects.none()
    return AuditEvent.objects.filter(pk__in=each[0].union(*each[1:]).order_by(order)[:size]).order_by(order)


def _ids(events: Events) -> Any:
    """The ids of a page, as a query that every database lets be part of a union."""
    return AuditEvent.objects.filter(pk__in=events.values("pk")).order_by().values_list("id", flat=True)
