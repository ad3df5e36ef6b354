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


@pytest.fixture(autouse=True)
def key_for_checkpoints(settings: Any) -> None:
    """This process makes them."""
    settings.AUDIT_CHECKPOINT_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def done() -> list[str]:
    return [name for name, _number in periodic.run(timezone.now())]


EACH_MINUTE = [
    "watch_workers",
    "notices",
    "carry_out_acts",
    "settle_policies",
    "lapse_access_passes",
    "reminders",
    "checkpoint",
    "exports",
]


def test_everything_is_due_at_first_and_then_when_its_time_comes(clock):
    assert done() == list(periodic.WORK)
    assert done() == []
    clock.forward(timedelta(minutes=1, seconds=1))
    assert done() == EACH_MINUTE
    clock.forward(timedelta(hours=1))
    assert done() == list(periodic.WORK)


def test_what_another_process_has_in_hand_is_left_to_it_until_its_lease_is_over(clock):
    PeriodicWork.objects.create(name="reminders", leased_until=timezone.now() + periodic.LEASE)
    assert "reminders" not in done()
    clock.forward(periodic.LEASE + timedelta(seconds=1))
    assert "reminders" in done()


def breaks(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fails(now: Any) -> int:
        raise ConnectionError("away")

    monkeypatch.setitem(periodic.WORK, name, (timedelta(minutes=1), fails))


def test_work_that_fails_ends_the_command_and_waits_until_its_lease_is_over(monkeypatch, clock):
    breaks(monkeypatch, "watch_workers")
    with pytest.raises(ConnectionError):
        done()
    assert done() == [name for name in periodic.WORK if name != "watch_workers"]
    clock.forward(periodic.LEASE + timedelta(seconds=1))
    with pytest.raises(ConnectionError):
        done()


def test_work_that_fails_in_a_worker_is_logged_and_the_rest_is_done(monkeypatch, caplog):
    breaks(monkeypatch, "notices")
    periodic.run_each()
    [logged] = [one for one in caplog.records if one.levelname == "ERROR"]
    assert (logged.getMessage(), str(logged.exc_info[1])) == ("notices failed", "away")
    assert set(PeriodicWork.objects.exclude(done_at=None).values_list("name", flat=True)) == {
        name for name in periodic.WORK if name != "notices"
    }


def test_who_lost_the_lease_does_not_say_that_the_work_is_done(monkeypatch, clock, caplog):
    """A process that was suspended for longer than its lease, and whose work another has taken."""

    def suspended(now: Any) -> int:
        clock.forward(periodic.LEASE + timedelta(seconds=1))
        assert periodic._lease("reminders") is not None
        return 1

    monkeypatch.setitem(periodic.WORK, "reminders", (timedelta(minutes=1), suspended))
    assert "reminders" in done()
    row = PeriodicWork.objects.get(name="reminders")
    assert (row.done_at, row.leased_until > timezone.now()) == (None, True)
    assert "The lease of reminders was lost" in caplog.text


def test_a_lease_that_was_over_and_taken_by_nobody_is_still_good(monkeypatch, clock):
    def slept(now: Any) -> int:
        clock.forward(2 * periodic.LEASE)
        return 1

    monkeypatch.setitem(periodic.WORK, "reminders", (timedelta(minutes=1), slept))
    assert "reminders" in done()
    assert PeriodicWork.objects.get(name="reminders").done_at is not None


def test_whether_anybody_does_the_work_is_seen(clock):
    assert not periodic.is_on_time(timezone.now())
    done()
    assert periodic.is_on_time(timezone.now())
    clock.forward(periodic.LATE + timedelta(seconds=1))
    assert not periodic.is_on_time(timezone.now())


def test_reminders_that_wait_and_campaigns_that_are_due_are_sent(django_capture_on_commit_callbacks):
    tenant = a_tenant(days=20)
    campaigns.start(tenant, actor=None, days=[20], quiet_from=campaigns.time(0), quiet_until=campaigns.time(0))
    reminders.queue(prospects([newcomer(tenant)]))
    newcomer(tenant)
    with django_capture_on_commit_callbacks(execute=True):
        assert dict(periodic.run(timezone.now()))["reminders"] == 2
    assert len(mail.outbox) == 2
    assert set(Reminder.objects.values_list("state", flat=True)) == {Reminder.State.SENT}


def test_a_process_without_the_key_leaves_checkpoints_to_one_that_has_it(settings):
    assert dict(periodic.run(timezone.now()))["checkpoint"] == 1
    PeriodicWork.objects.all().delete()
    settings.AUDIT_CHECKPOINT_KEY = ""
    assert periodic.due(timezone.now()) == [name for name in periodic.WORK if name != "checkpoint"]
    assert "checkpoint" not in dict(periodic.run(timezone.now()))
    assert not PeriodicWork.objects.filter(name="checkpoint").exists()


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


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_while_work_lasts_its_lease_is_renewed_and_nobody_else_begins_it(monkeypatch, clock):
    monkeypatch.setattr(periodic, "RENEW_EVERY", 0.05)
    begun, may_end = [], threading.Event()

    def lasts(now: Any) -> int:
        begun.append(now)
        may_end.wait(30)
        return 1

    monkeypatch.setattr(periodic, "WORK", {"long": (timedelta(minutes=1), lasts)})
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(done)
        for _part in range(3):
            before = leased_until_changes()
            clock.forward(periodic.LEASE * 0.9)
            leased_until_changes(before)
            assert done() == []
        may_end.set()
        assert first.result() == ["long"]
        threads.submit(lambda: connection.close()).result()
    assert len(begun) == 1
    assert PeriodicWork.objects.get().done_at is not None


def leased_until_changes(before: Any = None) -> Any:
    """Wait until the lease is there and another one than `before`; returns until when it is."""
    for _turn in range(500):
        found = PeriodicWork.objects.filter(leased_until__isnull=False).first()
        if found is not None and (before is None or found.leased_until > timezone.now() + periodic.LEASE * 0.9):
            return found.leased_until
        threading.Event().wait(0.02)
    raise AssertionError("the lease was not renewed")
