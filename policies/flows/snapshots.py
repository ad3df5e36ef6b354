"""The daily snapshot of how far each tenant is. The first of a day counts; later ones find it there and leave it."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from accounts.models import Tenant
from audit.log import unit_of_work
from policies.models import EnrolmentSnapshot
from policies.rollout import statistics

TOGETHER: Final = 100  # tenants counted at once
KEPT: Final = ("people", "enrolled", "demanded", "missing", "overdue", "excluded", "one_loss_away")


def due(tenants: Iterable[Tenant], now: datetime) -> list[Tenant]:
    """Those that have no snapshot yet of what is today where they are."""
    tenants = list(tenants)
    days = {one.pk: now.astimezone(one.zone).date() for one in tenants}
    rows = EnrolmentSnapshot.objects.filter(tenant__in=list(days), day__in=set(days.values()))
    there = set(rows.values_list("tenant", "day"))
    return [one for one in tenants if (one.pk, days[one.pk]) not in there]


def take(tenants: list[Tenant], now: datetime) -> Iterator[int]:
    """Take these tenants' snapshots, some at a time; yields how many each time. Cut short, it is simply repeated."""
    for start in range(0, len(tenants), TOGETHER):
        yield _take(tenants[start : start + TOGETHER], now)


@unit_of_work
def _take(tenants: list[Tenant], now: datetime) -> int:
    counted = statistics.status_of([one.pk for one in tenants], now)
    EnrolmentSnapshot.objects.bulk_create(
        [
            EnrolmentSnapshot(
                tenant=one,
                day=now.astimezone(one.zone).date(),
                taken_at=now,
                **{name: getattr(counted[one.pk], name) for name in KEPT},
            )
            for one in tenants
        ],
        ignore_conflicts=True,
    )
    return len(tenants)
