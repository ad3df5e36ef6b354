"""The page of a version on trial: whom it would have stopped, why, how often; and the end of the trial."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant, User
from audit.kinds import Kind
from policies.admin import report_pages
from policies.models import DecidedSignIn, MFAPolicy
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, client_of, verified_client
from tests.policies.admin_scene import events, last_event, stale_client, url
from tests.policies.publishing_scene import published

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(name="Acme", rules={"enforcement": "optional"})


@pytest.fixture
def administrator(tenant: Tenant) -> User:
    return AdministratorFactory(tenant=tenant, email="ada@acme.example")


@pytest.fixture
def client(administrator: User) -> Client:
    client = verified_client(administrator)
    published(administrator, grace_days=0, how={"mode": "report"})
    return client


def page_of(tenant: Tenant, page: str = "report") -> str:
    return url(MFAPolicy, page, tenant.policy.pk)


def comes_in(person: User) -> None:
    assert client_of(person).get("/").status_code == 200


def test_the_page_names_everybody_once_with_the_reason_and_the_last_time(client: Client, tenant: Tenant) -> None:
    assert "It would have stopped nobody so far" in client.get(page_of(tenant)).content.decode()
    stopped, other = UserFactory(tenant=tenant, name="<b>Bea</b>"), UserFactory(tenant=tenant)
    for _ in range(2):
        comes_in(stopped)
    comes_in(other)
    response = client.get(page_of(tenant))
    body = response.content.decode()
    assert "It would have stopped 2 people who got in" in body
    found = {one["person"]: one for one in response.context["people"]}
    assert (found[stopped]["times"], found[other]["times"]) == (2, 1)
    last = DecidedSignIn.objects.filter(person_id=stopped.pk).latest("at")
    assert found[stopped]["last"] == last.at
    assert f"{stopped.email} has not set it up" in body
    assert "&lt;b&gt;Bea&lt;/b&gt;" in body
    assert reverse("admin:accounts_user_change", args=[stopped.pk]) in body
    assert "It would have stopped 2 people." in client.get(page_of(tenant, "change")).content.decode()
    assert "it would have stopped 2 people." in client.get(reverse("admin:index")).content.decode()


def test_the_people_are_paged_at_a_constant_cost(
    client: Client, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(report_pages, "PEOPLE", 2)
    for _ in range(3):
        comes_in(UserFactory(tenant=tenant))
    client.get(page_of(tenant))
    with django_assert_max_num_queries(9):
        first = client.get(page_of(tenant))
    second = client.get(page_of(tenant) + "?p=2")
    assert [len(one.context["people"]) for one in (first, second)] == [2, 1]
    assert "3 people" in second.content.decode()
    assert not {one["person"] for one in first.context["people"]} & {one["person"] for one in second.context["people"]}


def test_who_is_gone_and_what_cannot_be_read_is_said(client: Client, tenant: Tenant) -> None:
    gone, kept = UserFactory(tenant=tenant), UserFactory(tenant=tenant)
    comes_in(gone)
    comes_in(kept)
    gone.delete()
    DecidedSignIn.objects.filter(person_id=kept.pk).update(facts={"schema": 99})
    response = client.get(page_of(tenant))
    assert "Somebody who is no longer in this tenant" in response.content.decode()
    assert [one["why"] for one in response.context["people"]] == [[], []]


def test_another_tenants_people_are_not_in_it(client: Client, tenant: Tenant) -> None:
    other = AdministratorFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))
    published(other, grace_days=0, how={"mode": "report"})
    comes_in(UserFactory(tenant=other.tenant))
    assert DecidedSignIn.objects.filter(tenant=other.tenant, would_stop=2).exists()
    assert client.get(page_of(tenant)).context["people"] == []
    assert "nobody so far" in client.get(reverse("admin:index")).content.decode()


def test_without_a_trial_the_page_says_how_to_begin_one(administrator: User, tenant: Tenant) -> None:
    body = verified_client(administrator).get(page_of(tenant)).content.decode()
    assert "Nothing is on trial" in body
    assert "report/stop" not in body


def test_the_trial_ends_with_a_reason(client: Client, administrator: User, tenant: Tenant) -> None:
    response = client.post(page_of(tenant, "report_stop"), {"reason": "Seen enough."}, follow=True)
    assert "The trial is over." in response.content.decode()
    assert MFAPolicy.objects.get(tenant=tenant).report_version is None
    event = last_event(Kind.POLICY_REPORT_STOPPED)
    assert (event.actor_id, event.payload["version"], event.payload["reason"]) == (
        str(administrator.pk),
        2,
        "Seen enough.",
    )
    again = client.post(page_of(tenant, "report_stop"), {"reason": "Once more."}, follow=True)
    assert "There is nothing to confirm any more." in again.content.decode()


@pytest.mark.parametrize("reason", ["", "  ", None], ids=repr)
def test_without_a_reason_the_trial_goes_on(client: Client, tenant: Tenant, reason: str | None) -> None:
    sent = {} if reason is None else {"reason": reason}
    response = client.post(page_of(tenant, "report_stop"), sent, follow=True)
    assert "Say why you make this change" in response.content.decode()
    assert MFAPolicy.objects.get(tenant=tenant).report_version == 2
    assert events(Kind.POLICY_REPORT_STOPPED) == 0


def test_a_very_long_reason_is_kept_as_far_as_it_goes(client: Client, tenant: Tenant) -> None:
    client.post(page_of(tenant, "report_stop"), {"reason": "x" * 600})
    assert last_event(Kind.POLICY_REPORT_STOPPED).payload["reason"] == "x" * 500


@pytest.mark.security(51)
def test_ending_a_trial_needs_a_fresh_factor(client: Client, administrator: User, tenant: Tenant) -> None:
    response = stale_client(administrator).post(page_of(tenant, "report_stop"), {"reason": "r"})
    assert response.url.startswith(reverse("mfa_reauthenticate"))
    assert MFAPolicy.objects.get(tenant=tenant).report_version == 2
