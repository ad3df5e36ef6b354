from typing import Any

from django.db import Error, migrations, transaction

COLUMNS = ("email", "name")


def index(apps: Any, schema_editor: Any) -> None:
    """On PostgreSQL, trigrams of what Django's `icontains` compares. Without the right to them, search is slower."""
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except Error:
        return
    for column in COLUMNS:
        schema_editor.execute(
            f"CREATE INDEX IF NOT EXISTS person_{column}_trigrams"
            f" ON accounts_user USING gin (UPPER({column}::text) gin_trgm_ops)"
        )


def unindex(apps: Any, schema_editor: Any) -> None:
    for column in COLUMNS:
        schema_editor.execute(f"DROP INDEX IF EXISTS person_{column}_trigrams")


class Migration(migrations.Migration):
    """A part of an address or a name is found without reading everybody."""

    dependencies = [("accounts", "0010_count_enrolment_state")]

    operations = [migrations.RunPython(index, unindex)]
