from typing import Any

from django.db import migrations
from django.db.models import Q
from django.db.models.functions import Now


def note(apps: Any, schema_editor: Any) -> None:
    """Who is an administrator now is known as one from now on; nobody can tell since when, nor by whom."""
    people = apps.get_model("accounts", "User").objects
    people.filter(Q(role="administrator") | Q(is_superuser=True)).update(administrator_since=Now())


class Migration(migrations.Migration):
    """Administrators of before may approve what is asked for from now on."""

    dependencies = [("accounts", "0017_since_when_administrator")]

    operations = [migrations.RunPython(note, migrations.RunPython.noop)]
