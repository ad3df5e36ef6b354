"""Events as PostgreSQL spells them, one text each: what reads millions of them has no time for objects.

The database puts the columns of an event side by side, and no more. Whoever parts them again must find as many as there
are: then none holds the sign that parts them, and `read` sees to it that none is missing.
"""

from itertools import takewhile
from typing import Any, Final
from uuid import UUID

from django.db import DataError, connection

from audit.row import Row

PAGE: Final = 2000  # numbers
FIELD: Final = "\x1d"  # recording writes no such sign

_NAMES: Final = list(Row.__slots__)
COLUMNS: Final = tuple(name for name in _NAMES if name != "chain")  # of a record, in this order
_SPELT: Final = {"at": "event.at AT TIME ZONE 'UTC'", "tenant_id": "coalesce(event.tenant_id::text, '')"}
_FROM: Final = "FROM audit_auditevent event"
_WHERE: Final = "WHERE event.chain = %s AND event.sequence > %s AND event.sequence <= %s ORDER BY event.sequence"
_HELD: Final = ", ".join(f"event.{name}" for name in COLUMNS if name != "tenant_id")
_RECORD: Final = ", ".join(_SPELT.get(name, f"event.{name}") for name in COLUMNS)
_RECORDS: Final = " ".join(
    (f"SELECT CASE num_nulls({_HELD}) WHEN 0 THEN concat_ws('{FIELD}', {_RECORD}) END", _FROM, _WHERE)
)
_DATED: Final = "event.at >= '1000-01-01 UTC' AND event.at < '10000-01-01 UTC'"  # so that its spelling says when
_LINE: Final = {"at": """to_char(event.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at"""}
_LINES: Final = " ".join(
    (
        "SELECT row_to_json(line)::text,",
        _DATED,
        _FROM,
        ", LATERAL (SELECT",
        ", ".join(_LINE.get(name, f"event.{name}") for name in _NAMES),
        ") line",
        _WHERE,
    )
)


def are_there() -> bool:
    """Whether the database spells them; others are read through the model."""
    return connection.vendor == "postgresql"


def read(chain: UUID, after: int, upto: int) -> list[str]:
    """The events with numbers from `after` + 1 to `upto`, in order: their `COLUMNS`, parted by `FIELD`.

    Up to the first that lacks one; none where one of them cannot be spelt.
    """
    try:
        found = _all(_RECORDS, chain, after, upto)
    except DataError:
        return []
    return list(takewhile(bool, [record for (record,) in found]))


def read_lines(chain: UUID, after: int, upto: int) -> list[str] | None:
    """The same as JSON objects, on one line each. None where one of them cannot be spelt."""
    try:
        found = _all(_LINES, chain, after, upto)
    except DataError:
        return None
    return [line for line, _dated in found] if all(dated for _line, dated in found) else None


def _all(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
