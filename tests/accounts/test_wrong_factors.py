"""Whoever gives wrong second factors knows the password: its owner is told, once in an hour."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.assurance import Method
from accounts.errors import AccountsError
from accounts.flows import verification
from accounts.models import Binding, User
from tests.factories import PASSWORD, TenantFactory, UserFactory, enrol_recovery_codes, enrol_totp, next_code

pytestmark = [pytest.mark.django_db, pytest.mark.security(29)]
TOLD = "Wrong codes at your sign-in"


@pytest.fixture
def person() -> User:
    person = UserFactory(tenant=TenantFactory())
    person.secret = enrol_totp(person)
    enrol_recovery_codes(person)
    mail.outbox.clear()
    return person


@pytest.fixture
def wrong(django_capture_on_commit_callbacks):
    def give(person: User, method: Method = Method.TOTP, said: str = "000000") -> None:
        with django_capture_on_commit_callbacks(execute=True), pytest.raises(AccountsError):
            verification.check_code(person, method, said)

    return give


def told(words: str = TOLD) -> int:
    return sum(words in message.subject for message in mail.outbox)


def test_the_third_is_told_and_no_other_of_that_hour(person, wrong):
    for number in range(1, 5):
        wrong(person)
        assert told() == (number >= 3)


def test_all_kinds_count_together(person, wrong):
    wrong(person)
    wrong(person, Method.RECOVERY_CODE, "no such code")
    wrong(person)
    assert told() == 1


def test_the_next_hour_is_told_anew(person, wrong):
    for _try in range(3):
        wrong(person)
    Binding.objects.update(failures=0)
    with time_machine.travel(timezone.now() + timedelta(minutes=61), tick=False):
        for _try in range(3):
            wrong(person)
    assert told() == 2


def test_keys_count_too(person, django_capture_on_commit_callbacks):
    """Through the page, where somebody with the right password answers with anything."""
    client = Client(HTTP_HOST="localhost")
    client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    for number in range(1, 4):
        with django_capture_on_commit_callbacks(execute=True):
            client.post(reverse("mfa_authenticate"), {"method": "webauthn", "credential": "{}"})
        assert told() == (number == 3)


def test_who_gets_in_after_that_is_told_of(person, wrong, django_capture_on_commit_callbacks):
    for _try in range(3):
        wrong(person)
    Binding.objects.update(paused_until=None)
    with django_capture_on_commit_callbacks(execute=True):
        verification.check_code(person, Method.TOTP, next_code(person.secret))
    assert told("A sign-in after wrong codes") == 1


def test_a_slip_of_the_finger_is_not_told(person, wrong, django_capture_on_commit_callbacks):
    wrong(person)
    wrong(person)
    with django_capture_on_commit_callbacks(execute=True):
        verification.check_code(person, Method.TOTP, next_code(person.secret))
    assert not mail.outbox


def test_a_wrong_password_tells_nobody_anything(person, django_capture_on_commit_callbacks):
    client = Client(HTTP_HOST="localhost")
    with django_capture_on_commit_callbacks(execute=True):
        for _try in range(4):
            client.post(reverse("account_login"), {"login": person.email, "password": "wrong"})
    assert not mail.outbox
