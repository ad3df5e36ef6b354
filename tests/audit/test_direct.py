"""A statement without a cursor does what it does with one, and leaves to a cursor what only that can do."""

from typing import Any
from unittest import mock

import pytest
from django.db import DataError, Error, IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from psycopg import errors

from audit import context, direct
from audit.kinds import Kind
from audit.log import record, unit_of_work
from audit.models import AuditChain
from tests.audit.evidence import HOSTILE, Person, assert_whole, events_of

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

KEEP = "INSERT INTO kept (name, number) VALUES (%s, %s)"


@pytest.fixture(autouse=True)
def table(db: None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (name text PRIMARY KEY, number bigint NOT NULL)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE kept")


@pytest.fixture
def cursors() -> Any:
    """How often a cursor was asked for."""
    with mock.patch.object(connection, "create_cursor", wraps=connection.create_cursor) as asked:
        yield asked


def kept() -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, number FROM kept ORDER BY number")
        return cursor.fetchall()


def begin() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def keep(*values: str) -> int:
    return direct.affected(connection, KEEP, values)


def test_in_a_transaction_that_has_begun_no_cursor_is_made(cursors: mock.Mock) -> None:
    with transaction.atomic():
        begin()
        cursors.reset_mock()
        assert keep("a", "1") == 1
        cursors.assert_not_called()
    assert kept() == [("a", 1)]


def test_it_stands_and_falls_with_its_transaction() -> None:
    with transaction.atomic():
        begin()
        keep("a", "1")
        with pytest.raises(RuntimeError), transaction.atomic():
            keep("b", "2")
            raise RuntimeError
        keep("c", "3")
    with pytest.raises(RuntimeError), transaction.atomic():
        begin()
        keep("d", "4")
        raise RuntimeError
    assert kept() == [("a", 1), ("c", 3)]


@pytest.mark.parametrize("name", [HOSTILE, "%s $1 'x' \\ \" ;--", "ünïcödé 🗝", ""])
def test_texts_arrive_as_they_are(name: str) -> None:
    with transaction.atomic():
        begin()
        keep(name, "1")
    assert kept() == [(name, 1)]


def test_what_ends_a_text_for_libpq_is_refused_and_cuts_nothing() -> None:
    with pytest.raises(DataError), transaction.atomic():
        begin()
        keep("cut\0off", "1")
    assert kept() == []


def test_the_first_statement_of_a_transaction_begins_it(cursors: mock.Mock) -> None:
    """Sent without a cursor it would be committed by itself."""
    with pytest.raises(RuntimeError), transaction.atomic():
        keep("a", "1")
        raise RuntimeError
    assert kept() == []
    with transaction.atomic():
        keep("b", "2")
    assert kept() == [("b", 2)]


def test_an_error_is_djangos_with_the_servers_word_and_dooms_the_transaction() -> None:
    with transaction.atomic():
        keep("a", "1")
    with pytest.raises(IntegrityError) as raised, transaction.atomic():
        begin()
        keep("a", "2")
    assert isinstance(raised.value.__cause__, errors.UniqueViolation)
    assert raised.value.__cause__.diag.table_name == "kept"
    with pytest.raises(DataError), transaction.atomic():
        begin()
        keep("b", "no number")
    assert kept() == [("a", 1)]


def test_a_transaction_that_is_bound_to_be_rolled_back_takes_nothing() -> None:
    with transaction.atomic():
        begin()
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            keep("a", "1")
    assert kept() == []


def test_a_connection_that_was_closed_on_the_way_is_a_database_error() -> None:
    with pytest.raises(Error), transaction.atomic():
        begin()
        connection.close()
        keep("a", "1")
    assert kept() == []


def test_a_server_that_is_gone_is_an_operational_error() -> None:
    def cut_off() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (backend,) = cursor.fetchone()
        other = connection.copy()
        other.settings_dict["OPTIONS"].pop("pool", None)
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        other.close()

    with pytest.raises(OperationalError), transaction.atomic():
        cut_off()
        keep("a", "1")
    connection.close()
    assert kept() == []


def test_it_is_logged_and_wrapped_as_every_statement(cursors: mock.Mock) -> None:
    with CaptureQueriesContext(connection) as found, transaction.atomic():
        begin()
        keep("a", "1")
    assert any("INSERT INTO kept" in query["sql"] for query in found.captured_queries)

    def refuse(*_arguments: Any) -> None:
        raise PermissionError

    with pytest.raises(PermissionError), transaction.atomic():
        begin()
        with connection.execute_wrapper(refuse):
            keep("b", "2")
    assert kept() == [("a", 1)]


def test_where_statements_are_prepared_this_one_is_too(cursors: mock.Mock) -> None:
    with transaction.atomic():
        begin()
        cursors.reset_mock()
        connection.connection.prepare_threshold = 2
        try:
            keep("a", "1")
        finally:
            connection.connection.prepare_threshold = None
        cursors.assert_called_once()


def test_events_go_in_without_a_cursor_where_the_end_of_the_chain_is_known(cursors: mock.Mock, person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    seen = AuditChain.objects.values_list("sequence", "hash").get(pk=person.tenant_id)
    with context.use(context.RequestContext(request_id="r")), unit_of_work():
        begin()
        context.expect_head(person.tenant_id, *seen)
        record(Kind.SIGNED_OUT, target=person)
        record(Kind.SIGNED_OUT, target=person)
        cursors.reset_mock()
    cursors.assert_not_called()
    assert len(events_of(person.tenant_id)) == 3
    assert_whole(person.tenant_id, length=3)
