"""Lists to download that a spreadsheet opens as what they are: text, never a formula."""

import csv
import os
import re
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from audit.encoding import visible

FORMULA: Final = re.compile(
    r"""(^|[;,|\t\r\n"])  # a cell, also for a program that parts them at other signs or takes a quote for the end
    (?=[\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*[-=+@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b])
    |^(?=[\t\r\n])""",
    re.VERBOSE,
)
"""Where a spreadsheet takes what follows for a formula, in wide and small letters too (OWASP, CSV injection)."""
BOM: Final = "\ufeff"  # by which they know that it is UTF-8

LONGEST: Final = 32_767  # characters in a cell of XLSX
NO_CHARACTERS: Final = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}  # which XML 1.0 §2.2 does not have
PIECE: Final = 64 * 1024  # bytes


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
    return FORMULA.sub(r"\1'", cell)


def xlsx_pieces(rows: Iterable[Iterable[object]]) -> Iterator[bytes]:
    """The rows as a workbook of one sheet, in pieces. Rows wait in a temporary file, so memory does not grow with them.

    Nothing of it can be sent before the last row, but the first piece is empty and sends the head of the answer: from
    then on the answer can be broken off. Whatever ends it early, the temporary file is removed.
    """
    yield b""
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    is_saved = False
    try:
        for row in rows:
            sheet.append([_cell(sheet, one) for one in row])
        with TemporaryFile() as file:
            book.save(file)
            is_saved = True
            file.seek(0)
            while piece := file.read(PIECE):
                yield piece
    finally:
        if not is_saved:
            book.save(os.devnull)  # openpyxl removes the file of its rows when it saves, and by no other way


def _cell(sheet: Any, content: object) -> Any:
    """A cell of this content: numbers stay numbers, everything else is text, whatever it begins with.

    Left to itself openpyxl takes a text that begins with "=" for a formula.
    """
    if isinstance(content, int | float):
        return content
    cell = WriteOnlyCell(sheet, visible(str(content), LONGEST).translate(NO_CHARACTERS))
    cell.data_type = "s"
    return cell
