from django.db import migrations, models


class Migration(migrations.Migration):
    """How often somebody has put the banner of grace off, and until when: read with the person, on every request."""

    dependencies = [("accounts", "0006_anchors_know_whose_they_are")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="snoozed_until",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="snoozes_used",
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
    ]
