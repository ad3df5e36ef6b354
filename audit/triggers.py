"""Database triggers that refuse to change or remove events, whoever asks.

Installed after every migrate, because SQLite drops a table's triggers when it rebuilds the table.
"""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from audit.models import AuditEvent

TABLE = AuditEvent._meta.db_table
MESSAGE = "audit events are append-only"
NAMES = (
    "audit_event_no_update",
    "audit_event_no_delete",
    "audit_event_no_truncate",
    "audit_event_no_replace",
)

# REPLACE INTO removes the old row without asking the DELETE trigger, unless recursive_triggers is on.
_SQLITE = (
    f"CREATE TRIGGER IF NOT EXISTS audit_event_no_update BEFORE UPDATE ON {TABLE} "
    f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END",
    f"CREATE TRIGGER IF NOT EXISTS audit_event_no_delete BEFORE DELETE ON {TABLE} "
    f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END",
    f"CREATE TRIGGER IF NOT EXISTS audit_event_no_replace BEFORE INSERT ON {TABLE} "  # noqa: S608  # nosec B608
    f"WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id OR (chain = NEW.chain AND sequence = NEW.sequence)) "
    f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END",
)
# ENABLE ALWAYS: a session that calls itself a replica is refused too.
_POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION audit_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
    f"BEGIN RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation'; END $$",
    f"CREATE OR REPLACE TRIGGER audit_event_no_update BEFORE UPDATE ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION audit_event_append_only()",
    f"CREATE OR REPLACE TRIGGER audit_event_no_delete BEFORE DELETE ON {TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION audit_event_append_only()",
    f"CREATE OR REPLACE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON {TABLE} "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_event_append_only()",
    f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER audit_event_no_update, "
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
