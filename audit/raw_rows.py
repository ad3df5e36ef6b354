"""Events as PostgreSQL spells them, a tuple of texts each: what reads millions of them has no time for objects."""

from typing import Any, Final
from uuid import UUID

from django.db import DataError, connection

from audit.row import Row

PAGE: Final = 2000  # numbers
ERA: Final = "AD"  # ends every moment that a clock of ours ever showed

RawRow = tuple[Any, ...]  # the columns of a Row in their order: form and number as integers, all else as text

_SPELT: Final = dict.fromkeys(("id", "chain", "tenant_id", "payload", "salts", "digests"), "{0}::text") | {
    "at": """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"AD')"""
}
_COLUMNS: Final = ", ".join(_SPELT.get(name, "{0}").format(name) for name in Row.__slots__)
_SELECT: Final = " ".join(
    (
        "SELECT",
        _COLUMNS,
        "FROM audit_auditevent WHERE chain = %s AND sequence > %s AND sequence <= %s ORDER BY sequence",
    )
)


def are_there() -> bool:
    """Whether the database spells them; others are read through the model."""
    return connection.vendor == "postgresql"


def read(chain: UUID, after: int, upto: int) -> list[RawRow]:
    """The events with numbers from `after` + 1 to `upto`, in order. None where one of them cannot be spelt."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(_SELECT, (chain, after, upto))
        except DataError:
            return []
        found: list[RawRow] = cursor.fetchall()
    return found
