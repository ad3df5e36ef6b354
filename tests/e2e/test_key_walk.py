"""The walk of security keys and passkeys, with an authenticator plugged into the browser."""

import pytest
from playwright.sync_api import Page, Route, expect

from accounts.models import Binding, Session, WebAuthnCredential
from tests.e2e.walk import (
    LOGIN,
    at,
    button,
    choose,
    events,
    heading,
    save_codes,
    sign_in,
    sign_out,
)
from tests.factories import TenantFactory, UserFactory
from tests.harness.browser import Passkey, SecurityKey, U2FKey

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("kind", [SecurityKey, U2FKey])
def test_a_touch_only_key_is_enrolled_when_stopped_and_then_asked_for_first(page: Page, kind):
    person = UserFactory(tenant=TenantFactory())
    sign_in(page, person, "/accounts/email/")
    with kind(page) as key:
        choose(page, "Security key")
        page.get_by_label("Name").fill("Blue key")
        button(page, "Register key").click()
        assert len(save_codes(page)) == 10
        at(page, "/accounts/email/")
        credential = WebAuthnCredential.objects.get(binding__person=person)
        assert (credential.user_verified, credential.passwordless) == (False, False)
        sign_out(page)
        sign_in(page, person, "/accounts/email/")
        heading(page, "Verify it’s you")
        expect(button(page, "Use my key or passkey")).to_be_focused()
        button(page, "Use my key or passkey").click()
        at(page, "/accounts/email/")
        counter = Binding.objects.get(person=person, kind=Binding.Kind.WEBAUTHN).last_counter
        assert key.credentials[0]["signCount"] == counter == 2
    assert {"enforcement:stopped", "authenticator:added", "second_factor:accepted"} <= set(events(person))


def enrol_passkey(page: Page, passkey: Passkey) -> None:
    """From the choice of a method to the start page, and out again; nothing touches the passkey from then on."""
    choose(page, "Passkey")
    button(page, "Create passkey").click()
    save_codes(page)
    at(page, "/")
    passkey.touch(simulated=False)
    sign_out(page)
    page.goto("about:blank")


def test_a_passkey_is_enrolled_and_then_signs_in_alone_by_the_button(page: Page):
    person = UserFactory(tenant=TenantFactory(rules={"passkey_login": True}))
    sign_in(page, person)
    with Passkey(page) as passkey:
        enrol_passkey(page, passkey)
        asked = []

        def touch_when_the_button_asks(route: Route) -> None:
            """The first request is the list's, which waits for a choice; the button's takes its place."""
            asked.append(route.request.method)
            if asked == ["GET", "GET"]:
                passkey.touch(simulated=True)
            route.continue_()

        page.route("**/accounts/2fa/webauthn/login/", touch_when_the_button_asks)
        with page.expect_response("**/accounts/2fa/webauthn/login/"):
            page.goto(f"{LOGIN}?next=/accounts/email/")
        button(page, "Sign in with a passkey").click()
        at(page, "/accounts/email/")
        assert asked == ["GET", "GET", "POST"]
    assert "second_factor:demanded" not in events(person)
    assert events(person)[-1] == "sign_in:completed"
    assert Session.objects.filter(person=person, ended_at=None).latest("created_at").mfa_verified


def test_a_passkey_offered_in_the_address_field_signs_in_alone(page: Page):
    person = UserFactory(tenant=TenantFactory(rules={"passkey_login": True}))
    sign_in(page, person)
    with Passkey(page) as passkey:
        enrol_passkey(page, passkey)
        passkey.touch(simulated=True)  # stands for the choice in the list, which belongs to the browser
        page.goto(f"{LOGIN}?next=/accounts/email/", wait_until="commit")
        at(page, "/accounts/email/")
    assert events(person)[-1] == "sign_in:completed"
