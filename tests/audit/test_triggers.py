"""The database refuses what the model never sees."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from audit import triggers
from audit.kinds import Kind
from audit.log import record
from tests.audit.evidence import Person, assert_whole, events_of
from tests.audit.lift import lifted

pytestmark = pytest.mark.django_db
TABLE = triggers.TABLE


@pytest.fixture
def recorded(person: Person) -> Iterator[Person]:
    """Somebody of whom two events are known, which are there in the end too."""
    for _ in range(2):
        record(Kind.SIGNED_OUT, target=person)
    yield person
    assert_whole(person.tenant_id, length=2)


def run(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.security(88)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_auditevent SET outcome = 'ok'",
        "UPDATE audit_auditevent SET sequence = sequence + 1 WHERE sequence = 2",
        "DELETE FROM audit_auditevent",
        "DELETE FROM audit_auditevent WHERE sequence = 2",
    ],
)
def test_raw_statements_cannot_change_or_remove_events(recorded: Person, sql: str) -> None:
    with pytest.raises(DatabaseError, match=triggers.MESSAGE):
        run(sql)


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="REPLACE is SQLite's")
def test_replace_cannot_overwrite_an_event(recorded: Person) -> None:
    with pytest.raises(DatabaseError, match=triggers.MESSAGE):
        run("REPLACE INTO audit_auditevent SELECT * FROM audit_auditevent LIMIT 1")


@pytest.mark.postgres
@pytest.mark.security(88)
@pytest.mark.parametrize(
    "sql",
    [
        "TRUNCATE audit_auditevent",
        "TRUNCATE audit_auditevent CASCADE",
        "SET LOCAL session_replication_role = replica; DELETE FROM audit_auditevent",
        "INSERT INTO audit_auditevent SELECT * FROM audit_auditevent ON CONFLICT (id) DO UPDATE SET outcome = 'ok'",
    ],
)
def test_postgresql_refuses_its_own_ways_too(recorded: Person, sql: str) -> None:
    with pytest.raises(DatabaseError, match=triggers.MESSAGE):
        run(sql)


def test_installing_twice_changes_nothing(recorded: Person) -> None:
    triggers.install(connection)
    with pytest.raises(DatabaseError, match=triggers.MESSAGE):
        run("DELETE FROM audit_auditevent")


@pytest.mark.django_db(transaction=True)
def test_a_migrate_brings_lost_triggers_back(person: Person) -> None:
    with lifted(connection):
        call_command("migrate", verbosity=0)
        record(Kind.SIGNED_OUT, target=person)
        with pytest.raises(DatabaseError, match=triggers.MESSAGE):
            run("DELETE FROM audit_auditevent")


def test_without_the_table_there_is_nothing_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `migrate audit zero`."""
    installed: list[object] = []
    monkeypatch.setattr(triggers, "install", installed.append)
    triggers.install_after_migrate()
    monkeypatch.setattr(triggers, "TABLE", "audit_gone")
    triggers.install_after_migrate()
    assert installed == [connection]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("time", ["first", "second"])
def test_transactional_tests_leave_no_events_behind(time: str) -> None:
    tenant = UUID(int=7)
    assert events_of(tenant) == []
    record(Kind.SIGNED_OUT, target=Person(tenant_id=tenant))
