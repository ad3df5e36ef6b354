"""Database triggers that refuse to change or remove events, whoever asks.

Installed after every migrate, because SQLite drops a table's triggers when it rebuilds the table.
"""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

TABLE = "audit_auditevent"  # written out below: SQL that one can read
MESSAGE = "audit events are append-only"
NAMES = (
    "audit_event_no_update",
    "audit_event_no_delete",
    "audit_event_no_truncate",
    "audit_event_no_replace",
)

# REPLACE INTO removes the old row without asking the DELETE trigger, unless recursive_triggers is on.
_SQLITE = (
    "CREATE TRIGGER IF NOT EXISTS audit_event_no_update BEFORE UPDATE ON audit_auditevent "
    "BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END",
    "CREATE TRIGGER IF NOT EXISTS audit_event_no_delete BEFORE DELETE ON audit_auditevent "
    "BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END",
    "CREATE TRIGGER IF NOT EXISTS audit_event_no_replace BEFORE INSERT ON audit_auditevent "
    "WHEN EXISTS (SELECT 1 FROM audit_auditevent WHERE id = NEW.id OR (chain = NEW.chain AND sequence = NEW.sequence)) "
    "BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END",
)
# ENABLE ALWAYS: a session that calls itself a replica is refused too.
_POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION audit_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
    "BEGIN RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'restrict_violation'; END $$",
    "CREATE OR REPLACE TRIGGER audit_event_no_update BEFORE UPDATE ON audit_auditevent "
    "FOR EACH ROW EXECUTE FUNCTION audit_event_append_only()",
    "CREATE OR REPLACE TRIGGER audit_event_no_delete BEFORE DELETE ON audit_auditevent "
    "FOR EACH ROW EXECUTE FUNCTION audit_event_append_only()",
    "CREATE OR REPLACE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_auditevent "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_event_append_only()",
    "ALTER TABLE audit_auditevent ENABLE ALWAYS TRIGGER audit_event_no_update, "
    "ENABLE ALWAYS TRIGGER audit_event_no_delete, ENABLE ALWAYS TRIGGER audit_event_no_truncate",
)
STATEMENTS = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}


def install(connection: BaseDatabaseWrapper) -> None:
    """Make the database refuse UPDATE and DELETE of events (and TRUNCATE on PostgreSQL). Idempotent.

    Raises KeyError on a database that this room has no triggers for.
    """
    with connection.cursor() as cursor:
        for statement in STATEMENTS[connection.vendor]:
            cursor.execute(statement)


def install_after_migrate(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Receiver of `post_migrate`; does nothing where there is no such table (migrated backwards)."""
    connection = connections[using]
    if TABLE in connection.introspection.table_names():
        install(connection)
