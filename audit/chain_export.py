"""One whole chain as JSON Lines, for whoever verifies it elsewhere; constant memory, nobody waits."""

from collections.abc import Iterator
from uuid import UUID

from django.utils import timezone

from audit import export_format, rows
from audit.chain import PLATFORM
from audit.kinds import Kind
from audit.log import record
from audit.rows import Head


def is_recorded(chain_id: UUID) -> bool:
    """Whether there is such a chain. Exporting must not begin one."""
    return rows.head_of(chain_id).found


def begin(chain_id: UUID) -> tuple[str, Head]:
    """Record the export in its own chain; the head line, and where the export ends: its own event is within it."""
    record(Kind.CHAIN_EXPORTED, tenant=None if chain_id == PLATFORM else chain_id, chain=chain_id)
    at = timezone.now()  # before the head: a checkpoint that is older than this names nothing newer
    head = rows.head_of(chain_id)
    told = export_format.head_of_chain(chain_id, sequence=head.sequence, digest=head.hash, at=at)
    return export_format.line_of(told), head


def lines(head: Head) -> Iterator[str]:
    """A line for each event up to the head, as they stand. Raises rows.Unreadable."""
    for row in rows.numbered(head.chain, 0, head.sequence):
        yield export_format.line_of(export_format.of_row(row))
