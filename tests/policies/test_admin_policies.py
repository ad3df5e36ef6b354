"""Policies in the admin: read in sentences, changed by publishing, never silently."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant, User
from audit.kinds import Kind
from policies import document as documents
from policies.admin.policy_form import PolicyForm
from policies.models import MFAPolicy, PolicyVersion
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, client_of, publish_rules, verified_client
from tests.policies.admin_scene import events, last_event, root, stale_client, url

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory()


@pytest.fixture
def administrator(tenant: Tenant) -> User:
    return AdministratorFactory(tenant=tenant)


@pytest.fixture
def client(administrator: User) -> Client:
    return verified_client(administrator)


def page_of(tenant: Tenant) -> str:
    return url(MFAPolicy, "change", tenant.policy.pk)


def newest(tenant: Tenant) -> PolicyVersion:
    return PolicyVersion.objects.filter(policy__tenant=tenant).latest("number")


def typed(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    """What the form sends when nothing but these is changed; None leaves a field out."""
    form = PolicyForm(current=newest(tenant))
    values = {bound.name: bound.value() for bound in form} | {"reason": "because"} | changes
    return {name: "on" if value is True else value for name, value in values.items() if value not in (None, False, [])}


def publish(client: Client, tenant: Tenant, **changes: Any) -> Any:
    return client.post(page_of(tenant), typed(tenant, **changes))


def errors_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200
    return response.context["form"].errors


def test_the_page_says_what_is_in_force_who_made_it_so_and_why(client: Client, tenant: Tenant) -> None:
    publish_rules(tenant, grace_days=7)
    body = client.get(page_of(tenant)).content.decode()
    for words in (*documents.summary(newest(tenant).document), "for a test", "The tenant was made.", "system"):
        assert words in body


def test_publishing_makes_a_version_and_records_it(client: Client, administrator: User, tenant: Tenant) -> None:
    before = newest(tenant)
    response = publish(
        client,
        tenant,
        enforcement="always",
        allowed=["totp", "webauthn"],
        preferred="totp",
        strong_roles=["administrator"],
        grace_days="3",
        second_factor_hours="8",
        passkey_login=True,
        reason=" After the incident. ",
    )
    assert response.url == page_of(tenant)
    after = newest(tenant)
    assert after.number == before.number + 1
    assert after.document == documents.default_document() | {
        "enforcement": "always",
        "allowed": ["totp", "webauthn"],
        "strength": {"administrator": "phishing_resistant"},
        "grace_days": 3,
        "second_factor_hours": 8,
        "passkey_login": True,
    }
    assert (after.author_id, after.reason, after.enabled) == (administrator.pk, "After the incident.", True)
    event = last_event(Kind.POLICY_PUBLISHED)
    assert (event.actor_id, event.tenant_id) == (str(administrator.pk), tenant.pk)
    assert (event.payload["before"], event.payload["after"]) == (before.document, after.document)
    assert event.payload["reason"] == "After the incident."


@pytest.mark.parametrize(
    ("chosen", "scope"),
    [
        ({"scope": "everyone", "scope_people": ["user"]}, None),
        ({"scope": "some", "scope_people": ["administrator", "user"]}, {"roles": ["user", "administrator"]}),
        ({"scope": "some", "scope_people": ["staff"]}, {"roles": [], "staff": True}),
    ],
    ids=str,
)
def test_the_scope_is_everyone_or_some(
    client: Client, tenant: Tenant, chosen: dict[str, Any], scope: dict[str, Any] | None
) -> None:
    response = publish(client, tenant, grace_days="1", **chosen)
    assert response.status_code == 302
    expected = {"everyone": True, "roles": [], "staff": False}
    assert newest(tenant).document["scope"] == expected | ({"everyone": False} | scope if scope else {})


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "  "}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"enforcement": "sometimes"}, "enforcement"),
        ({"grace_days": "91"}, "grace_days"),
        ({"grace_days": "-1"}, "grace_days"),
        ({"grace_days": "٣x"}, "grace_days"),
        ({"fresh_minutes": "6"}, "fresh_minutes"),
        ({"allowed": []}, "allowed"),
        ({"allowed": ["recovery_code"], "preferred": "recovery_code"}, "allowed"),
        ({"allowed": ["carrier_pigeon"]}, "allowed"),
        ({"allowed": ["totp"], "preferred": "totp", "strong_roles": ["user"]}, "strong_roles"),
        ({"allowed": ["totp"], "preferred": "totp", "passkey_login": True}, "passkey_login"),
        ({"scope": "some"}, "scope"),
        ({"scope": "some", "scope_people": ["emperor"]}, "scope_people"),
        ({"administrators_idle_minutes": "60"}, "administrators_idle_minutes"),
        ({"based_on": None}, "based_on"),
        ({}, "__all__"),
    ],
    ids=str,
)
def test_what_cannot_be_published_is_said_at_its_field(
    client: Client, tenant: Tenant, changes: dict[str, Any], wrong: str
) -> None:
    before = newest(tenant)
    response = publish(client, tenant, **changes)
    assert set(errors_of(response)) == {wrong}
    assert "Error:" in response.content.decode()
    assert newest(tenant) == before
    assert events(Kind.POLICY_PUBLISHED) == Tenant.objects.count()


def test_a_method_that_is_offered_first_has_to_be_allowed(client: Client, tenant: Tenant) -> None:
    response = publish(client, tenant, allowed=["totp"], preferred="webauthn")
    assert set(errors_of(response)) == {"preferred"}


def test_a_change_begun_from_an_older_version_overwrites_nothing(client: Client, tenant: Tenant) -> None:
    sent = typed(tenant, grace_days="1")
    publish_rules(tenant, grace_days=5)
    response = client.post(page_of(tenant), sent)
    assert "Somebody else changed this policy meanwhile." in str(errors_of(response))
    assert newest(tenant).document["grace_days"] == 5


# -- switching off ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"enabled": None}, {"enforcement": "optional"}, {"enforcement": "optional"}], ids=str)
def test_switching_off_warns_and_asks(client: Client, tenant: Tenant, how: dict[str, Any]) -> None:
    assert 'name="confirm_off"' not in client.get(page_of(tenant)).content.decode()
    warned = publish(client, tenant, **how)
    assert set(errors_of(warned)) == {"confirm_off"}
    assert 'name="confirm_off"' in warned.content.decode()
    assert newest(tenant).number == 1
    assert publish(client, tenant, confirm_off=True, **how).status_code == 302
    assert newest(tenant).number == 2


# security 66
def test_off_and_on_again_restores_the_level_and_bites_at_the_next_request(client: Client, tenant: Tenant) -> None:
    theirs = client_of(UserFactory(tenant=tenant))
    assert theirs.get("/").url.startswith(reverse("mfa_enrol"))
    publish(client, tenant, enabled=None, confirm_off=True)
    assert theirs.get("/").status_code == 200
    assert last_event(Kind.POLICY_SWITCHED_OFF).tenant_id == tenant.pk
    assert publish(client, tenant, enabled=True).status_code == 302
    assert newest(tenant).document["enforcement"] == "required"
    assert theirs.get("/").url.startswith(reverse("mfa_enrol"))
    assert last_event(Kind.POLICY_SWITCHED_ON).tenant_id == tenant.pk


def test_a_policy_that_is_off_is_changed_without_a_warning(client: Client, tenant: Tenant) -> None:
    publish_rules(tenant, enabled=False)
    assert publish(client, tenant, grace_days="1").status_code == 302
    assert not newest(tenant).enabled


# -- freshness -------------------------------------------------------------------------------------------------


# security 51
def test_publishing_needs_a_fresh_factor_and_reading_does_not(administrator: User, tenant: Tenant) -> None:
    client = stale_client(administrator)
    page = client.get(page_of(tenant))
    assert page.status_code == 200
    assert page.context["form"] is None
    assert reverse("mfa_reauthenticate") in page.content.decode()
    response = publish(client, tenant, grace_days="1")
    assert response.url.startswith(reverse("mfa_reauthenticate") + "?next=%2Fadmin%2Fpolicies")
    assert newest(tenant).number == 1


# -- the rest --------------------------------------------------------------------------------------------------


def test_no_policy_is_added_or_deleted_by_hand(tenant: Tenant) -> None:
    client = verified_client(root())
    assert client.get(url(MFAPolicy, "add")).status_code == 403
    assert client.post(url(MFAPolicy, "delete", tenant.policy.pk), {"post": "yes"}).status_code == 403
    assert MFAPolicy.objects.filter(tenant=tenant).exists()


def test_a_document_that_cannot_be_read_is_said_to_be_strict(tenant: Tenant) -> None:
    client = verified_client(root())
    PolicyVersion.objects.filter(policy__tenant=tenant).update(document={"schema": 99})
    body = client.get(page_of(tenant)).content.decode()
    assert "the strictest rules apply" in body
    assert client.get(url(PolicyVersion, "change", newest(tenant).pk)).status_code == 200


def test_a_policy_without_any_version_is_shown_and_can_be_mended(tenant: Tenant) -> None:
    client = verified_client(root())
    PolicyVersion.objects.filter(policy__tenant=tenant).delete()
    assert "None: nobody is let in" in client.get(url(MFAPolicy)).content.decode()
    assert client.get(page_of(tenant)).status_code == 200


def test_methods_beyond_the_sites_ceiling_are_named(client: Client, tenant: Tenant, settings: Any) -> None:
    settings.MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
    assert "Not available on this site: Passkey or security key." in client.get(page_of(tenant)).content.decode()


def test_a_version_shows_sentences_document_and_reason(client: Client, tenant: Tenant) -> None:
    body = client.get(url(PolicyVersion, "change", newest(tenant).pk)).content.decode()
    assert "The tenant was made." in body
    assert "second_factor_hours" in body
    assert documents.summary(newest(tenant).document)[0] in body


@pytest.mark.parametrize("model", [MFAPolicy, PolicyVersion], ids=lambda model: model.__name__)
def test_the_lists_cost_the_same_for_many_policies(model: Any, django_assert_num_queries: Any) -> None:
    client = verified_client(root())
    client.get(url(model))
    for _ in range(2):
        TenantFactory()
        # the request's session, the tenants to filter by, the count, the rows; and the versions in force
        with django_assert_num_queries(5 if model is MFAPolicy else 4):
            assert client.get(url(model)).status_code == 200
