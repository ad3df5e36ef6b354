"""Lists as CSV that a spreadsheet opens as what they are: text, never a formula. Standard library only."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_SIGN: Final = (
    r"[\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*[-=+@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b]"
)
BEGINS: Final = re.compile(rf"[\t\r\n]|{_SIGN}")
WITHIN: Final = re.compile(rf'[;,|\t\r\n"](?={_SIGN})')  # a cell for a program that parts them at other signs or quotes
"""Where a spreadsheet takes what follows for a formula, in wide and small letters too (OWASP, CSV injection)."""
_BREAKS: Final = "\t\r\n"
_TO_QUOTE: Final = ',"\r\n'
_CLASSES: Final = bytes(
    97 if chr(code) in ';,|"' or chr(code).isspace() else 98 if chr(code) in "-=+@" else 99 for code in range(256)
)
"""Of ASCII: a for what parts cells and for spaces, b for what begins a formula, c for everything else."""
BOM: Final = "\ufeff"  # by which they know that it is UTF-8


class _Echo:
    """A file that gives back what is written into it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """The rows as lines of CSV (RFC 4180), one at a time however many there are. Numbers stay numbers."""
    writer = csv.writer(_Echo())
    yield BOM
    for row in rows:
        yield writer.writerow([cell if isinstance(cell, int | float) else harmless(str(cell)) for cell in row])


def harmless(cell: str) -> str:
    """A cell that is shown as it is: an apostrophe before everything in it that would be a formula."""
    within = WITHIN.sub(r"\g<0>'", cell) if WITHIN.search(cell) else cell  # nearly always there is nothing
    return f"'{within}" if BEGINS.match(cell) else within


def csv_of_columns(columns: Iterable[Sequence[str]]) -> str:
    """The lines of a table of texts that has two columns at least, as `csv_lines` has them after its first.

    Column by column, and each by a look at the whole of it, which nearly always is enough.
    """
    return "".join([f"{line}\r\n" for line in map(",".join, zip(*map(_written, columns), strict=True))])


def _written(cells: Sequence[str]) -> Sequence[str]:
    """Cells as a line has them: as `harmless` shows them, and between quotation marks where they need them."""
    if not _is_innocent(",".join(("", *cells))):
        cells = [cell if _is_innocent(f",{cell}") else harmless(cell) for cell in cells]
    together = "".join(cells)
    if not any(sign in together for sign in _TO_QUOTE):
        return cells
    return [_quoted(cell) if any([sign in cell for sign in _TO_QUOTE]) else cell for cell in cells]


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _is_innocent(text: str) -> bool:
    """Whether nothing in it is a formula, beyond doubt: no sign that begins one stands after a space or what parts."""
    if not text.isascii() or any(sign in text for sign in _BREAKS):
        return False
    return b"ab" not in text.encode().translate(_CLASSES)
