"""Reminders through a real mail server on loopback, which is down, slow, refuses, or outlives the worker."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings as site
from django.test import Client
from django.utils import timezone

from accounts import outbox
from accounts.models import Tenant, User
from audit.kinds import Kind
from policies.flows import reminder_mail, reminders
from policies.models import Reminder
from policies.rollout.remindable import prospects
from tests.conftest import LOOPBACK
from tests.factories import verified_client
from tests.harness import environment
from tests.harness.smtp_sink import ADDRESS, Sink
from tests.policies.admin_scene import events, last_event
from tests.policies.reminding_scene import DAY, a_tenant, newcomer

pytestmark = [pytest.mark.django_db, pytest.mark.allow_hosts(LOOPBACK)]
State = Reminder.State


@pytest.fixture
def tenant() -> Tenant:
    return a_tenant()


@pytest.fixture
def queued(tenant: Tenant) -> list[User]:
    """Three people whose reminders wait for a worker."""
    people = [newcomer(tenant, email=f"{name}@office.example") for name in ("ada", "ben", "eve")]
    reminders.queue(prospects(people))
    return people


def work(tenant: Tenant) -> int:
    """What a worker does with the tenant's queue."""
    return int(reminder_mail.send_due.call(str(tenant.pk)))


def states() -> Counter[str]:
    return Counter(Reminder.objects.values_list("state", flat=True))


