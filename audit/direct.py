"""A statement without a cursor, for the one that every sign-in pays for: half of what it costs there is the cursor.

It is libpq's own call (PQexecParams), as psycopg lends it. It serves where a cursor would do no more: in a transaction
that has begun, while nobody listens and nothing is prepared. Everywhere else a cursor does the same. PostgreSQL alone.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import OperationalError, error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

NUL: Final = "\0"  # ends a text for libpq; a cursor refuses it


def affected(connection: BaseDatabaseWrapper, statement: str, values: Sequence[str]) -> int:
    """How many rows a statement wrote, with these texts in the places of its `%s`. Raises database errors."""
    if _is_listened_to(connection) or NUL in "".join(values):
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            count: int = cursor.rowcount
            return count
    with connection.wrap_database_errors:
        wire = connection.connection.pgconn
        result = wire.exec_params(_numbered(statement), [value.encode() for value in values])
        if result.status == ExecStatus.COMMAND_OK:
            return result.command_tuples or 0
        if wire.status == ConnStatus.OK:
            raise error_from_result(result)
        raise OperationalError(result.get_error_message())


def _is_listened_to(connection: BaseDatabaseWrapper) -> bool:
    """Whether a cursor has more to do than to send a statement: begin, prepare, refuse, or tell others of it."""
    driver = connection.connection
    if driver is None or driver.prepare_threshold is not None or connection.needs_rollback:
        return True
    if connection.queries_logged or connection.execute_wrappers:
        return True
    return bool(driver.pgconn.transaction_status != TransactionStatus.INTRANS)


@lru_cache(maxsize=8)
def _numbered(statement: str) -> bytes:
    """The statement as libpq wants it: `$1`, `$2` where a cursor has `%s`."""
    places = [f"${number}" for number in range(1, statement.count("%s") + 1)]
    return (statement % tuple(places)).encode()
