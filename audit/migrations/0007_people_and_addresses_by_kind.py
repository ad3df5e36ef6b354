from django.db import migrations, models


def found_by(name: str, field: str) -> migrations.AddIndex:
    return migrations.AddIndex("auditevent", models.Index(fields=[field, "kind", "outcome", "-id"], name=name))


class Migration(migrations.Migration):
    """What of a kind happened to a person, or from an address, is found without reading all that did.

    Adding indexes rebuilds no table, but nothing is recorded meanwhile: see docs/operations.md.
    """

    dependencies = [("audit", "0006_kinds_by_outcome")]

    operations = [
        found_by("event_of_actor_by_kind", "actor_id"),
        found_by("event_of_actor_label_by_kind", "actor_label"),
        found_by("event_of_target_by_kind", "target_id"),
        found_by("event_of_target_label_by_kind", "target_label"),
        found_by("event_of_address_by_kind", "ip"),
    ]
