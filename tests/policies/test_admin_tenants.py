"""Tenants in the admin: made with their policy, kept in order, never deleted."""

from typing import Any

import pytest
from django.test import Client

from accounts.flows import help_rules
from accounts.models import Tenant, TenantDomain, User
from audit.kinds import Kind
from policies.models import MFAPolicy
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, client_of, verified_client
from tests.policies.admin_scene import events, last_event, root, url

pytestmark = pytest.mark.django_db

ADD = url(Tenant, "add")


@pytest.fixture
def boss() -> User:
    return root()


@pytest.fixture
def client(boss: User) -> Client:
    return verified_client(boss)


def typed(**changes: str) -> dict[str, str]:
    particulars = {"name": "Acme", "slug": "acme", "time_zone": "UTC", "totp_issuer": ""}
    return particulars | {"domains": ""} | changes


def form_of(tenant: Tenant, **changes: str) -> dict[str, str]:
    domains = "\n".join(tenant.domains.values_list("domain", flat=True))
    rules = {name: str(getattr(help_rules.chosen(tenant.pk), name)) for name in help_rules.FIELDS}
    return typed(name=tenant.name, domains=domains, is_active="on") | rules | changes


def test_a_tenant_is_made_with_a_policy_that_enforces(client: Client, boss: User) -> None:
    response = client.post(ADD, typed(domains="Acme.example\n mail.acme.example"))
    assert response.url == url(Tenant)
    tenant = Tenant.objects.get(slug="acme")
    assert (tenant.policy.code, tenant.policy.versions.get().enabled, tenant.policy_version) == ("pol-acme", True, 1)
    assert tenant.policy.versions.get().document["enforcement"] == "required"
    assert set(tenant.domains.values_list("domain", flat=True)) == {"acme.example", "mail.acme.example"}
    for kind in (Kind.TENANT_CREATED, Kind.POLICY_PUBLISHED, Kind.DOMAIN_ADDED):
        assert (last_event(kind).actor_id, last_event(kind).tenant_id) == (str(boss.pk), tenant.pk)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"slug": "taken"}, "slug"),
        ({"slug": "Taken"}, "slug"),
        ({"slug": "mfa-required"}, "slug"),
        ({"slug": "two words"}, "slug"),
        ({"name": ""}, "name"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"totp_issuer": "a:b"}, "totp_issuer"),
        ({"domains": "gmail.com"}, "domains"),
        ({"domains": "taken.example"}, "domains"),
        ({"domains": "not a domain!"}, "domains"),
        ({"domains": "x" * 4001}, "domains"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_nothing_is_made(client: Client, changes: dict[str, str], wrong: str) -> None:
    taken = TenantFactory(slug="taken")
    TenantDomain.objects.create(tenant=taken, domain="taken.example")
    tenants = Tenant.objects.count()
    response = client.post(ADD, typed(**changes))
    assert response.status_code == 200
    assert set(response.context["adminform"].form.errors) == {wrong}
    assert (Tenant.objects.count(), MFAPolicy.objects.count()) == (tenants, tenants)


def test_domains_are_given_and_taken_and_each_is_recorded(client: Client) -> None:
    tenant = TenantFactory()
    TenantDomain.objects.create(tenant=tenant, domain="old.example")
    page = url(Tenant, "change", tenant.pk)
    assert "old.example" in client.get(page).content.decode()
    assert client.post(page, form_of(tenant, domains="new.example")).status_code == 302
    assert tenant.domains.get().domain == "new.example"
    assert last_event(Kind.DOMAIN_ADDED).payload == {"domain": "new.example"}
    assert last_event(Kind.DOMAIN_REMOVED).payload == {"domain": "old.example"}


def test_a_change_is_recorded_and_no_change_is_not(client: Client) -> None:
    tenant = TenantFactory()
    page = url(Tenant, "change", tenant.pk)
    assert client.post(page, form_of(tenant)).status_code == 302
    assert not events(Kind.TENANT_CHANGED)
    assert client.post(page, form_of(tenant, totp_issuer="Two", slug="moved")).status_code == 302
    tenant.refresh_from_db()
    assert tenant.totp_issuer == "Two"
    assert tenant.slug != "moved"
    assert last_event(Kind.TENANT_CHANGED).payload["after"] == {"totp_issuer": "Two"}


# security 66
def test_a_tenant_that_is_switched_off_lets_nobody_in(client: Client) -> None:
    tenant = TenantFactory(rules={"enforcement": "optional"})
    theirs = client_of(UserFactory(tenant=tenant))
    assert theirs.get("/").status_code == 200
    off = form_of(tenant)
    del off["is_active"]
    client.post(url(Tenant, "change", tenant.pk), off)
    assert theirs.get("/").status_code == 403
    assert last_event(Kind.TENANT_DEACTIVATED).target_id == str(tenant.pk)
    client.post(url(Tenant, "change", tenant.pk), form_of(tenant))
    assert theirs.get("/").status_code == 200
    assert last_event(Kind.TENANT_ACTIVATED).target_id == str(tenant.pk)


def test_the_default_tenant_stays_switched_on(client: Client) -> None:
    default = Tenant.objects.get(is_default=True)
    off = form_of(default)
    del off["is_active"]
    assert client.post(url(Tenant, "change", default.pk), off).status_code == 302
    default.refresh_from_db()
    assert default.is_active


def test_no_tenant_is_deleted(client: Client) -> None:
    tenant = TenantFactory()
    assert client.post(url(Tenant, "delete", tenant.pk), {"post": "yes"}).status_code == 403
    assert Tenant.objects.filter(pk=tenant.pk).exists()


def test_a_tenants_administrator_sees_its_domains_and_leads_to_its_policy() -> None:
    tenant = TenantFactory()
    TenantDomain.objects.create(tenant=tenant, domain="ours.example")
    client = verified_client(AdministratorFactory(tenant=tenant))
    body = client.get(url(Tenant, "change", tenant.pk)).content.decode()
    assert "ours.example" in body
    assert 'name="domains"' not in body
    assert url(MFAPolicy, "change", tenant.policy.pk) in body


def test_a_tenant_without_a_policy_is_said_to_be_closed(client: Client) -> None:
    tenant = TenantFactory()
    tenant.policy.delete()
    assert "None: nobody is let in" in client.get(url(Tenant, "change", tenant.pk)).content.decode()


def test_the_list_costs_the_same_for_many_tenants(client: Client, django_assert_num_queries: Any) -> None:
    client.get(url(Tenant))
    for _ in range(2):
        UserFactory(tenant=TenantFactory())
        with django_assert_num_queries(3):  # the session of the request, the count, the rows
            assert client.get(url(Tenant)).status_code == 200
