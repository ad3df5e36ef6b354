"""Lists as CSV that a spreadsheet opens as what they are: text, never a formula. Standard library only."""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Final

_SIGN: Final = (
    r"[\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*[-=+@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b]"
)
BEGINS: Final = re.compile(rf"[\t\r\n]|{_SIGN}")
WITHIN: Final = re.compile(rf'[;,|\t\r\n"](?={_SIGN})')  # a cell for a program that parts them at other signs or quotes
"""Where a spreadsheet takes what follows for a formula, in wide and small letters too (OWASP, CSV injection)."""
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
