"""Reminders of a deadline: who gets one, what it says, and that nobody gets two in a day, whoever asks."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.errors import NotAllowed
from accounts.models import Tenant, User
from audit.kinds import Kind
from policies.flows import deadlines, reminder_mail, reminders
from policies.models import Reminder
from policies.rollout.remindable import Prospect, Spared, prospects
from tests.factories import enrol_recovery_codes, enrol_totp, publish_rules
from tests.policies.admin_scene import events, last_event
from tests.policies.reminding_scene import DAY, a_tenant, newcomer

pytestmark = pytest.mark.django_db
State = Reminder.State
Ask = Callable[..., list[Prospect]]


@pytest.fixture
def tenant() -> Tenant:
    return a_tenant()


@pytest.fixture
def person(tenant: Tenant) -> User:
    return newcomer(tenant, email="ada@office.example", name="Ada")


@pytest.fixture
def ask(administrator: User, django_capture_on_commit_callbacks: Any) -> Ask:
    """Ask for reminders, and let the worker do what was queued."""

    def ask(*people: User, by: User = administrator) -> list[Prospect]:
        chosen = list(User.objects.select_related("tenant").filter(pk__in=[one.pk for one in people]))
        with django_capture_on_commit_callbacks(execute=True):
            return reminders.ask(chosen, actor=by)

    return ask


def spared(*people: User, overdue_too: bool = False) -> list[Spared | None]:
    chosen = User.objects.select_related("tenant").filter(pk__in=[one.pk for one in people])
    return [one.spared for one in prospects(chosen, overdue_too=overdue_too)]


def parts(message: Any) -> EmailMessage:
    return message_from_bytes(message.message().as_bytes(), policy=default)  # type: ignore[return-value]


def test_a_reminder_says_politely_until_when_exactly_and_brings_it_for_the_calendar(ask, person, tenant, settings):
    ask(person)
    [message] = mail.outbox
    until = timezone.localtime(deadlines.deadline_of(person), tenant.zone)
    assert message.to == ["ada@office.example"]
    assert message.subject.startswith("Acme, Health; Ltd: Please set up two-step verification by ")
    assert f"{until.day} {until:%B %Y, %H:%M} ({until:%Z})" in message.body
    assert "10 days left." in message.body
    assert "Hello Ada," in message.body
    assert f"{settings.SITE_URL}/accounts/2fa/enrol/" in message.body
    [entry] = list(parts(message).iter_attachments())
    assert entry.get_content_type() == "text/calendar"
    assert entry.get_filename() == "deadline.ics"
    told = entry.get_payload(decode=True).decode()
    assert f"DTSTART:{deadlines.deadline_of(person):%Y%m%dT%H%M%SZ}" in told
    assert "SUMMARY:Acme\\, Health\\; Ltd: set up" in told.replace("\r\n ", "")
    row = Reminder.objects.get()
    assert (row.state, row.attempts, row.day) == (State.SENT, 1, timezone.localdate(timezone=tenant.zone))
    assert last_event(Kind.REMINDER_ASKED_FOR).target_id == str(person.pk)
    assert last_event(Kind.REMINDER_SENT).target_id == str(person.pk)


@pytest.mark.parametrize(("language", "direction"), [("de", "ltr"), ("ar", "rtl")])
def test_it_is_written_in_the_persons_language(ask, tenant, language, direction):
    ask(newcomer(tenant, language=language))
    html = mail.outbox[0].alternatives[0][0]
    assert f'<html lang="{language}" dir="{direction}">' in html


def test_nobody_is_reminded_twice_a_day(ask, person, clock):
    assert ask(person)[0].spared is None
    assert ask(person)[0].spared is Spared.LATELY
    clock.forward(timedelta(hours=25))
    assert ask(person)[0].spared is None
    assert len(mail.outbox) == 2


def test_the_day_is_the_tenants_and_a_move_of_its_zone_makes_no_second_one(ask, person, tenant, clock):
    ask(person)
    Tenant.objects.filter(pk=tenant.pk).update(time_zone="Pacific/Kiritimati")
    clock.forward(timedelta(hours=3))
    assert ask(person)[0].spared is Spared.LATELY
    Tenant.objects.filter(pk=tenant.pk).update(time_zone="Pacific/Honolulu")
    clock.forward(timedelta(hours=3))
    assert ask(person)[0].spared is Spared.LATELY
    assert len(mail.outbox) == 1


def test_the_database_itself_refuses_a_second_row_of_a_day(person, tenant):
    values = {"person": person, "tenant": tenant, "day": timezone.localdate()}
    Reminder.objects.create(**values)
    with pytest.raises(IntegrityError):
        Reminder.objects.create(**values)


def test_who_is_not_in_the_tenant_is_out_of_reach_and_nobody_is_reminded(ask, person):
    stranger = newcomer(a_tenant())
    with pytest.raises(NotAllowed):
        ask(person, stranger)
    assert not Reminder.objects.exists()
    assert last_event(Kind.REMINDER_REFUSED).target_id == str(stranger.pk)


def test_only_people_who_owe_something_are_reminded(tenant, person):
    done, idle, outside = newcomer(tenant), newcomer(tenant, is_active=False), newcomer(tenant)
    enrol_totp(done)
    assert spared(person) == [None]
    assert spared(done) == [Spared.ENROLLED]
    assert spared(idle, overdue_too=True) == [Spared.INACTIVE]
    until = (timezone.now() + 5 * DAY).isoformat()
    entry = {"kind": "person", "value": str(outside.pk), "reason": "On leave.", "until": until}
    publish_rules(tenant, new_grace_days=10, excludes=[entry])
    assert spared(outside, overdue_too=True) == [Spared.NOT_DEMANDED]
    publish_rules(tenant, enabled=False)
    assert spared(person, overdue_too=True) == [Spared.NOT_DEMANDED]
    Tenant.objects.filter(pk=tenant.pk).update(is_active=False)
    assert spared(person, overdue_too=True) == [Spared.INACTIVE]


def test_too_weak_a_method_is_not_what_is_demanded(tenant):
    weak = newcomer(tenant)
    enrol_totp(weak)
    enrol_recovery_codes(weak)
    publish_rules(tenant, new_grace_days=10, strength={"user": "phishing_resistant"})
    assert spared(weak) == [None]


def test_overdue_ones_are_reminded_by_an_administrators_choice_alone(tenant, ask):
    late = newcomer(tenant, ago=12 * DAY)
    assert spared(late) == [Spared.OVERDUE]
    assert ask(late)[0].spared is None
    assert "has required two-step verification since" in mail.outbox[0].body
    assert not list(parts(mail.outbox[0]).iter_attachments())


def test_who_never_signed_in_has_no_deadline_yet(tenant):
    new = newcomer(tenant)
    User.objects.filter(pk=new.pk).update(first_sign_in_at=None)
    assert spared(new, overdue_too=True) == [Spared.NO_DEADLINE]


def test_whose_time_a_reset_ended_is_overdue_without_a_date(tenant, ask):
    person = newcomer(tenant)
    User.objects.filter(pk=person.pk).update(grace_closed_at=timezone.now())
    assert spared(person) == [Spared.OVERDUE]
    ask(person)
    assert "You set it up at your next sign-in." in mail.outbox[0].body


def test_who_has_done_it_meanwhile_gets_no_mail(person, administrator):
    reminders.ask([person], actor=administrator)
    enrol_totp(person)
    mail.outbox.clear()
    reminder_mail.send_due.call(str(person.tenant_id))
    assert mail.outbox == []
    assert (Reminder.objects.get().state, Reminder.objects.get().trouble) == (State.SPARED, "enrolled")


def test_without_a_verified_address_there_is_nobody_to_write_to(ask, tenant):
    ask(newcomer(tenant, verified=False))
    assert mail.outbox == []
    assert Reminder.objects.get().trouble == "no_address"


def test_what_was_given_up_may_be_asked_for_again_on_the_same_day(ask, person):
    ask(person)
    Reminder.objects.update(state=State.FAILED)
    mail.outbox.clear()
    assert ask(person)[0].spared is None
    assert len(mail.outbox) == 1


def test_one_that_is_sent_a_day_later_is_the_one_of_that_day(person, administrator, tenant, clock):
    reminders.ask([person], actor=administrator)
    clock.forward(timedelta(hours=24))
    reminder_mail.send_due.call(str(person.tenant_id))
    assert Reminder.objects.get().day == timezone.localdate(timezone=tenant.zone)
    Reminder.objects.create(
        person=person, tenant=tenant, day=timezone.localdate(timezone=tenant.zone) - DAY, due_at=timezone.now()
    )
    reminder_mail.send_due.call(str(person.tenant_id))
    assert len(mail.outbox) == 1
    assert sorted(Reminder.objects.values_list("state", flat=True)) == [State.SENT, State.SPARED]


def test_asking_for_many_costs_the_same_queries_as_asking_for_few(tenant, administrator):
    def cost(number: int) -> int:
        people = [newcomer(tenant) for _ in range(number)]
        chosen = list(User.objects.select_related("tenant").filter(pk__in=[one.pk for one in people]))
        with CaptureQueriesContext(connection) as queries:
            reminders.queue(prospects(chosen))
        return len(queries)

    assert cost(2) == cost(12)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_ten_who_ask_at_once_make_one_reminder(tenant, administrator):
    person = newcomer(tenant)
    barrier = threading.Barrier(10)

    def one(_number: int) -> int:
        barrier.wait()
        try:
            found = reminders.ask([User.objects.select_related("tenant").get(pk=person.pk)], actor=administrator)
            return sum(prospect.spared is None for prospect in found)
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(one, range(10))) == 1
    assert Reminder.objects.count() == 1
    assert len(mail.outbox) == 1
    assert events(Kind.REMINDER_SENT) == 1
