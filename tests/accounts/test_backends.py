"""Who is found by a mail address and a password: whoever verified it first of all, and nobody at less cost."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import authenticate
from django.test import Client
from django.urls import reverse

from accounts import backends
from accounts.models import User
from tests.factories import PASSWORD, TenantFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.security(53)]
LOGIN = reverse("account_login")
OTHER = "another long pass phrase"


@pytest.fixture
def person() -> User:
    person: User = UserFactory(tenant=TenantFactory())
    return person


def found(address: str, password: str = PASSWORD) -> User | None:
    return authenticate(None, email=address, password=password)  # type: ignore[return-value]


def test_person_address_and_tenant_are_found_in_one_statement(person, django_assert_num_queries):
    with django_assert_num_queries(1):
        one = found(person.email)
        assert one == person
        assert one.tenant == person.tenant
        assert backends.has_just_verified(one, person.email)


def test_nothing_is_taken_for_verified_but_the_address_that_was_found(person):
    one = found(person.email)
    assert not backends.has_just_verified(one, "other@example.com")
    assert not backends.has_just_verified(one, None)
    assert not backends.has_just_verified(person, person.email)  # an instance that was not found by it
    assert not backends.has_just_verified(User(), None)


def test_whoever_verified_an_address_has_it_before_whoever_only_named_it(person):
    thief = UserFactory(password=OTHER)
    EmailAddress.objects.create(user=thief, email=person.email, verified=False)
    assert found(person.email) == person
    assert found(person.email, OTHER) is None


def test_who_did_not_verify_theirs_is_found_and_goes_no_further(person):
    EmailAddress.objects.filter(user=person).update(verified=False)
    one = found(person.email)
    assert one == person
    assert not backends.has_just_verified(one, person.email)
    response = Client().post(LOGIN, {"login": person.email, "password": PASSWORD})
    assert response["Location"] == reverse("account_email_verification_sent")


def test_so_is_who_has_an_address_without_a_row(person):
    EmailAddress.objects.filter(user=person).delete()
    assert found(person.email) == person
    response = Client().post(LOGIN, {"login": person.email, "password": PASSWORD})
    assert response["Location"] == reverse("account_email_verification_sent")


def test_an_address_that_nobody_has_costs_the_work_of_a_password(person, monkeypatch):
    made: list[str] = []
    monkeypatch.setattr(User, "set_password", lambda self, password: made.append(password))
    assert found("nobody@example.com") is None
    assert made == [PASSWORD]
    assert found(person.email, "wrong") is None
    assert made == [PASSWORD]  # that one was checked
