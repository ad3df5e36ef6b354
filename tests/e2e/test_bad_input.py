"""What people do wrong: a clear message, the focus where to go on, and nothing lost."""

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.flows import enrolment, verification
from accounts.models import Binding
from tests.e2e.walk import (
    LOGIN,
    at,
    button,
    choose,
    codes_shown,
    confirm_app,
    download,
    events,
    give_code,
    give_password,
    save_codes,
    setup_key,
    sign_in,
)
from tests.factories import TenantFactory, UserFactory, enrol_totp

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
CODE = "Code from your authenticator app"


@pytest.fixture
def person():
    return UserFactory(tenant=TenantFactory())


@pytest.fixture
def app(person, authenticator_app):
    """The person's app, whose first code the enrolment has burnt."""
    app = authenticator_app(enrol_totp(person))
    app.code()
    return app


def refuses(page: Page, label: str, words: str) -> None:
    """The page says so in its title and beside the field, which has the focus and is described by it."""
    expect(page).to_have_title(re.compile("^Error: "))
    field = page.get_by_label(label)
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile(words))


def test_a_wrong_code_explains_and_the_right_one_still_works(page: Page, person, app):
    sign_in(page, person, "/accounts/email/")
    give_code(page, app.wrong_code())
    refuses(page, CODE, "clock")
    assert "second_factor:failed" in events(person)
    give_code(page, app.stale_code())
    refuses(page, CODE, "clock")
    code = app.code()
    give_code(page, f"{code[:3]} {code[3:]}")
    at(page, "/accounts/email/")


def test_a_code_that_was_used_is_refused_elsewhere(page: Page, person, app, new_context):
    sign_in(page, person)
    give_code(page, app.code())
    at(page, "/")
    other = new_context().new_page()
    sign_in(other, person)
    give_code(other, app.same_code())
    refuses(other, CODE, "already been used|next")


def test_a_wrong_password_says_so_and_keeps_the_address(page: Page, person):
    page.goto(LOGIN)
    give_password(page, person, "wrong")
    expect(page).to_have_title(re.compile("^Error: "))
    expect(page.get_by_role("alert").filter(visible=True)).to_be_visible()
    expect(page.get_by_label("Email")).to_have_value(person.email)
    expect(page.get_by_label("Password", exact=True)).to_be_focused()


def test_a_wrong_code_at_set_up_keeps_the_secret_that_was_scanned(page: Page, person, authenticator_app):
    sign_in(page, person, "/accounts/email/")
    choose(page, "Authenticator app")
    key = setup_key(page)
    app = authenticator_app(key)
    confirm_app(page, app.wrong_code())
    refuses(page, "Code from the app", "clock")
    assert setup_key(page) == key
    confirm_app(page, app.code())
    save_codes(page)
    at(page, "/accounts/email/")


class Slow:
    """A step of the site that waits until it is told to go on, so that a second click comes before the answer."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self.step = step
        self.begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.begun.set()
        assert self.may_end.wait(timeout=10)
        return self.step(*args, **kwargs)


def click_twice(page: Page, words: str, slow: Slow) -> None:
    """A double click of the mouse itself (`Locator.click` waits for the page): the second while the site is at work."""
    found = button(page, words)
    found.scroll_into_view_if_needed()
    box = found.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(*middle)
    assert slow.begun.wait(timeout=10)
    page.mouse.click(*middle)
    slow.may_end.set()


def test_a_double_click_signs_in_once(page: Page, person, app, monkeypatch):
    slow = Slow(verification.with_code)
    monkeypatch.setattr(verification, "with_code", slow)
    sign_in(page, person)
    page.get_by_label(CODE).fill(app.code())
    click_twice(page, "Verify", slow)
    at(page, "/")
    assert events(person).count("sign_in:completed") == 1
    assert "second_factor:failed" not in events(person)


def test_a_double_click_at_set_up_still_shows_the_recovery_codes(page: Page, person, authenticator_app, monkeypatch):
    slow = Slow(enrolment.confirm_totp)
    monkeypatch.setattr(enrolment, "confirm_totp", slow)
    sign_in(page, person)
    choose(page, "Authenticator app")
    page.get_by_label("Code from the app").fill(authenticator_app(setup_key(page)).code())
    click_twice(page, "Verify and continue", slow)
    assert len(codes_shown(page)) == 10
    assert events(person).count("recovery_codes:made") == 1
    for _ in range(2):
        download(page)


def test_of_two_tabs_that_enrol_at_once_one_wins(page: Page, person, authenticator_app):
    sign_in(page, person)
    choose(page, "Authenticator app")
    other = page.context.new_page()
    other.goto(page.url)
    assert setup_key(other) == setup_key(page)
    app = authenticator_app(setup_key(page))
    confirm_app(page, app.code())
    codes_shown(page)
    confirm_app(other, app.code())
    at(other, "/accounts/2fa/")
    expect(other.get_by_text("An authenticator app is set up already.")).to_be_visible()
    save_codes(page)
    assert Binding.objects.filter(person=person, kind="totp").count() == 1


def test_a_page_that_may_not_be_used_leads_to_the_choice_and_keeps_the_destination(page: Page, authenticator_app):
    person = UserFactory(tenant=TenantFactory(rules={"allowed": ["webauthn"]}))
    sign_in(page, person)
    page.goto("/accounts/2fa/totp/activate/?next=/accounts/email/")
    at(page, "/accounts/2fa/enrol/")
    expect(page).to_have_url(re.compile("next=%2Faccounts%2Femail%2F"))
    expect(page.locator("a.choice")).to_have_count(1)


def test_of_two_browsers_that_enrol_at_once_one_wins_and_the_other_must_prove_it(
    page: Page, person, authenticator_app, new_context
):
    other = new_context().new_page()
    for each in (page, other):
        sign_in(each, person)
        choose(each, "Authenticator app")
    assert setup_key(other) != setup_key(page)
    first, second = (authenticator_app(setup_key(each)) for each in (page, other))
    confirm_app(page, first.code())
    save_codes(page)
    confirm_app(other, second.code())
    at(other, "/accounts/2fa/authenticate/")
    assert Binding.objects.filter(person=person, kind="totp").count() == 1
    give_code(other, first.code())
    at(other, "/")


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_another_host_as_destination_is_ignored(page: Page, person, app, wanted):
    page.goto(f"{LOGIN}?next={wanted}")
    give_password(page, person)
    give_code(page, app.code())
    at(page, "/")
