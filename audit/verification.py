"""Is the record what was recorded? Every chain is read in spans, by several processes; the first fault is named.

A span begins with the stored hash of the event before it, and ends with one that was computed: where spans
meet, both must be the same, so that together they prove the chain.
"""

import gc
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, takewhile
from typing import Final
from uuid import UUID

from django.db import connections

from audit import chain, damage, keys, quick, raw_rows, rows
from audit.chain import Fault
from audit.damage import Damage, Finding
from audit.promises import Promises
from audit.row import Row
from audit.rows import Head

SPAN: Final = 10_000  # events
RARELY: Final = 100_000  # objects that are made before the next look for garbage


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers `after` + 1 to `upto` of the chain that ends at `head`."""

    head: Head
    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class Looked:
    """What one span holds: the hashes at both ends, and the first thing wrong."""

    span: Span
    events: int = 0
    begins: str = ""
    ends: str = ""
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one chain: how many events were looked at, from which number, and what is wrong first."""

    head: Head
    begins_after: int
    events: int
    finding: Finding | None


def verify(
    chains: Iterable[UUID],
    *,
    since: datetime | None,
    processes: int,
    progress: Callable[[int], object],
    promised: Promises | None = None,
) -> Iterator[Verdict]:
    """Look at the chains, in this order. `progress` is told how many events each step looked at.

    What is promised is compared where the chain is whole by itself. Not inside a transaction if `processes` is more
    than one. Raises KeyMalformed, database errors, and BrokenProcessPool when a process dies.
    """
    judged: set[UUID] = set()  # of which the first fault is known: nothing more of them is looked at
    spans = (
        span for each in chains for span in takewhile(lambda span: span.head.chain not in judged, _spans(each, since))
    )
    for head, group in groupby(_looks(spans, processes), key=lambda looked: looked.span.head):
        if (verdict := _judged(group, progress)) is not None:
            judged |= {head.chain} if verdict.finding else set()
            yield replace(verdict, finding=verdict.finding or _broken_promise(verdict, promised))


def fault_after(head: Head, number: int, digest: str) -> Finding | None:
    """What is wrong first in a chain up to its head, after the event with this number, which had this hash once."""
    if not chain.is_hash(head.hash):
        return Finding(head.sequence, Damage.HEAD_EDITED)
    stands = rows.hash_of(head.chain, number)
    if stands is None or head.sequence < number:
        return Finding(head.sequence + 1, Damage.CUT_OFF)
    if stands != digest:
        return Finding(number, Damage.REWRITTEN)
    verdict = _judged(map(look, _between(head, number)), lambda _events: None)
    return verdict.finding if verdict else None


def _judged(group: Iterable[Looked], progress: Callable[[int], object]) -> Verdict | None:
    """What became of the chain whose spans these are, up to the first in which something is wrong."""
    verdict: Verdict | None = None
    ends = ""
    for looked in group:
        progress(looked.events)
        verdict = _joined(verdict, looked, ends)
        ends = looked.ends
        if verdict.finding:
            break
    return verdict and replace(verdict, finding=verdict.finding or _fault_at_end(verdict, ends))


def _spans(chain_id: UUID, since: datetime | None) -> Iterator[Span]:
    """The spans of one chain; one without events where there is nothing to look at."""
    head = rows.head_of(chain_id)
    begin = 0
    if since is not None:
        first = rows.first_since(chain_id, since)
        begin = head.sequence if first is None else max(0, min(first - 1, head.sequence))
    return _between(head, begin)


def _between(head: Head, begin: int) -> Iterator[Span]:
    yield Span(head, begin, min(begin + SPAN, head.sequence))
    for after in range(begin + SPAN, head.sequence, SPAN):
        yield Span(head, after, min(after + SPAN, head.sequence))


def _looks(spans: Iterator[Span], processes: int) -> Iterator[Looked]:
    """What the spans hold, in their order, a few ahead of who asks."""
    if processes == 1:
        yield from map(look, spans)
        return
    _disconnect()  # a connection must not be shared, nor a pool's threads be forked
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=fork, initializer=_settle) as pool:
        pool.submit(int).result()  # forks them all, before this process connects again
        waiting: deque[Future[Looked]] = deque()
        for span in spans:
            waiting.append(pool.submit(look, span))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _settle() -> None:
    """Of a process that makes millions of short-lived texts and no cycles: garbage is looked for rarely."""
    gc.freeze()
    gc.set_threshold(RARELY)


def look(span: Span) -> Looked:
    """Recompute one span from the event before it."""
    chain_id, ring = span.head.chain, keys.by_id()
    begins = rows.hash_of(chain_id, span.after)
    if begins is None:
        return Looked(span, finding=Finding(span.after, Damage.REMOVED))
    if not chain.is_hash(begins):
        return Looked(span, finding=Finding(span.after, Damage.EDITED))
    if span.after == 0 and rows.has_stray(chain_id):
        return Looked(span, finding=Finding(0, Damage.INSERTED))
    number, previous, finding = span.after, begins, None
    while finding is None and number < span.upto:
        number, previous, finding = _step(chain_id, number, span.upto, previous, ring)
    return Looked(span, number - span.after, begins, previous, finding)


