"""Campaigns: each person so many days before their own deadline, never at night, nobody twice and nobody missed."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core import mail
from django.db import connection
from django.utils import timezone

from accounts.errors import NotAllowed
from accounts.models import Tenant, User
from audit.kinds import Kind
from policies.flows import campaigns, reminder_mail, reminders
from policies.flows.campaigns import WrongCampaign
from policies.models import Campaign, Reminder
from policies.rollout import quiet, remindable
from tests.factories import AdministratorFactory, enrol_totp
from tests.policies.admin_scene import last_event
from tests.policies.reminding_scene import DAY, a_tenant, newcomer

pytestmark = pytest.mark.django_db
NOON = datetime(2031, 5, 5, 10, tzinfo=UTC)  # 12:00 in Berlin
BERLIN = ZoneInfo("Europe/Berlin")


def wall(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    """A moment by the clock on the wall in Berlin."""
    return datetime(2031, month, day, hour, minute, tzinfo=BERLIN)


@pytest.fixture
def at() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def tenant(at: Any) -> Tenant:
    return a_tenant(days=20)


def day(campaign: Campaign) -> None:
    """What a worker does on one day: everybody gone through, and what was queued sent."""
    while campaigns.step(campaign.pk) is not None:
        pass
    reminder_mail.send_due.call(str(campaign.tenant_id))


def test_everybody_is_reminded_14_7_3_and_1_days_before_and_on_the_day_and_never_after(at, tenant):
    campaign = campaigns.start(tenant, actor=None)
    newcomer(tenant)
    mailed = []
    for number in range(25):
        at.move_to(NOON - timedelta(minutes=1) + number * DAY)
        before = len(mail.outbox)
        day(campaign)
        mailed += [20 - number] * (len(mail.outbox) - before)
    assert mailed == [14, 7, 3, 1, 0]


def test_each_person_counts_from_their_own_deadline(at, tenant):
    campaign = campaigns.start(tenant, actor=None, days=[7])
    early, late = newcomer(tenant), newcomer(tenant, ago=-4 * DAY)
    at.move_to(NOON + 13 * DAY)
    day(campaign)
    assert [message.to for message in mail.outbox] == [[early.email]]
    at.move_to(NOON + 17 * DAY)
    day(campaign)
    assert [message.to for message in mail.outbox] == [[early.email], [late.email]]


def test_days_without_a_worker_are_made_up_for_once(at, tenant):
    campaign = campaigns.start(tenant, actor=None)
    newcomer(tenant)
    at.move_to(NOON + 15 * DAY)  # 14 and 7 days before are past
    day(campaign)
    assert len(mail.outbox) == 1
    at.move_to(NOON + 16 * DAY)
    day(campaign)
    assert len(mail.outbox) == 1


def test_who_did_it_or_is_inactive_gets_nothing(at, tenant):
    campaign = campaigns.start(tenant, actor=None)
    enrol_totp(newcomer(tenant))
    newcomer(tenant, is_active=False)
    newcomer(tenant, ago=30 * DAY)
    mail.outbox.clear()
    at.move_to(NOON + 13 * DAY)
    day(campaign)
    assert mail.outbox == []


def test_nobody_is_written_to_in_quiet_hours_wherever_the_tenant_is_now(at, tenant):
    campaign = campaigns.start(tenant, actor=None, days=[20])
    newcomer(tenant)
    Tenant.objects.filter(pk=tenant.pk).update(time_zone="Pacific/Auckland")  # 22:00
    assert campaigns.due(timezone.now()) == []
    day(campaign)
    assert not Reminder.objects.exists()
    at.move_to(NOON + timedelta(hours=11))
    assert campaigns.due(timezone.now()) == [campaign]


def test_what_was_queued_by_day_and_is_still_there_at_night_waits_for_the_morning(at, tenant):
    campaign = campaigns.start(tenant, actor=None, days=[20])
    newcomer(tenant)
    assert campaigns.step(campaign.pk) == 1
    mail.outbox.clear()
    Reminder.objects.update(state=Reminder.State.QUEUED, attempts=0, finished_at=None)
    at.move_to(NOON.replace(hour=20))  # 22:00 in Berlin
    reminder_mail.send_due.call(str(tenant.pk))
    waiting = Reminder.objects.get()
    assert (mail.outbox, waiting.attempts) == ([], 0)
    assert waiting.due_at.astimezone(BERLIN) == datetime(2031, 5, 6, 8, tzinfo=BERLIN)
    at.move_to(waiting.due_at)
    reminder_mail.send_due.call(str(tenant.pk))
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("begins", "ends", "local", "until"),
    [
        (20, 8, wall(5, 5, 19, 59), None),
        (20, 8, wall(5, 5, 20), wall(5, 6, 8)),
        (20, 8, wall(5, 5, 7, 59), wall(5, 5, 8)),
        (20, 8, wall(5, 5, 8), None),
        (12, 14, wall(5, 5, 13), wall(5, 5, 14)),
        (8, 8, wall(5, 5, 3), None),
        (20, 8, wall(3, 29, 23), wall(3, 30, 8)),
    ],
    ids=["before", "evening", "morning", "over", "at-noon", "never", "summer-time-begins"],
)
def test_quiet_hours_go_by_the_clock_on_the_wall(begins, ends, local, until):
    assert quiet.ends_at(time(begins), time(ends), local, BERLIN) == until


@pytest.mark.parametrize(
    ("begins", "ends", "now", "until"),
    [
        (time(20), time(2, 30), datetime(2031, 3, 30, 0, tzinfo=UTC), datetime(2031, 3, 30, 1, 30, tzinfo=UTC)),
        (time(20), time(2, 30), datetime(2031, 10, 26, 0, tzinfo=UTC), datetime(2031, 10, 26, 0, 30, tzinfo=UTC)),
        (time(20), time(2, 30), datetime(2031, 10, 26, 1, tzinfo=UTC), datetime(2031, 10, 26, 1, 30, tzinfo=UTC)),
        (time(20), time(8), datetime(2031, 10, 25, 22, tzinfo=UTC), datetime(2031, 10, 26, 7, tzinfo=UTC)),
        (time(20), time(8), datetime(2031, 3, 29, 22, tzinfo=UTC), datetime(2031, 3, 30, 6, tzinfo=UTC)),
    ],
    ids=["an-end-left-out", "an-end-twice", "the-second-time", "a-long-night", "a-short-night"],
)
def test_quiet_hours_end_when_they_should_in_nights_that_change_the_clock(begins, ends, now, until):
    end = quiet.ends_at(begins, ends, now, BERLIN)
    assert end is not None
    assert end.astimezone(UTC) == until
    assert not quiet.is_quiet(begins, ends, until, BERLIN)


def test_a_tenant_that_moves_before_its_reminders_go_out_gets_them_in_its_own_morning(at, tenant):
    campaign = campaigns.start(tenant, actor=None, days=[20])
    newcomer(tenant)
    assert campaigns.step(campaign.pk) == 1
    mail.outbox.clear()
    Reminder.objects.update(state=Reminder.State.QUEUED, attempts=0, finished_at=None)
    Tenant.objects.filter(pk=tenant.pk).update(time_zone="Pacific/Auckland")  # 22:00
    reminder_mail.send_due.call(str(tenant.pk))
    assert mail.outbox == []
    morning = datetime(2031, 5, 6, 8, tzinfo=ZoneInfo("Pacific/Auckland"))
    assert Reminder.objects.get().due_at == morning
    at.move_to(morning)
    reminder_mail.send_due.call(str(tenant.pk))
    assert len(mail.outbox) == 1
    assert Reminder.objects.get().day == morning.date()


def test_a_tenant_that_moves_is_not_gone_through_twice_in_a_day(at, tenant):
    campaign = campaigns.start(tenant, actor=None, days=[20, 19])
    person = newcomer(tenant)
    day(campaign)
    Tenant.objects.filter(pk=tenant.pk).update(time_zone="Pacific/Kiritimati")  # the next day has begun there
    day(campaign)
    at.move_to(NOON + timedelta(hours=9))
    day(campaign)
    assert Counter(message.to[0] for message in mail.outbox) == {person.email: 1}


def test_old_reminders_go_once_no_running_campaign_counts_them(at, tenant):
    campaign = campaigns.start(tenant, actor=None, days=[20])
    newcomer(tenant)
    day(campaign)
    Reminder.objects.create(person=newcomer(tenant), tenant=tenant, day=NOON.date(), queued_at=NOON)
    later = NOON + reminders.KEPT + DAY
    assert reminders.expired(later).count() == 0
    Reminder.objects.create(
        person=newcomer(tenant), tenant=tenant, day=NOON.date(), finished_at=NOON, state=Reminder.State.SENT
    )
    assert reminders.expired(later - 2 * DAY).count() == 0
    assert reminders.expired(later).count() == 1
    at.move_to(later)
    campaigns.stop(campaign, actor=None)
    assert reminders.expired(later).count() == 1
    assert reminders.expired(later + reminders.KEPT + DAY).count() == 2, "and what still waits stays"
    assert reminders.KEPT > campaigns.MOST_DAYS * DAY


def test_one_that_was_cut_short_goes_on_where_it_stood(at, tenant, monkeypatch):
    monkeypatch.setattr(remindable.batches, "__kwdefaults__", {"after": None, "size": 2})
    campaign = campaigns.start(tenant, actor=None, days=[20])
    people = [newcomer(tenant) for _ in range(5)]
    assert campaigns.step(campaign.pk) == 2
    assert Reminder.objects.count() == 2
    day(campaign)
    campaign.refresh_from_db()
    assert campaign.is_done
    assert Counter(message.to[0] for message in mail.outbox) == {person.email: 1 for person in people}
    assert campaigns.due(timezone.now()) == []


def test_two_campaigns_at_once_mail_nobody_twice(at, tenant):
    one, two = (campaigns.start(tenant, actor=None, days=[20]) for _ in range(2))
    people = [newcomer(tenant) for _ in range(3)]
    day(one)
    day(two)
    assert Counter(message.to[0] for message in mail.outbox) == {person.email: 1 for person in people}


def test_one_that_was_stopped_asks_for_nothing_more(at, tenant):
    administrator = AdministratorFactory(tenant=tenant)
    campaign = campaigns.start(tenant, actor=administrator, days=[20])
    assert last_event(Kind.CAMPAIGN_STARTED).payload["days"] == ["20"]
    newcomer(tenant)
    campaigns.stop(campaign, actor=administrator)
    assert last_event(Kind.CAMPAIGN_STOPPED).actor_id == str(administrator.pk)
    day(campaign)
    assert not Reminder.objects.exists()
    assert campaigns.due(timezone.now()) == []


def test_only_who_answers_for_the_tenant_starts_or_stops_one(at, tenant):
    stranger, person = AdministratorFactory(tenant=a_tenant()), newcomer(tenant)
    campaign = campaigns.start(tenant, actor=None)
    for actor in (stranger, person):
        with pytest.raises(NotAllowed):
            campaigns.start(tenant, actor=actor)
        with pytest.raises(NotAllowed):
            campaigns.stop(campaign, actor=actor)
    assert Campaign.objects.filter(ended_at=None).count() == 1


@pytest.mark.parametrize("days", [[], [-1], [91]])
def test_days_that_make_no_campaign_are_refused(at, tenant, days):
    with pytest.raises(WrongCampaign):
        campaigns.start(tenant, actor=None, days=days)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_workers_that_go_through_the_same_people_at_once_mail_nobody_twice_and_miss_nobody(monkeypatch):
    monkeypatch.setattr(remindable.batches, "__kwdefaults__", {"after": None, "size": 3})
    tenant = a_tenant(days=20)
    awake = {"days": [20], "quiet_from": time(0), "quiet_until": time(0)}
    running = [campaigns.start(tenant, actor=None, **awake) for _ in range(2)]
    people: list[User] = [newcomer(tenant) for _ in range(10)]
    barrier = threading.Barrier(6)

    def work(number: int) -> None:
        barrier.wait()
        try:
            while campaigns.step(running[number % 2].pk) is not None:
                pass
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    assert Counter(Reminder.objects.values_list("person_id", flat=True)) == {person.pk: 1 for person in people}
    assert len(mail.outbox) == 10
