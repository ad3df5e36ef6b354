from typing import Any

from django.db import migrations
from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, Subquery, Value, When

BITS = {"webauthn": 1, "totp": 2, "recovery_code": 4}


def count(apps: Any, schema_editor: Any) -> None:
    """Fill the counters from the authenticators that there are: one statement, whatever the size."""
    binding = apps.get_model("accounts", "Binding")
    live = binding.objects.filter(person=OuterRef("pk"), unbound_at=None)
    owned: Any = Value(0)
    for kind, bit in BITS.items():
        owned += Case(When(Exists(live.filter(kind=kind)), then=bit), default=0, output_field=IntegerField())
    unused = Count("codes", filter=Q(codes__used_at=None))
    codes = live.filter(kind="recovery_code").values("person").annotate(left=unused).values("left")
    apps.get_model("accounts", "User").objects.update(factors=owned, codes_left=Subquery(codes))


class Migration(migrations.Migration):
    """The counters of people who enrolled before there were any."""

    dependencies = [("accounts", "0009_enrolment_state")]

    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
