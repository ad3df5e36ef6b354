"""Reading a whole export line by line, believing nothing: standard library only, for any verifier.

A line that is not exactly what exporting writes is Unreadable. Line ends of another system and a byte order mark
are let through: they are of the transport, and nothing that is hashed.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final
from uuid import UUID

from audit.errors import NotAnExport, NotWhole, UnreadableLine
from audit.export_format import COLUMNS, FORMAT, READ, moment
from audit.row import Row

LONGEST: Final = 8 * 2**20  # bytes of a line; events have one or two thousand
PAIRS = list[tuple[str, Any]]
_HEAD_OF_CSV: Final = ",".join(COLUMNS).encode()


@dataclass(frozen=True, slots=True)
class ExportHead:
    """Which chain the file holds, up to which event, and when it says that it was written."""

    chain: UUID
    sequence: int
    hash: str
    at: str


def read_head(file: BinaryIO) -> ExportHead:
    """The first line. Raises NotAnExport, and NotWhole for a selection."""
    try:
        line = _line(file).removeprefix(b"\xef\xbb\xbf")
        if line.rstrip(b"\r\n") == _HEAD_OF_CSV:
            raise NotWhole("it is a selection")
        found = _document(line)
        if found.get("format") != FORMAT:
            raise NotAnExport("its first line is none of an export of the record")
        if _integer(found["version"]) not in READ:
            raise NotAnExport(f"it is of version {found['version']}, and this verifier reads up to {READ[-1]}")
        if found["whole"] is False:
            raise NotWhole("it is a selection")
        if found["whole"] is not True:
            raise NotAnExport("its first line does not say whether it is whole")
        return ExportHead(
            _uuid(found["chain"]), _integer(found["sequence"]), _text(found["hash"]), moment(_moment(found["at"]))
        )
    except (KeyError, UnreadableLine, ValueError) as error:
        raise NotAnExport("its first line is none of an export of the record") from error


def read_events(file: BinaryIO) -> Iterator[Row]:
    """The events after the head, one at a time. Raises UnreadableLine at the first line that is none."""
    while line := _line(file):
        yield _event(line)


def _line(file: BinaryIO) -> bytes:
    line = file.readline(LONGEST + 1)
    if len(line) > LONGEST:
        raise UnreadableLine("a line that is too long")
    return line


def _event(line: bytes) -> Row:
    found = _document(line)
    if found.keys() != _COLUMNS.keys():
        raise UnreadableLine("other columns than an event has")
    try:
        return Row(**{name: read(found[name]) for name, read in _COLUMNS.items()})
    except ValueError as error:
        raise UnreadableLine("a value of another type") from error


def _document(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line.decode(), object_pairs_hook=_once, parse_float=_refuse, parse_constant=_refuse)
    except (RecursionError, ValueError) as error:
        raise UnreadableLine("no JSON as exporting writes it") from error
    if not isinstance(found, dict):
        raise UnreadableLine("no JSON object")
    return found


def _once(pairs: PAIRS) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")  # readers disagree about which one counts
    return found


def _refuse(text: str) -> Any:
    raise ValueError("neither an integer nor text")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("no integer")
    return value


def _uuid(value: Any) -> UUID:
    found = UUID(_text(value))
    if str(found) != value:
        raise ValueError("a UUID spelt otherwise")
    return found


def _uuid_or_none(value: Any) -> UUID | None:
    return None if value is None else _uuid(value)


def _moment(value: Any) -> datetime:
    found = datetime.fromisoformat(_text(value))
    if found.utcoffset() != timedelta(0) or moment(found) != value:
        raise ValueError("a moment spelt otherwise")
    return found


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _texts(value: Any) -> dict[str, str]:
    return {name: _text(text) for name, text in _mapping(value).items()}


_COLUMNS: Final[dict[str, Callable[[Any], Any]]] = dict.fromkeys(Row.__slots__, _text) | {
    "id": _uuid,
    "form": _integer,
    "chain": _uuid,
    "sequence": _integer,
    "tenant_id": _uuid_or_none,
    "at": _moment,
    "payload": _mapping,
    "salts": _texts,
    "digests": _texts,
}
