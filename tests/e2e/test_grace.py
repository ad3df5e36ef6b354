"""Grace in a browser, day by day: the banner on every page, put off twice, and gone when the time is over."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from playwright.sync_api import BrowserContext, Locator, Page, expect

from accounts.models import Tenant, User
from accounts.moments import moment
from policies.flows import deadlines, reminder_mail, reminders
from policies.rollout.remindable import prospects
from tests.e2e.walk import at, button, heading, press, sign_in
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, publish_rules

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True), pytest.mark.security(62)]
DAY = timedelta(days=1)
OF_THE_SITE = (
    "/",
    "/accounts/2fa/",
    "/accounts/2fa/webauthn/",
    "/accounts/2fa/recovery-codes/",
    "/accounts/email/",
    "/accounts/password/change/",
)
OF_THE_CONSOLE = ("/admin/", "/admin/accounts/user/", "/admin/mfa-status/", "/admin/policies/campaign/add/")


@pytest.fixture
def tenant(clock: Any) -> Tenant:
    """Far from UTC, at nine in the morning there."""
    tenant = TenantFactory(name="Acme Health", time_zone="Asia/Tokyo", rules={"new_grace_days": 4, "snoozes": 2})
    here = timezone.localtime(timezone.now(), tenant.zone)
    clock.forward(here.replace(hour=9, minute=0) + DAY - here)
    return tenant


@pytest.fixture
def person(tenant: Tenant) -> User:
    return UserFactory(tenant=tenant, email="glen@acme.example", name="Glen")


def words_for(person: User, left: str) -> str:
    """What banner, interruption and mail all say."""
    person.refresh_from_db()
    deadline = deadlines.deadline_of(person)
    assert deadline is not None
    day = moment(timezone.localtime(deadline, person.tenant.zone))
    return f"Acme Health requires two-step verification from {day} (JST). {left}"


def banner(page: Page) -> Locator:
    return page.get_by_role("region", name="Action needed")


def sees(page: Page, path: str, words: str) -> None:
    """On this page stands the banner, with these words."""
    page.goto(path)
    expect(banner(page)).to_contain_text(words)


def test_the_banner_is_on_every_page_until_the_time_is_over(page: Page, person: User, clock: Any) -> None:
    sign_in(page, person)
    for path in OF_THE_SITE:
        sees(page, path, words_for(person, "4 days left."))
    press(page, button(page, "Remind me tomorrow (2 more times)"))
    at(page, OF_THE_SITE[-1])
    expect(page.get_by_text("We remind you again tomorrow.")).to_be_visible()
    for path in OF_THE_SITE:
        page.goto(path)
        expect(banner(page)).to_have_count(0)
    clock.forward(DAY)
    sign_in(page, person)
    expect(banner(page)).to_contain_text(words_for(person, "3 days left."))
    press(page, button(page, "Remind me tomorrow (1 more time)"))
    clock.forward(DAY)
    sign_in(page, person)
    expect(banner(page)).to_contain_text(words_for(person, "2 days left."))
    expect(page.get_by_role("button", name=re.compile("Remind me tomorrow"))).to_have_count(0)
    press(page, banner(page).get_by_role("link", name="Set up now"))
    at(page, "/accounts/2fa/enrol/")
    clock.forward(2 * DAY)
    sign_in(page, person)
    heading(page, "Set up two-step verification")
    expect(page.get_by_text("Acme Health requires this now.")).to_be_visible()
    expect(banner(page)).to_have_count(0)
    for path in OF_THE_SITE:
        page.goto(path)
        at(page, "/accounts/2fa/enrol/")


def test_banner_interruption_and_mail_say_the_same(
    page: Page, person: User, new_context: Callable[..., BrowserContext]
) -> None:
    sign_in(page, person)
    words = words_for(person, "4 days left.")
    sees(page, "/", words)
    press(page, banner(page).get_by_role("link", name="Set up now"))
    expect(page.locator(".note.warn")).to_contain_text(words)
    reminders.queue(prospects([person]))
    reminder_mail.send_due.call(str(person.tenant_id))
    sent: Any = mail.outbox[-1]
    assert words in sent.body
    read = new_context().new_page()
    read.set_content(sent.alternatives[0].content)
    expect(read.get_by_role("main")).to_contain_text(words)


def test_an_administrator_in_grace_is_told_so_in_the_console_too(page: Page, tenant: Tenant) -> None:
    publish_rules(tenant, administrators_grace_days=4, snoozes=1)
    administrator = AdministratorFactory(tenant=tenant, email="ada@acme.example")
    sign_in(page, administrator)
    for path in OF_THE_CONSOLE:
        sees(page, path, words_for(administrator, "4 days left."))
    press(page, button(page, "Remind me tomorrow (1 more time)"))
    at(page, OF_THE_CONSOLE[-1])
    expect(banner(page)).to_have_count(0)
