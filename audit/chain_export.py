"""One whole chain as JSON Lines, for whoever verifies it elsewhere; constant memory, nobody waits."""

import re
from collections.abc import Iterator
from json.encoder import encode_basestring_ascii as quoted  # what JSONEncoder does with a text
from typing import Final
from uuid import UUID

from django.utils import timezone

from audit import export_format, raw_rows, rows
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
    if not raw_rows.are_there():
        yield from _properly(head.chain, 0, head.sequence)
        return
    for after in range(0, head.sequence, raw_rows.PAGE):
        upto = min(after + raw_rows.PAGE, head.sequence)
        page = raw_rows.read_lines(head.chain, after, upto)
        if page is None:
            yield from _properly(head.chain, after, upto)
        else:
            yield from map(_in_ascii, page)


def _properly(chain_id: UUID, after: int, upto: int) -> Iterator[str]:
    for row in rows.numbered(chain_id, after, upto):
        yield export_format.line_of(export_format.of_row(row))


def _in_ascii(line: str) -> str:
    """A line of the database's as exports have it: only its texts can hold anything else."""
    return (line if line.isascii() else _BEYOND_ASCII.sub(_escaped, line)) + "\n"


def _escaped(found: re.Match[str]) -> str:
    return quoted(found[0])[1:-1]


_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")
