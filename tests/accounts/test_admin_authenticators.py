"""Authenticators in the admin: read-only, complete, and without anything secret."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Binding, User
from tests.accounts import acts_scene
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    verified_client,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/accounts/binding/"


@pytest.fixture
def administrator() -> User:
    return AdministratorFactory(tenant=TenantFactory(), email="admin@keys.example")


@pytest.fixture
def client(administrator: User) -> Client:
    return verified_client(administrator)


@pytest.fixture
def person(administrator: User) -> User:
    person = UserFactory(tenant=administrator.tenant, email="person@keys.example")
    enrol_totp(person)
    return person


def page_of(client: Client, binding: Binding) -> str:
    return client.get(f"{LIST}{binding.pk}/change/").content.decode()


# security 58
def test_a_removed_authenticator_is_still_listed_with_who_removed_it(
    client: Client, administrator: User, person: User
) -> None:
    binding = live_binding(person)
    acts_scene.reset(person, actor=administrator, session=client.session)
    assert "Removed" in client.get(LIST, {"q": person.email}).content.decode()
    body = page_of(client, binding)
    assert "Removed" in body
    assert administrator.email in body
    assert "reset" in body


def test_who_acted_is_named_to_those_who_may_know_them(client: Client, administrator: User, person: User) -> None:
    binding = live_binding(person)
    assert "the person" in page_of(client, binding)
    outsider = UserFactory(tenant=TenantFactory(), email="outsider@elsewhere.example")
    Binding.objects.filter(pk=binding.pk).update(bound_by=outsider.pk)
    body = page_of(client, binding)
    assert outsider.email not in body
    assert "an administrator" in body
    Binding.objects.filter(pk=binding.pk).update(bound_by=None)
    assert "the site" in page_of(client, binding)
    Binding.objects.filter(pk=binding.pk).update(bound_by=outsider.pk)
    platform = verified_client(AdministratorFactory(is_superuser=True))
    assert outsider.email in page_of(platform, binding)


@pytest.mark.parametrize(("state", "words"), [("live", "In use"), ("locked", "Locked"), ("removed", "Removed")])
def test_authenticators_are_filtered_by_state(client: Client, person: User, state: str, words: str) -> None:
    live = live_binding(person)
    for column in ("locked_at", "unbound_at"):
        other = UserFactory(tenant=person.tenant)
        enrol_totp(other)
        Binding.objects.filter(person=other).update(**{column: live.bound_at})
    response = client.get(LIST, {"state": state, "q": "example"})
    assert words in response.content.decode()
    found = response.context["cl"].result_list
    assert (live in found) is (state == "live")
    assert len([one for one in found if one.person.role == "user"]) == 1


def test_authenticators_are_filtered_by_kind(client: Client, person: User) -> None:
    enrol_recovery_codes(person)
    found = client.get(LIST, {"kind": "recovery_code"}).context["cl"].result_list
    assert [one.kind for one in found] == ["recovery_code"]


def test_the_list_costs_the_same_for_many_authenticators(
    client: Client, administrator: User, person: User, django_assert_num_queries: Any
) -> None:
    client.get(LIST)
    for _ in range(2):
        enrol_totp(UserFactory(tenant=administrator.tenant))
        with django_assert_num_queries(3):  # the session of the request, the count, the rows
            assert client.get(LIST).status_code == 200
