"""`manage.py send_enrolment_reminders`: for all or one tenant, as often as one likes."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from policies.models import Reminder
from tests.factories import enrol_totp
from tests.policies.reminding_scene import DAY, a_tenant, newcomer

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(django_capture_on_commit_callbacks: Any) -> Callable[..., str]:
    """The command, with what it queues delivered; returns what it says."""

    def run(*arguments: str) -> str:
        out = StringIO()
        with django_capture_on_commit_callbacks(execute=True):
            call_command("send_enrolment_reminders", *arguments, stdout=out)
        return out.getvalue()

    return run


def test_everybody_who_owes_something_is_mailed_once_however_often_it_runs(run):
    one, two = a_tenant(), a_tenant()
    people = [newcomer(one), newcomer(one), newcomer(two)]
    late, done = newcomer(one, ago=20 * DAY), newcomer(two)
    enrol_totp(done)
    mail.outbox.clear()
    told = run()
    assert f"{one.slug}: 2 queued; left out: 1 overdue\n" in told
    assert f"{two.slug}: 1 queued; left out: 1 enrolled\n" in told
    assert sorted(message.to[0] for message in mail.outbox) == sorted(person.email for person in people)
    assert f"{one.slug}: 0 queued; left out: 1 overdue, 2 lately" in run()
    assert len(mail.outbox) == 3
    assert f"{one.slug}: 1 queued" in run("--overdue")
    assert mail.outbox[-1].to == [late.email]


def test_only_the_named_tenant_is_touched(run):
    one, two = a_tenant(), a_tenant()
    newcomer(one), newcomer(two)
    run("--tenant", two.slug)
    assert [row.tenant_id for row in Reminder.objects.all()] == [two.pk]


def test_a_dry_run_counts_and_queues_nothing(run):
    tenant = a_tenant()
    newcomer(tenant)
    assert f"{tenant.slug}: 1 to remind" in run("--dry-run")
    assert not Reminder.objects.exists()
    run()
    assert f"{tenant.slug}: 0 to remind; left out: 1 lately" in run("--dry-run")


def test_what_was_left_waiting_is_taken_up(run, clock):
    tenant = a_tenant()
    person = newcomer(tenant)
    Reminder.objects.create(person=person, tenant=tenant, day="2030-01-01")
    clock.forward(timedelta(minutes=1))
    run()
    assert [message.to for message in mail.outbox] == [[person.email]]


@pytest.mark.parametrize("arguments", [("--tenant", "nobody")])
def test_a_tenant_that_is_not_there_is_said(run, arguments):
    with pytest.raises(CommandError, match="no active tenant"):
        run(*arguments)
