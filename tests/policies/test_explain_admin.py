"""Why somebody was stopped or let in, as their administrator reads it."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.assurance import Method, Proof
from accounts.models import Tenant, User
from audit.kinds import Kind
from policies import kept
from policies.models import DecidedSignIn, MFAPolicy, PolicyDraft
from tests import factories
from tests.factories import TenantFactory, UserFactory, client_of, verified_client
from tests.policies.admin_scene import last_event, root, url

pytestmark = pytest.mark.django_db

KEYS_ONLY = {"strength": {"user": "phishing_resistant"}}


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(time_zone="Europe/Berlin")


@pytest.fixture
def person(tenant: Tenant) -> User:
    return UserFactory(tenant=tenant, name="Dana Set")


def page_of(client: Client, person: User) -> str:
    response = client.get(url(User, "change", person.pk))
    assert response.status_code == 200
    return response.content.decode()


def stopped(person: User) -> DecidedSignIn:
    """A sign-in of this person with a password alone, as the gate keeps it."""
    client_of(person).get(reverse("home"))
    return DecidedSignIn.objects.filter(person_id=person.pk).latest("id")


def sign_in_url(row: DecidedSignIn) -> str:
    return reverse("admin:accounts_user_sign_in", args=[row.person_id, row.pk])


def list_url(person: User, after: Any = "") -> str:
    address = reverse("admin:accounts_user_sign_ins", args=[person.pk])
    return f"{address}?{urlencode({'after': after})}" if after else address


def test_the_page_says_what_would_happen_at_the_next_sign_in_and_why(client: Client, person: User) -> None:
    text = page_of(client, person)
    assert "At the next sign-in Dana would be stopped, to set up two-step verification." in text
    assert "The policy gives Dana no time to set it up." in text
    assert "One of these would do, once it is set up: Passkey or security key, Authenticator app." in text
    assert reverse("admin:policies_mfapolicy_version", args=[person.tenant.policy.pk, 1]) in text
    factories.enrol_totp(person)
    assert "At the next sign-in Dana would be asked for a second factor, and let in." in page_of(client, person)


def test_the_page_lists_past_sign_ins_and_each_opens(client: Client, person: User) -> None:
    row = stopped(person)
    text = page_of(client, person)
    assert sign_in_url(row) in text
    assert "Must set up" in text
    assert "Europe/Berlin" in text
    assert client.get(sign_in_url(row)).status_code == 200


def test_nothing_kept_is_said(client: Client, person: User) -> None:
    assert "None is kept." in page_of(client, person)
    assert "None is kept." in client.get(list_url(person)).content.decode()


def test_a_past_sign_in_is_explained_by_what_was_known_then(client: Client, person: User) -> None:
    row = stopped(person)
    factories.enrol_totp(person)
    User.objects.filter(pk=person.pk).update(role="administrator")
    text = client.get(sign_in_url(row)).content.decode()
    assert "Dana was stopped, to set up two-step verification." in text
    assert "Methods set up" in text  # none, then
    assert ">Administrator<" not in text
    assert "Decided by version 1 of the policy." in text


def test_the_rules_of_today_and_of_the_draft_judge_the_same_facts(client: Client, person: User, tenant: Tenant) -> None:
    row = stopped(person)
    factories.publish_rules(tenant, enforcement="optional")
    PolicyDraft.objects.create(
        policy=tenant.policy, document=factories.document(), enabled=True, based_on=2, revision=1
    )
    response = client.get(sign_in_url(row))
    today, draft = response.context["anew"]
    assert (today.title, today.differs) == ("By the rules of today", True)
    assert today.explanation.outcome == "Dana would be let in."
    assert draft.title == "By the draft, were it published now"
    assert draft.explanation.outcome == "Dana would be stopped, to set up two-step verification."
    assert not draft.differs


def test_without_a_draft_today_alone_is_asked(client: Client, person: User) -> None:
    assert len(client.get(sign_in_url(stopped(person))).context["anew"]) == 1


def test_what_a_version_on_trial_would_have_done_is_said(client: Client, person: User) -> None:
    row = stopped(person)
    DecidedSignIn.objects.filter(pk=row.pk).update(would_stop=9)
    assert "Version 9, on trial at that time, would have stopped it." in client.get(sign_in_url(row)).content.decode()


@pytest.mark.parametrize("change", [{"outcome": "later"}, {"reasons": ["later"]}, {"facts": {"schema": 99}}], ids=str)
def test_what_a_newer_version_wrote_is_not_guessed_at(client: Client, person: User, change: dict[str, Any]) -> None:
    row = stopped(person)
    DecidedSignIn.objects.filter(pk=row.pk).update(**change)
    for address in (sign_in_url(row), list_url(person), url(User, "change", person.pk)):
        response = client.get(address)
        assert response.status_code == 200
        assert "A newer version of this site wrote this." in response.content.decode()


def test_without_a_policy_it_says_so(client: Client, person: User, tenant: Tenant) -> None:
    row = stopped(person)
    boss = verified_client(root())
    MFAPolicy.objects.filter(tenant=tenant).delete()
    text = page_of(boss, person)
    assert "The tenant has no policy, so nobody is let in." in text
    assert "There is no policy that could have decided." in text
    assert "Dana would not be let in." in boss.get(sign_in_url(row)).content.decode()


def test_the_list_goes_on_by_key_and_shows_each_once(client: Client, person: User, monkeypatch: Any) -> None:
    monkeypatch.setattr("policies.admin.explanation_pages.PAGE", 2)
    row = stopped(person)
    same = timezone.now() - timedelta(days=1)
    for at in (same, same, same, same - timedelta(days=1)):
        row.pk, row.at = None, at
        row.save(force_insert=True)
    seen, after = [], ""
    for _ in range(3):
        context = client.get(list_url(person, after)).context
        seen += [line.url for line in context["past_sign_ins"]]
        after = context["more"]
    assert after is None
    expected = DecidedSignIn.objects.filter(person_id=person.pk).order_by("-at", "-pk")
    assert seen == [sign_in_url(one) for one in expected]
    assert len(seen) == 5


NO_PLACES = [
    "x",
    "2030-01-01_5",
    "2030-01-01T00:00:00+00:00_",
    "_",
    "2030-01-01T00:00+00:00_-1",
    "0001-01-01T00:00:00+14:00_5",  # before the first moment of UTC's calendar
    "9999-12-31T23:59:59-14:00_5",  # and after its last
]


@pytest.mark.parametrize("after", NO_PLACES)
def test_a_place_that_is_none_begins_anew(client: Client, person: User, after: str) -> None:
    stopped(person)
    assert kept.Place.read(after) is None
    assert len(client.get(list_url(person, after)).context["past_sign_ins"]) == 1


@pytest.mark.parametrize(("after", "shown"), [("0001-01-01T00:00:00+00:00_5", 0), ("9999-12-31T23:59:59+00:00_5", 1)])
def test_the_ends_of_the_calendar_are_places(client: Client, person: User, after: str, shown: int) -> None:
    stopped(person)
    assert len(client.get(list_url(person, after)).context["past_sign_ins"]) == shown


@pytest.mark.security(84)
def test_another_tenants_people_and_sign_ins_do_not_exist(client: Client, tenant: Tenant, person: User) -> None:
    stranger = UserFactory(tenant=TenantFactory())
    theirs = stopped(stranger)
    mine = stopped(person)
    wrong = reverse("admin:accounts_user_sign_in", args=[person.pk, theirs.pk])
    for address in (list_url(stranger), sign_in_url(theirs), wrong):
        assert client.get(address).status_code == 404
        assert last_event(Kind.ADMIN_REFUSED).payload["page"] == address
    assert client.get(sign_in_url(mine)).status_code == 200


@pytest.mark.security(84)
def test_what_somebody_did_in_another_tenant_stays_there(client: Client, tenant: Tenant) -> None:
    other = TenantFactory()
    person = UserFactory(tenant=other)
    row = stopped(person)
    User.objects.filter(pk=person.pk).update(tenant=tenant)
    assert client.get(sign_in_url(row)).status_code == 404
    assert client.get(list_url(person)).context["past_sign_ins"] == []
    boss = verified_client(root())
    assert boss.get(sign_in_url(row)).status_code == 200
    assert len(boss.get(list_url(person)).context["past_sign_ins"]) == 1


def test_nobody_but_staff_reads_it(person: User) -> None:
    row = stopped(person)
    client = verified_client(UserFactory(tenant=person.tenant))
    for address in (sign_in_url(row), list_url(person)):
        assert client.get(address, follow=True).status_code == 403
        assert last_event(Kind.ADMIN_REFUSED).payload["reason"] == "not_staff"


def test_it_is_read_only(client: Client, person: User) -> None:
    row = stopped(person)
    assert client.post(sign_in_url(row)).status_code == 405
    assert client.post(list_url(person)).status_code == 405


def test_names_of_methods_are_shown_as_text(client: Client, person: User) -> None:
    factories.enrol_totp(person)
    binding = factories.live_binding(person)
    type(binding).objects.filter(pk=binding.pk).update(name="<b>mine</b>")
    client_of(person, Proof(Method.PASSWORD, timezone.now()), factories.proof_of(binding)).get(reverse("home"))
    row = DecidedSignIn.objects.filter(person_id=person.pk).latest("id")
    text = client.get(sign_in_url(row)).content.decode()
    assert "Authenticator app “&lt;b&gt;mine&lt;/b&gt;”" in text
    assert "<b>mine</b>" not in text


def test_the_section_costs_the_same_for_many_sign_ins(
    client: Client, person: User, django_assert_max_num_queries: Any
) -> None:
    stopped(person)
    with django_assert_max_num_queries(100) as first:
        page_of(client, person)
    row = DecidedSignIn.objects.get(person_id=person.pk)
    for _ in range(30):
        row.pk = None
        row.save(force_insert=True)
    with django_assert_max_num_queries(len(first)):
        assert list_url(person) in page_of(client, person)
