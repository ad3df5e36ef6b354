"""Periodic work: each kind when it is due, by one process at a time, and taken up where one died."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from policies.flows import campaigns, periodic, reminders
from policies.models import EnrolmentSnapshot, PeriodicWork, Reminder
from policies.rollout.remindable import prospects
from tests.policies.reminding_scene import a_tenant, newcomer

pytestmark = pytest.mark.django_db


def done() -> list[str]:
    return [name for name, _number in periodic.run(timezone.now())]


def test_everything_is_due_at_first_and_then_when_its_time_comes(clock):
    assert done() == list(periodic.WORK)
    assert done() == []
    clock.forward(timedelta(minutes=1, seconds=1))
    assert done() == ["settle_policies", "reminders"]
    clock.forward(timedelta(hours=1))
    assert done() == list(periodic.WORK)


def test_what_another_process_has_in_hand_is_left_to_it_until_its_lease_is_over(clock):
    PeriodicWork.objects.create(name="reminders", leased_until=timezone.now() + periodic.LEASE)
    assert "reminders" not in done()
    clock.forward(periodic.LEASE + timedelta(seconds=1))
    assert "reminders" in done()


def test_work_that_fails_keeps_no_other_from_being_done_in_the_next_round(monkeypatch):
    def fails(now: Any) -> int:
        raise ConnectionError("away")

    monkeypatch.setitem(periodic.WORK, "settle_policies", (timedelta(minutes=1), fails))
    with pytest.raises(ConnectionError):
        done()
    assert done() == [name for name in periodic.WORK if name != "settle_policies"]


def test_reminders_that_wait_and_campaigns_that_are_due_are_sent(django_capture_on_commit_callbacks):
    tenant = a_tenant(days=20)
    campaigns.start(tenant, actor=None, days=[20], quiet_from=campaigns.time(0), quiet_until=campaigns.time(0))
    reminders.queue(prospects([newcomer(tenant)]))
    newcomer(tenant)
    with django_capture_on_commit_callbacks(execute=True):
        assert dict(periodic.run(timezone.now()))["reminders"] == 2
    assert len(mail.outbox) == 2
    assert set(Reminder.objects.values_list("state", flat=True)) == {Reminder.State.SENT}


def test_the_command_says_what_there_was_to_do_and_a_dry_run_does_nothing():
    a_tenant()
    out = StringIO()
    call_command("run_due", "--dry-run", stdout=out)
    assert out.getvalue().splitlines() == [f"{name} is due" for name in periodic.WORK]
    assert not PeriodicWork.objects.exists()
    call_command("run_due", stdout=out)
    assert "snapshot_enrolment: " in out.getvalue()
    assert EnrolmentSnapshot.objects.exists()


@pytest.mark.parametrize("every", ["0", "x", "9999"])
def test_no_other_pace_is_taken(every):
    with pytest.raises(CommandError, match="whole number"):
        call_command("run_due", "--every", every)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_many_processes_that_look_at_once_one_does_each_work():
    barrier = threading.Barrier(8)

    def look(_number: int) -> list[str]:
        barrier.wait()
        try:
            return done()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        names = [name for found in threads.map(look, range(8)) for name in found]
    assert sorted(names) == sorted(periodic.WORK)
