from django.db import migrations, models


class Migration(migrations.Migration):
    """A process that answers no requests has one id for all it does: its events are many, and found in order."""

    dependencies = [("audit", "0003_found_by_what_they_say")]

    operations = [
        migrations.AddIndex(
            "auditevent", models.Index(fields=["request_id", "-id"], name="event_by_request_in_order")
        ),
        migrations.RemoveIndex("auditevent", "event_by_request"),
    ]
