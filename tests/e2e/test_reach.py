"""Without a mouse, without JavaScript, from right to left: nobody is shut out."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walk import (
    LOGIN,
    at,
    button,
    choose,
    confirm_app,
    download,
    give_code,
    heading,
    save_codes,
    setup_key,
    sign_in,
    sign_out,
)
from tests.factories import PASSWORD, TenantFactory, UserFactory, enrol_totp

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def person():
    return UserFactory(tenant=TenantFactory())


def tab_to(page: Page, words: str, most: int = 12) -> None:
    """Press Tab until what has these words has the focus, and is seen to have it."""
    for _ in range(most):
        page.keyboard.press("Tab")
        label = page.evaluate(
            "(e => e.labels?.[0]?.innerText ?? e.getAttribute('aria-label') ?? e.innerText)(document.activeElement)"
        )
        if (label or "").strip().startswith(words):
            break
    else:
        pytest.fail(f"“{words}” is not reached by {most} presses of Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_sign_in_with_an_app_by_keyboard_alone(page: Page, person, authenticator_app):
    app = authenticator_app(enrol_totp(person))
    app.code()
    page.goto("/accounts/email/")
    expect(page.get_by_label("Email")).to_be_focused()
    page.keyboard.type(person.email)
    tab_to(page, "Password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code from your authenticator app")).to_be_focused()
    page.keyboard.type(app.code())
    page.keyboard.press("Enter")
    at(page, "/accounts/email/")


def test_enrolment_of_an_app_by_keyboard_alone(page: Page, person, authenticator_app):
    sign_in(page, person, "/accounts/email/")
    heading(page, "Set up two-step verification")
    tab_to(page, "Authenticator app")
    page.keyboard.press("Enter")
    heading(page, "Connect your authenticator app")
    tab_to(page, "Code from the app")
    page.keyboard.type(authenticator_app(setup_key(page)).code())
    page.keyboard.press("Enter")
    heading(page, "Save your recovery codes")
    tab_to(page, "I have saved my recovery codes")
    page.keyboard.press("Space")
    tab_to(page, "Finish set-up")
    page.keyboard.press("Enter")
    at(page, "/accounts/email/")


def test_the_first_press_of_tab_offers_to_skip_to_the_content(page: Page, person, signed_in):
    page.goto("/help/")
    tab_to(page, "Skip to main content", most=1)
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_without_javascript_an_app_is_enrolled_and_signs_in(new_context, person, authenticator_app):
    page = new_context(java_script_enabled=False).new_page()
    sign_in(page, person, "/accounts/email/")
    choose(page, "Authenticator app")
    app = authenticator_app(setup_key(page))
    expect(button(page, "Copy key")).to_be_hidden()
    confirm_app(page, app.code())
    expect(button(page, "Print")).to_be_hidden()
    _, text = download(page)
    assert set(save_codes(page)) <= set(text.splitlines())
    at(page, "/accounts/email/")
    sign_out(page)
    sign_in(page, person, "/accounts/email/")
    give_code(page, app.code())
    at(page, "/accounts/email/")


def test_without_javascript_the_page_of_a_key_says_what_it_needs(new_context, person):
    page = new_context(java_script_enabled=False).new_page()
    sign_in(page, person)
    choose(page, "Security key")
    told = page.locator("noscript .note")  # which Playwright's search by text passes over
    expect(told).to_be_visible()
    assert "Passkeys and security keys need JavaScript." in (told.text_content() or "")
    expect(page.get_by_role("button", name="Register key")).to_be_hidden()


def test_a_browser_that_knows_no_keys_says_so(page: Page, person):
    page.add_init_script("delete window.PublicKeyCredential")
    sign_in(page, person)
    choose(page, "Security key")
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("This browser can’t use passkeys")
    expect(page.get_by_role("button", name="Register key")).to_be_hidden()


def test_copying_the_setup_key_takes_it_whole(new_context, site, person):
    context = new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
    page = context.new_page()
    sign_in(page, person)
    choose(page, "Authenticator app")
    button(page, "Copy key").click()
    expect(page.locator("#live")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "".join(setup_key(page).split())


def test_the_printed_page_has_the_codes_and_nothing_to_press(page: Page, person, authenticator_app):
    sign_in(page, person)
    choose(page, "Authenticator app")
    confirm_app(page, authenticator_app(setup_key(page)).code())
    heading(page, "Save your recovery codes")
    page.emulate_media(media="print")
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    expect(page.get_by_text(f"Account {person.email}")).to_be_visible()
    expect(page.get_by_role("button").filter(visible=True)).to_have_count(0)


def test_arabic_runs_from_right_to_left_and_codes_do_not(page: Page, person, authenticator_app, assert_accessible):
    enrol_totp(person)
    page.goto(LOGIN)
    page.get_by_role("button", name="العربية").click()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.locator("html")).to_have_attribute("lang", "ar")
    assert_accessible(page)
    mark, word = page.locator(".brand .icon").bounding_box(), page.locator(".brand span").bounding_box()
    assert mark is not None and word is not None and mark["x"] > word["x"]
    page.locator("#id_login").fill(person.email)
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#id_password").press("Enter")
    at(page, "/accounts/2fa/authenticate/")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    assert page.locator("#id_code").evaluate("e => getComputedStyle(e).direction") == "ltr"
    assert_accessible(page)
