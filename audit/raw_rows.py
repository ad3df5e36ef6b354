"""Events as PostgreSQL spells them, a tuple of texts each: what reads millions of them has no time for objects."""

from typing import Any, Final
from uuid import UUID

from django.db import DataError, connection

from audit.row import Row

PAGE: Final = 2000  # numbers
ERA: Final = "AD"  # ends every moment that a clock of ours ever showed
MOMENT: Final = len("2026-11-28T12:00:00.000000Z") + len(ERA)

RawRow = tuple[Any, ...]  # the columns of a Row in their order: form and number as integers, all else as text

_NAMES: Final = list(Row.__slots__)
_AT: Final = _NAMES.index("at")
_SPELT: Final = dict.fromkeys(("id", "chain", "tenant_id", "payload", "salts", "digests"), "{0}::text") | {
    "at": """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"AD')"""
}
_WHERE: Final = "WHERE event.chain = %s AND event.sequence > %s AND event.sequence <= %s ORDER BY event.sequence"
_SELECT: Final = " ".join(
    (
        "SELECT",
        ", ".join(_SPELT.get(name, "{0}").format(name) for name in _NAMES),
        "FROM audit_auditevent event",
        _WHERE,
    )
)
_DATED: Final = "event.at >= '1000-01-01 UTC' AND event.at < '10000-01-01 UTC'"  # so that its spelling says when
_LINE: Final = {"at": """to_char(event.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at"""}
_LINES: Final = " ".join(
    (
        "SELECT row_to_json(line)::text,",
        _DATED,
        "FROM audit_auditevent event, LATERAL (SELECT",
        ", ".join(_LINE.get(name, f"event.{name}") for name in _NAMES),
        ") line",
        _WHERE,
    )
)


def are_there() -> bool:
    """Whether the database spells them; others are read through the model."""
    return connection.vendor == "postgresql"


def read(chain: UUID, after: int, upto: int) -> list[RawRow]:
    """The events with numbers from `after` + 1 to `upto`, in order. None where one of them cannot be spelt."""
    try:
        return _all(_SELECT, chain, after, upto)
    except DataError:
        return []


def read_lines(chain: UUID, after: int, upto: int) -> list[str] | None:
    """The same as JSON objects, on one line each. None where one of them cannot be spelt."""
    try:
        found = _all(_LINES, chain, after, upto)
    except DataError:
        return None
    return [line for line, _dated in found] if all(dated for _line, dated in found) else None


def has_moment(row: RawRow) -> bool:
    """Whether the event is dated in a year of four digits of our era, so that its spelling says when."""
    at = row[_AT]
    return isinstance(at, str) and len(at) == MOMENT and at[0] != "0" and at.endswith(ERA)


def _all(statement: str, *values: Any) -> list[RawRow]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[RawRow] = cursor.fetchall()
    return found
