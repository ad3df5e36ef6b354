"""Rounds go by the key of people, which never changes. Those under way begin anew: nobody is reminded twice by it."""

from django.db import migrations, models


def begin_anew(apps, schema_editor):
    rounds = apps.get_model("policies", "ReminderRound").objects.using(schema_editor.connection.alias)
    rounds.filter(finished_at=None).update(gone_through=0, spared={})


class Migration(migrations.Migration):

    dependencies = [
        ("policies", "0012_disowned_reminders"),
    ]

    operations = [
        migrations.RemoveField(model_name="reminderround", name="reached"),
        migrations.AddField(
            model_name="reminderround",
            name="reached",
            field=models.UUIDField(null=True),
        ),
        migrations.RunPython(begin_anew, migrations.RunPython.noop, elidable=True),
    ]
