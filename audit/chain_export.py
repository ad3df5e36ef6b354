"""One whole chain as JSON Lines, for whoever verifies it elsewhere; constant memory, nobody waits.

On PostgreSQL a page is put into lines while the database looks for the next one.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import repeat
from json.encoder import encode_basestring_ascii as quoted  # what JSONEncoder does with a text
from typing import Final, NamedTuple
from uuid import UUID

from django.utils import timezone

from audit import export_format, raw_rows, rows
from audit.chain import PLATFORM
from audit.columns import TOGETHER, Doubt, escaped, moments
from audit.kinds import Kind
from audit.log import record
from audit.raw_rows import Columns
from audit.row import Row
from audit.rows import Head
from audit.side_by_side import made_meanwhile


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


def pieces(head: Head) -> Iterator[str]:
    """Every event up to the head as it stands, a line for each, some lines at a time. Raises rows.Unreadable."""
    if not raw_rows.are_there():
        yield from _properly(head.chain, 0, head.sequence)
        return
    for page, text in made_meanwhile(_quickly, _pages(head)):
        yield from _properly(head.chain, page.after, page.upto) if text is None else (text,)


class _Page(NamedTuple):
    """The events of a chain after one number and up to another, as `raw_rows` has them."""

    chain: UUID
    after: int
    upto: int
    records: list[str]


def _pages(head: Head) -> Iterator[_Page]:
    after: int | None = 0
    while after is not None and after < head.sequence:
        upto = min(after + raw_rows.PAGE, head.sequence)
        records = raw_rows.read(head.chain, after, upto)
        yield _Page(head.chain, after, upto, records)
        after = upto if records else rows.end_of_gap(head.chain, upto)


def _quickly(page: _Page) -> tuple[_Page, str | None]:
    """The page and its lines; None where an event is missing, or holds what recording does not write."""
    records, chain_id = page.records, str(page.chain)
    if len(records) != page.upto - page.after:
        return page, None
    several = [records[begin : begin + TOGETHER] for begin in range(0, len(records), TOGETHER)]
    try:
        return page, "".join([_lines(raw_rows.columns(each), chain_id) for each in several])
    except (Doubt, ValueError):
        return page, None


def _lines(columns: Columns, chain_id: str) -> str:
    """Column by column, and in ASCII: of what is not, only texts can hold any."""
    told: dict[str, Iterable[str]] = {name: escaped(columns[name], quoted) for name in _TEXTS}
    told |= {name: columns[name] for name in _AS_THEY_ARE}
    told |= {"chain": repeat(chain_id, len(columns["id"])), "at": moments(columns["at"])}
    told["tenant_id"] = [f'"{tenant}"' if tenant else "null" for tenant in columns["tenant_id"]]
    text = "".join(map(_LINE, zip(*[told[name] for name in Row.__slots__], strict=True)))
    return text if text.isascii() else _BEYOND_ASCII.sub(_escaped, text)


def _properly(chain_id: UUID, after: int, upto: int) -> Iterator[str]:
    for row in rows.numbered(chain_id, after, upto):
        yield export_format.line_of(export_format.of_row(row))


def _escaped(found: re.Match[str]) -> str:
    return quoted(found[0])[1:-1]


_AS_THEY_ARE: Final = ("id", "form", "sequence", "payload", "salts", "digests")  # numbers and JSON, of its spelling
_TEXTS: Final = tuple(name for name in raw_rows.COLUMNS if name not in {*_AS_THEY_ARE, "tenant_id", "at"})
_PUT: Final = dict.fromkeys(Row.__slots__, '"%s"') | dict.fromkeys((*_AS_THEY_ARE, "tenant_id"), "%s")
_SPELT: Final = _PUT | {"id": '"%s"', "at": '"%sZ"'}
_LINE: Final = ("{" + ",".join(f'"{name}":{_SPELT[name]}' for name in Row.__slots__) + "}\n").__mod__
_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")
