"""Rounds of reminders: an administrator asks for those of a list, of everybody in it or of some, and sees what becomes.

Everybody is gone through by a worker, in batches by key, which never changes, under the filters that the list had; how
far it came is kept with each batch, so whoever goes on after a worker died goes on there. Nobody is mailed twice,
however often it is asked: `flows.reminders` sees to that.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django_tasks import task

from accounts import notices, queue
from accounts.errors import NotAllowed
from accounts.flows.people import answers_for, manages
from accounts.models import Tenant, User
from accounts.rows import attach
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies.flows import reminders
from policies.models import ReminderRound
from policies.rollout.listed import Which, listed
from policies.rollout.remindable import Spared

AT_ONCE: Final = 20  # batches of one task; then it queues the next, so that other work gets its turn
BATCH: Final = 500


@unit_of_work
def ask_some(
    people: Sequence[User], tenant: Tenant, *, which: Which, actor: User, search: str = "", role: str = ""
) -> ReminderRound:
    """Remind these people of a tenant, chosen from a list of it. Raises NotAllowed unless the actor answers for it."""
    _require_answers_for(actor, tenant)
    begun = _begin(tenant, which, actor, search=search, role=role, of_everybody=False, people=len(people))
    _remind(begun, people, actor)
    _finish(begun)
    return begun


@unit_of_work
def ask_everybody(tenant: Tenant, *, which: Which, actor: User, search: str = "", role: str = "") -> ReminderRound:
    """Have a worker remind everybody in a list. Raises NotAllowed unless the actor answers for the tenant."""
    _require_answers_for(actor, tenant)
    people = listed(tenant, which, timezone.now(), search=search, role=role).count()
    begun = _begin(tenant, which, actor, search=search, role=role, of_everybody=True, people=people)
    soon(begun)
    return begun


def soon(begun: ReminderRound) -> None:
    """Have a worker go on with a round, once this commits."""
    notices.when_committed(queue.enqueue_once, go_on, str(begun.pk))


def unfinished() -> list[ReminderRound]:
    """The rounds that still have people to go through."""
    return list(ReminderRound.objects.filter(finished_at=None, tenant__is_active=True).order_by("asked_at"))


def expired(now: datetime) -> "QuerySet[ReminderRound]":
    """The rounds that count nothing any more: over for as long as reminders are kept, and none of theirs left."""
    return ReminderRound.objects.filter(finished_at__lt=now - reminders.KEPT, reminders=None)


@task()
def go_on(round_id: str) -> None:
    """Go on with a round where it stands."""
    for _turn in range(AT_ONCE):
        if not step(UUID(round_id)):
            return
    go_on.enqueue(round_id)


@unit_of_work
def step(round_id: UUID) -> bool:
    """One batch of a round; returns whether there may be more.

    The round's row is held, so that of two workers each takes another batch. Whoever asked must still answer for the
    tenant: otherwise the round ends here, and that is recorded.
    """
    begun = ReminderRound.objects.select_for_update(of=("self",)).select_related("tenant").get(pk=round_id)
    if begun.finished_at is not None:
        return False
    actor = User.objects.filter(pk=begun.actor_id).first()
    if actor is None or not answers_for(actor, begun.tenant):
        _finish(begun, stopped=NotAllowed.code)
        record(
            Kind.REMINDER_ROUND_STOPPED,
            actor=actor,
            target=begun.tenant,
            tenant=begun.tenant,
            round=str(begun.pk),
            code=NotAllowed.code,
        )
        return False
    people = listed(begun.tenant, Which(begun.which), timezone.now(), search=begun.search, role=begun.role)
    behind = people if begun.reached is None else people.filter(pk__gt=begun.reached)
    batch = list(behind.order_by("pk")[:BATCH])
    if not batch:
        _finish(begun)
        return False
    begun.reached = batch[-1].pk
    _remind(begun, batch, actor)
    return True


def _begin(tenant: Tenant, which: Which, actor: User, **said: Any) -> ReminderRound:
    begun = ReminderRound.objects.create(
        tenant=tenant, which=which.value, actor_id=actor.pk, actor_label=str(actor), **said
    )
    record(
        Kind.REMINDER_ROUND_STARTED,
        actor=actor,
        target=tenant,
        tenant=tenant,
        round=str(begun.pk),
        list=begun.which,
        search=begun.search or None,
        role=begun.role or None,
        people=begun.people,
    )
    return begun


def _remind(begun: ReminderRound, people: Sequence[User], actor: User) -> None:
    """Ask for a reminder of each whom the actor manages; the platform's administrators are not a tenant's to remind."""
    for person in people:
        attach(person, "tenant", begun.tenant)
    managed = [person for person in people if manages(actor, person)]
    found = reminders.ask(managed, actor=actor, in_round=begun)
    spared = Counter({Spared.NOT_YOURS.value: len(people) - len(managed)})
    spared.update(one.spared.value for one in found if one.spared is not None)
    begun.spared = dict(Counter(begun.spared) + spared)
    begun.gone_through += len(people)
    begun.queued += sum(1 for one in found if one.spared is None)
    begun.save(update_fields=["spared", "gone_through", "queued", "reached"])


def _finish(begun: ReminderRound, *, stopped: str = "") -> None:
    begun.finished_at, begun.stopped = timezone.now(), stopped
    begun.save(update_fields=["finished_at", "stopped"])


def _require_answers_for(actor: User, tenant: Tenant) -> None:
    if not answers_for(actor, tenant):
        raise NotAllowed
