"""Workers: they do the periodic work, are missed when they die, and what they left is taken up by others."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import time, timedelta
from typing import Any

import pytest
from django.conf import settings as site
from django.core.management import get_commands
from django.utils import timezone
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from policies.flows import attention, campaigns, periodic, workers
from policies.models import Campaign, PeriodicWork, Reminder, Worker
from policies.pulse import Pulse
from tests.conftest import LOOPBACK
from tests.factories import AdministratorFactory, verified_client
from tests.harness import environment
from tests.harness.smtp_sink import ADDRESS, Sink
from tests.policies.reminding_scene import DAY, a_tenant, newcomer

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts(LOOPBACK)]
QUEUE = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
PATIENCE = 60  # seconds, on a busy machine
START = [sys.executable, "manage.py", "db_worker", "--no-startup-delay", "--interval", "0.1", "--no-reload"]


def left_running(*worker_ids: str, **fields: Any) -> DBTaskResult:
    """A task that a worker began five minutes ago."""
    values: dict[str, Any] = {
        "task_path": "accounts.notices.deliver_due",
        "args_kwargs": {"args": [], "kwargs": {}},
        "backend_name": "default",
        "run_after": timezone.now(),
        "status": TaskResultStatus.RUNNING,
        "started_at": timezone.now() - timedelta(minutes=5),
        "worker_ids": list(worker_ids),
    }
    return DBTaskResult.objects.create(**values | fields)


def test_the_worker_is_ours():
    assert get_commands()["db_worker"] == "policies"


def test_what_a_dead_worker_left_running_is_begun_again_and_its_death_is_logged_once(clock, caplog):
    workers.beat("dead")
    task = left_running("dead")
    assert workers.watch(timezone.now()) == 0, "it lives"
    clock.forward(workers.SILENCE + timedelta(seconds=1))
    workers.beat("alive")
    assert workers.watch(timezone.now()) == 1
    assert workers.watch(timezone.now()) == 0
    task.refresh_from_db()
    assert (task.status, task.started_at) == (TaskResultStatus.READY, None)
    assert caplog.text.count("Worker dead died") == 1


def test_what_a_living_worker_has_in_hand_stays_with_it_however_long_it_takes(clock):
    task = left_running("alive", started_at=timezone.now() - DAY)
    workers.beat("alive")
    assert workers.watch(timezone.now()) == 0
    task.refresh_from_db()
    assert task.status == TaskResultStatus.RUNNING


def test_a_task_that_ended_three_workers_is_not_begun_again(caplog):
    task = left_running("one", "two", "three")
    assert workers.watch(timezone.now()) == 0
    task.refresh_from_db()
    assert (task.status, task.exception_class_path) == (TaskResultStatus.FAILED, "policies.flows.workers.WorkerLost")
    assert "ended every worker" in caplog.text


def test_a_worker_that_comes_back_is_missed_no_longer(clock):
    workers.beat("one")
    clock.forward(workers.SILENCE + timedelta(seconds=1))
    workers.watch(timezone.now())
    workers.beat("one")
    assert Worker.objects.get().lost_at is None
    assert not workers.lost(timezone.now()).exists()


def test_the_dead_are_shown_for_a_day_and_then_forgotten(clock):
    workers.beat("dead")
    clock.forward(workers.SILENCE + timedelta(seconds=1))
    assert len(attention.needed(timezone.now()).lost) == 1
    clock.forward(workers.KEPT)
    assert attention.needed(timezone.now()).lost == ()
    assert workers.expired(timezone.now()).count() == 1


def test_a_site_that_nobody_works_for_says_so_to_platform_administrators_and_to_readyz(client, settings):
    root = verified_client(AdministratorFactory(is_superuser=True))
    list(periodic.run(timezone.now()))
    settings.TASKS = QUEUE
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["worker"], ready.json()["periodic"]) == (200, "late", "ok")
    assert "No worker is running" in root.get("/admin/").content.decode()
    workers.beat("one")
    assert client.get("/readyz").json()["worker"] == "ok"
    assert "Work behind the pages" not in root.get("/admin/").content.decode()
    PeriodicWork.objects.all().delete()
    assert client.get("/readyz").json()["periodic"] == "late"
    assert "Periodic work has not been done" in root.get("/admin/").content.decode()
    Worker.objects.update(seen_at=timezone.now() - 2 * workers.SILENCE)
    assert "A worker died" in root.get("/admin/").content.decode()


def test_a_tenants_administrator_is_not_told_of_workers(settings):
    settings.TASKS = QUEUE
    page = verified_client(AdministratorFactory(tenant=a_tenant())).get("/admin/").content.decode()
    assert "Work behind the pages" not in page


@pytest.mark.django_db(transaction=True)
def test_a_pulse_goes_on_after_what_fails_and_ends_with_its_block(caplog):
    beats, enough = [], threading.Event()

    def beat() -> None:
        beats.append(len(beats))
        if len(beats) == 3:
            enough.set()
        raise ConnectionError("away")

    with Pulse("a beat", beat, seconds=0.01, at_once=True) as pulse:
        assert enough.wait(10)
    assert not pulse.thread.is_alive()
    assert caplog.text.count("a beat failed") == len(beats)


# -- real processes ------------------------------------------------------------------------------------------


@pytest.fixture
def start(sink: Sink) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start real workers on the database of this test, with its mail server; they end with it."""
    started: list[subprocess.Popen[bytes]] = []
    surroundings = environment.of_a_process_beside() | {
        "EMAIL_URL": f"smtp://{ADDRESS}:{sink.port}",
        "TASKS_BACKEND": "django_tasks_db.DatabaseBackend",
        "LOG_LEVEL": "ERROR",
    }

    def start(*more: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([*START, "--verbosity", "0", *more], cwd=site.BASE_DIR, env=surroundings))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that other processes do."""
    for _turn in range(PATIENCE * 20):
        if holds():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not happen")


def all_done() -> bool:
    """All but the checkpoints, which wait for a process that has the key to sign them."""
    done = set(PeriodicWork.objects.exclude(done_at=None).values_list("name", flat=True))
    return done == periodic.WORK.keys() - {"checkpoint"}


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_does_the_periodic_work_and_takes_its_leave(start):
    worker = start("--worker-id", "one")
    until(all_done)
    assert list(Worker.objects.values_list("pk", flat=True)) == ["one"]
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    assert not Worker.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_long_task_does_not_keep_periodic_work_waiting(start, sink, settings):
    settings.TASKS = QUEUE
    tenant = a_tenant()
    Campaign.objects.create(tenant=tenant, days=[10], quiet_from=time(0), quiet_until=time(0))
    newcomer(tenant)
    sink.kept.seconds = 20.0
    start()
    until(lambda: len(sink.kept.messages) == 1)
    assert Reminder.objects.get().state == Reminder.State.HANDED
    PeriodicWork.objects.update(due_at=timezone.now(), done_at=None)
    until(all_done)
    assert Reminder.objects.get().state == Reminder.State.HANDED, "and the task is still under way"
    sink.kept.seconds = 0.0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_workers_killed_in_mid_campaign_leave_nobody_out_and_mail_nobody_twice(start, sink, settings):
    """Two campaigns, of one tenant, and three workers one after the other, each killed but the last."""
    settings.TASKS = QUEUE
    tenant = a_tenant()
    people = [newcomer(tenant) for _ in range(12)]
    awake = {"days": [10], "quiet_from": time(0), "quiet_until": time(0)}
    for _number in range(2):
        campaigns.start(tenant, actor=None, **awake)
    for after in (3, 7):
        worker = start()
        kill_after(after, sink, worker)
        assert worker.wait(PATIENCE) == -signal.SIGKILL
        time_passes_for_the_dead()
    start()
    until(lambda: not Reminder.objects.filter(state__in=("queued", "claimed", "handed")).exists() and is_done(tenant))
    assert Counter(sink.kept.addresses) == {person.email: 1 for person in people}
    assert Reminder.objects.count() == len(people)
    assert Reminder.objects.filter(state=Reminder.State.UNSURE).count() == 2
    assert Worker.objects.exclude(lost_at=None).count() == 2


def is_done(tenant: Any) -> bool:
    return all(Campaign.objects.filter(tenant=tenant).values_list("is_done", flat=True))


def kill_after(number: int, sink: Sink, worker: subprocess.Popen[bytes]) -> None:
    """End a worker without any farewell, when the server has taken so many mails altogether."""

    def on_message() -> None:
        if len(sink.kept.messages) == number:
            os.kill(worker.pid, signal.SIGKILL)

    sink.kept.on_message = on_message


def time_passes_for_the_dead() -> None:
    """As if every lease, claim and sign of life of who died were minutes ago."""
    past = timezone.now() - timedelta(minutes=5)
    Worker.objects.update(seen_at=past)
    DBTaskResult.objects.filter(status=TaskResultStatus.RUNNING).update(started_at=past)
    Reminder.objects.filter(claimed_until__isnull=False).update(claimed_until=past)
    PeriodicWork.objects.update(leased_until=None, due_at=past)
