"""What somebody does with the factors they have: rename, remove, make new codes, turn off."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.people import add_key
from tests.e2e.walk import at, button, events, give_code, heading, press, save_codes, sign_in, sign_out
from tests.factories import (
    TenantFactory,
    UserFactory,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    publish_rules,
)

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
OVERVIEW = "/accounts/2fa/"


@pytest.fixture
def person():
    return UserFactory(tenant=TenantFactory())


def test_the_only_factor_stays_while_the_policy_demands_one_and_a_second_may_go(page: Page, person, signed_in, clock):
    enrol_totp(person)
    signed_in(page.context, person, password_proof(), proof_of(live_binding(person)))
    page.goto(OVERVIEW)
    expect(page.get_by_role("link", name="Remove Authenticator app")).to_be_hidden()
    expect(page.get_by_text("Your organisation needs you to keep it")).to_be_visible()
    key = add_key(person, "Blue key")
    clock.forward(timedelta(minutes=10))
    signed_in(page.context, person, password_proof(), proof_of(key))
    page.goto(OVERVIEW)
    page.get_by_role("link", name="Rename Blue key").click()
    page.get_by_label("Name").fill("Red key")
    button(page, "Save").click()
    expect(page.get_by_text("The new name is saved.")).to_be_visible()
    page.get_by_role("link", name="Remove Red key").click()
    heading(page, "Remove “Red key”?")
    button(page, "Remove").click()
    expect(page.get_by_text("“Red key” is removed.")).to_be_visible()
    assert {"authenticator:renamed", "authenticator:removed"} <= set(events(person))


def test_new_recovery_codes_end_the_old_ones(page: Page, person, signed_in):
    enrol_totp(person)
    old = enrol_recovery_codes(person)
    signed_in(page.context, person, password_proof(), proof_of(live_binding(person)))
    page.goto(OVERVIEW)
    page.get_by_role("link", name="Make new codes").click()
    button(page, "Make new codes").click()
    new = save_codes(page, finish="Done")
    assert not set(new) & set(old)
    at(page, OVERVIEW)
    sign_out(page)
    sign_in(page, person, OVERVIEW)
    for code, lands_on in ((old[0], "Verify it’s you"), (new[0], "Security")):
        page.goto("/accounts/2fa/authenticate/?method=recovery_code")
        page.get_by_label("Recovery code").fill(code)
        press(page, button(page, "Verify"))
        heading(page, lands_on)


def test_two_step_verification_is_turned_off_by_a_factor_where_the_policy_permits(
    page: Page, person, authenticator_app, clock
):
    publish_rules(person.tenant, enforcement="optional")
    app = authenticator_app(enrol_totp(person))
    app.code()  # burnt by the enrolment
    sign_in(page, person, OVERVIEW)
    give_code(page, app.code())
    clock.forward(timedelta(minutes=6))
    page.get_by_role("link", name="Turn off two-step verification").click()
    heading(page, "Confirm it’s you")
    give_code(page, app.code())
    heading(page, "Turn off two-step verification?")
    button(page, "Turn it off").click()
    expect(page.get_by_text("Only a password protects this account")).to_be_visible()
    assert events(person)[-1] == "two_step:turned_off"
    sign_out(page)
    sign_in(page, person, OVERVIEW)
    at(page, OVERVIEW)