Step = tuple[int, str, Finding | None]  # number and hash of the last event that is whole, and what is wrong after it


def _step(chain_id: UUID, number: int, upto: int, previous: str, ring: Mapping[str, bytes]) -> Step:
    """A page, quickly where all of it is whole beyond doubt, and properly where not; everything where there is none."""
    if raw_rows.are_there():
        upto = min(number + raw_rows.PAGE, upto)
        page = raw_rows.read(chain_id, number, upto)
        last = quick.last_hash(page, chain_id, number=number, previous=previous, seals=quick.sealers(ring))
        if last is not None and len(page) == upto - number:
            return upto, last, None
    return _judge(chain_id, number, upto, previous, ring)


def _judge(chain_id: UUID, number: int, upto: int, previous: str, ring: Mapping[str, bytes]) -> Step:
    """Each event in turn, up to the first that is wrong or missing."""
    try:
        for row in rows.numbered(chain_id, number, upto):
            if fault := chain.fault_of(row, number + 1, previous, ring):
                return number, previous, _found(row, number + 1, previous, fault, ring)
            number, previous = row.sequence, row.hash
    except rows.Unreadable as error:
        return number, previous, Finding(error.sequence, Damage.UNREADABLE)
    return number, previous, _missing(chain_id, number + 1, previous) if number < upto else None


def _found(row: Row, number: int, previous: str, fault: Fault, ring: Mapping[str, bytes]) -> Finding:
    if fault is Fault.OUT_OF_SEQUENCE and (not isinstance(row.sequence, int) or row.sequence < number):
        return Finding(row.sequence, Damage.INSERTED, row.id)
    if fault is Fault.OUT_OF_SEQUENCE:
        return _missing(row.chain, number, previous)
    if fault is not Fault.NOT_LINKED:
        return Finding(number, damage.of_contents(row, fault, previous), row.id)
    successor = rows.continuing(row.chain, previous)
    told = damage.of_link(row, previous, sealed=_is_sealed(row, ring), successor=successor not in (None, row.id))
    return Finding(number, told, row.id)


def _is_sealed(row: Row, ring: Mapping[str, bytes]) -> bool:
    """Whether the event's hash was authenticated by us, wherever the event belongs."""
    try:
        return row.key_id in ring and row.mac == chain.authenticate(ring[row.key_id], row.hash)
    except (TypeError, ValueError):
        return False


def _missing(chain_id: UUID, number: int, previous: str) -> Finding:
    """Nothing has the number that comes next: its event stands elsewhere, was removed, or is of an end cut off."""
    if (moved := rows.continuing(chain_id, previous)) is not None:
        return Finding(number, Damage.MOVED, moved)
    return Finding(number, Damage.CUT_OFF if rows.next_number(chain_id, number) is None else Damage.REMOVED)


def _joined(verdict: Verdict | None, looked: Looked, ends: str) -> Verdict:
    """The verdict over the spans so far and the one after them."""
    if verdict is None:
        return Verdict(looked.span.head, looked.span.after, looked.events, looked.finding)
    finding = verdict.finding or looked.finding
    if finding is None and looked.begins != ends:
        finding = Finding(looked.span.after, Damage.EDITED)  # while we were looking
    return replace(verdict, events=verdict.events + looked.events, finding=finding)


def _fault_at_end(verdict: Verdict, ends: str) -> Finding | None:
    """What only the head shows: another last event, events beyond it, no head at all."""
    head = verdict.head
    if ends != head.hash:
        return Finding(head.sequence, Damage.HEAD_EDITED)
    if verdict.begins_after and rows.has_stray(head.chain):
        return Finding(0, Damage.INSERTED)
    beyond = rows.next_number(head.chain, head.sequence)
    if beyond is None:
        return None
    now = rows.head_of(head.chain)  # read after the event: one that was recorded meanwhile is within it
    if not now.found:
        return Finding(beyond, Damage.HEAD_MISSING)
    within = isinstance(beyond, int) and beyond <= now.sequence
    return None if within else Finding(beyond, Damage.INSERTED)


def _broken_promise(verdict: Verdict, promised: Promises | None) -> Finding | None:
    """The first event that is another than a checkpoint says, or missing though the head does not show it."""
    for page in promised.of(verdict.head.chain) if promised else ():
        stands = rows.hashes_of(verdict.head.chain, [number for number, _digest in page])
        for number, digest in page:
            if number not in stands:
                return Finding(verdict.head.sequence + 1, Damage.CUT_OFF)
            if stands[number] != digest:
                return Finding(number, Damage.REWRITTEN)
    return None


def _disconnect() -> None:
    for connection in connections.all(initialized_only=True):
        connection.close()
        if close_pool := getattr(connection, "close_pool", None):
            close_pool()
