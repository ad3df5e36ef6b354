from django.db import migrations, models


def by(name: str, *fields: str, condition: models.Q | None = None) -> models.Index:
    return models.Index(fields=[*fields, "-id"], name=name, condition=condition)


class Migration(migrations.Migration):
    """A kind together with an outcome is found in order, also where it never has that outcome: by two indexes for three."""

    dependencies = [("audit", "0005_gone_wrong_by_kind")]

    operations = [
        migrations.AddIndex("auditevent", by("event_by_kind_and_outcome", "kind", "outcome")),
        migrations.AddIndex("auditevent", by("event_of_tenant_by_kind", "tenant_id", "kind", "outcome")),
        migrations.RemoveIndex("auditevent", "event_by_kind"),
        migrations.RemoveIndex("auditevent", "event_gone_wrong_by_kind"),
        migrations.RemoveIndex("auditevent", "event_by_tenant_and_kind"),
    ]
