"""Looking at one event on the spot: whether it fits its hash, seal and neighbours, and what a checkpoint covers.

What lies between the event and the checkpoint is not read, so this proves no chain: `audit.verification` does.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

from audit import chain, keys, rows, statements
from audit.chain import Fault
from audit.errors import CheckpointUnsound, KeyMalformed, NoSuchKey
from audit.models import AuditEvent, Checkpoint
from audit.statements import Statement


class Cover(StrEnum):
    """What the newest checkpoint says about an event."""

    COVERED = "covered"  # it names this event or a later one of the chain, and that one is as it says
    NEWER = "newer"  # the event was recorded after it
    CONTRADICTED = "contradicted"  # the event that it names is another, or gone
    NONE = "none"  # there is no checkpoint
    UNSOUND = "unsound"  # its signature is wrong
    NO_KEY = "no_key"  # its signature cannot be checked here


@dataclass(frozen=True, slots=True)
class SpotCheck:
    """What was found. `fault` is about the event and the one before it, `continued` about the one after it.

    `continued` is None for the newest event of its chain. `named` is the number that the checkpoint names.
    """

    fault: Fault | None
    continued: bool | None
    cover: Cover
    statement: Statement | None = None
    named: int | None = None

    @property
    def is_sound(self) -> bool:
        """Whether nothing that was looked at is wrong."""
        return self.fault is None and self.continued is not False and self.cover is not Cover.CONTRADICTED


def look_at(event: AuditEvent) -> SpotCheck:
    """Recompute one event from the stored hash of the one before it, and ask the newest checkpoint. Four queries."""
    if type(event.sequence) is not int:
        return SpotCheck(Fault.OUT_OF_SEQUENCE, None, Cover.NONE)
    previous = rows.hash_of(event.chain, event.sequence - 1)
    fault = Fault.NOT_LINKED if previous is None else chain.fault_of(event, event.sequence, previous, keys.by_id())
    following = rows.hash_before(event.chain, event.sequence + 1)
    continued = None if following is None else following == event.hash
    return SpotCheck(fault, continued, *_covered(event))


def _covered(event: AuditEvent) -> tuple[Cover, Statement | None, int | None]:
    newest = Checkpoint.objects.order_by("-number").first()
    if newest is None:
        return Cover.NONE, None, None
    try:
        said = statements.read(newest.text, statements.public_keys(settings.AUDIT_CHECKPOINT_PUBLIC_KEYS))
    except (NoSuchKey, KeyMalformed):
        return Cover.NO_KEY, None, None
    except CheckpointUnsound:
        return Cover.UNSOUND, None, None
    number, digest = said.heads.get(str(event.chain), (0, chain.GENESIS))
    if rows.hash_of(event.chain, number) != digest:
        return Cover.CONTRADICTED, said, number
    return (Cover.COVERED if event.sequence <= number else Cover.NEWER), said, number
