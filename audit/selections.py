"""A selection of events as a file, in the lines of JSON or CSV that go out: pure formatting, one batch at a time.

Whatever names hold, an event is one line of JSON Lines, one record of CSV (RFC 4180) without a line break in it, and
never a formula.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from audit.export_format import head_of_selection, line_of
from audit.spreadsheets import csv_lines
from audit.summary import Read, Summary, summary_of

COLUMNS: Final = tuple(Summary.__annotations__)
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Format(StrEnum):
    """What events can be exported as. The value is the ending of the file."""

    CSV = "csv"
    JSON_LINES = "jsonl"

    @property
    def words(self) -> str:
        """Its name, in every language."""
        return "CSV" if self is Format.CSV else "JSON Lines"


CONTENT_TYPES: Final = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSON_LINES: "application/x-ndjson",
}


def head(form: Format, asked: dict[str, Any], at: datetime) -> bytes:
    """What a file begins with: what was asked for and that it proves nothing, or the names of the columns."""
    if form is Format.JSON_LINES:
        return line_of(head_of_selection(asked, at=at)).encode()
    return "".join(csv_lines([COLUMNS])).encode()


def lines(form: Format, events: Iterable[Read]) -> bytes:
    """The lines of a batch of events."""
    if form is Format.JSON_LINES:
        return "".join([line_of(summary_of(event)) for event in events]).encode()
    made = csv_lines(_cells(summary_of(event)) for event in events)
    next(made)  # the mark of the encoding stands at the beginning of the file alone
    return "".join(made).encode()


def _cells(summary: Summary) -> list[str]:
    """Everything is text, also what looks like a number; what is not known is empty."""
    cells: dict[str, Any] = dict(summary)
    cells["details"] = _to_json(summary["details"])
    cells["success"] = "true" if summary["success"] else "false"
    return ["" if cell is None else str(cell) for cell in cells.values()]


def parted(batches: Iterable[list[tuple[Any, ...]]]) -> Iterator[list[Read]]:
    """Batches of `audit.reading.batches` with the columns of `Read`, as that."""
    for batch in batches:
        yield [Read._make(values) for values in batch]
