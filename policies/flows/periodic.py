"""Work that is due by itself again and again, done by one process at a time: a lease in the database decides."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from accounts.expiry import expired
from accounts.models import Tenant
from policies.flows import campaigns, confirm, exclusions, reminder_mail, snapshots
from policies.models import MFAPolicy, PeriodicWork

LEASE: Final = timedelta(minutes=30)

Work = Callable[[datetime], int]


def _settle(now: datetime) -> int:
    lapsed = list(MFAPolicy.objects.filter(confirm_by__lte=now).order_by("pk"))
    for policy in lapsed:
        confirm.settle(policy)
    return len(lapsed)


def _remind(now: datetime) -> int:
    waiting, running = reminder_mail.tenants_with_work(now), campaigns.due(now)
    for campaign in running:
        campaigns.soon(campaign)
    for tenant_id in waiting:
        reminder_mail.soon(tenant_id)
    return len(waiting) + len(running)


def _report_exclusions(now: datetime) -> int:
    return sum(1 for _one in exclusions.report(exclusions.find().nearing))


def _purge(now: datetime) -> int:
    return sum(rows.delete()[0] for rows in expired(now).values())


def _snapshot(now: datetime) -> int:
    tenants = Tenant.objects.filter(is_active=True).order_by("pk")
    return sum(snapshots.take(snapshots.due(tenants, now), now))


WORK: Final[dict[str, tuple[timedelta, Work]]] = {
    "settle_policies": (timedelta(minutes=1), _settle),
    "reminders": (timedelta(minutes=1), _remind),
    "report_exclusions": (timedelta(hours=1), _report_exclusions),
    "purge_expired": (timedelta(hours=1), _purge),
    "snapshot_enrolment": (timedelta(hours=1), _snapshot),
}
"""Each kind, how often it is due, and what does it; that returns how much there was to do."""


def due(now: datetime) -> list[str]:
    """What is due at `now` and in nobody's hands, in the order in which it is done."""
    rest = set(PeriodicWork.objects.filter(Q(due_at__gt=now) | Q(leased_until__gt=now)).values_list("name", flat=True))
    return [name for name in WORK if name not in rest]


def run(now: datetime) -> Iterator[tuple[str, int]]:
    """Do what is due, one after the other; yields what was done, and how much of it there was.

    What another process has in hand is left to it. Work that raises keeps its lease, so that the next run does the
    rest first, and comes back to it when the lease is over.
    """
    for name in due(now):
        if _lease(name, now):
            yield name, _do(name)


def _lease(name: str, now: datetime) -> bool:
    """Whether this process has the work now; of many that ask at once one has."""
    PeriodicWork.objects.bulk_create([PeriodicWork(name=name, due_at=now)], ignore_conflicts=True)
    free = PeriodicWork.objects.filter(Q(leased_until=None) | Q(leased_until__lte=now), name=name, due_at__lte=now)
    return free.update(leased_until=now + LEASE) == 1


def _do(name: str) -> int:
    every, work = WORK[name]
    number = work(timezone.now())
    done_at = timezone.now()
    PeriodicWork.objects.filter(name=name).update(due_at=done_at + every, leased_until=None, done_at=done_at)
    return number
