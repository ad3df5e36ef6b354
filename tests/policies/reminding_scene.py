"""People with a deadline ahead, for the tests of reminders and campaigns."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Tenant, User
from tests.factories import TenantFactory, UserFactory

DAY = timedelta(days=1)


def a_tenant(days: int = 10, **fields: Any) -> Tenant:
    """A tenant in Berlin that gives everybody new so many days."""
    values = {"name": "Acme, Health; Ltd", "time_zone": "Europe/Berlin", "rules": {"new_grace_days": days}}
    return TenantFactory(**values | fields)


def newcomer(tenant: Tenant, *, ago: timedelta = timedelta(0), **fields: Any) -> User:
    """Somebody who signed in for the first time so long ago, from when their days count."""
    person = UserFactory(tenant=tenant, **fields)
    person.first_sign_in_at = timezone.now() - ago
    person.save(update_fields=["first_sign_in_at"])
    return person
