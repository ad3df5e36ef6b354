"""Reminders in the admin: the action, who is left out and why, and what became of each."""

from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core import mail
from django.test import Client

from accounts.models import Tenant, User
from audit.kinds import Kind
from policies.models import Reminder
from tests.factories import enrol_totp
from tests.policies.admin_scene import events, url
from tests.policies.reminding_scene import DAY, a_tenant, newcomer

pytestmark = pytest.mark.django_db
State = Reminder.State


@pytest.fixture
def tenant() -> Tenant:
    return a_tenant()


@pytest.fixture
def remind(client: Client, django_capture_on_commit_callbacks: Any) -> Any:
    """Choose people and send; returns what the list then says."""

    def remind(*people: User) -> list[str]:
        chosen = {"action": "send_reminder", ACTION_CHECKBOX_NAME: [str(person.pk) for person in people]}
        mail.outbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            response = client.post(url(User), chosen, follow=True)
        return [str(message) for message in response.context["messages"]]

    return remind


def test_chosen_people_are_mailed_and_it_is_said_who_is_not_and_why(remind, tenant):
    one, two, late, done = (newcomer(tenant) for _ in range(4))
    User.objects.filter(pk=late.pk).update(first_sign_in_at=late.first_sign_in_at - 20 * DAY)
    enrol_totp(done)
    assert remind(one, two, late, done) == [
        "3 reminders are on their way.",
        "No reminder for 1 person: they have set up what is demanded.",
    ]
    assert len(mail.outbox) == 3
    assert events(Kind.REMINDER_ASKED_FOR) == 3
    assert remind(one, two) == ["No reminder for 2 people: they were reminded lately."]
    assert mail.outbox == []


def test_too_many_at_once_are_not_begun(remind, tenant, monkeypatch):
    monkeypatch.setattr("policies.admin.reminders.MOST_AT_ONCE", 1)
    assert remind(newcomer(tenant), newcomer(tenant)) == ["Choose at most 1 people at once."]
    assert not Reminder.objects.exists()


@pytest.mark.parametrize(
    ("state", "trouble", "shown"),
    [
        (State.QUEUED, "450 4.2.0 try <later>", ("waiting", "450 4.2.0 try &lt;later&gt;")),
        (State.FAILED, "550 no such user", ("given up", "550 no such user")),
        (State.SPARED, "enrolled", ("not needed any more", "they have set up what is demanded")),
        (State.UNSURE, "timed out", ("perhaps sent", "timed out")),
    ],
)
def test_what_became_of_one_is_shown_in_the_list_and_on_the_persons_page(client, tenant, state, trouble, shown):
    person = newcomer(tenant)
    reminder = Reminder.objects.create(person=person, tenant=tenant, day="2030-01-01", state=state, trouble=trouble)
    for address in (
        url(Reminder),
        f"{url(Reminder)}?state={state.value}",
        url(Reminder, "change", reminder.pk),
        url(User, "change", person.pk),
    ):
        page = client.get(address).content.decode()
        for words in shown:
            assert words in page, address


def test_a_person_without_any_reminder_shows_none(client, tenant):
    assert "Last reminder" in client.get(url(User, "change", newcomer(tenant).pk)).content.decode()
