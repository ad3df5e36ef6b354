"""Events as PostgreSQL spells them, one text each: what reads millions of them has no time for objects.

The database puts the columns of an event side by side, and no more. Whoever parts them again must find as many as there
are: then none holds the sign that parts them, and `read` sees to it that none is missing.
"""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Final
from uuid import UUID

from django.db import DataError, ProgrammingError, connection

from audit.row import Row

PAGE: Final = 2000  # numbers
FIELD: Final = "\x1d"  # recording writes no such sign

_NAMES: Final = list(Row.__slots__)
COLUMNS: Final = tuple(name for name in _NAMES if name != "chain")  # of a record, in this order
_SPELT: Final = {"at": "event.at AT TIME ZONE 'UTC'", "tenant_id": "coalesce(event.tenant_id::text, '')"}
_OTHER_TYPES: Final = {
    **dict.fromkeys(("id", "chain", "tenant_id"), "uuid"),
    **dict.fromkeys(("payload", "salts", "digests"), "jsonb"),
    **{"form": "int2", "sequence": "int8", "at": "timestamptz"},
}  # than text
_TYPES: Final = ", ".join(f"('{name}', 'pg_catalog.{_OTHER_TYPES.get(name, 'varchar')}'::regtype)" for name in _NAMES)
_OF_THEIR_TYPES: Final = f"attrelid = 'audit_auditevent'::regclass AND (attname, atttypid) IN ({_TYPES})"
_ARE_OF_THEIR_TYPES: Final = f"(SELECT count(*) FROM pg_catalog.pg_attribute WHERE {_OF_THEIR_TYPES}) = {len(_NAMES)}"  # noqa: S608
_FROM: Final = "FROM audit_auditevent event"
_WHERE: Final = (
    "WHERE event.chain = %s AND event.sequence > %s AND event.sequence <= %s"
    f" AND {_ARE_OF_THEIR_TYPES} ORDER BY event.sequence LIMIT %s"
)
_HELD: Final = ", ".join(f"event.{name}" for name in COLUMNS if name != "tenant_id")
_RECORD: Final = ", ".join(_SPELT.get(name, f"event.{name}") for name in COLUMNS)
_RECORDS: Final = " ".join(
    (f"SELECT CASE num_nulls({_HELD}) WHEN 0 THEN concat_ws('{FIELD}', {_RECORD}) END", _FROM, _WHERE)
)

Columns = Mapping[str, tuple[str, ...]]  # of some events, by their names


def are_there() -> bool:
    """Whether the database spells them; others are read through the model."""
    return connection.vendor == "postgresql"


def read(chain: UUID, after: int, upto: int) -> list[str]:
    """The events with numbers from `after` + 1 to `upto`, in order: their `COLUMNS`, parted by `FIELD`.

    Up to the first that lacks one; none where one of them cannot be spelt, or where somebody gave a column another
    type, which is spelt otherwise; one more than there are numbers, where several have the same.
    """
    with connection.cursor() as cursor:
        try:
            cursor.execute(_RECORDS, (chain, after, upto, upto - after + 1))
        except (DataError, ProgrammingError):
            return []
        return list(takewhile(bool, [record for (record,) in cursor.fetchall()]))


def columns(records: Sequence[str]) -> Columns:
    """The columns of some events. Raises ValueError where one of them is not as many as there are."""
    parted = zip(*[record.split(FIELD) for record in records], strict=True)
    return dict(zip(COLUMNS, parted, strict=True))
