"""Ways in that begin in a mailbox: none of them goes round the second factor."""

import pytest
from playwright.sync_api import Page, expect

from accounts.flows import invitations, people
from accounts.models import Role, TenantDomain, User
from tests.e2e.walk import (
    at,
    button,
    choose,
    confirm_app,
    events,
    give_code,
    give_password,
    heading,
    link_in_mail,
    save_codes,
    setup_key,
)
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, enrol_totp

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
CHOSEN = "another long pass phrase"


@pytest.fixture
def tenant():
    return TenantFactory(name="Acme Health")


def choose_password(page: Page, words: str) -> None:
    """Fill every password field of the page, and send it."""
    for field in page.locator("input[type=password]").all():
        field.fill(CHOSEN)
    button(page, words).click()


def enrol(page: Page, authenticator_app) -> None:
    heading(page, "Set up two-step verification")
    choose(page, "Authenticator app")
    confirm_app(page, authenticator_app(setup_key(page)).code())
    save_codes(page)
    at(page, "/")


def test_who_signs_up_joins_the_tenant_of_the_verified_address_and_has_to_enrol(page: Page, tenant, authenticator_app):
    TenantDomain.objects.create(tenant=tenant, domain="acme.example")
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill("Nora@Acme.example")
    page.get_by_label("Your name").fill("Nora Example")
    choose_password(page, "Create account")
    heading(page, "Look into your mailbox")
    page.goto(link_in_mail("Confirm"))
    choose_password(page, "Yes, confirm")
    at(page, "/accounts/login/")
    person = User.objects.get(email="nora@acme.example")
    assert person.tenant == tenant
    give_password(page, person, CHOSEN)
    enrol(page, authenticator_app)
    expect(page.locator(".brand")).to_have_text("Acme Health")
    assert {"person:signed_up", "person:joined_tenant", "authenticator:added"} <= set(events(person))


def test_who_is_invited_sets_a_password_once_and_has_to_enrol(page: Page, tenant, authenticator_app):
    actor = AdministratorFactory(tenant=tenant)
    person = people.add(email="ines@example.com", name="Ines", tenant=tenant, role=Role.USER, language="", actor=actor)
    invitations.invite(person, actor=actor)
    link = link_in_mail("Welcome")
    page.goto(link)
    choose_password(page, "Save and continue")
    give_password(page, person, CHOSEN)
    enrol(page, authenticator_app)
    page.goto(link)
    heading(page, "This link no longer works")
    assert {"invitation:sent", "invitation:accepted"} <= set(events(person))


@pytest.mark.security(53)
def test_a_new_password_does_not_skip_the_second_factor(page: Page, tenant, authenticator_app):
    person = UserFactory(tenant=tenant)
    app = authenticator_app(enrol_totp(person))
    app.code()  # burnt by the enrolment
    page.goto("/accounts/login/")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email").fill(person.email)
    button(page, "Send the link").click()
    heading(page, "Look into your mailbox")
    page.goto(link_in_mail("Choose a new password"))
    choose_password(page, "Change password")
    heading(page, "Your password is changed")
    page.goto("/accounts/2fa/")
    at(page, "/accounts/login/")
    give_password(page, person, CHOSEN)
    heading(page, "Verify it’s you")
    give_code(page, app.code())
    heading(page, "Security")
    assert "password:reset" in events(person)
