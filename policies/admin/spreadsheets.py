"""Lists to download that a spreadsheet opens as what they are: text, never a formula."""

import csv
from collections.abc import Iterable, Iterator
from typing import Final

DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""
BOM: Final = "\ufeff"  # by which they know that it is UTF-8


class _Echo:
    """A file that gives back what is written into it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """The rows as lines of CSV (RFC 4180), one at a time however many there are."""
    writer = csv.writer(_Echo())
    yield BOM
    for row in rows:
        yield writer.writerow([harmless(str(cell)) for cell in row])


def harmless(cell: str) -> str:
    """A cell that is shown as it is: an apostrophe before what would be a formula, also behind spaces."""
    return f"'{cell}" if cell.startswith(DANGEROUS) or cell.lstrip().startswith(DANGEROUS) else cell
