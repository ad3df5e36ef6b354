"""“Why am I seeing this?”: on every page that stops somebody, and as codes in the answers for programs."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.adapters import EncryptedMFAAdapter
from accounts.models import Binding, Tenant, User
from accounts.policy import policy
from audit.models import AuditEvent
from policies.models import MFAPolicy
from tests import factories
from tests.factories import PASSWORD, TenantFactory, UserFactory, client_of

pytestmark = pytest.mark.django_db

LOGIN, SECOND, ENROL, HOME = map(reverse, ("account_login", "mfa_authenticate", "mfa_enrol", "home"))
CONFIRM = reverse("mfa_reauthenticate")
WHY = "Why am I seeing this?"
JSON = {"HTTP_ACCEPT": "application/json"}


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(time_zone="Europe/Berlin")


@pytest.fixture
def person(tenant: Tenant) -> User:
    return UserFactory(tenant=tenant)


def app_of(person: User, name: str = "") -> Binding:
    """The person's authenticator app, there for a day."""
    factories.enrol_totp(person)
    Binding.objects.filter(person=person).update(name=name, bound_at=timezone.now() - timedelta(days=1))
    return factories.live_binding(person)


def pending(person: User) -> Client:
    """A browser in which the password was right and the second factor is waited for."""
    client = Client()
    assert client.post(LOGIN, {"login": person.email, "password": PASSWORD})["Location"] == SECOND
    return client


