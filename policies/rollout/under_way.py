"""What is under way with policies: versions that wait for their confirmation, and versions on trial."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, Q

from accounts.models import User
from policies.models import DecidedSignIn, MFAPolicy

MOST = 20  # policies named on one page


class UnderWay(NamedTuple):
    """One policy of a tenant. `confirm_by` is None where nothing waits; `on_trial` is 0 where nothing is on trial.

    `would_stop`: how many people the version on trial would have stopped so far.
    """

    policy: MFAPolicy
    confirm_by: datetime | None
    on_trial: int
    would_stop: int


def under_way(person: User, now: datetime) -> list[UnderWay]:
    """What is under way in the tenants an administrator answers for, at most `MOST`; one query, two with trials."""
    theirs = Q() if person.is_superuser else Q(tenant=person.tenant_id)
    busy = MFAPolicy.objects.filter(theirs).filter(Q(confirm_by__gt=now) | Q(report_version__isnull=False))
    policies = list(busy.select_related("tenant").order_by("tenant__name")[:MOST])
    stopped = _would_stop([one for one in policies if one.report_version is not None])
    return [
        UnderWay(
            one,
            one.confirm_by if one.confirm_by is not None and one.confirm_by > now else None,
            one.report_version or 0,
            stopped.get(one.tenant_id, 0),
        )
        for one in policies
    ]


def would_stop(policy: MFAPolicy) -> int:
    """How many people the version on trial would have stopped so far; 0 where none is."""
    return 0 if policy.report_version is None else _would_stop([policy]).get(policy.tenant_id, 0)


def _would_stop(policies: list[MFAPolicy]) -> dict[UUID, int]:
    if not policies:
        return {}
    ones = Q(pk__in=[])
    for one in policies:
        ones |= Q(tenant=one.tenant_id, would_stop=one.report_version)
    counted = DecidedSignIn.objects.filter(ones).order_by().values("tenant_id")
    return dict(counted.annotate(people=Count("person_id", distinct=True)).values_list("tenant_id", "people"))
