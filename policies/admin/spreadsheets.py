"""Workbooks that a spreadsheet opens as what they are: text, never a formula. CSV is made by `audit.spreadsheets`."""

import os
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from audit.encoding import visible

LONGEST: Final = 32_767  # characters in a cell of XLSX
NO_CHARACTERS: Final = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}  # which XML 1.0 §2.2 does not have
PIECE: Final = 64 * 1024  # bytes


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
