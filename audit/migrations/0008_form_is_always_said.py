"""A form has no default any more, which is nothing to the tables: SQLite would write them anew for it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_people_and_addresses_by_kind")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="auditevent",
                    name="form",
                    field=models.PositiveSmallIntegerField(),
                ),
            ]
        )
    ]
