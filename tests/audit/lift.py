"""The only way around the append-only triggers: for tests that tamper, and for the flush between tests.

The root conftest imports the fixture: `from tests.audit.lift import triggers_lifted_for_flush  # noqa: F401`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

from audit import triggers


@contextmanager
def lifted(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Take the triggers away, and put them back at the end."""
    place = f" ON {triggers.TABLE}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for name in triggers.NAMES:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{place}")
    try:
        yield
    finally:
        triggers.install(connection)


@pytest.fixture(scope="session", autouse=True)
def triggers_lifted_for_flush() -> Iterator[None]:
    """Let transactional tests empty the tables when they are done, as Django does it."""
    flush = TransactionTestCase._fixture_teardown

    def flush_events_too(self: TransactionTestCase) -> None:
        with ExitStack() as stack:
            for alias in self._databases_names(include_mirrors=False):
                stack.enter_context(lifted(connections[alias]))
            flush(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", flush_events_too)
        yield
