"""The walk of somebody whose telephone is gone: in by a recovery code, and a new app in the place of the old."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walk import (
    at,
    button,
    choose,
    confirm_app,
    events,
    give_code,
    heading,
    press,
    setup_key,
    sign_in,
    sign_out,
)
from tests.factories import TenantFactory, UserFactory, enrol_recovery_codes, enrol_totp

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
REPLACE = "/accounts/2fa/totp/replace/"


def give_recovery_code(page: Page, code: str) -> None:
    choose(page, "Recovery code")
    page.get_by_label("Recovery code").fill(code)
    press(page, button(page, "Verify"))


@pytest.fixture
def person():
    return UserFactory(tenant=TenantFactory())


def test_a_recovery_code_lets_in_once_and_one_new_app_takes_the_place_of_the_lost_one(
    page: Page, person, authenticator_app, clock
):
    lost = authenticator_app(enrol_totp(person))
    code = enrol_recovery_codes(person)[0]
    sign_in(page, person, "/accounts/2fa/")
    give_recovery_code(page, code.upper().replace("-", " "))
    heading(page, "Security")
    expect(page.get_by_text("You signed in with a recovery code.")).to_be_visible()
    expect(page.get_by_text("9 of 10 left")).to_be_visible()
    clock.forward(timedelta(minutes=6))  # fresh no longer, and yet let do it once
    page.get_by_role("link", name="Replace Authenticator app").click()
    heading(page, "Replace your authenticator app")
    new = authenticator_app(setup_key(page))
    assert new.secret != lost.secret
    confirm_app(page, new.code())
    heading(page, "Security")
    expect(page.get_by_text("You signed in with a recovery code.")).to_be_hidden()
    page.goto(REPLACE)
    heading(page, "Confirm it’s you")
    page.goto("/")
    sign_out(page)
    sign_in(page, person)
    give_recovery_code(page, code)
    expect(page.get_by_role("alert").or_(page.locator(".error"))).to_be_visible()
    choose(page, "Authenticator app")
    give_code(page, lost.code())
    expect(page.get_by_label("Code from your authenticator app")).to_be_focused()
    give_code(page, new.code())
    at(page, "/")
    assert {"recovery_codes:used", "authenticator:replaced", "second_factor:failed"} <= set(events(person))
