"""Two people of two tenants, side by side: each under the policy of their own."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walk import at, button, choose, heading, sign_in
from tests.factories import TenantFactory, UserFactory, enrol_totp, publish_rules
from tests.harness.browser import SecurityKey

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_two_tenants_two_policies_and_a_change_of_one_bites_there_alone(page: Page, new_context, clock):
    strict = TenantFactory(name="Acme Health", rules={"allowed": ["webauthn"]})
    easy = TenantFactory(name="Globex", rules={"enforcement": "optional"})
    nora, glen = UserFactory(tenant=strict, name="Nora"), UserFactory(tenant=easy, name="Glen")
    clock.forward(timedelta(minutes=1))  # Glen was here before anything was demanded
    publish_rules(easy, grace_days=14)
    other = new_context().new_page()
    sign_in(page, nora)
    sign_in(other, glen)
    expect(page.get_by_text("Acme Health requires this now.")).to_be_visible()
    expect(page.locator("a.choice")).to_have_count(1)
    heading(other, "Hello, Glen")
    expect(other.get_by_role("region", name="Action needed")).to_contain_text("14 days left")
    with SecurityKey(page):
        choose(page, "Security key")
        button(page, "Register key").click()
        at(page, "/")
    publish_rules(easy, grace_days=0)
    for each, person in ((page, nora), (other, glen)):
        each.goto("/accounts/email/")
        at(each, "/accounts/email/" if person is nora else "/accounts/2fa/enrol/")
    expect(other.get_by_text("Globex requires this now.")).to_be_visible()


def test_under_a_switched_off_policy_a_password_is_enough_and_who_owns_a_factor_is_asked(page: Page, new_context):
    tenant = TenantFactory(rules={"enforcement": "optional"})
    free, owner = UserFactory(tenant=tenant, name="Uma"), UserFactory(tenant=tenant, name="Udo")
    enrol_totp(owner)
    sign_in(page, free)
    heading(page, "Hello, Uma")
    other = new_context().new_page()
    sign_in(other, owner)
    heading(other, "Verify it’s you")
