"""A selection of events as a file, in the lines of JSON or CSV that go out: pure formatting, one batch at a time.

Whatever names hold, an event is one line of JSON Lines, one record of CSV (RFC 4180) without a line break in it, and
never a formula. Lines are written out by hand, because exports are long; `audit.summary` says what is in them, and
`tests/audit/test_summary.py` holds both together.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Final

from django.db.models import TextField
from django.db.models.functions import Cast

from audit.declarations import Outcome
from audit.export_format import head_of_selection, line_of
from audit.spreadsheets import csv_lines
from audit.summary import Read, Summary, stamp

COLUMNS: Final = tuple(Summary.__annotations__)
READ: Final = (*Read._fields[:-1], Cast("payload", TextField()))
"""What is read of the table for `parted`: facts as the text that the database holds, which mostly goes on as it is."""

Quote = Callable[[str], str]
_to_ascii = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
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
        return "".join(map(_json_line, events)).encode()
    made = csv_lines(map(_cells, events))
    next(made)  # the mark of the encoding stands at the beginning of the file alone
    return "".join(made).encode()


def parted(batches: Iterable[list[tuple[Any, ...]]]) -> Iterator[list[Read]]:
    """Batches of `audit.reading.batches` with the columns `READ`, as that."""
    for batch in batches:
        yield [Read._make(values) for values in batch]


def _json_line(event: Read) -> str:
    quote = encode_basestring_ascii
    email = event.actor_label if event.actor_id else ""
    resource = f"{event.target_type}:{event.target_id}" if event.target_id else ""
    return (
        f'{{"id":"{event.id}","user_id":{_or_null(event.actor_id, quote)},"user_email":{_or_null(email, quote)},'
        f'"action":{quote(event.kind)},"resource":{_or_null(resource, quote)},"details":{_details(event, quote)},'
        f'"ip_address":{_or_null(event.ip, quote)},"timestamp":"{stamp(event.at)}",'
        f'"success":{"true" if event.outcome == Outcome.OK else "false"}}}\n'
    )


def _cells(event: Read) -> list[str]:
    """Everything is text, also what looks like a number; what is not known is empty."""
    return [
        str(event.id),
        event.actor_id,
        event.actor_label if event.actor_id else "",
        event.kind,
        f"{event.target_type}:{event.target_id}" if event.target_id else "",
        _details(event, encode_basestring),
        event.ip,
        stamp(event.at),
        "true" if event.outcome == Outcome.OK else "false",
    ]


def _details(event: Read, quote: Quote) -> str:
    tenant = f'"{event.tenant_id}"' if event.tenant_id else "null"
    return (
        f'{{"outcome":{quote(event.outcome)},"tenant_id":{tenant},"target":{_or_null(event.target_label, quote)},'
        f'"user_agent":{_or_null(event.user_agent, quote)},"request_id":{_or_null(event.request_id, quote)},'
        f'"facts":{_facts(event.payload, quote)}}}'
    )


def _facts(payload: Any, quote: Quote) -> str:
    """JSON text that is ASCII holds no line break and nothing that must be escaped: it goes on as it is."""
    if isinstance(payload, str):
        if payload.isascii():
            return payload
        payload = json.loads(payload)
    return _to_ascii(payload) if quote is encode_basestring_ascii else _to_json(payload)


def _or_null(text: str, quote: Quote) -> str:
    return quote(text) if text else "null"
