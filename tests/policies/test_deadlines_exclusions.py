"""Excludes that near their end are reported to those who answer for them: once in time, and once on the last day."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.flows import people
from accounts.models import Tenant, User
from audit.kinds import Kind
from audit.models import AuditEvent
from policies.flows import exclusions
from policies.models import ExclusionReport, PolicyVersion
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, publish_rules
from tests.policies.admin_scene import events, last_event, root

pytestmark = [pytest.mark.django_db, pytest.mark.security(62)]

DAY = timedelta(days=1)


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(name="Acme Health", time_zone="Europe/Berlin")


@pytest.fixture
def administrators(tenant: Tenant) -> list[User]:
    return [AdministratorFactory(tenant=tenant), AdministratorFactory(tenant=tenant, language="de")]


@pytest.fixture
def person(tenant: Tenant) -> User:
    return UserFactory(tenant=tenant, email="abroad@office.example")


@pytest.fixture
def run(django_capture_on_commit_callbacks: Any) -> Callable[..., str]:
    """The command, with what it queues delivered; returns what it says."""

    def run(*arguments: str) -> str:
        out = StringIO()
        with django_capture_on_commit_callbacks(execute=True):
            call_command("report_exclusions", *arguments, stdout=out)
        return out.getvalue()

    return run


def exclude(tenant: Tenant, *entries: tuple[str, str, timedelta], **rules: Any) -> None:
    """Publish a policy with these excludes: kind, value, and how far ahead each ends."""
    listed = [
        {"kind": kind, "value": value, "reason": f"Reason of {kind}.", "until": (timezone.now() + ahead).isoformat()}
        for kind, value, ahead in entries
    ]
    publish_rules(tenant, excludes=listed, **rules)


def test_who_is_excluded_why_and_until_when_is_told_to_every_administrator(tenant, administrators, person, run):
    exclude(
        tenant, ("person", str(person.pk), 10 * DAY), ("group", "Field staff", 12 * DAY), ("role", "user", 40 * DAY)
    )
    told = run()
    assert "person abroad@office.example until" in told
    assert "group Field staff until" in told
    assert "2 reported" in told
    assert sorted(message.to for message in mail.outbox) == sorted([one.email] for one in administrators)
    english = next(message for message in mail.outbox if message.to == [administrators[0].email])
    assert english.subject == "Acme Health: 2 exclusions end soon"
    until = (timezone.now() + 10 * DAY).astimezone(tenant.zone)
    for words in (
        "* abroad@office.example",
        f"Until {until:%-d %B %Y}",
        "(Europe/Berlin)",
        "Reason: Reason of person.",
        "* The group Field staff",
    ):
        assert words in english.body
    assert "abroad@office.example" in english.alternatives[0][0]
    assert events(Kind.POLICY_EXCLUSION_ENDING) == 2
    event = AuditEvent.objects.filter(kind=Kind.POLICY_EXCLUSION_ENDING).earliest("id")
    assert (event.actor_label, event.tenant_id, event.target_id) == ("system", tenant.pk, str(tenant.policy.pk))
    assert event.payload["excluded"] == "abroad@office.example"
    assert event.payload["reason"] == "Reason of person."
    assert event.payload["version"] == tenant.policy_version


def test_each_is_reported_once_in_time_and_once_on_its_last_day(tenant, administrators, person, run, clock):
    exclude(tenant, ("person", str(person.pk), 15 * DAY))
    assert "0 reported" in run()
    clock.forward(2 * DAY)
    assert "1 reported" in run()
    for _ in range(2):
        assert "0 reported" in run()
    clock.forward(12 * DAY + timedelta(hours=1))
    assert "1 reported" in run()
    assert "0 reported" in run()
    clock.forward(DAY)
    assert "0 reported" in run()
    assert events(Kind.POLICY_EXCLUSION_ENDING) == 2
    assert len(mail.outbox) == 2 * len(administrators)


def test_what_is_first_seen_on_its_last_day_is_reported_once(tenant, administrators, person, run):
    exclude(tenant, ("person", str(person.pk), timedelta(hours=20)))
    assert "1 reported" in run()
    assert "0 reported" in run()


def test_a_later_end_is_another_exclude(tenant, administrators, person, run):
    exclude(tenant, ("person", str(person.pk), 3 * DAY))
    run()
    exclude(tenant, ("person", str(person.pk), 9 * DAY))
    assert "1 reported" in run()


def test_more_days_report_earlier_and_not_again(tenant, administrators, person, run):
    exclude(tenant, ("person", str(person.pk), 20 * DAY))
    assert "0 reported" in run()
    assert "1 reported" in run("--days", "30")
    assert "0 reported" in run("--days", "25")


def test_a_dry_run_only_says_what_it_would_do(tenant, administrators, person, run):
    exclude(tenant, ("person", str(person.pk), 3 * DAY))
    told = run("--dry-run")
    assert "abroad@office.example" in told
    assert "1 to report" in told
    assert not mail.outbox
    assert not ExclusionReport.objects.exists()
    assert not events(Kind.POLICY_EXCLUSION_ENDING)


@pytest.mark.parametrize("days", ["0", "367", "-1", "x", "1.5", "٣"])
def test_days_are_a_sensible_number(run, days):
    with pytest.raises(CommandError, match="whole number from 1 to 366"):
        run(f"--days={days}")


@pytest.mark.parametrize("rules", [{"enabled": False}, {"enforcement": "optional"}], ids=["off", "optional"])
def test_where_nothing_is_demanded_nothing_ends(tenant, administrators, person, run, rules):
    exclude(tenant, ("person", str(person.pk), 3 * DAY), **rules)
    assert "0 reported" in run()


def test_neither_do_excludes_of_a_tenant_that_is_switched_off_or_of_somebody_gone(tenant, administrators, person, run):
    exclude(tenant, ("person", str(person.pk), 3 * DAY))
    Tenant.objects.filter(pk=tenant.pk).update(is_active=False)
    assert "0 reported" in run()
    Tenant.objects.filter(pk=tenant.pk).update(is_active=True)
    people.change(person, actor=root(), tenant=TenantFactory())
    assert "0 reported" in run()


@pytest.mark.security(84)
def test_every_tenant_hears_of_its_own(tenant, administrators, person, run):
    other = TenantFactory()
    boss = AdministratorFactory(tenant=other)
    stranger = UserFactory(tenant=other, email="elsewhere@other.example")
    exclude(tenant, ("person", str(person.pk), 3 * DAY))
    exclude(other, ("person", str(stranger.pk), 3 * DAY))
    assert "2 reported" in run()
    for message in mail.outbox:
        is_theirs = message.to == [boss.email]
        assert ("elsewhere@other.example" in message.body) is is_theirs
        assert ("abroad@office.example" in message.body) is not is_theirs
    assert set(AuditEvent.objects.filter(kind=Kind.POLICY_EXCLUSION_ENDING).values_list("tenant_id", flat=True)) == {
        tenant.pk,
        other.pk,
    }


def test_a_policy_that_cannot_be_read_is_named_and_holds_up_nobody(tenant, administrators, person, run, capsys):
    broken = TenantFactory(slug="broken")
    PolicyVersion.objects.filter(policy=broken.policy).update(document={"schema": 99})
    exclude(tenant, ("person", str(person.pk), 3 * DAY))
    with pytest.raises(CommandError, match="pol-broken") as failed:
        run()
    assert failed.value.returncode == 1
    assert events(Kind.POLICY_EXCLUSION_ENDING) == 1


def test_a_run_that_was_cut_short_is_taken_up_where_it_stopped(tenant, administrators, person, run):
    other = TenantFactory()
    stranger = UserFactory(tenant=other)
    exclude(tenant, ("person", str(person.pk), 3 * DAY))
    exclude(other, ("person", str(stranger.pk), 3 * DAY))
    next(exclusions.report(exclusions.find().nearing))
    assert events(Kind.POLICY_EXCLUSION_ENDING) == 1
    assert "1 reported" in run()
    assert events(Kind.POLICY_EXCLUSION_ENDING) == 2


def test_without_an_administrator_it_is_recorded_all_the_same(tenant, person, run):
    exclude(tenant, ("person", str(person.pk), 3 * DAY))
    assert "1 reported" in run()
    assert last_event(Kind.POLICY_EXCLUSION_ENDING).payload["excluded"] == "abroad@office.example"
    assert not mail.outbox


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_runs_at_once_report_each_exclude_once(tenant, administrators, person):
    exclude(tenant, ("person", str(person.pk), 3 * DAY), ("group", "Field staff", 5 * DAY))
    barrier = threading.Barrier(4)

    def report(number: int) -> int:
        found = exclusions.find()
        barrier.wait()
        try:
            return len(list(exclusions.report(found.nearing)))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as executor:
        assert sum(executor.map(report, range(4))) == 2
    assert events(Kind.POLICY_EXCLUSION_ENDING) == ExclusionReport.objects.count() == 2
