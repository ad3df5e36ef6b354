"""Resetting somebody's two-step verification from the admin."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import AddressAnchor, Binding, Session, Tenant, User
from accounts.models.people import address_digest
from audit.kinds import Kind
from tests.factories import (
    UserFactory,
    client_of,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    verified_client,
)
from tests.policies.admin_scene import events, last_event, root, stale_client, url

pytestmark = [pytest.mark.django_db, pytest.mark.security(54, 55)]

LIST = url(User)
PAGE = reverse("admin:accounts_user_reset_mfa")


@pytest.fixture
def person(tenant: Tenant) -> User:
    person = UserFactory(tenant=tenant, email="lost@phone.example")
    enrol_totp(person)
    enrol_recovery_codes(person)
    return person


def said(person: User, **changes: str) -> dict[str, str]:
    return {"reason": "The phone is gone.", "verified_how": "video", "confirm": person.email} | changes


def page_of(*people: User) -> str:
    return f"{PAGE}?ids={','.join(str(person.pk) for person in people)}"


def is_enrolled(person: User) -> bool:
    return Binding.objects.filter(person=person, unbound_at=None).exists()


def test_the_page_says_what_it_takes_away_and_changes_nothing(client: Client, person: User) -> None:
    client_of(person)
    response = client.get(page_of(person))
    body = response.content.decode()
    for words in ("Authenticator app", "10 recovery codes", "end 1 session", "lost@phone.example"):
        assert words in body
    assert is_enrolled(person)
    assert not events(Kind.MFA_RESET)


def test_a_reset_takes_everything_away_records_and_tells(
    client: Client, administrator: User, person: User, django_capture_on_commit_callbacks: Any
) -> None:
    theirs = client_of(person, password_proof(), proof_of(live_binding(person)))
    assert theirs.get("/").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(page_of(person), said(person))
    assert response.url == LIST
    assert not is_enrolled(person)
    after = User.objects.get(pk=person.pk)
    assert after.mfa_enrolled_at is None
    assert after.grace_closed_at is not None
    assert AddressAnchor.objects.get(digest=address_digest(person.email)).grace_closed_at is not None
    assert not Session.objects.filter(person=person, ended_at=None).exists()
    assert theirs.get("/").url.startswith("/accounts/login/")
    event = last_event(Kind.MFA_RESET)
    assert (event.actor_id, event.target_id) == (str(administrator.pk), str(person.pk))
    assert (event.tenant_id, event.outcome) == (person.tenant_id, "ok")
    assert event.payload["reason"] == "The phone is gone."
    assert "video" in event.payload.values()
    assert [message.to for message in mail.outbox] == [[person.email]] * 2  # what happened, and the link
    assert administrator.email not in mail.outbox[0].body


# security 62
def test_after_a_reset_one_enrols_again_grace_or_not(person: User, client: Client) -> None:
    client.post(page_of(person), said(person))
    person.refresh_from_db()
    response = client_of(person).get("/")
    assert urlsplit(response.url).path == reverse("mfa_enrol")


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": ""},
        {"reason": " \t"},
        {"reason": "x" * 501},
        {"verified_how": ""},
        {"verified_how": "a hunch"},
        {"confirm": ""},
        {"confirm": "RESET"},
        {"confirm": "other@phone.example"},
    ],
    ids=str,
)
def test_a_reset_that_is_not_meant_or_explained_does_nothing(
    client: Client, person: User, changes: dict[str, str]
) -> None:
    response = client.post(page_of(person), said(person, **changes))
    assert response.status_code == 200
    assert set(response.context["form"].errors) == set(changes)
    assert "Error:" in response.content.decode()
    assert changes.get("reason", "The phone is gone.") in response.content.decode()
    assert is_enrolled(person)
    assert not events(Kind.MFA_RESET)


def test_the_address_may_be_typed_in_any_case(client: Client, person: User) -> None:
    client.post(page_of(person), said(person, confirm="  Lost@PHONE.example "))
    assert not is_enrolled(person)


def test_nobody_resets_themselves(client: Client, administrator: User) -> None:
    page = client.get(page_of(administrator), follow=True)
    assert b"You may not do this." in page.content
    page = client.post(page_of(administrator), said(administrator), follow=True)
    assert b"You may not do this." in page.content
    assert is_enrolled(administrator)
    event = last_event(Kind.INTERVENTION_REFUSED)
    assert (event.actor_id, event.target_id, event.outcome) == (str(administrator.pk), str(administrator.pk), "refused")
    assert PAGE not in client.get(url(User, "change", administrator.pk)).content.decode()


def test_the_platforms_administrators_are_not_a_tenants_to_reset(client: Client, tenant: Tenant) -> None:
    boss = UserFactory(tenant=tenant, is_superuser=True)
    enrol_totp(boss)
    client.post(page_of(boss), said(boss))
    assert is_enrolled(boss)
    assert last_event(Kind.INTERVENTION_REFUSED).target_id == str(boss.pk)


# security 51
def test_a_reset_needs_a_fresh_factor(administrator: User, person: User) -> None:
    client = stale_client(administrator)
    for response in (
        client.get(page_of(person)),
        client.post(page_of(person), said(person)),
        client.post(page_of(person), said(person, reason="")),
    ):
        assert response.status_code == 302
        assert response.url.startswith(reverse("mfa_reauthenticate") + "?next=%2Fadmin%2Faccounts%2Fuser%2Freset-mfa")
        assert str(person.pk) in response.url
    assert is_enrolled(person)
    assert not events(Kind.MFA_RESET)


def test_several_people_are_reset_each_on_their_own(client: Client, tenant: Tenant, person: User) -> None:
    other = UserFactory(tenant=tenant)
    enrol_totp(other)
    chosen = {"action": "reset_mfa", ACTION_CHECKBOX_NAME: [str(person.pk), str(other.pk)]}
    page = client.post(LIST, chosen).url
    assert set(page.partition("ids=")[2].split("%2C")) == {str(person.pk), str(other.pk)}
    body = client.get(page).content.decode()
    assert person.email in body
    assert other.email in body
    assert client.post(page, said(person)).status_code == 200  # one address is no confirmation for two people
    assert client.post(page, said(person, confirm="reset 2")).url == LIST
    assert not is_enrolled(person)
    assert not is_enrolled(other)
    assert events(Kind.MFA_RESET) == 2


def test_one_refusal_among_several_spares_the_others_nothing(client: Client, administrator: User, person: User) -> None:
    page = client.post(page_of(person, administrator), said(person, confirm="RESET 2"), follow=True)
    assert f"Not reset: {administrator}. You may not do this." in page.content.decode()
    assert "1 person was reset." in page.content.decode()
    assert not is_enrolled(person)
    assert is_enrolled(administrator)
    assert (events(Kind.MFA_RESET), events(Kind.INTERVENTION_REFUSED)) == (1, 1)


def test_nobody_resets_a_multitude_by_one_click(client: Client, tenant: Tenant) -> None:
    people = [UserFactory(tenant=tenant) for _ in range(51)]
    chosen = {"action": "reset_mfa", ACTION_CHECKBOX_NAME: [str(people[0].pk)], "select_across": "1"}
    page = client.post(LIST, chosen, follow=True)
    assert b"Choose at most 50 people at once." in page.content
    assert client.get(page_of(*people)).status_code == 404


def test_the_persons_page_leads_to_the_reset(client: Client, person: User) -> None:
    assert page_of(person) in client.get(url(User, "change", person.pk)).content.decode()


def test_a_platform_administrator_resets_anybody(person: User) -> None:
    verified_client(root()).post(page_of(person), said(person))
    assert not is_enrolled(person)
    assert last_event(Kind.MFA_RESET).tenant_id == person.tenant_id