def shown(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status
    text = response.content.decode()
    assert WHY in text
    return text


def test_the_choice_of_a_method_says_why_it_is_asked_for(person: User) -> None:
    person.groups.add(Group.objects.create(name="finance"))
    text = shown(client_of(person), ENROL)
    for said in (
        "Before you can go on, a method for two-step verification has to be set up.",
        "Your organisation requires two-step verification.",
        "One of these would do, once it is set up: Passkey or security key, Authenticator app.",
        "finance",
        "Europe/Berlin",
        "Decided by version 1 of the policy.",
        "the service desk",
    ):
        assert said in text


def test_the_choice_in_grace_says_why_too(person: User, tenant: Tenant, clock: Any) -> None:
    factories.publish_rules(tenant, enforcement="optional")
    User.objects.filter(pk=person.pk).update(known_since=timezone.now() - timedelta(days=1))
    factories.publish_rules(tenant, new_grace_days=9)
    person.refresh_from_db()
    client = client_of(person)
    for _ in range(2):  # as it is judged, and by the grant
        text = shown(client, ENROL)
        assert "The time to set it up ends on" in text
        assert "(Europe/Berlin)" in text


def test_a_choice_made_freely_needs_no_reason(tenant: Tenant) -> None:
    client = factories.verified_client(UserFactory(tenant=tenant))
    client.get(HOME)
    assert WHY not in client.get(ENROL).content.decode()


@pytest.mark.security(28)
def test_who_has_shown_a_password_alone_is_told_nothing_of_the_account(person: User) -> None:
    app_of(person, "My private telephone")
    person.groups.add(Group.objects.create(name="finance"))
    text = shown(pending(person), SECOND)
    assert "the second step is still missing" in text
    assert "This would do: Authenticator app." in text
    assert "the service desk" in text
    for secret in ("My private telephone", "finance", "Known since"):
        assert secret not in text


def test_a_step_up_of_a_session_says_what_it_was_decided_on(person: User, tenant: Tenant) -> None:
    app = app_of(person, "My private telephone")
    then = timezone.now() - timedelta(hours=13)
    text = shown(client_of(person, factories.password_proof(), factories.proof_of(app, at=then)), SECOND)
    assert "Authenticator app “My private telephone”" in text
    assert "accepted; added on" in text


SECRETS = ("My private telephone", "finance", "Known since", "added on", "Proved")


@pytest.mark.security(28)
def test_a_session_by_password_is_told_nothing_once_something_is_set_up(person: User, tenant: Tenant) -> None:
    """A thief came in while nothing was set up; then the owner sets something up, and the thief looks again."""
    factories.publish_rules(tenant, enforcement="optional")
    person.groups.add(Group.objects.create(name="finance"))
    thief = client_of(person)
    assert thief.get(HOME).status_code == 200
    person.refresh_from_db()
    app_of(person, "My private telephone")
    assert thief.get(HOME)["Location"].startswith(SECOND)
    text = shown(thief, SECOND)
    assert "This would do: Authenticator app." in text
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.security(28)
def test_a_proof_by_what_was_removed_tells_nothing_of_what_is_there_now(person: User) -> None:
    app = app_of(person, "My private telephone")
    factories.enrol_recovery_codes(person)
    client = client_of(
        person, factories.password_proof(), factories.proof_of(factories.live_binding(person, "recovery_code"))
    )
    Binding.objects.filter(person=person).exclude(pk=app.pk).update(unbound_at=timezone.now())
    text = shown(client, SECOND)
    assert not [secret for secret in SECRETS if secret in text]


def test_the_second_factor_page_asks_the_policy_once(person: User, django_assert_num_queries: Any) -> None:
    app_of(person)
    client = pending(person)
    client.get(SECOND)
    with django_assert_num_queries(4):
        client.get(SECOND)


def test_to_confirm_says_which_rule_asks(person: User, tenant: Tenant) -> None:
    factories.publish_rules(tenant, fresh_minutes=3)
    app = app_of(person)
    then = timezone.now() - timedelta(minutes=4)
    client = client_of(person, factories.password_proof(), factories.proof_of(app, at=then))
    text = shown(client, CONFIRM)
    assert "Before a sensitive change your organisation asks for a proof of the last 3 minutes." in text
    assert "This would do: Authenticator app." in text
    assert "Only the strongest of your methods counts here" in text
    assert "Decided by version 2 of the policy." in text


def test_to_confirm_by_password_names_no_method(tenant: Tenant) -> None:
    factories.publish_rules(tenant, enforcement="optional", fresh_minutes=1)
    client = client_of(UserFactory(tenant=tenant))
    text = shown(client, CONFIRM)
    assert "a proof of the last minute." in text
    assert "would do" not in text and "Only the strongest" not in text


def test_who_is_denied_is_told_why_and_whom_to_ask(person: User, tenant: Tenant) -> None:
    client = client_of(person)
    Tenant.objects.filter(pk=tenant.pk).update(is_active=False)
    text = shown(client, HOME, 403)
    assert "Your organisation’s access is switched off." in text
    assert text.count("the service desk") == 1  # said by the page, and not again below
    assert "switched off" in text
    assert "Decided by version 1 of the policy." in text


def test_without_a_policy_the_page_still_says_so(person: User, tenant: Tenant) -> None:
    client = client_of(person)
    MFAPolicy.objects.filter(tenant=tenant).delete()
    text = shown(client, HOME, 403)
    assert "There is no policy that could have decided." in text
    assert "The administrator of your organisation can help you." in text


@pytest.mark.security(28)
def test_a_sign_in_that_is_denied_is_told_nothing_of_the_account(person: User, tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(is_active=False)
    response = Client().post(LOGIN, {"login": person.email, "password": PASSWORD})
    text = response.content.decode()
    assert response.status_code == 403
    assert WHY in text
    assert "Known since" not in text


def test_a_session_that_lay_unused_is_told_so_once(person: User, clock: Any) -> None:
    app = app_of(person)
    client = client_of(person, factories.password_proof(), factories.proof_of(app))
    assert client.get(HOME).status_code == 200
    clock.forward(timedelta(minutes=31))
    response = client.get(HOME, follow=True)
    assert response.redirect_chain == [(f"{LOGIN}?next=%2F", 302)]
    said = "You were signed out because nothing happened here for 30 minutes. Sign in again to go on."
    assert said in response.content.decode()
    assert said not in client.get(LOGIN).content.decode()
    assert AuditEvent.objects.get(kind="session:ended").payload["reason"] == "idle"


def test_an_administrators_session_names_its_own_limit(tenant: Tenant, clock: Any) -> None:
    client = factories.verified_client(factories.AdministratorFactory(tenant=tenant))
    client.get(HOME)
    clock.forward(timedelta(minutes=16))
    assert "for 15 minutes" in client.get(HOME, follow=True).content.decode()


def test_a_program_whose_session_lay_unused_gets_no_message(person: User, clock: Any) -> None:
    client = factories.verified_client(person)
    client.get(HOME)
    clock.forward(timedelta(minutes=31))
    response = client.get(HOME, **JSON)
    assert (response.status_code, response.json()["code"]) == (401, "session_idle")
    assert "messages" not in response.cookies


class TestPrograms:
    """Codes beside the sentence, as extension members of RFC 9457."""

    def answer(self, client: Client, status: int) -> dict[str, Any]:
        response = client.get(HOME, **JSON)
        assert response.status_code == status
        assert response["Content-Type"] == "application/problem+json"
        found: dict[str, Any] = response.json()
        return found

    def test_who_must_enrol(self, person: User) -> None:
        told = self.answer(client_of(person), 403)
        assert told["code"] == "enrolment_required"
        assert told["reasons"] == ["nothing_enrolled", "factor_required", "no_grace"]
        assert told["satisfied_by"] == ["webauthn", "totp"]
        assert told["policy_version"] == 1
        assert told["detail"].startswith("Before you can go on")
        assert "deadline" not in told

    def test_who_must_step_up(self, person: User) -> None:
        app_of(person)
        told = self.answer(client_of(person), 401)
        assert (told["code"], told["reasons"]) == ("step_up_required", ["second_factor_owed"])

    def test_who_is_denied(self, person: User, tenant: Tenant) -> None:
        client = client_of(person)
        Tenant.objects.filter(pk=tenant.pk).update(is_active=False)
        told = self.answer(client, 403)
        assert (told["code"], told["reasons"]) == ("access_denied", ["tenant_inactive"])

    def test_whose_grace_is_over(self, person: User, tenant: Tenant, clock: Any) -> None:
        User.objects.filter(pk=person.pk).update(known_since=timezone.now() - timedelta(days=900))
        person.refresh_from_db()
        clock.forward(timedelta(days=15))
        told = self.answer(client_of(person), 403)
        assert told["reasons"][-1] == "grace_over"
        assert told["deadline"]

    def test_nobody_is_told_nothing(self) -> None:
        assert "reasons" not in self.answer(Client(), 401)


def test_the_sites_own_adapter_explains_nothing(person: User) -> None:
    session = factories.session_of(person)
    assert EncryptedMFAAdapter().explanation(person, session) is None
    assert EncryptedMFAAdapter().confirmation(person, session) is None
    assert policy().explanation(person, session) is not None
