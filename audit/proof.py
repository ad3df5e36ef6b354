"""What a whole export proves, by its own hashes and by signed checkpoints: for any verifier, without a database.

The hashes show that the events fit together; anybody can compute them. That they are the ones which were recorded
shows where a signed checkpoint names the same hash, and for everything before that.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from audit import chain, damage
from audit.chain import Fault
from audit.damage import Damage, Finding
from audit.errors import CheckpointUnsound, UnreadableLine
from audit.export_reading import ExportHead
from audit.row import Row
from audit.statements import Statement

UNSEALED: Final = None  # the HMAC keys, which no outsider has


@dataclass(frozen=True, slots=True)
class Promise:
    """What the first checkpoint that names event number `sequence` says of it, and when it was made."""

    sequence: int
    hash: str
    checkpoint: int
    at: str


@dataclass(frozen=True, slots=True)
class Proof:
    """How far the events fit together, up to which promise they are proved, and what is wrong first.

    `absent` is the first promise about an event that comes after the last one in the file.
    """

    events: int
    proved: Promise | None = None
    finding: Finding | None = None
    absent: Promise | None = None


def promises_about(chain_id: UUID, statements: Iterable[Statement]) -> dict[int, Promise]:
    """By event number, what checkpoints say of one chain. Raises CheckpointUnsound where two contradict."""
    found: dict[int, Promise] = {}
    for one in statements:
        if (named := one.heads.get(str(chain_id))) is None or not named[0]:
            continue
        sequence, digest = named
        if found.setdefault(sequence, Promise(sequence, digest, one.number, one.at)).hash != digest:
            raise CheckpointUnsound(f"checkpoint {one.number} contradicts an older one about event {sequence}")
    return found


def prove(head: ExportHead, events: Iterator[Row], promises: Mapping[int, Promise]) -> Proof:
    """Recompute every event in turn, as far as they fit together."""
    number, previous, proved = 0, chain.GENESIS, None
    try:
        for event in events:
            if finding := _wrong(head, event, number + 1, previous, events):
                return Proof(number, proved, finding)
            number, previous = event.sequence, event.hash
            if (promise := promises.get(number)) is not None:
                if promise.hash != previous:
                    return Proof(number, proved, Finding(number, Damage.REWRITTEN, event.id))
                proved = promise
    except UnreadableLine:
        return Proof(number, proved, Finding(number + 1, Damage.UNREADABLE))
    absent = min((one for one in promises.values() if one.sequence > number), key=_by_number, default=None)
    return Proof(number, proved, _wrong_at_end(head, number, previous, absent), absent)


def _by_number(promise: Promise) -> int:
    return promise.sequence


def _wrong_at_end(head: ExportHead, number: int, last: str, absent: Promise | None) -> Finding | None:
    if number < head.sequence or (absent is not None and absent.at <= head.at):
        return Finding(number + 1, Damage.CUT_OFF)
    return None if last == head.hash else Finding(number, Damage.HEAD_EDITED)


def _wrong(head: ExportHead, event: Row, number: int, previous: str, rest: Iterator[Row]) -> Finding | None:
    """What is wrong with the event that should be number `number`; `rest` may tell what was done to it."""
    if number > head.sequence or event.chain != head.chain:
        return Finding(number, Damage.INSERTED, event.id)
    fault = chain.fault_of(event, number, previous, UNSEALED)
    if fault is None:
        return None
    if fault is Fault.OUT_OF_SEQUENCE:
        return _out_of_sequence(head, event, number, previous, rest)
    if fault is Fault.NOT_LINKED:
        successor, followed = _further_on(head, event, previous, rest)
        told = damage.of_link(event, previous, sealed=followed, successor=successor is not None)
        return Finding(number, told, event.id)
    return Finding(number, damage.of_contents(event, fault, previous), event.id)


def _out_of_sequence(head: ExportHead, event: Row, number: int, previous: str, rest: Iterator[Row]) -> Finding:
    if event.sequence < number:
        return Finding(number, Damage.INSERTED, event.id)
    successor, followed = _further_on(head, event, previous, rest)
    if successor is None:
        return Finding(number, Damage.REMOVED)
    return Finding(number, Damage.MOVED, successor) if followed else Finding(number, Damage.INSERTED, event.id)


def _further_on(head: ExportHead, event: Row, previous: str, rest: Iterator[Row]) -> tuple[UUID | None, bool]:
    """The event further on that continues the one hashed `previous`; and whether anything continues `event`."""
    successor, followed = None, event.hash == head.hash
    try:
        for other in rest:
            successor = other.id if successor is None and other.prev_hash == previous else successor
            followed = followed or other.prev_hash == event.hash
    except UnreadableLine:
        pass  # what cannot be read continues nothing
    return successor, followed
