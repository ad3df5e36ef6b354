"""What a tenant's administrator may write in the admin, and everything they might try to smuggle in."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django_tasks_db.models import DBTaskResult

from accounts.models import Binding, Role, Session, Tenant, User
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.factories import UserFactory
from tests.policies.admin_scene import Side, a_group, last_event, url

pytestmark = [pytest.mark.django_db, pytest.mark.security(84)]


@pytest.fixture
def mine() -> Side:
    return Side()


@pytest.fixture
def theirs() -> Side:
    return Side()


@pytest.fixture
def client(mine: Side) -> Client:
    return mine.client()


def label(model: type[Model]) -> str:
    return model.__name__


def smuggled(theirs: Side) -> dict[str, Any]:
    return {
        "tenant": str(theirs.tenant.pk),
        "tenant_id": str(theirs.tenant.pk),
        "is_superuser": "on",
        "is_staff": "on",
        "groups": [str(a_group().pk)],
        "user_permissions": ["1"],
        "password": "taken over",
        "security_version": "99",
        "mfa_enrolled_at_0": "2020-01-01",
        "mfa_enrolled_at_1": "00:00",
        "id": str(theirs.person.pk),
    }


def test_a_person_is_changed_in_the_fields_of_the_form_and_no_other(client: Client, mine: Side, theirs: Side) -> None:
    before = User.objects.get(pk=mine.person.pk)
    typed = {"name": "New name", "role": Role.USER, "is_active": "on", "language": "", "email": "new@example.com"}
    response = client.post(url(User, "change", mine.person.pk), typed | smuggled(theirs))
    assert response.status_code == 302
    after = User.objects.get(pk=mine.person.pk)
    assert after.name == "New name"
    for name in ("tenant_id", "is_superuser", "password", "email", "mfa_enrolled_at", "pk"):
        assert getattr(after, name) == getattr(before, name), name
    assert not after.groups.exists()
    assert last_event(Kind.PERSON_CHANGED).payload["after"] == {"name": "New name"}


def test_who_is_added_belongs_to_ones_own_tenant(client: Client, mine: Side, theirs: Side) -> None:
    typed = {"email": "New@Example.com", "name": "New", "role": Role.USER, "language": ""}
    response = client.post(url(User, "add"), typed | smuggled(theirs))
    assert response.status_code == 302
    added = User.objects.get(email="new@example.com")
    assert added.tenant_id == mine.tenant.pk
    assert not added.is_superuser
    assert not added.has_usable_password()
    assert not added.groups.exists()


def test_nobody_changes_their_own_rights(client: Client, mine: Side, theirs: Side) -> None:
    typed = {"name": "Me", "role": Role.USER, "language": ""}  # without is_active: unticked
    response = client.post(url(User, "change", mine.administrator.pk), typed | smuggled(theirs))
    assert response.status_code == 302
    me = User.objects.get(pk=mine.administrator.pk)
    assert (me.name, me.role, me.is_active, me.is_superuser) == ("Me", Role.ADMINISTRATOR, True, False)
    assert me.tenant_id == mine.tenant.pk


def test_a_platform_administrator_of_ones_tenant_is_seen_and_not_touched(mine: Side) -> None:
    boss = UserFactory(tenant=mine.tenant, is_superuser=True)
    client = mine.client()
    page = url(User, "change", boss.pk)
    assert client.get(page).status_code == 200
    assert client.post(page, {"name": "x", "role": Role.USER, "language": ""}).status_code == 403
    assert client.get(f"{reverse('admin:accounts_user_reset_mfa')}?ids={boss.pk}").status_code == 302
    boss.refresh_from_db()
    assert boss.is_active


def test_a_tenants_administrator_keeps_its_particulars_alone(client: Client, mine: Side, theirs: Side) -> None:
    typed = {
        "name": "Renamed",
        "slug": "other",
        "time_zone": "Europe/Berlin",
        "totp_issuer": "",
        "domains": theirs.tenant.domains.get().domain,
        "is_default": "on",
        "policy_version": "99",
        "second_approver": "administrators",
        "wait_hours": "0",
        "administrators_wait_hours": "24",
    }
    assert client.post(url(Tenant, "change", mine.tenant.pk), typed).status_code == 302
    tenant = Tenant.objects.get(pk=mine.tenant.pk)
    assert (tenant.name, tenant.time_zone) == ("Renamed", "Europe/Berlin")
    assert (tenant.slug, tenant.is_active, tenant.is_default) == (mine.mark, True, False)
    assert tenant.domains.get().domain == f"{mine.mark}.example"
    assert client.get(url(Tenant, "add")).status_code == 403


def test_saving_as_new_is_adding(client: Client, mine: Side, theirs: Side) -> None:
    before = User.objects.count()
    response = client.post(url(User, "change", theirs.person.pk), {"_saveasnew": "1", "name": "x"})
    assert response.status_code == 200  # the empty form to add somebody, with its errors
    assert theirs.mark not in response.content.decode()
    assert User.objects.count() == before


@pytest.mark.parametrize("model", [Binding, Session, AuditEvent], ids=label)
def test_what_is_read_only_stays_as_it_is(client: Client, mine: Side, model: type[Model]) -> None:
    thing = mine.id_of(model)
    rows = model._default_manager.filter(**{"public_id" if model is Session else "pk": thing})
    before = rows.values().get()
    for address in (url(model, "change", thing), url(model, "delete", thing), url(model, "add")):
        assert client.post(address, {"post": "yes", "name": "x", "kind": "webauthn"}).status_code == 403
    assert rows.values().get() == before


@pytest.mark.parametrize("model", [Group, DBTaskResult], ids=label)
def test_what_is_the_platforms_is_closed_to_tenants(client: Client, model: type[Model]) -> None:
    assert client.get(url(model)).status_code == 403
    assert client.get(url(model, "add")).status_code == 403
    assert client.get(url(model, "change", a_group().pk)).status_code == 404
    assert client.post(url(model), {"action": "x"}).status_code == 403
    shown = client.get(reverse("admin:index")).content.decode()
    assert url(model) not in shown
