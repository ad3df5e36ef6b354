"""Work that is due by itself again and again, done by one process at a time: a lease in the database decides.

The lease is short, and renewed while the work lasts: what a process that died had in hand is taken up soon after.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import notices, queue
from accounts.expiry import expired
from accounts.flows import access_passes, carrying_out
from accounts.models import Tenant
from audit import checkpoints
from policies.flows import (
    campaigns,
    confirm,
    event_files,
    exclusions,
    reminder_mail,
    reminder_rounds,
    snapshots,
    workers,
)
from policies.models import MFAPolicy, PeriodicWork
from policies.pulse import Logged, Pulse

LEASE: Final = timedelta(minutes=2)
RENEW_EVERY: Final = 30.0  # seconds
LOOK_EVERY: Final = 15.0  # seconds, in a process that goes on
LATE: Final = timedelta(minutes=10)  # what is due each minute was last done longer ago: nobody does it

logger = logging.getLogger(__name__)
Work = Callable[[datetime], int]


def _settle(now: datetime) -> int:
    lapsed = list(MFAPolicy.objects.filter(confirm_by__lte=now).order_by("pk"))
    for policy in lapsed:
        confirm.settle(policy)
    return len(lapsed)


def _remind(now: datetime) -> int:
    waiting, running, rounds = reminder_mail.tenants_with_work(now), campaigns.due(now), reminder_rounds.unfinished()
    for campaign in running:
        campaigns.soon(campaign)
    for begun in rounds:
        reminder_rounds.soon(begun)
    for tenant_id in waiting:
        reminder_mail.soon(tenant_id)
    return len(waiting) + len(running) + len(rounds)


def _mail(now: datetime) -> int:
    waiting = notices.unsent_due(now)
    if waiting:
        queue.enqueue_once(notices.deliver_due)
    return waiting


def _act(now: datetime) -> int:
    """Each act in a transaction of its own: one that cannot be carried out keeps none of the others waiting."""
    acts = list(carrying_out.due(now))
    for act in acts:
        with Logged(f"act {act.pk}"):
            carrying_out.settle(act)
    return len(acts)


def _export(now: datetime) -> int:
    waiting = event_files.unfinished()
    for wanted in waiting:
        event_files.soon(wanted)
    return len(waiting) + event_files.remove_expired(now)


def _report_exclusions(now: datetime) -> int:
    return sum(1 for _one in exclusions.report(exclusions.find().nearing))


def _purge(now: datetime) -> int:
    return sum(rows.delete()[0] for rows in expired(now).values())


def _snapshot(now: datetime) -> int:
    tenants = Tenant.objects.filter(is_active=True).order_by("pk")
    return sum(snapshots.take(snapshots.due(tenants, now), now))


def _lapse_passes(now: datetime) -> int:
    return access_passes.lapse(now)


def _checkpoint(now: datetime) -> int:
    if not checkpoints.is_due(now):
        return 0
    checkpoints.make(now)
    return 1


WORK: Final[dict[str, tuple[timedelta, Work]]] = {
    "watch_workers": (timedelta(minutes=1), workers.watch),
    "notices": (timedelta(minutes=1), _mail),
    "carry_out_acts": (timedelta(minutes=1), _act),
    "settle_policies": (timedelta(minutes=1), _settle),
    "lapse_access_passes": (timedelta(minutes=1), _lapse_passes),
    "reminders": (timedelta(minutes=1), _remind),
    "checkpoint": (timedelta(minutes=1), _checkpoint),
    "exports": (timedelta(minutes=1), _export),
    "report_exclusions": (timedelta(hours=1), _report_exclusions),
    "purge_expired": (timedelta(hours=1), _purge),
    "snapshot_enrolment": (timedelta(hours=1), _snapshot),
}
"""Each kind, how often it is due, and what does it; that returns how much there was to do."""


def due(now: datetime) -> list[str]:
    """What is due at `now` and in nobody's hands, in the order in which it is done."""
    rest = set(PeriodicWork.objects.filter(Q(due_at__gt=now) | Q(leased_until__gt=now)).values_list("name", flat=True))
    if not checkpoints.is_able():
        rest.add("checkpoint")  # for whichever process has the key
    return [name for name in WORK if name not in rest]


def is_on_time(now: datetime) -> bool:
    """Whether somebody does the periodic work."""
    return PeriodicWork.objects.filter(name="watch_workers", done_at__gt=now - LATE).exists()


def run(now: datetime) -> Iterator[tuple[str, int]]:
    """Do what is due, one after the other; yields what was done, and how much of it there was.

    What another process has in hand is left to it. Work that raises keeps its lease, so that the next run does the
    rest first, and comes back to it when the lease is over.
    """
    for name in due(now):
        if (holder := _lease(name)) is not None:
            yield name, _do(name, holder)


def run_each() -> None:
    """Do what is due now, in a process that goes on: what raises is logged, and keeps nothing else from being done."""
    for name in due(timezone.now()):
        with Logged(name):
            if (holder := _lease(name)) is not None:
                _do(name, holder)


def _lease(name: str) -> UUID | None:
    """Take the work, if it is due and free; of many processes that ask at once one gets a holder's number."""
    now, holder = timezone.now(), uuid4()
    PeriodicWork.objects.bulk_create([PeriodicWork(name=name, due_at=now)], ignore_conflicts=True)
    free = PeriodicWork.objects.filter(Q(leased_until=None) | Q(leased_until__lte=now), name=name, due_at__lte=now)
    return holder if free.update(leased_until=now + LEASE, holder=holder) else None


def _do(name: str, holder: UUID) -> int:
    """Do the work while the lease is renewed; whoever lost it meanwhile leaves it to the other to say it is done."""
    every, work = WORK[name]
    with Pulse(f"lease of {name}", partial(_renew, name, holder), seconds=RENEW_EVERY):
        number = work(timezone.now())
    done_at = timezone.now()
    done = _held(name, holder).update(due_at=done_at + every, leased_until=None, holder=None, done_at=done_at)
    if not done:
        logger.warning("The lease of %s was lost while it was done; another process has it", name)
    return number


def _renew(name: str, holder: UUID) -> bool:
    """Keep the work for another while; whether it was still this process's."""
    return _held(name, holder).update(leased_until=timezone.now() + LEASE) == 1


def _held(name: str, holder: UUID) -> "QuerySet[PeriodicWork]":
    """The work, while nobody else took it. A lease that is over and was taken by none is still the holder's."""
    return PeriodicWork.objects.filter(name=name, holder=holder)
