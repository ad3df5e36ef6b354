"""Asking for reminders. Who may get one is `rollout.remindable`, sending them is `flows.reminder_mail`.

Never more than one a day, whoever asks: the row that is unique for person and day decides.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.errors import NotAllowed
from accounts.flows.people import manages
from accounts.models import User
from accounts.models.mail import OPEN
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies.flows import reminder_mail
from policies.models import Campaign, Reminder, ReminderRound
from policies.reminding import REACHED
from policies.rollout.remindable import Prospect, Spared, prospects

KEPT: Final = timedelta(days=120)
"""How long a reminder is kept once it is known what became of it; longer than any campaign looks back."""
APART: Final = timedelta(hours=12)
"""Two reminders of one person are at least so far apart, also where a move of the time zone makes a new day."""


def ask(people: Sequence[User], *, actor: User, in_round: ReminderRound | None = None) -> list[Prospect]:
    """Remind these people, overdue ones too, because an administrator chose them; says of each what came of it.

    Raises NotAllowed (recorded) unless the actor answers for all of them: then nobody is reminded.
    """
    for person in people:
        if not manages(actor, person):
            record(Kind.REMINDER_REFUSED, actor=actor, target=person, code=NotAllowed.code)
            raise NotAllowed
    return queue(prospects(people, overdue_too=True), overdue_too=True, actor=actor, in_round=in_round)


@unit_of_work
def queue(
    found: Sequence[Prospect],
    *,
    overdue_too: bool = False,
    actor: User | None = None,
    campaign: Campaign | None = None,
    in_round: ReminderRound | None = None,
) -> list[Prospect]:
    """Queue a reminder for each prospect that is not spared; who has one already is spared in what is returned.

    What was given up or not needed earlier on the day is taken up again.
    """
    now = timezone.now()
    wanted = {one.person.pk: one.person for one in found if one.spared is None}
    days = _days(found)
    free = _free(days, now)
    rows = [_row(wanted[pk], days[pk], now, overdue_too, actor) for pk in free]
    for row in rows:
        row.campaign, row.round = campaign, in_round
    Reminder.objects.bulk_create(rows)
    for pk in free if actor is not None else ():
        record(Kind.REMINDER_ASKED_FOR, actor=actor, target=wanted[pk])
    for tenant_id in {row.tenant_id for row in rows}:
        reminder_mail.soon(tenant_id)
    taken = wanted.keys() - set(free)
    return [replace(one, spared=Spared.LATELY) if one.person.pk in taken else one for one in found]


def expired(now: datetime) -> "QuerySet[Reminder]":
    """Reminders that decide and count nothing any more: long finished, and of no campaign that runs.

    A campaign looks back as far as its first day before a deadline, at most MOST_DAYS; the day's only reminder is
    far younger. The figures of a campaign go only after it ended.
    """
    ended = Q(campaign=None) | Q(campaign__ended_at__lt=now - KEPT)
    return Reminder.objects.filter(ended, finished_at__lt=now - KEPT)


def without_recent(found: Sequence[Prospect]) -> list[Prospect]:
    """What `queue` would return, with nothing queued."""
    days = _days(found)
    taken, _again = _recent(days, timezone.now())
    return [replace(one, spared=Spared.LATELY) if one.person.pk in taken else one for one in found]


def _days(found: Sequence[Prospect]) -> dict[UUID, date]:
    """Which day it is where each of them is who is not spared."""
    now = timezone.now()
    return {one.person.pk: timezone.localdate(now, one.person.tenant.zone) for one in found if one.spared is None}


def _free(days: dict[UUID, date], now: datetime) -> list[UUID]:
    """Who of these is to get a reminder; what was given up or not needed on their day is cleared away.

    Their rows are held, in one order: whoever asks for the same people at the same time waits, and then sees these.
    """
    people = User.objects.select_for_update(of=("self",)).filter(pk__in=list(days)).order_by("pk")
    held = list(people.values_list("pk", flat=True))
    taken, again = _recent({pk: days[pk] for pk in held}, now)
    Reminder.objects.filter(pk__in=again).delete()
    return [pk for pk in held if pk not in taken]


def _recent(days: dict[UUID, date], now: datetime) -> tuple[set[UUID], list[int]]:
    """Who has a reminder that waits, one of their day, or one of the last hours, whatever day that was; and the rows of
    their day that reached nobody, of those who have none of these.
    """
    lately = Q(state__in=OPEN) | Q(queued_at__gt=now - APART) | Q(finished_at__gt=now - APART)
    rows = Reminder.objects.filter(person__in=list(days))
    reached = set(rows.filter(lately, state__in=REACHED).values_list("person_id", flat=True))
    of_day = [row for row in rows.filter(day__in=set(days.values())) if row.day == days[row.person_id]]
    taken = reached | {row.person_id for row in of_day if row.state in REACHED}
    return taken, [row.pk for row in of_day if row.person_id not in taken]


def _row(person: User, day: date, now: datetime, overdue_too: bool, actor: User | None) -> Reminder:
    return Reminder(
        person=person,
        tenant_id=person.tenant_id,
        day=day,
        overdue_too=overdue_too,
        due_at=now,
        queued_at=now,
        actor_id=actor.pk if actor else None,
        actor_label=str(actor or ""),
    )
