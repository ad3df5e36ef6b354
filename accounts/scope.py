"""What somebody may look at, and what is meant by a name: for pages and for work behind them."""

from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import Tenant, User


def events_seen_by(person: User) -> Q:
    """The condition on the events that this person may read: the platform's chain is for the platform."""
    return Q() if person.is_superuser else Q(tenant_id=person.tenant_id)


def tenants_called(value: str) -> QuerySet[Tenant]:
    """The one with this id, or those in whose name or short name this text is."""
    try:
        return Tenant.objects.filter(pk=UUID(value))
    except ValueError:
        return Tenant.objects.filter(Q(name__icontains=value) | Q(slug__icontains=value))
