"""An administrator behind the same gate as everybody, and what a reset does to an open session."""

import re

import pytest
from django.core import mail
from playwright.sync_api import Page, expect

from accounts.models import Binding
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.e2e.walk import (
    at,
    button,
    choose,
    confirm_app,
    events,
    give_code,
    heading,
    link_in_mail,
    press,
    save_codes,
    setup_key,
    sign_in,
)
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, enrol_totp
from tests.harness.codes import AuthenticatorApp

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def tenant():
    return TenantFactory(name="Acme Health")


def app_of(person, authenticator_app) -> AuthenticatorApp:
    """The app of somebody who is enrolled; what the enrolment burnt it does not show again."""
    app = authenticator_app(enrol_totp(person))
    app.code()
    return app


def test_an_administrator_resets_somebody_whose_session_ends_and_who_enrols_anew(
    page: Page, new_context, tenant, authenticator_app
):
    ada = AdministratorFactory(tenant=tenant, name="Ada", email="ada@acme.example")
    dana = UserFactory(tenant=tenant, name="Dana", email="dana@acme.example")
    lost = app_of(dana, authenticator_app)
    other = new_context().new_page()
    sign_in(other, dana, "/accounts/2fa/")
    give_code(other, lost.code())
    heading(other, "Security")

    app = app_of(ada, authenticator_app)
    sign_in(page, ada, "/admin/")
    give_code(page, app.code())
    heading(page, "Overview")
    page.get_by_role("main").get_by_role("link", name="People", exact=True).click()
    page.locator("#searchbar").fill("dana")
    button(page, "Search").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.get_by_role("link", name=dana.email).click()
    page.get_by_role("link", name="Reset two-step verification").click()
    heading(page, f"Reset two-step verification of {dana.email}?")
    page.get_by_label("Reason").fill("Her telephone was stolen.")
    page.get_by_label("How did you make sure who asked?").select_option("video")
    page.get_by_label(re.compile("^Type ")).fill(dana.email)
    button(page, "Reset two-step verification").click()
    expect(page.get_by_text("1 person was reset.")).to_be_visible()

    other.reload()
    at(other, "/accounts/login/")
    sign_in(other, dana, "/accounts/2fa/")
    heading(other, "One more step before you set up")
    other.goto(link_in_mail("Set up two-step verification again"))
    press(other, button(other, "Continue"))
    heading(other, "Set up two-step verification")
    choose(other, "Authenticator app")
    new = authenticator_app(setup_key(other))
    assert new.secret != lost.secret
    confirm_app(other, new.code())
    save_codes(other)
    heading(other, "Security")
    assert "mfa:reset" in events(dana)
    assert Binding.objects.get(person=dana, kind="totp", unbound_at=None).unbound_reason == ""
    assert any(dana.email in each.to and "reset" in each.subject.lower() for each in mail.outbox)


def test_the_administration_is_behind_the_same_gate(page: Page, tenant):
    sign_in(page, AdministratorFactory(tenant=tenant), "/admin/accounts/user/")
    heading(page, "Set up two-step verification")
    page.goto("/admin/")
    at(page, "/accounts/2fa/enrol/")


def test_somebody_who_is_no_administrator_is_told_so(page: Page, tenant, authenticator_app):
    dana = UserFactory(tenant=tenant)
    app = app_of(dana, authenticator_app)
    sign_in(page, dana, "/admin/")
    give_code(page, app.code())
    heading(page, "This is not for you")
    assert AuditEvent.objects.filter(actor_id=dana.pk, kind=Kind.ADMIN_REFUSED).exists()


def test_the_header_of_the_administration_leads_to_the_mfa_settings_and_back(page: Page, tenant, authenticator_app):
    ada = AdministratorFactory(tenant=tenant)
    app = app_of(ada, authenticator_app)
    sign_in(page, ada, "/admin/")
    give_code(page, app.code())
    page.get_by_role("link", name="MFA settings").click()
    heading(page, "Security")
    page.get_by_role("link", name="Administration").click()
    heading(page, "Overview")
    button(page, "Sign out").click()
    at(page, "/accounts/login/")
