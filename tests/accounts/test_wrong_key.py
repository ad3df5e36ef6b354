"""With a wrong key the site runs: codes of apps meet a clear page, an alarm is recorded, and nothing is changed."""

from http import HTTPStatus

import pytest
from django.apps import apps as installed
from django.test import Client
from django.urls import reverse

from accounts import canary
from accounts.models import Session
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.accounts.sealed_scene import add_key, events, new_key
from tests.factories import PASSWORD, UserFactory, enrol_recovery_codes, enrol_totp, next_code
from tests.policies.publishing_scene import give_key

pytestmark = [pytest.mark.django_db, pytest.mark.security(86)]
AT_WORK = {Session, AuditEvent}  # what a visit alone changes


@pytest.fixture(autouse=True)
def new_process(monkeypatch) -> None:
    """A process that has not looked yet."""
    monkeypatch.setattr(canary, "_last", None)


def picture() -> dict[str, list]:
    """Every row of ours, but for sessions and the record."""
    ours = [installed.get_app_config(room).get_models() for room in ("accounts", "mfa", "policies")]
    return {str(model): list(model.objects.values()) for room in ours for model in room if model not in AT_WORK}


def at_the_second_factor(person) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    return client


def test_a_code_meets_a_clear_page_with_an_alarm_and_nothing_is_changed(settings):
    person = UserFactory()
    secret = enrol_totp(person)
    enrol_recovery_codes(person)
    right = settings.MFA_ENCRYPTION_KEYS
    client = at_the_second_factor(person)
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    before = picture()
    answer = client.post(reverse("mfa_authenticate"), {"method": "totp", "code": next_code(secret)})
    assert (answer.status_code, answer["Retry-After"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "60")
    words = answer.content.decode()
    assert "Codes from authenticator apps cannot be checked just now" in words
    assert "recovery code still works" in words
    assert picture() == before
    assert len(events(Kind.KEY_CANARY_FAILED)) == 1
    settings.MFA_ENCRYPTION_KEYS = right
    answer = client.post(reverse("mfa_authenticate"), {"method": "totp", "code": next_code(secret)})
    assert answer.status_code == HTTPStatus.FOUND


@pytest.mark.parametrize("has_codes", [True, False])
def test_the_page_itself_says_so_before_anybody_types_or_spends_a_code(settings, has_codes):
    person = UserFactory()
    enrol_totp(person)
    if has_codes:
        enrol_recovery_codes(person)
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    client = at_the_second_factor(person)
    before = picture()
    answer = client.get(reverse("mfa_authenticate"))
    assert (answer.status_code, answer["Retry-After"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "60")
    words = answer.content.decode()
    assert "Codes from authenticator apps cannot be checked just now" in words
    assert ('value="recovery_code"' in words) is has_codes
    assert 'value="totp"' not in words
    assert picture() == before


def test_who_has_no_app_is_not_told_of_it(settings):
    person = UserFactory()
    give_key(person)
    client = at_the_second_factor(person)
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    answer = client.get(reverse("mfa_authenticate"))
    assert answer.status_code == HTTPStatus.OK
    assert "cannot be checked just now" not in answer.content.decode()


def test_a_recovery_code_still_lets_in(settings):
    person = UserFactory()
    enrol_totp(person)
    codes = enrol_recovery_codes(person)
    client = at_the_second_factor(person)
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    answer = client.post(reverse("mfa_authenticate"), {"method": "recovery_code", "code": codes[0]})
    assert answer.status_code == HTTPStatus.FOUND
    assert events(Kind.SIGN_IN_COMPLETED)


def test_a_code_under_a_key_that_was_taken_out_meets_the_same_page_and_costs_no_try(settings):
    person = UserFactory()
    secret = enrol_totp(person)
    client = at_the_second_factor(person)
    old = settings.MFA_ENCRYPTION_KEYS
    add_key(settings)
    settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[:1]
    before = picture()
    answer = client.post(reverse("mfa_authenticate"), {"method": "totp", "code": next_code(secret)})
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert picture() == before
    assert events(Kind.AUTHENTICATOR_UNREADABLE)[-1].payload["reason"] == "unknown_key"
    settings.MFA_ENCRYPTION_KEYS = [*settings.MFA_ENCRYPTION_KEYS, *old]
    answer = client.post(reverse("mfa_authenticate"), {"method": "totp", "code": next_code(secret)})
    assert answer.status_code == HTTPStatus.FOUND
