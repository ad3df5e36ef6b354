"""A selection of events as a file, in the lines of JSON or CSV that go out: pure formatting, one batch at a time.

Whatever names hold, an event is one line of JSON Lines, one record of CSV (RFC 4180) without a line break in it, and
never a formula. Lines are written out by hand, and a batch column by column, because exports are long; `audit.summary`
says what is in them, and `tests/audit/test_summary.py` holds both together.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Final

from django.db import connection
from django.db.models import Func, JSONField, TextField
from django.db.models.functions import Cast

from audit.columns import TOGETHER, Doubt, escaped, moments
from audit.declarations import Outcome
from audit.export_format import COLUMNS, head_of_selection, line_of
from audit.spreadsheets import csv_lines, csv_of_columns
from audit.summary import Read, stamp

Quote = Callable[[str], str]
Events = Sequence[tuple[Any, ...]]  # the columns of a `Read`; all may be text
Texts = Sequence[str]
_to_ascii = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_LINE: Final = (
    '{"id":"%s","user_id":%s,"user_email":%s,"action":%s,"resource":%s,"details":%s,"ip_address":%s,"timestamp":"%s",'
    '"success":%s}\n'
).__mod__
_DETAILS: Final = '{"outcome":%s,"tenant_id":%s,"target":%s,"user_agent":%s,"request_id":%s,"facts":%s}'.__mod__


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
    """What a file begins with: what was asked for and that it proves nothing, or the columns, which tell a verifier."""
    if form is Format.JSON_LINES:
        return line_of(head_of_selection(asked, at=at)).encode()
    return "".join(csv_lines([COLUMNS])).encode()


def read() -> tuple[Any, ...]:
    """What is read of the table for `lines`, as a `Read` has it: of PostgreSQL mostly texts, which go on as they are.

    SQLite's documents are texts that may hold anything, line breaks too: they are spelt anew.
    """
    if connection.vendor != "postgresql":
        return Read._fields
    spelt: dict[str, Any] = {name: Cast(name, TextField()) for name in ("id", "tenant_id")}
    spelt |= {"at": _InUTC("at"), "payload": Cast(Cast("payload", JSONField()), TextField())}  # JSON of one spelling
    return tuple(spelt.get(name, name) for name in Read._fields)


class _InUTC(Func):
    """A moment as PostgreSQL spells it, without the cost of an object."""

    template = "(%(expressions)s AT TIME ZONE 'UTC')::text"
    output_field = TextField()


def lines(form: Format, events: Events) -> bytes:
    """The lines of a batch of events."""
    write = _json_lines if form is Format.JSON_LINES else _csv_lines
    several = [events[begin : begin + TOGETHER] for begin in range(0, len(events), TOGETHER)]
    return "".join(map(write, several)).encode()


def _json_lines(events: Events) -> str:
    quote = encode_basestring_ascii
    told = _told(events, quote)
    told[1:5] = [
        _quoted(told[1], quote),
        _quoted(told[2], quote),
        _quoted(told[3], quote, '""'),
        _quoted(told[4], quote),
    ]
    told[6] = _quoted(told[6], quote)
    return "".join(map(_LINE, zip(*told, strict=True)))


def _csv_lines(events: Events) -> str:
    return csv_of_columns(_cells(events))


def _cells(events: Events) -> list[Texts]:
    """The columns of a table. Everything is text, also what looks like a number; what is not known is empty."""
    return _told(events, encode_basestring)


def _told(events: Events, quote: Quote) -> list[Texts]:
    """The fields of a summary of each event, by column."""
    found = dict(zip(Read._fields, zip(*events, strict=True), strict=True))
    return [
        list(map(str, found["id"])),
        found["actor_id"],
        [label if actor else "" for label, actor in zip(found["actor_label"], found["actor_id"], strict=True)],
        found["kind"],
        [f"{kind}:{one}" if one else "" for kind, one in zip(found["target_type"], found["target_id"], strict=True)],
        _details(found, quote),
        found["ip"],
        _stamps(found["at"]),
        ["true" if outcome == Outcome.OK else "false" for outcome in found["outcome"]],
    ]


def _details(found: dict[str, Any], quote: Quote) -> list[str]:
    in_order = (
        _quoted(found["outcome"], quote, '""'),
        [f'"{tenant}"' if tenant else "null" for tenant in found["tenant_id"]],
        _quoted(found["target_label"], quote),
        _quoted(found["user_agent"], quote),
        _quoted(found["request_id"], quote),
        [_facts(payload, quote) for payload in found["payload"]],
    )
    return list(map(_DETAILS, zip(*in_order, strict=True)))


def _facts(payload: Any, quote: Quote) -> str:
    """What PostgreSQL spells, if it is ASCII, holds no line break and nothing to be escaped: it goes on as it is."""
    if isinstance(payload, str):
        if payload.isascii():
            return payload
        payload = json.loads(payload)
    return _to_ascii(payload) if quote is encode_basestring_ascii else _to_json(payload)


def _quoted(texts: Texts, quote: Quote, empty: str = "null") -> list[str]:
    """Texts as JSON has them."""
    return [f'"{text}"' if text else empty for text in escaped(texts, quote)]


def _stamps(found: Sequence[Any]) -> list[str]:
    """Moments as summaries tell them, of objects or of how PostgreSQL spells them in UTC."""
    if not isinstance(found[0], str):
        return list(map(stamp, found))
    try:
        return [f"{at}Z" for at in moments(found)]
    except Doubt:
        return [stamp(datetime.fromisoformat(at).replace(tzinfo=UTC)) for at in found]
