"""A call for help: the same whoever is named, seen by those who answer for them, and worth nothing by itself."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import expiry
from accounts.errors import NotAllowed
from accounts.flows import help_requests
from accounts.models import HelpRequest, User
from tests.accounts.admission_scene import events, guard, token_in_mail, typed
from tests.accounts.test_verification import in_parallel
from tests.factories import (
    PASSWORD,
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_totp,
    verified_client,
)
from tests.policies.admin_scene import url

pytestmark = pytest.mark.django_db
LOST, SENT = reverse("help_lost"), reverse("help_sent")


@pytest.fixture
def administrator() -> User:
    return AdministratorFactory(tenant=TenantFactory())


@pytest.fixture
def person(administrator: User) -> User:
    return UserFactory(tenant=administrator.tenant)


@pytest.fixture
def ask(django_capture_on_commit_callbacks):
    """Send the form with an address, as somebody does who is nobody here."""

    def ask(address: str, client: Client | None = None):
        with django_capture_on_commit_callbacks(execute=True):
            return (client or Client()).post(LOST, {"email": address})

    return ask


def test_administrators_see_it_and_are_told(ask, person, administrator):
    AdministratorFactory(tenant=TenantFactory())
    assert ask(person.email.upper())["Location"] == SENT
    asked = HelpRequest.objects.get()
    assert (asked.person, asked.tenant, asked.knew_password, asked.ip) == (person, person.tenant, False, "127.0.0.1")
    (message,) = mail.outbox
    assert message.to == [administrator.email]
    assert person.email in message.body and "They proved nothing" in message.body
    (event,) = events("help:asked")
    assert (event.target_id, event.payload["knew_password"], event.actor_id) == (str(person.pk), False, "")


@pytest.mark.security(28)
def test_the_answer_and_the_work_are_the_same_for_nobody(person, django_capture_on_commit_callbacks):
    """What differs is the worker's: the request does not wait for it."""
    gone = UserFactory(tenant=person.tenant, is_active=False)
    seen = []
    for address in (person.email, "nobody@example.com", gone.email):
        client = Client(enforce_csrf_checks=False)
        client.get(LOST)
        with (
            CaptureQueriesContext(
                connection,
            ) as queries,
            django_capture_on_commit_callbacks() as later,
        ):
            answer = client.post(LOST, {"email": address})
        kept = {name: value for name, value in answer.headers.items() if name not in ("X-Request-ID", "Expires")}
        seen.append((answer.status_code, answer.content, kept, len(queries), len(later)))
    assert seen[0] == seen[1] == seen[2]
    assert len(events("help:asked")) == 3
    page = Client().get(SENT).content.decode()
    assert "If there is an account for that address" in page


@pytest.mark.security(28)
def test_before_the_password_the_page_tells_nothing_of_a_tenant(person, ask):
    client = Client()
    page = client.get(LOST).content.decode()
    assert "the service desk" not in page and person.tenant.name not in page
    ask(person.email, client)
    assert "the service desk" not in client.get(SENT).content.decode()


def test_after_the_password_it_knows_who_asks_and_whom_to_call(person, django_capture_on_commit_callbacks):
    enrol_totp(person)
    client = typed(person)
    page = client.get(LOST).content.decode()
    assert "the service desk" in page and person.email in page and 'name="email"' not in page
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(LOST, {"email": "somebody@else.example"})["Location"] == SENT
    asked = HelpRequest.objects.get()
    assert (asked.person, asked.knew_password) == (person, True)
    assert "They gave the right password." in mail.outbox[-1].body


@pytest.mark.parametrize(
    ("is_administrator", "says"),
    [
        (False, ["For you one administrator is enough.", "Nothing is waited for after that."]),
        (True, ["For you a second administrator has to agree.", "24 hours from the moment it was asked for"]),
    ],
)
def test_it_says_how_long_it_takes_for_who_asks(administrator, person, is_administrator, says):
    somebody = administrator if is_administrator else person
    enrol_totp(somebody)
    page = typed(somebody).get(LOST).content.decode()
    assert all(words in page for words in says)
    assert "For most people" in Client().get(LOST).content.decode()


def test_one_is_open_for_a_person_and_learns_that_the_password_was_right(ask, person, administrator):
    for _ in range(3):
        ask(person.email)
    assert HelpRequest.objects.count() == 1
    help_requests.enter.call(str(person.pk), "192.0.2.9", "", True)
    assert HelpRequest.objects.get().knew_password
    help_requests.enter.call(str(person.pk), "192.0.2.9", "", False)
    assert HelpRequest.objects.get().knew_password
    assert len(mail.outbox) == 1


def test_one_mail_a_day_about_a_person_and_twenty_about_a_tenant(ask, person, administrator):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        ask(person.email)
        HelpRequest.objects.update(closed_at=timezone.now())
        ask(person.email)
        assert (len(mail.outbox), HelpRequest.objects.count()) == (1, 2)
        clock.shift(timedelta(hours=24, minutes=1))
        ask(person.email)
        assert len(mail.outbox) == 2
        for _ in range(25):
            help_requests.enter.call(str(UserFactory(tenant=person.tenant).pk), "", "", False)
        assert len(mail.outbox) <= 21
        assert HelpRequest.objects.filter(closed_at=None).count() == 26


