"""Campaigns: reminders by themselves, so many days before each person's own deadline, outside the quiet hours.

A campaign goes through its tenant's people once a day, in batches by key, and keeps how far it came with each batch:
whoever goes on after a worker died goes on there. Which day it is, and what is quiet, the tenant's time zone says. Two
campaigns at once, or two workers in one, make no second mail: `flows.reminders.queue` sees to that.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Max, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_tasks import task

from accounts import notices, queue
from accounts.errors import NotAllowed
from accounts.flows.people import answers_for
from accounts.models import Tenant, User
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies.errors import PolicyError
from policies.flows import reminders
from policies.models import Campaign, Reminder
from policies.reminding import DAYS_BEFORE, REACHED
from policies.rollout import quiet
from policies.rollout.remindable import Prospect, batches, prospects

MOST_DAYS: Final = 90
AT_ONCE: Final = 20  # batches of one task; then it queues the next, so that other work gets its turn


class WrongCampaign(PolicyError):
    """Days that make no campaign."""

    code = "wrong_campaign"
    message = _("Choose at least one day, each from 0 to 90 days before the deadline.")


@unit_of_work
def start(
    tenant: Tenant,
    *,
    actor: User | None,
    days: Iterable[int] = DAYS_BEFORE,
    quiet_from: time = time(20),
    quiet_until: time = time(8),
) -> Campaign:
    """Begin to remind the people of a tenant. `quiet_from` equal to `quiet_until`: no hour is quiet.

    Raises NotAllowed unless the actor answers for the tenant, or WrongCampaign.
    """
    _require_answers_for(actor, tenant)
    chosen = sorted(set(days), reverse=True)
    if not chosen or not all(0 <= day <= MOST_DAYS for day in chosen):
        raise WrongCampaign
    campaign = Campaign.objects.create(
        tenant=tenant,
        days=chosen,
        quiet_from=quiet_from,
        quiet_until=quiet_until,
        actor_id=actor.pk if actor else None,
        actor_label=str(actor or ""),
    )
    record(
        Kind.CAMPAIGN_STARTED, actor=actor, target=tenant, campaign=str(campaign.pk), days=[str(one) for one in chosen]
    )
    return campaign


@unit_of_work
def stop(campaign: Campaign, *, actor: User | None) -> None:
    """End a campaign; what it queued is still sent. Raises NotAllowed. Nothing happens to one that ended."""
    _require_answers_for(actor, campaign.tenant)
    if Campaign.objects.filter(pk=campaign.pk, ended_at=None).update(ended_at=timezone.now()):
        record(Kind.CAMPAIGN_STOPPED, actor=actor, target=campaign.tenant, campaign=str(campaign.pk))


def _require_answers_for(actor: User | None, tenant: Tenant) -> None:
    if actor is not None and not answers_for(actor, tenant):
        raise NotAllowed


def due(now: datetime) -> list[Campaign]:
    """The campaigns that have people to go through at `now`: not quiet where they are, and not done for the day."""
    running = Campaign.objects.filter(ended_at=None, tenant__is_active=True).select_related("tenant").order_by("pk")
    return [one for one in running if not is_quiet(one, now) and not one.is_done_on(_today(one, now))]


def is_quiet(campaign: Campaign, now: datetime) -> bool:
    """Whether these are quiet hours where the tenant is."""
    return quiet.is_quiet(campaign.quiet_from, campaign.quiet_until, now, campaign.tenant.zone)


def soon(campaign: Campaign) -> None:
    """Have a worker go through a campaign's people, once this commits."""
    notices.when_committed(queue.enqueue_once, go_through, str(campaign.pk))


@task()
def go_through(campaign_id: str) -> int:
    """Go on with a campaign where it stands today; returns how many reminders were queued."""
    queued = 0
    for _turn in range(AT_ONCE):
        number = step(UUID(campaign_id))
        if number is None:
            return queued
        queued += number
    go_through.enqueue(campaign_id)
    return queued


@unit_of_work
def step(campaign_id: UUID) -> int | None:
    """One batch of a campaign; returns how many reminders were queued, None when nothing is left to do now.

    The campaign's row is held, so that of two workers each takes another batch.
    """
    now = timezone.now()
    campaign = Campaign.objects.select_for_update(of=("self",)).select_related("tenant").get(pk=campaign_id)
    today = _today(campaign, now)
    if campaign.ended_at is not None or is_quiet(campaign, now) or campaign.is_done_on(today):
        return None
    after = campaign.reached if campaign.day == today else None
    people = next(batches(campaign.tenant, after=after), None)
    campaign.day, campaign.reached = today, people[-1].pk if people else None
    campaign.is_done = not people
    campaign.save(update_fields=["day", "reached", "is_done"])
    return len(_queued(campaign, people, today)) if people else None


def _queued(campaign: Campaign, people: list[User], today: date) -> list[Prospect]:
    wanted = due_of(campaign, prospects(people), today)
    return [one for one in reminders.queue(wanted, campaign=campaign) if one.spared is None]


def due_of(campaign: Campaign, found: Iterable[Prospect], today: date) -> list[Prospect]:
    """Who of these has reached a day of the campaign, and got no reminder since that day; one query.

    Counting from the day on makes up for days on which no worker ran, and for a campaign that begins late.
    """
    reached = {}
    for one in found:
        if one.spared is None and one.deadline is not None:
            last = timezone.localtime(one.deadline, campaign.tenant.zone).date()
            begun = [day for day in (last - timedelta(days=days) for days in campaign.days) if day <= today]
            if begun:
                reached[one.person.pk] = (max(begun), one)
    rows = Reminder.objects.filter(Q(state__in=REACHED) | Q(state=Reminder.State.FAILED), person__in=list(reached))
    latest = dict(rows.values_list("person_id").annotate(Max("day")).order_by())
    return [one for pk, (since, one) in reached.items() if pk not in latest or latest[pk] < since]


def _today(campaign: Campaign, now: datetime) -> date:
    return timezone.localdate(now, campaign.tenant.zone)
