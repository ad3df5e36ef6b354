"""Reminders from the lists: of one, of some, of everybody; nobody twice, and what became of it is shown."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.errors import NotAllowed
from accounts.expiry import expired
from accounts.flows import people
from accounts.models import Role, Tenant, User
from audit.kinds import Kind
from policies.flows import periodic, reminder_rounds, reminders
from policies.models import Reminder, ReminderRound
from policies.rollout.listed import Which
from policies.rollout.remindable import Spared
from policies.rollout.rounds import TOLD, progress_of
from tests.factories import AdministratorFactory, TenantFactory, enrol_totp, verified_client
from tests.policies.admin_scene import events, last_event, root
from tests.policies.reminding_scene import a_tenant, newcomer

pytestmark = pytest.mark.django_db
State = Reminder.State


@pytest.fixture
def tenant() -> Tenant:
    return a_tenant()


@pytest.fixture
def administrator(tenant: Tenant) -> User:
    person = AdministratorFactory(tenant=tenant, email="zoe@acme.example")
    enrol_totp(person)
    return person


@pytest.fixture
def client(administrator: User) -> Client:
    return verified_client(administrator)


@pytest.fixture
def owing(tenant: Tenant) -> list[User]:
    return [newcomer(tenant, email=f"p{number}@acme.example") for number in range(5)]


@pytest.fixture
def press(client: Client, tenant: Tenant, django_capture_on_commit_callbacks: Any) -> Any:
    """Press a button of a list; returns the page one lands on. Workers do at once what is queued."""

    def press(remind: str, *chosen: User, which: str = "without", **more: str) -> Any:
        said = {"remind": remind, "person": [str(one.pk) for one in chosen], **more}
        with django_capture_on_commit_callbacks(execute=True):
            response = client.post(reverse("admin:mfa_status_remind", args=[tenant.pk, which]), said)
        assert response.status_code == 302
        return client.get(response["Location"])

    return press


def addresses() -> list[str]:
    return sorted(message.to[0] for message in mail.outbox)


def finish(begun: ReminderRound) -> ReminderRound:
    """What a worker does with it."""
    reminder_rounds.go_on.call(str(begun.pk))
    begun.refresh_from_db()
    return begun


# -- asking ----------------------------------------------------------------------------------------------------


def test_one_click_reminds_one_person(press, owing):
    page = press(str(owing[1].pk))
    assert addresses() == ["p1@acme.example"]
    progress = page.context["progress"]
    assert (progress.people, progress.sent, progress.waiting, progress.is_over) == (1, 1, 0, True)
    assert events(Kind.REMINDER_ASKED_FOR) == 1


def test_those_who_were_chosen_are_reminded_and_nobody_else(press, owing, tenant, administrator):
    page = press("chosen", owing[0], owing[3])
    assert addresses() == ["p0@acme.example", "p3@acme.example"]
    assert "2 reminders were sent" in page.content.decode()
    event = last_event(Kind.REMINDER_ROUND_STARTED)
    assert (event.actor_id, event.tenant_id) == (str(administrator.pk), tenant.pk)
    assert (event.payload["list"], event.payload["people"]) == ("without", 2)


def test_everybody_in_the_list_is_reminded_as_it_is_searched_and_filtered(press, owing, tenant, monkeypatch):
    monkeypatch.setattr(reminder_rounds, "BATCH", 2)
    boss = newcomer(tenant, email="p9@acme.example", role=Role.ADMINISTRATOR)
    newcomer(tenant, email="else@acme.test", name="Else")
    page = press("everybody", q="P", role="user", which="in-grace")
    assert addresses() == [person.email for person in owing]
    begun = page.context["round"]
    assert (begun.search, begun.role, begun.people, begun.gone_through) == ("P", "user", 5, 5)
    assert last_event(Kind.REMINDER_ROUND_STARTED).payload == {
        "round": str(begun.pk),
        "list": "in-grace",
        "search": "P",
        "role": "user",
        "people": 5,
    }
    assert boss.email not in addresses()


def test_more_than_five_hundred_are_reminded_in_batches(tenant, administrator, monkeypatch):
    monkeypatch.setattr(reminder_rounds, "BATCH", 3)
    monkeypatch.setattr(reminder_rounds, "AT_ONCE", 2)
    for number in range(10):
        newcomer(tenant, email=f"q{number}@acme.example")
    begun = reminder_rounds.ask_everybody(tenant, which=Which.WITHOUT, actor=administrator)
    assert reminder_rounds.unfinished() == [begun]
    finish(begun)  # the first task does two batches, and queues the next one
    assert begun.finished_at is not None
    assert (begun.gone_through, begun.queued) == (10, 10)
    assert reminder_rounds.unfinished() == []


def test_a_second_time_asks_nobody_twice(press, owing):
    press("everybody")
    assert len(mail.outbox) == 5
    page = press("everybody")
    assert len(mail.outbox) == 5
    assert page.context["progress"].spared == {Spared.LATELY: 5}
    assert "No reminder was sent" in page.content.decode()
    assert "they were reminded lately" in page.content.decode()
    assert events(Kind.REMINDER_ASKED_FOR) == 5


def test_who_owes_nothing_is_spared_and_it_is_said_why(press, owing, tenant):
    enrol_totp(owing[0])
    page = press("chosen", owing[0], owing[1])
    assert page.context["progress"].spared == {Spared.ENROLLED: 1}
    assert "they have set up what is demanded" in page.content.decode()
    assert addresses() == ["p1@acme.example"]


def test_a_tenants_administrator_does_not_remind_the_platforms(django_capture_on_commit_callbacks):
    platform, home = root(), Tenant.objects.get(is_default=True)
    administrator = AdministratorFactory(tenant=home)
    with django_capture_on_commit_callbacks(execute=True):
        begun = reminder_rounds.ask_everybody(home, which=Which.WITHOUT, actor=administrator)
    begun.refresh_from_db()
    assert begun.spared[Spared.NOT_YOURS] == 1
    assert not Reminder.objects.filter(person=platform).exists()
    assert not events(Kind.REMINDER_REFUSED)


def test_nobody_chosen_or_too_many_is_said_and_nothing_is_begun(client, tenant, owing, monkeypatch):
    url = reverse("admin:mfa_status_remind", args=[tenant.pk, "without"])
    monkeypatch.setattr("policies.admin.reminder_rounds.MOST_AT_ONCE", 2)
    for chosen in ([], [str(one.pk) for one in owing]):
        response = client.post(url, {"remind": "chosen", "person": chosen, "q": "p"}, follow=True)
        assert [str(one) for one in response.context["messages"]] == ["Choose at least one person, and at most 2."]
        assert response.context["search"] == "p"
    assert not ReminderRound.objects.exists()


@pytest.mark.security(71)
def test_only_a_post_with_its_token_asks(administrator, tenant, owing):
    client = verified_client(administrator)
    url = reverse("admin:mfa_status_remind", args=[tenant.pk, "without"])
    assert client.get(url, {"remind": "everybody"})["Location"] == reverse(
        "admin:mfa_status_list", args=[tenant.pk, "without"]
    )
    client.handler.enforce_csrf_checks = True
    assert client.post(url, {"remind": "everybody"}).status_code == 403
    assert not ReminderRound.objects.exists() and not Reminder.objects.exists()


# -- who may ---------------------------------------------------------------------------------------------------


@pytest.mark.security(84)
def test_an_administrator_of_another_tenant_may_not(tenant, owing):
    other = AdministratorFactory(tenant=TenantFactory())
    for ask in (reminder_rounds.ask_everybody, lambda *a, **k: reminder_rounds.ask_some(owing, *a, **k)):
        with pytest.raises(NotAllowed):
            ask(tenant, which=Which.WITHOUT, actor=other)
    assert not ReminderRound.objects.exists()


@pytest.mark.parametrize("lose", [{"role": Role.USER}, {"is_active": False}], ids=["demoted", "switched off"])
def test_a_round_stops_when_who_asked_loses_the_right(client, tenant, owing, monkeypatch, lose):
    monkeypatch.setattr(reminder_rounds, "BATCH", 2)
    asking = AdministratorFactory(tenant=tenant)
    begun = reminder_rounds.ask_everybody(tenant, which=Which.WITHOUT, actor=asking)
    assert reminder_rounds.step(begun.pk)
    people.change(asking, actor=root(), **lose)
    assert not reminder_rounds.step(begun.pk)
    begun.refresh_from_db()
    assert (begun.stopped, begun.gone_through) == ("not_allowed", 2)
    event = last_event(Kind.REMINDER_ROUND_STOPPED)
    assert (event.tenant_id, event.payload["code"], event.outcome) == (tenant.pk, "not_allowed", "refused")
    page = client.get(reverse("admin:mfa_status_round", args=[tenant.pk, begun.pk])).content.decode()
    assert "does not administer this tenant any more" in page


# -- faults ----------------------------------------------------------------------------------------------------


def test_another_worker_goes_on_where_one_died(tenant, administrator, owing, monkeypatch):
    monkeypatch.setattr(reminder_rounds, "BATCH", 2)
    begun = reminder_rounds.ask_everybody(tenant, which=Which.WITHOUT, actor=administrator)
    reminder_rounds.step(begun.pk)
    monkeypatch.setattr(reminder_rounds.reminders, "ask", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        reminder_rounds.step(begun.pk)
    monkeypatch.undo()
    begun.refresh_from_db()
    assert (begun.reached, begun.gone_through) == (sorted(one.pk for one in owing)[1], 2)
    finish(begun)
    assert Reminder.objects.filter(round=begun).count() == 5 == begun.queued


def test_whose_address_changes_meanwhile_is_neither_missed_nor_reminded_twice(
    tenant, administrator, owing, monkeypatch
):
    monkeypatch.setattr(reminder_rounds, "BATCH", 2)
    begun = reminder_rounds.ask_everybody(tenant, which=Which.WITHOUT, actor=administrator)
    reminder_rounds.step(begun.pk)
    in_order = sorted(owing, key=lambda one: one.pk)
    User.objects.filter(pk=in_order[0].pk).update(email="zz@acme.example")
    for number, one in enumerate(in_order[2:]):
        User.objects.filter(pk=one.pk).update(email=f"a{number}@acme.example")
    finish(begun)
    begun.refresh_from_db()
    assert begun.gone_through == begun.queued == 5
    assert set(begun.reminders.values_list("person_id", flat=True)) == {one.pk for one in owing}


def test_a_round_that_no_worker_took_up_is_due_by_itself(
    tenant, administrator, owing, django_capture_on_commit_callbacks
):
    begun = reminder_rounds.ask_everybody(tenant, which=Which.WITHOUT, actor=administrator)
    with django_capture_on_commit_callbacks(execute=True):
        done = dict(periodic.run(timezone.now()))
    assert done["reminders"] == 1
    begun.refresh_from_db()
    assert begun.finished_at is not None
    assert begun.reminders.filter(state=State.SENT).count() == 5


def test_while_the_mail_server_is_down_it_says_how_many_wait_until_when_and_why(
    client, tenant, administrator, owing, settings
):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    begun = reminder_rounds.ask_some(owing[:3], tenant, which=Which.WITHOUT, actor=administrator)
    Reminder.objects.update(trouble="[Errno 111] Connection refused", due_at=timezone.now() + timedelta(minutes=5))
    at = timezone.localtime(Reminder.objects.first().due_at, tenant.zone)
    page = client.get(reverse("admin:mfa_status_round", args=[tenant.pk, begun.pk])).content.decode()
    text = " ".join(page.split())
    assert f"3 waiting, next attempt {at:%H:%M (%Z)}: <bdi>[Errno 111] Connection refused</bdi>" in text
    assert "data-under-way" in page and "On the way: 0 of 3 done" in text


def test_what_the_server_said_is_counted_and_the_rare_is_put_together(tenant, administrator):
    begun = ReminderRound.objects.create(
        tenant=tenant,
        which="without",
        of_everybody=True,
        people=12,
        gone_through=12,
        queued=10,
        actor_id=uuid.uuid4(),
        actor_label="x",
        spared={"overdue": 2},
        finished_at=timezone.now(),
    )
    said = ["", "", "", "no", "no", *(f"said {number}" for number in range(TOLD - 1))]
    for trouble in said:
        person = newcomer(tenant)
        Reminder.objects.create(person=person, tenant=tenant, day="2030-01-01", round=begun, trouble=trouble)
    Reminder.objects.create(
        person=newcomer(tenant), tenant=tenant, day="2030-01-01", round=begun, state=State.SPARED, trouble="enrolled"
    )
    with CaptureQueriesContext(connection) as captured:
        progress = progress_of(begun)
    assert len(captured) == 1
    assert [(one.number, one.said) for one in progress.waits] == [
        (3, ""),
        (2, "no"),
        *((1, f"said {number}") for number in range(TOLD - 2)),
        (1, None),
    ]
    assert (progress.waiting, progress.later, progress.is_over) == (9, 0, False)
    assert progress.spared == {Spared.OVERDUE: 2, Spared.ENROLLED: 1}


def test_given_up_and_asked_again_is_counted_in_the_later_round(tenant, administrator, owing):
    first = reminder_rounds.ask_some(owing[:2], tenant, which=Which.WITHOUT, actor=administrator)
    Reminder.objects.update(state=State.FAILED, trouble="550 no such user", finished_at=timezone.now())
    assert (progress_of(first).given_up, progress_of(first).is_over) == (2, True)
    second = reminder_rounds.ask_some(owing[:2], tenant, which=Which.WITHOUT, actor=administrator)
    assert progress_of(second).waiting == 2
    assert (progress_of(first).given_up, progress_of(first).later) == (0, 2)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_workers_that_go_through_one_round_at_once_none_reminds_anybody_twice(
    tenant, administrator, owing, monkeypatch
):
    monkeypatch.setattr(reminder_rounds, "BATCH", 1)
    begun = reminder_rounds.ask_everybody(tenant, which=Which.WITHOUT, actor=administrator)
    ReminderRound.objects.filter(pk=begun.pk).update(reached=None, gone_through=0, finished_at=None)
    Reminder.objects.all().delete()
    barrier = threading.Barrier(5)

    def work(_number: int) -> None:
        barrier.wait()
        try:
            while reminder_rounds.step(begun.pk):
                pass
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))
    assert Reminder.objects.filter(round=begun).count() == 5
    assert ReminderRound.objects.get(pk=begun.pk).gone_through == 5


def test_a_round_goes_when_it_is_long_over_and_its_reminders_are_gone(tenant, administrator, owing):
    begun = reminder_rounds.ask_some(owing[:1], tenant, which=Which.WITHOUT, actor=administrator)
    waits = reminder_rounds.ask_everybody(tenant, which=Which.WITHOUT, actor=administrator)
    ReminderRound.objects.filter(pk=waits.pk).update(finished_at=None)
    later = timezone.now() + reminders.KEPT + timedelta(days=1)
    assert not expired(later)["rounds of reminders"]
    begun.reminders.all().delete()
    assert not expired(timezone.now())["rounds of reminders"]
    assert list(expired(later)["rounds of reminders"]) == [begun]


# -- pages -----------------------------------------------------------------------------------------------------


def test_the_status_leads_to_campaigns_reminders_and_rounds_and_they_lead_back(client, tenant, owing, press):
    page = press("everybody")
    round_url = page.request["PATH_INFO"]
    status = reverse("admin:mfa_status_of", args=[tenant.pk])
    shown = client.get(status).content.decode()
    for name in ("policies_campaign_changelist", "policies_reminder_changelist"):
        assert f'href="{reverse(f"admin:{name}")}"' in shown
        assert f'href="{reverse("admin:mfa_status")}"' in client.get(reverse(f"admin:{name}")).content.decode()
    assert round_url in shown
    assert status in page.content.decode()
    reminder = Reminder.objects.first()
    assert status in client.get(reverse("admin:policies_reminder_change", args=[reminder.pk])).content.decode()


def test_a_platform_administrator_comes_to_the_campaigns_of_that_tenant_alone(tenant):
    shown = verified_client(root()).get(reverse("admin:mfa_status_of", args=[tenant.pk])).content.decode()
    assert f"{reverse('admin:policies_campaign_changelist')}?tenant={tenant.pk}" in shown