def test_whoever_answers_for_an_administrator_is_told_and_not_they_themselves(ask, administrator):
    root = AdministratorFactory(is_superuser=True)
    ask(administrator.email)
    assert [message.to for message in mail.outbox] == [[root.email]]


@pytest.mark.security(21)
def test_one_network_does_not_ask_without_end(ask):
    for number in range(10):
        assert ask(f"somebody-{number}@example.com").status_code == 302
    answer = ask("once@more.example")
    assert answer.status_code == 200
    assert "Too many attempts." in answer.content.decode()
    assert len(events("help:asked")) == 10
    ask("twice@more.example")
    (throttled,) = events("requests:throttled")
    assert (throttled.target_id, throttled.payload["scope"]) == ("", "help-request")


@pytest.mark.parametrize("address", ["", "no address", "a\x00b@example.com", "٣@", "x" * 10_000 + "@example.com"])
def test_what_is_no_address_is_told_at_the_field_or_refused(ask, address):
    answer = ask(address)
    assert answer.status_code in (200, 400)
    assert not events("help:asked") and not HelpRequest.objects.exists()


def test_what_was_typed_is_kept_nowhere(ask):
    ask("a-password-perhaps@example.com")
    assert "a-password-perhaps" not in str([event.payload for event in events("help:asked")])


def test_it_opens_nothing(ask, person):
    before = User.objects.values().get(pk=person.pk)
    ask(person.email)
    assert User.objects.values().get(pk=person.pk) == before


def test_the_list_closes_them_for_who_answers_for_the_person(ask, person, administrator):
    ask(person.email)
    asked = HelpRequest.objects.get()
    client = verified_client(administrator)
    assert person.email in client.get(url(HelpRequest), {"state": "open"}).content.decode()
    said = {"action": "close_requests", "_selected_action": [str(asked.pk)]}
    answer = client.post(url(HelpRequest), said, follow=True)
    assert "1 request was closed." in answer.content.decode()
    asked.refresh_from_db()
    assert (asked.closed_by, asked.closed_by_label) == (administrator.pk, str(administrator))
    (event,) = events("help:closed")
    assert (event.actor_id, event.target_id) == (str(administrator.pk), str(person.pk))
    assert person.email not in client.get(url(HelpRequest), {"state": "open"}).content.decode()
    client.post(url(HelpRequest), said)
    assert len(events("help:closed")) == 1


@pytest.mark.security(84)
def test_nobody_closes_or_sees_what_another_tenant_answers_for(ask, person):
    ask(person.email)
    asked = HelpRequest.objects.get()
    stranger = AdministratorFactory(tenant=TenantFactory())
    with pytest.raises(NotAllowed):
        help_requests.close(asked, actor=stranger)
    client = verified_client(stranger)
    assert client.get(url(HelpRequest, "change", asked.pk)).status_code == 404
    assert person.email not in client.get(url(HelpRequest)).content.decode()
    person.tenant = stranger.tenant
    person.save(update_fields=["tenant"])
    assert client.get(url(HelpRequest, "change", asked.pk)).status_code == 404


def test_it_is_closed_when_the_person_is_back(ask, person, administrator, django_capture_on_commit_callbacks):
    from accounts.flows import enrolment_links

    with django_capture_on_commit_callbacks(execute=True):
        guard(person, administrator)
    ask(person.email)
    client = client_of(person)
    session = client.session
    enrolment_links.use(person, session, token_in_mail())
    session.save()
    from accounts.authenticators import totp
    from accounts.flows import enrolment

    secret = enrolment.begin_totp(person, session)
    enrolment.confirm_totp(person, session, totp.code_at(secret, totp.step_at(timezone.now())))
    assert HelpRequest.objects.get().closed_by == person.pk


def test_old_ones_are_purged(ask, person):
    ask(person.email)
    later = timezone.now() + timedelta(days=31)
    assert expiry.expired(timezone.now())["requests for help"].count() == 0
    assert expiry.expired(later)["requests for help"].count() == 1


def test_the_way_there_is_on_the_page_of_the_second_factor(person):
    enrol_totp(person)
    client = typed(person)
    assert reverse("help") in client.get(reverse("mfa_authenticate")).content.decode()
    assert LOST in client.get(reverse("help")).content.decode()
    assert PASSWORD not in client.get(LOST).content.decode()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_are_one_request():
    administrator = AdministratorFactory(tenant=TenantFactory())
    person = UserFactory(tenant=administrator.tenant)
    outcomes = in_parallel(20, lambda _: help_requests.enter.call(str(person.pk), "192.0.2.9", "", False))
    assert outcomes == [""] * 20
    assert HelpRequest.objects.filter(person=person, closed_at=None).count() == 1
