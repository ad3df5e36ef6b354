"""Deleting people in the admin: the platform's, with a reason, and never oneself."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.errors import NotAllowed
from accounts.flows import deletion
from accounts.models import Tenant, User
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.factories import UserFactory, client_of, enrol_totp, verified_client
from tests.policies.admin_scene import last_event, root, stale_client, url

pytestmark = pytest.mark.django_db

LIST = url(User)


@pytest.fixture
def person(tenant: Tenant) -> User:
    return UserFactory(tenant=tenant)


def deletion_of(person: User, **changes: str) -> dict[str, str]:
    return {"reason": "left the company", "confirm": person.email} | changes


def test_a_platform_administrator_deletes_a_person_and_says_why(person: User) -> None:
    boss = root()
    client, theirs = verified_client(boss), client_of(person)
    enrol_totp(person)
    page = client.get(url(User, "delete", person.pk)).content.decode()
    assert "Authenticator app" in page
    assert client.post(url(User, "delete", person.pk), deletion_of(person)).url == LIST
    assert not User.objects.filter(pk=person.pk).exists()
    assert theirs.get("/").url.startswith("/accounts/login/")
    event = last_event(Kind.PERSON_DELETED)
    assert (event.actor_id, event.target_id, event.target_label) == (str(boss.pk), str(person.pk), person.email)
    assert event.payload == {"reason": "left the company"}
    assert event.tenant_id == person.tenant_id


@pytest.mark.parametrize("changes", [{"reason": ""}, {"reason": "   "}, {"confirm": "yes"}, {"confirm": ""}], ids=str)
def test_a_deletion_without_reason_or_confirmation_does_nothing(person: User, changes: dict[str, str]) -> None:
    response = verified_client(root()).post(url(User, "delete", person.pk), deletion_of(person, **changes))
    assert response.status_code == 200
    assert set(response.context["form"].errors) == set(changes)
    assert User.objects.filter(pk=person.pk).exists()


# security 51
def test_deleting_needs_a_fresh_factor(person: User) -> None:
    client = stale_client(root())
    for response in (
        client.get(url(User, "delete", person.pk)),
        client.post(url(User, "delete", person.pk), deletion_of(person)),
    ):
        assert response.url.startswith(reverse("mfa_reauthenticate"))
    assert User.objects.filter(pk=person.pk).exists()


def test_a_tenants_administrator_deletes_nobody(client: Client, person: User) -> None:
    assert client.get(url(User, "delete", person.pk)).status_code == 403
    assert client.post(url(User, "delete", person.pk), deletion_of(person)).status_code == 403
    assert url(User, "delete", person.pk) not in client.get(url(User, "change", person.pk)).content.decode()
    assert User.objects.filter(pk=person.pk).exists()


def test_nobody_deletes_themselves() -> None:
    boss = root()
    client = verified_client(boss)
    assert client.post(url(User, "delete", boss.pk), deletion_of(boss)).status_code == 403
    with pytest.raises(NotAllowed):
        deletion.delete(boss, actor=boss, session=client.session, reason="tired")
    assert User.objects.filter(pk=boss.pk).exists()


def test_the_flow_asks_for_a_reason_itself(person: User) -> None:
    boss = root()
    with pytest.raises(deletion.ReasonMissing):
        deletion.delete(person, actor=boss, session=verified_client(boss).session, reason=" ")
    assert not AuditEvent.objects.filter(kind=Kind.PERSON_DELETED).exists()