def test_everybody_gets_one_over_smtp_with_the_calendar(sink, tenant, queued):
    assert work(tenant) == 3
    assert sorted(sink.kept.addresses) == ["ada@office.example", "ben@office.example", "eve@office.example"]
    message = sink.kept.messages[0]
    assert [part.get_filename() for part in message.iter_attachments()] == ["deadline.ics"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert len({one["Message-ID"] for one in sink.kept.messages}) == 3
    assert work(tenant) == 0
    assert states() == {State.SENT: 3}


@pytest.mark.security(56)
def test_a_reminder_can_be_disowned_without_signing_in(sink, tenant, queued):
    ada, ben = queued[0], queued[1]
    work(tenant)
    client = verified_client(ben)
    thief = verified_client(ada)
    (message,) = [one for one in sink.kept.messages if one["To"] == ada.email]
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    (link,) = set(re.findall(r"https?://\S+?(/accounts/not-me/[^\s\"]+)", text + html))
    assert Client().get(link).status_code == 200
    assert thief.get("/").status_code == 200
    assert Client().post(link).status_code == 200
    assert thief.get("/").status_code == 302 and client.get("/").status_code == 200
    event = last_event("notice:disowned")
    assert (event.target_id, event.payload["notice"]) == (str(ada.pk), "deadline_near")
    assert Client().post(link).status_code == 410


def test_while_the_server_is_down_they_wait_and_go_out_once_when_it_is_back(sink, tenant, queued, settings, clock):
    settings.EMAIL_PORT = 1
    assert work(tenant) == 0
    assert states() == {State.QUEUED: 3}
    troubled = Reminder.objects.exclude(trouble="").get()
    assert "refused" in troubled.trouble
    assert troubled.due_at > timezone.now()
    settings.EMAIL_PORT = sink.port
    assert work(tenant) == 2
    clock.forward(timedelta(minutes=2))
    assert reminder_mail.tenants_with_work(timezone.now()) == [tenant.pk]
    assert work(tenant) == 1
    assert Counter(sink.kept.addresses) == {person.email: 1 for person in queued}
    assert reminder_mail.tenants_with_work(timezone.now()) == []


def test_an_address_refused_for_now_is_tried_again_and_keeps_nobody_else_waiting(sink, tenant, queued, clock):
    sink.kept.refusals["ada@office.example"] = "450 4.2.0 try later"
    assert work(tenant) == 2
    waiting = Reminder.objects.get(state=State.QUEUED)
    assert (waiting.person, waiting.attempts, waiting.trouble) == (queued[0], 1, "450 4.2.0 try later")
    assert work(tenant) == 0, "not before its time"
    sink.kept.refusals.clear()
    clock.forward(timedelta(minutes=2))
    assert work(tenant) == 1
    assert Counter(sink.kept.addresses) == {person.email: 1 for person in queued}
    assert last_event(Kind.REMINDER_SENT).payload["attempts"] == 2


def test_an_address_refused_for_good_is_given_up_after_three_attempts_and_that_is_shown(sink, tenant, queued, clock):
    sink.kept.refusals["ada@office.example"] = "550 5.1.1 no such user"
    for _attempt in range(5):
        work(tenant)
        clock.forward(timedelta(hours=1))
    given_up = Reminder.objects.get(state=State.FAILED)
    assert (given_up.person, given_up.attempts, given_up.trouble) == (queued[0], 3, "550 5.1.1 no such user")
    failed = last_event(Kind.REMINDER_FAILED)
    assert (failed.target_id, failed.outcome) == (str(queued[0].pk), "failed")


def test_a_server_that_refuses_for_a_whole_day_is_believed(sink, tenant, queued, clock):
    for person in queued:
        sink.kept.refusals[person.email] = "450 4.2.0 try later"
    for _attempt in range(30):
        work(tenant)
        clock.forward(timedelta(hours=1, minutes=1))
    assert states() == {State.FAILED: 3}
    assert events(Kind.REMINDER_FAILED) == 3


def test_a_server_too_slow_before_the_text_is_tried_again(sink, tenant, queued, settings, clock):
    settings.EMAIL_TIMEOUT = 0.2
    sink.kept.slow_at_address = 0.6
    assert work(tenant) == 0
    assert states() == {State.QUEUED: 3}
    sink.kept.slow_at_address = 0
    clock.forward(timedelta(minutes=2))
    assert work(tenant) == 3
    assert Counter(sink.kept.addresses) == {person.email: 1 for person in queued}


def test_a_server_too_slow_after_the_text_may_have_taken_it_so_it_is_not_sent_again(
    sink, tenant, queued, settings, clock
):
    settings.EMAIL_TIMEOUT = 0.2
    sink.kept.seconds = 0.6
    work(tenant)
    assert states() == {State.UNSURE: 3}
    assert events(Kind.REMINDER_UNSURE) == 3
    sink.kept.seconds = 0
    clock.forward(timedelta(hours=1))
    assert work(tenant) == 0
    assert Counter(sink.kept.addresses) == {person.email: 1 for person in queued}


@pytest.mark.parametrize(
    ("state", "becomes", "mails"),
    [(State.CLAIMED, State.SENT, 1), (State.HANDED, State.UNSURE, 0)],
    ids=["before-the-text", "after-the-text"],
)
def test_what_a_dead_worker_left_is_taken_up_unless_it_may_have_arrived(
    sink, tenant, queued, clock, state, becomes, mails
):
    left = Reminder.objects.filter(person=queued[0])
    left.update(state=state, claimed_until=timezone.now() + outbox.CLAIM, attempts=1)
    Reminder.objects.exclude(person=queued[0]).delete()
    assert work(tenant) == 0, "the claim holds"
    clock.forward(outbox.CLAIM + timedelta(seconds=1))
    assert reminder_mail.tenants_with_work(timezone.now()) == [tenant.pk]
    work(tenant)
    assert left.get().state == becomes
    assert len(sink.kept.messages) == mails


def test_a_worker_whose_claim_lapsed_hands_nothing_over(sink, tenant, queued):
    claimed = reminder_mail.OUTBOX.claim(Reminder.objects.filter(tenant=tenant))
    assert claimed is not None
    Reminder.objects.filter(pk=claimed.pk).update(attempts=2)  # somebody else's by now
    assert reminder_mail.send(claimed) is False
    assert sink.kept.messages == []
    assert Reminder.objects.get(pk=claimed.pk).state == State.CLAIMED


def worker(sink: Sink) -> subprocess.Popen[bytes]:
    """A real worker in a process of its own, on the database of this test and with this mail server."""
    surroundings = environment.of_a_process_beside() | {
        "EMAIL_URL": f"smtp://{ADDRESS}:{sink.port}",
        "TASKS_BACKEND": "django_tasks_db.DatabaseBackend",
    }
    line = [sys.executable, "manage.py", "db_worker", "--batch", "--no-startup-delay", "--verbosity", "0"]
    return subprocess.Popen(line, cwd=site.BASE_DIR, env=surroundings)


def kill_after(number: int, sink: Sink, process: Callable[[], subprocess.Popen[bytes]]) -> None:
    """End the worker, without any farewell, when the server has taken so many mails."""

    def on_message() -> None:
        if len(sink.kept.messages) == number:
            os.kill(process().pid, signal.SIGKILL)

    sink.kept.on_message = on_message


def test_what_makes_every_worker_fail_is_given_up_after_a_day_and_holds_nobody_up(sink, tenant, queued, clock):
    poison = Reminder.objects.filter(person=queued[0])
    poison.update(state=State.CLAIMED, attempts=7, claimed_until=timezone.now(), queued_at=timezone.now() - DAY)
    clock.forward(timedelta(minutes=1))
    assert work(tenant) == 2
    assert (poison.get().state, poison.get().trouble) == (State.FAILED, "the worker did not come back")
    assert last_event(Kind.REMINDER_FAILED).target_id == str(queued[0].pk)


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_between_two_people_leaves_nobody_out_and_mails_nobody_twice(sink, settings, clock):
    settings.TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
    tenant = a_tenant()
    people = [newcomer(tenant) for _ in range(6)]
    reminders.queue(prospects(people))
    started: list[subprocess.Popen[bytes]] = []
    kill_after(3, sink, lambda: started[0])
    started.append(worker(sink))
    assert started[0].wait(60) == -signal.SIGKILL
    assert len(sink.kept.messages) == 3
    Reminder.objects.filter(claimed_until__isnull=False).update(claimed_until=timezone.now() - DAY)
    reminder_mail.soon(tenant.pk)
    started.append(worker(sink))
    assert started[1].wait(60) == 0
    assert Counter(sink.kept.addresses) == {person.email: 1 for person in people}
    assert states() == {State.SENT: 5, State.UNSURE: 1}
