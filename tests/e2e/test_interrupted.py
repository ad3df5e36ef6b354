"""What was begun and not finished: cancelled, refused by the key, or too late. Nothing is lost by trying again."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

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
    save_codes,
    setup_key,
    sign_in,
    sign_out,
)
from tests.factories import TenantFactory, UserFactory, enrol_totp
from tests.harness.browser import Passkey, SecurityKey

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
SECOND = "Use my key or passkey"
WITHOUT_LIST = "PublicKeyCredential.isConditionalMediationAvailable = async () => false"  # as older browsers
WANTED = "/accounts/email/"


@pytest.fixture
def person():
    return UserFactory(tenant=TenantFactory(rules={"passkey_login": True}))


@pytest.fixture
def impatient(settings):
    """A ceremony that nobody answers ends at once, as it does when somebody presses “Cancel”."""
    settings.WEBAUTHN_TIMEOUT = 300


def says(page: Page, words: str) -> None:
    """The friendly text is there, and the button has the focus for another try."""
    expect(page.locator("#webauthn-failure")).to_contain_text(words)
    expect(page.locator("#webauthn-button")).to_be_focused()
    expect(page.locator("#webauthn-waiting")).to_be_hidden()


def enrol_key(page: Page, name: str = "Blue key") -> None:
    """From the choice of a method to the recovery codes."""
    choose(page, "Security key")
    page.get_by_label("Name").fill(name)
    button(page, "Register key").click()
    save_codes(page)


@pytest.mark.parametrize("words", ["Cancel and go back to sign in", "Not you?"])
def test_who_cancels_goes_back_to_sign_in_and_the_destination_is_kept(page: Page, person, authenticator_app, words):
    app = authenticator_app(enrol_totp(person))
    app.code()  # burnt by the enrolment
    sign_in(page, person, WANTED)
    heading(page, "Verify it’s you")
    button(page, words).click()
    expect(page).to_have_url(re.compile(r"/accounts/login/\?next=%2Faccounts%2Femail%2F$"))
    assert events(person)[-1] == "sign_in:cancelled"
    page.goto("/accounts/2fa/authenticate/")
    at(page, LOGIN)
    page.go_back()
    give_password(page, person)
    give_code(page, app.code())
    at(page, WANTED)


def test_another_method_keeps_the_destination(page: Page, person, authenticator_app):
    sign_in(page, person, WANTED)
    choose(page, "Security key")
    heading(page, "Add a security key")
    page.get_by_role("link", name="Choose another method").click()
    choose(page, "Authenticator app")
    page.get_by_role("link", name="Choose another method").click()
    choose(page, "Authenticator app")
    confirm_app(page, authenticator_app(setup_key(page)).code())
    save_codes(page)
    at(page, WANTED)


def test_a_key_that_is_not_touched_says_so_and_the_next_try_works(page: Page, person, impatient):
    sign_in(page, person, WANTED)
    with SecurityKey(page) as key:
        key.touch(simulated=False)
        choose(page, "Security key")
        page.get_by_label("Name").fill("Blue key")
        button(page, "Register key").click()
        says(page, "Nothing was added: the request was cancelled or took too long.")
        key.touch(simulated=True)
        button(page, "Register key").click()
        save_codes(page)
        at(page, WANTED)


def test_a_key_that_is_not_plugged_in_says_so_and_the_next_try_works(page: Page, person, impatient):
    sign_in(page, person, WANTED)
    with SecurityKey(page) as key:
        enrol_key(page)
        credentials = key.credentials
        sign_out(page)
    sign_in(page, person, WANTED)
    with SecurityKey(page) as other:
        button(page, SECOND).click()
        says(page, "Nothing was sent: the request was cancelled or took too long, or the key is not one")
        other.add(credentials[0])
        button(page, SECOND).click()
        at(page, WANTED)


def test_a_passkey_whose_owner_is_not_recognised_says_so_and_the_next_try_works(page: Page, person):
    page.add_init_script(WITHOUT_LIST)
    sign_in(page, person)
    with Passkey(page) as passkey:
        passkey.verify_user(succeeds=False)
        choose(page, "Passkey")
        button(page, "Create passkey").click()
        says(page, "Nothing was added")
        passkey.verify_user(succeeds=True)
        button(page, "Create passkey").click()
        save_codes(page)
        at(page, "/")
        sign_out(page)
        passkey.verify_user(succeeds=False)
        button(page, "Sign in with a passkey").click()
        says(page, "Nothing was sent")
        passkey.verify_user(succeeds=True)
        button(page, "Sign in with a passkey").click()
        at(page, "/")


def test_a_key_that_is_registered_already_says_so(page: Page, person):
    sign_in(page, person, WANTED)
    with SecurityKey(page):
        enrol_key(page)
        page.goto("/accounts/2fa/webauthn/add/")
        button(page, "Register key").click()
        says(page, "already registered with your account")


def test_an_answer_that_comes_too_late_is_refused_and_the_next_try_works(page: Page, person, clock):
    sign_in(page, person, WANTED)
    with SecurityKey(page):
        enrol_key(page)
        at(page, WANTED)
        sign_out(page)
        sign_in(page, person, WANTED)
        heading(page, "Verify it’s you")
        clock.forward(timedelta(minutes=6))
        button(page, SECOND).click()
        expect(page.get_by_role("alert").filter(visible=True)).to_be_visible()
        assert events(person)[-1] == "second_factor:failed"
        button(page, SECOND).click()
        at(page, WANTED)
