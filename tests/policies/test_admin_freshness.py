"""Whoever gives or takes rights proved a factor minutes ago: an administrator's open session is not enough."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role, Tenant, User
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.factories import (
    AdministratorFactory,
    UserFactory,
    client_of,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.security(51)]

REAUTHENTICATE = reverse("mfa_reauthenticate")
ADD = reverse("admin:accounts_user_add")


@pytest.fixture
def person(tenant: Tenant) -> User:
    return UserFactory(tenant=tenant)


@pytest.fixture
def client(tenant: Tenant) -> Client:
    """An administrator's browser, verified ten minutes ago."""
    administrator = AdministratorFactory(tenant=tenant)
    enrol_totp(administrator)
    then = timezone.now() - timedelta(minutes=10)
    return client_of(administrator, password_proof(), proof_of(live_binding(administrator), at=then))


def change(client: Client, person: User, **fields: str) -> str:
    said = {"name": person.name, "language": "", "role": person.role, "is_active": "on"} | fields
    return client.post(page_of(person), said)["Location"]


def page_of(person: User) -> str:
    return reverse("admin:accounts_user_change", args=[person.pk])


def test_a_session_left_open_makes_nobody_an_administrator(client: Client, person: User) -> None:
    assert change(client, person, role=Role.ADMINISTRATOR).startswith(REAUTHENTICATE)
    person.refresh_from_db()
    assert person.role == Role.USER
    refusal = AuditEvent.objects.get(kind=Kind.ADMIN_REFUSED)
    assert refusal.payload == {"page": page_of(person), "reason": "not_fresh"}
    assert refusal.actor_id == client.session["_auth_user_id"]


def test_a_session_left_open_adds_nobody(client: Client) -> None:
    said = {"email": "new@example.com", "name": "New", "role": Role.ADMINISTRATOR, "language": ""}
    assert client.post(ADD, said)["Location"].startswith(REAUTHENTICATE)
    assert not User.objects.filter(email="new@example.com").exists()
    assert AuditEvent.objects.get(kind=Kind.ADMIN_REFUSED).payload == {"page": ADD, "reason": "not_fresh"}


def test_being_asked_for_a_proof_before_the_form_is_no_refusal(client: Client) -> None:
    assert client.get(ADD)["Location"].startswith(REAUTHENTICATE)
    assert not AuditEvent.objects.filter(kind=Kind.ADMIN_REFUSED).exists()


def test_a_name_is_no_right(client: Client, person: User) -> None:
    assert change(client, person, name="Another Name") == reverse("admin:accounts_user_changelist")
    person.refresh_from_db()
    assert person.name == "Another Name"
