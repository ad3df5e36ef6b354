"""Browsers: named at a sign-in and never before, recognised by what was made here alone, told of when new."""

from datetime import timedelta

import pytest
from django.conf import settings as site_settings
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import notices
from accounts.flows import browsers
from accounts.models import Browser, Session, User
from audit.models import AuditEvent
from tests.factories import PASSWORD, TenantFactory, UserFactory, enrol_totp, next_code
from tests.policies.trusted_scene import LOGIN, SECOND, new_browser, sign_out, token_of

pytestmark = pytest.mark.django_db

NAME = site_settings.BROWSER_COOKIE_NAME
FIRST_SEEN = "browser:first_seen"


@pytest.fixture(autouse=True)
def mailed_at_once(monkeypatch):
    """The test's own transaction never commits: what waits for that goes out when it is asked for."""
    monkeypatch.setattr(notices, "when_committed", lambda work, *args, **named: work(*args, **named))


@pytest.fixture
def person() -> User:
    return UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))


def sign_in(person: User, client: Client | None = None) -> Client:
    client = client or new_browser()
    client.post(LOGIN, {"login": person.email, "password": PASSWORD})
    assert client.get(reverse("home")).status_code == 200
    return client


def first_seen(person: User) -> int:
    return AuditEvent.objects.filter(target_id=str(person.pk), kind=FIRST_SEEN).count()


def told(person: User) -> int:
    return sum("new browser" in message.subject for message in mail.outbox if person.email in message.to)


@pytest.mark.security(70)
def test_the_cookie_is_for_the_site_alone_and_for_no_script(person):
    client = new_browser()
    cookie = client.post(LOGIN, {"login": person.email, "password": PASSWORD}).cookies[NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Lax", "/", "")
    assert int(cookie["max-age"]) == 400 * 24 * 60 * 60
    assert len(cookie.value) == 43  # 256 bits


def test_no_browser_is_named_before_somebody_is_signed_in(person):
    secret = enrol_totp(person)
    client = new_browser()
    client.get(LOGIN)
    client.post(LOGIN, {"login": person.email, "password": "wrong"})
    client.post(LOGIN, {"login": person.email, "password": PASSWORD})
    client.get(SECOND)
    client.post(SECOND, {"method": "totp", "code": "000000"})
    assert (token_of(client), Browser.objects.count()) == ("", 0)
    client.post(SECOND, {"method": "totp", "code": next_code(secret)})
    assert Browser.objects.get().digest == browsers.digest_of(token_of(client))


@pytest.mark.security(29)
def test_the_first_browser_of_all_is_no_news_and_every_later_one_is(person):
    sign_in(person)
    assert (first_seen(person), told(person)) == (0, 0)
    sign_in(person)
    assert (first_seen(person), told(person)) == (1, 1)
    event = AuditEvent.objects.get(kind=FIRST_SEEN)
    assert event.payload["browser"] == str(Browser.objects.latest("first_seen_at").pk)


def test_a_known_browser_is_no_news_and_its_row_says_when_it_was_used(person, clock):
    client = sign_in(person)
    before = Browser.objects.get()
    clock.forward(timedelta(days=100))
    sign_out(client)
    sign_in(person, client)
    after = Browser.objects.get()
    assert (first_seen(person), after.pk, after.digest) == (0, before.pk, before.digest)
    assert after.last_seen_at - before.last_seen_at > timedelta(days=99)
    assert Session.objects.filter(person=person).latest("created_at").browser == after.pk


def test_two_people_of_one_browser_are_told_apart_and_each_is_told_once(person):
    client = sign_in(person)
    other = UserFactory(tenant=person.tenant)
    sign_in(other)
    sign_out(client)
    sign_in(other, client)
    assert (first_seen(person), first_seen(other)) == (0, 1)
    sign_out(client)
    sign_in(other, client)
    sign_out(client)
    sign_in(person, client)
    assert (first_seen(person), first_seen(other)) == (0, 1)
    assert Browser.objects.filter(digest=browsers.digest_of(token_of(client))).count() == 2


@pytest.mark.security(69)
@pytest.mark.parametrize("forged", ["A" * 43, "", "x", "A" * 4000, "ü" * 43, "a b", "' OR 1=1 --"])
def test_a_token_that_was_not_made_here_is_never_taken_up(person, forged):
    sign_in(person)
    client = sign_in(person, new_browser(forged))
    assert token_of(client) not in ("", forged)
    assert not Browser.objects.filter(digest=browsers.digest_of(forged)).exists()
    assert first_seen(person) == 1


def test_the_table_holds_no_token(person):
    client = sign_in(person)
    held = [str(value) for value in Browser.objects.values().get().values()]
    assert all(token_of(client) not in value for value in held)


def test_a_browser_is_forgotten_when_its_cookie_is_gone(person, clock):
    sign_in(person)
    clock.forward(timedelta(days=399))
    call_command("purge_expired", verbosity=0)
    assert Browser.objects.exists()
    clock.forward(timedelta(days=2))
    call_command("purge_expired", verbosity=0)
    assert not Browser.objects.exists()
    assert not browsers.forgotten(timezone.now()).exists()


@pytest.mark.security(70)
def test_behind_https_the_cookie_is_secure(person, settings):
    settings.SESSION_COOKIE_SECURE = True
    assert new_browser().post(LOGIN, {"login": person.email, "password": PASSWORD}).cookies[NAME]["secure"] is True
