"""A browser that is trusted, one that is lost, and what is kept for a bad day, in real browsers."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, expect

from accounts.models import Binding, Browser, RecoveryCode, User
from tests.e2e.walk import (
    LOGIN,
    at,
    button,
    choose,
    confirm_app,
    events,
    give_code,
    give_password,
    heading,
    press,
    setup_key,
    sign_in,
    sign_out,
)
from tests.factories import TenantFactory, UserFactory, enrol_recovery_codes, enrol_totp
from tests.harness.browser import SecurityKey
from tests.harness.codes import AuthenticatorApp

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

SECOND, INDEX = reverse("mfa_authenticate"), reverse("mfa_index")
TRUST = re.compile("Trust this browser until")
App = Callable[[str], AuthenticatorApp]


@pytest.fixture
def person() -> User:
    return UserFactory(tenant=TenantFactory(name="Acme Example", rules={"trusted_browser_days": 30}))


@pytest.fixture
def app(person: User, authenticator_app: App) -> AuthenticatorApp:
    app = authenticator_app(enrol_totp(person))
    app.code()  # the enrolment used this one up
    return app


def come_in(page: Page, person: User, app: AuthenticatorApp, *, trust: bool = False) -> Page:
    sign_in(page, person)
    at(page, SECOND)
    if trust:
        page.get_by_label(TRUST).check()
    give_code(page, app.code())
    at(page, "/")
    return page


def test_a_trusted_browser_is_asked_again_once_a_factor_changes(
    page: Page, person: User, app: AuthenticatorApp, authenticator_app: App, assert_accessible: Callable[[Page], None]
) -> None:
    sign_in(page, person)
    expect(page.get_by_label(TRUST)).not_to_be_checked()
    assert_accessible(page)
    page.get_by_label(TRUST).check()
    give_code(page, app.code())
    at(page, "/")
    sign_out(page)
    sign_in(page, person)
    at(page, "/")  # the password alone
    page.goto(reverse("mfa_sessions"))
    expect(page.get_by_text("One step, in a trusted browser")).to_be_visible()
    page.goto(reverse("mfa_replace_totp"))
    heading(page, "Confirm it’s you")  # the trust is no factor
    give_code(page, app.code())
    confirm_app(page, authenticator_app(setup_key(page)).code())
    at(page, INDEX)
    sign_out(page)
    sign_in(page, person)
    at(page, SECOND)
    assert events(person).count("browser:trust_used") == 1


def test_the_owner_ends_a_session_elsewhere_and_sees_it_die(
    page: Page,
    new_context: Callable[..., BrowserContext],
    person: User,
    app: AuthenticatorApp,
    assert_accessible: Callable[[Page], None],
) -> None:
    lost = come_in(new_context().new_page(), person, app, trust=True)
    come_in(page, person, app)
    page.goto(INDEX)
    choose(page, "Where you are signed in")
    expect(page.get_by_text("This one")).to_be_visible()
    assert_accessible(page)
    press(page, page.get_by_role("button", name=re.compile("^End the session of")))
    expect(page.get_by_text("The session is ended.")).to_be_visible()
    lost.goto(INDEX)
    at(lost, LOGIN)
    give_password(lost, person)
    at(lost, SECOND)  # its browser is not trusted any more
    assert not Browser.objects.exclude(trusted_at=None).exists()
    assert "session:ended" in events(person)


def test_the_owner_stops_trusting_a_browser(
    page: Page, person: User, app: AuthenticatorApp, assert_accessible: Callable[[Page], None]
) -> None:
    come_in(page, person, app, trust=True)
    page.goto(INDEX)
    choose(page, "Your browsers")
    expect(page.get_by_text("Trusted until")).to_be_visible()
    assert_accessible(page)
    press(page, page.get_by_role("button", name=re.compile("^Stop trusting")))
    expect(page.get_by_text("1 browser is trusted no more.")).to_be_visible()
    assert_accessible(page)
    sign_out(page)
    sign_in(page, person)
    at(page, SECOND)


def test_what_happened_is_read_in_plain_words(
    page: Page, person: User, app: AuthenticatorApp, assert_accessible: Callable[[Page], None]
) -> None:
    come_in(page, person, app, trust=True)
    page.goto(INDEX)
    choose(page, "Recent activity")
    expect(page.get_by_text("You signed in with two steps.")).to_be_visible()
    expect(page.get_by_text("You trusted a browser until")).to_be_visible()
    assert_accessible(page)


def test_a_code_and_a_key_are_tried_without_being_used(
    page: Page, person: User, app: AuthenticatorApp, assert_accessible: Callable[[Page], None], settings: Any
) -> None:
    codes = enrol_recovery_codes(person)
    come_in(page, person, app)
    with SecurityKey(page) as key:
        page.goto(reverse("mfa_add_webauthn"))
        page.get_by_label("Name").fill("Spare key")
        press(page, button(page, "Register key"))
        at(page, INDEX)
        choose(page, "Check that it still works")
        assert_accessible(page)
        counted = key.credentials[0]["signCount"]
        press(page, button(page, "Use my key or passkey"))
        expect(page.get_by_text("“Spare key” works.")).to_be_visible()
        assert key.credentials[0]["signCount"] > counted
    choose(page, "Check that it still works")
    choose(page, "Recovery code")
    assert_accessible(page)
    page.get_by_label("Recovery code").fill("wrong-wrong-wrong")
    press(page, button(page, "Check"))
    expect(page.get_by_text("That is not one of your unused recovery codes.")).to_be_visible()
    page.get_by_label("Recovery code").fill(codes[0])
    press(page, button(page, "Check"))
    expect(page.get_by_text("That code works, and is still unused.")).to_be_visible()
    assert_accessible(page)
    assert RecoveryCode.objects.filter(used_at=None).count() == len(codes)
    assert Binding.objects.exclude(checked_at=None).count() == 2
