"""What tampering looks like, named for people: standard library only, for any verifier."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from audit import chain
from audit.chain import Fault, SealedEvent
from audit.encoding import visible
from audit.errors import NotCanonical
from audit.identifiers import moment_of

LONGEST = 40  # characters of what stands for a number


class Damage(StrEnum):
    """What was done to a chain, as far as it can be told from what is left."""

    REMOVED = "removed"
    CUT_OFF = "cut_off"
    INSERTED = "inserted"
    MOVED = "moved"
    REDATED = "redated"
    EDITED = "edited"
    COPY_EDITED = "copy_edited"
    FORGED = "forged"
    UNREADABLE = "unreadable"
    UNKNOWN_KEY = "unknown_key"
    HEAD_EDITED = "head_edited"
    HEAD_MISSING = "head_missing"
    REWRITTEN = "rewritten"


SENTENCES = {
    Damage.REMOVED: "the event was removed",
    Damage.CUT_OFF: "from here on the newest events were cut off",
    Damage.INSERTED: "an event was inserted that does not belong to the chain",
    Damage.MOVED: "events were swapped: another one belongs here",
    Damage.REDATED: "the event was re-dated",
    Damage.EDITED: "the event was edited",
    Damage.COPY_EDITED: "a readable name, address or browser in the event was edited",
    Damage.FORGED: "the event was edited or inserted by somebody without the key",
    Damage.UNREADABLE: "the event holds what recording never writes",
    Damage.UNKNOWN_KEY: "the event names a key that is not in AUDIT_HMAC_KEYS: a forgery, or a key that was not kept",
    Damage.HEAD_EDITED: "the chain's head names another event than the last",
    Damage.HEAD_MISSING: "the chain's head was removed",
    Damage.REWRITTEN: "a signed checkpoint names another event here: history up to it was written anew",
}
_PLAIN = {
    Fault.NOT_CANONICAL: Damage.UNREADABLE,
    Fault.UNKNOWN_KEY: Damage.UNKNOWN_KEY,
    Fault.FORGED: Damage.FORGED,
    Fault.COPY_EDITED: Damage.COPY_EDITED,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing wrong in a chain: at which number, with which event, if there is one."""

    sequence: Any  # an integer, unless somebody wrote something else there
    damage: Damage
    event_id: UUID | None = None

    def __str__(self) -> str:
        event = f", event {self.event_id}" if self.event_id else ""
        return f"number {visible(str(self.sequence), LONGEST)}{event}: {SENTENCES[self.damage]}"


def of_contents(event: SealedEvent, fault: Fault, previous: str) -> Damage:
    """What was done to an event that stands in its place, after the one hashed `previous`."""
    if fault is Fault.EDITED and (at := moment_of(event.id)) is not None and _fits(event, previous, at=at):
        return Damage.REDATED
    return _PLAIN.get(fault, Damage.EDITED)


def of_link(event: SealedEvent, previous: str, *, sealed: bool, successor: bool) -> Damage:
    """What was done where an event does not continue the one hashed `previous`.

    `sealed`: its seal is ours. `successor`: the event that does continue it stands elsewhere in the chain.
    """
    if _fits(event, previous):
        return Damage.EDITED  # only its note of the hash before
    if successor:
        return Damage.MOVED if sealed else Damage.INSERTED
    return Damage.REMOVED if sealed else Damage.EDITED


class _At:
    """An event as if it had happened at another moment."""

    def __init__(self, event: SealedEvent, at: datetime) -> None:
        self._event = event
        self.at = at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._event, name)


def _fits(event: SealedEvent, previous: str, *, at: datetime | None = None) -> bool:
    try:
        form = chain.canonical(event if at is None else _At(event, at))
    except (AttributeError, NotCanonical):  # it may hold anything
        return False
    return chain.is_hash(previous) and event.hash == chain.link(previous, form)
