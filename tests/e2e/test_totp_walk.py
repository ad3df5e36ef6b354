"""The walk of an authenticator app: enrol when stopped, save codes, be let through, and sign in with it."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.screen import scan
from tests.e2e.walk import (
    at,
    button,
    choose,
    codes_shown,
    confirm_app,
    download,
    events,
    give_code,
    heading,
    save_codes,
    setup_key,
    sign_in,
    sign_out,
)
from tests.factories import TenantFactory, UserFactory

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_a_new_person_enrols_an_app_and_reaches_the_page_they_wanted(page: Page, authenticator_app):
    person = UserFactory(tenant=TenantFactory(name="Acme Health"))
    sign_in(page, person, "/accounts/email/")
    heading(page, "Set up two-step verification")
    choose(page, "Authenticator app")
    key = setup_key(page)
    seen = scan(page.get_by_role("img", name="QR code"))
    assert seen["secret"] == "".join(key.split())
    assert (seen["kind"], seen["issuer"]) == ("totp", "Acme Health")
    assert seen["label"] == f"Acme Health:{person.email}"
    app = authenticator_app(key)
    confirm_app(page, app.code())
    codes = codes_shown(page)
    assert len(set(codes)) == 10
    name, text = download(page)
    assert name == "acme-health-recovery-codes.txt"
    assert set(codes) <= set(text.splitlines())
    button(page, "Finish set-up").click()
    expect(page.get_by_label("I have saved my recovery codes")).to_be_focused()
    assert save_codes(page) == codes
    at(page, "/accounts/email/")
    sign_out(page)
    sign_in(page, person, "/accounts/email/")
    heading(page, "Verify it’s you")
    give_code(page, app.code())
    at(page, "/accounts/email/")
    assert events(person).count("sign_in:completed") == 2
    assert {"enforcement:stopped", "authenticator:added", "recovery_codes:made", "recovery_codes:downloaded"} <= set(
        events(person)
    )
