from typing import Any

from django.db import migrations
from django.db.models import Count, F

SEVERAL, LOCKED = 8, 16


def count(apps: Any, schema_editor: Any) -> None:
    """Say it of everybody of whom it is true: a statement each, whatever the size."""
    live = apps.get_model("accounts", "Binding").objects.filter(unbound_at=None).exclude(kind="recovery_code")
    several = live.order_by().values("person").annotate(number=Count("pk")).filter(number__gt=1)
    people = apps.get_model("accounts", "User").objects
    people.filter(pk__in=several.values("person")).update(factors=F("factors").bitor(SEVERAL))
    people.filter(pk__in=live.exclude(locked_at=None).values("person")).update(factors=F("factors").bitor(LOCKED))


def forget(apps: Any, schema_editor: Any) -> None:
    people = apps.get_model("accounts", "User").objects.filter(factors__gte=SEVERAL)
    people.update(factors=F("factors").bitand(SEVERAL - 1))


class Migration(migrations.Migration):
    """Who has a second authenticator, or a locked one, is on their row too: both are counted without a join."""

    dependencies = [("accounts", "0013_owed_notices")]

    operations = [migrations.RunPython(count, forget)]
