from django.db import migrations, models


class Migration(migrations.Migration):
    """What of a kind went wrong is found without reading all of the kind; few events do, so the index is small."""

    dependencies = [("audit", "0004_requests_in_order")]

    operations = [
        migrations.AddIndex(
            "auditevent",
            models.Index(
                fields=["kind", "outcome", "-id"], condition=~models.Q(outcome="ok"), name="event_gone_wrong_by_kind"
            ),
        ),
    ]
