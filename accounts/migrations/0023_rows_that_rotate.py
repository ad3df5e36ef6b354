from django.db import migrations, models

FILLED = 45  # per cent of a page: both the old and the new version of each of its rows have room there


def leave_room(apps, schema_editor):
    """A ciphertext that is replaced stays on its page, and no index of allauth's table hears of it (PostgreSQL)."""
    _set(apps, schema_editor, f"SET (fillfactor = {FILLED})")


def fill_up(apps, schema_editor):
    _set(apps, schema_editor, "RESET (fillfactor)")


def _set(apps, schema_editor, what):
    if schema_editor.connection.vendor == "postgresql":
        table = apps.get_model("mfa", "Authenticator")._meta.db_table
        schema_editor.execute(f"ALTER TABLE {schema_editor.quote_name(table)} {what}")


class Migration(migrations.Migration):
    """Fewer indexes to write for each row of a rotation: none twice, and none for LIKE, by which nobody asks."""

    dependencies = [("accounts", "0022_sign_ins_under_way"), ("mfa", "0003_authenticator_type_uniq")]

    operations = [
        migrations.RemoveIndex(model_name="binding", name="bound_by_person"),
        migrations.AlterField(
            model_name="binding",
            name="sealed_under",
            field=models.CharField(blank=True, editable=False, max_length=8),
        ),
        migrations.AlterField(
            model_name="pendingenrolment",
            name="sealed_under",
            field=models.CharField(max_length=8),
        ),
        migrations.AddIndex(
            model_name="binding",
            index=models.Index(fields=["sealed_under"], name="binding_by_key"),
        ),
        migrations.AddIndex(
            model_name="pendingenrolment",
            index=models.Index(fields=["sealed_under"], name="pending_by_key"),
        ),
        migrations.RunPython(leave_room, fill_up),
    ]
