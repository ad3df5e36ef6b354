"""The console's pages of the rollout in a browser: accessible, in every look, and more time given as an administrator.

    GATEHOUSE_LOOKS=var/looks pytest tests/e2e/test_rollout_pages.py

keeps a picture of each page, light, dark and on a telephone. Without it they are looked at all the same.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from accounts.models import Tenant, User
from audit.kinds import Kind
from policies.admin.people import PersonAdmin
from policies.flows import campaigns, reminder_mail, reminders
from policies.models import Campaign, DeadlineExtension, Reminder
from policies.rollout.remindable import prospects
from tests.e2e.album import looks_folder, take_looks
from tests.e2e.walk import at, button, heading, press
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
)
from tests.harness.browser import Complaints
from tests.policies.admin_scene import events, url
from tests.policies.reminding_scene import DAY, a_tenant, newcomer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
State = Reminder.State
BECAME = (
    (State.QUEUED, "450 4.2.0 the mailbox of this person is full, try again later"),
    (State.SENT, ""),
    (State.UNSURE, "timed out"),
    (State.SPARED, "enrolled"),
    (State.FAILED, "550 5.1.1 no such user"),
)


@pytest.fixture
def folder() -> Path | None:
    return looks_folder()


@pytest.fixture
def tenant() -> Tenant:
    return a_tenant(name="The Example Society for the Long-Named")


@pytest.fixture
def people(tenant: Tenant) -> list[User]:
    """Some with days left, some whose time is over, one with an address as long as they get."""
    names = ("ada", "ben", "cleo", "dov", "maximiliane.mustermann-beispiel")
    return [newcomer(tenant, email=f"{name}@subdivision.example.com", name=name.title()) for name in names]


@pytest.fixture
def console(page: Page, tenant: Tenant, people: list[User], signed_in: Callable[..., BrowserContext]) -> Page:
    """The console of the tenant's administrator, who proved a factor just now."""
    administrator = AdministratorFactory(tenant=tenant, email="root@subdivision.example.com")
    enrol_totp(administrator)
    enrol_recovery_codes(administrator)
    signed_in(page.context, administrator, password_proof(), proof_of(live_binding(administrator)))
    return page


@pytest.fixture
def look(
    console: Page, assert_accessible: Callable[[Page], None], complaints: Complaints, folder: Path | None
) -> Callable[..., None]:
    """Go to a page and look at it in every way. (axe itself puts imported style sheets into it.)"""
    complaints.forgive("inline style|style-src-elem inline")

    def go(name: str, address: str, title: str) -> None:
        response = console.goto(address)
        assert response is not None and response.status == 200, address
        heading(console, title)
        assert_accessible(console)
        take_looks(console, name, folder)

    return go


def extension_of(*people: User) -> str:
    return f"{reverse('admin:accounts_user_extend_deadline')}?ids={','.join(str(one.pk) for one in people)}"


def in_days(days: int) -> str:
    return (timezone.now() + timedelta(days=days)).date().isoformat()


def test_campaigns_and_reminders_before_there_are_any(look: Callable[..., None], console: Page) -> None:
    look("campaigns-none", url(Campaign), "Campaigns")
    expect(console.get_by_text("There is no campaign yet")).to_be_visible()
    look("reminders-none", url(Reminder), "Reminders")
    expect(console.get_by_text("Nobody was reminded yet")).to_be_visible()
    look("campaign-begun", url(Campaign, "add"), "Begin a campaign")
    console.get_by_label("Days before the deadline").fill("fourteen")
    press(console, button(console, "Save"))
    expect(console).to_have_title("Error: Begin a campaign | Gatehouse Console")
    expect(console.get_by_text("Choose at least one day")).to_be_visible()


def test_campaigns_and_reminders_with_what_became_of_them(
    look: Callable[..., None], console: Page, tenant: Tenant, people: list[User]
) -> None:
    campaigns.stop(campaigns.start(tenant, actor=None, days=[3]), actor=None)
    campaign = campaigns.start(tenant, actor=None)
    for person, (state, trouble) in zip(people, BECAME, strict=True):
        reminder = Reminder.objects.create(
            person=person, tenant=tenant, day="2027-01-15", campaign=campaign, state=state, trouble=trouble, attempts=2
        )
    look("campaigns", url(Campaign), "Campaigns")
    look("campaign", url(Campaign, "change", campaign.pk), "View campaign")
    expect(console.get_by_text("Campaign of The Example Society").first).to_be_visible()
    look("reminders", url(Reminder), "Reminders")
    look("reminders-found", f"{url(Reminder)}?q=maximiliane&state={State.FAILED}", "Reminders")
    look("reminder", url(Reminder, "change", reminder.pk), "View reminder")


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(PersonAdmin, "list_per_page", 2)
    yield


def test_the_list_of_people_with_its_pages_and_its_search(
    look: Callable[..., None], console: Page, small_pages: None
) -> None:
    look("people", url(User), "People")
    press(console, console.get_by_role("link", name="Next").first)
    expect(console.get_by_text("cleo@subdivision.example.com")).to_be_visible()
    look("people-second-page", console.url, "People")
    look("people-found", f"{url(User)}?q=maxim", "People")
    look("people-not-found", f"{url(User)}?q=nobody-at-all", "People")
    expect(console.get_by_text("Nothing fits what you search for.")).to_be_visible()


def test_several_people_get_more_time_from_the_list(
    console: Page, people: list[User], assert_accessible: Callable[[Page], None], folder: Path | None
) -> None:
    enrol_totp(people[2])
    console.goto(url(User))
    for person in people[:3]:
        console.get_by_role("row", name=person.email).get_by_role("checkbox").check()
    console.get_by_label("Action:").select_option(label="Extend the deadline…")
    press(console, button(console, "Go"))
    heading(console, "Give 3 people more time?")
    expect(console.get_by_text("They have set up what is demanded.")).to_be_visible()
    assert_accessible(console)
    take_looks(console, "extend-several", folder)
    console.get_by_label("Last day").fill(in_days(20))
    press(console, button(console, "Show what changes"))
    expect(console.get_by_text(f"{timezone.now() + 20 * DAY:%-d %B %Y}, 23:59")).to_have_count(2)
    console.get_by_label("Reason").fill("The keys come next week.")
    press(console, button(console, "Give more time"))
    at(console, url(User))
    expect(console.get_by_text("2 people got more time.")).to_be_visible()
    expect(console.get_by_text(f"No more time for {people[2]}.")).to_be_visible()
    assert {row.person_id for row in DeadlineExtension.objects.all()} == {person.pk for person in people[:2]}
    assert events(Kind.DEADLINE_SET) == 2


def test_one_person_gets_more_time_and_their_page_tells_it(console: Page, people: list[User]) -> None:
    console.goto(url(User, "change", people[0].pk))
    press(console, console.get_by_role("link", name="Extend the deadline…"))
    heading(console, f"Give {people[0].email} more time?")
    console.get_by_label("Reason").fill("The keys come next week.")
    press(console, button(console, "Give more time"))
    at(console, url(User, "change", people[0].pk))
    expect(console.get_by_text("1 person got more time.")).to_be_visible()
    expect(console.get_by_text("The keys come next week.")).to_be_visible()


def test_what_cannot_be_meant_is_said_at_the_field_and_changes_nothing(
    console: Page, people: list[User], assert_accessible: Callable[[Page], None], folder: Path | None
) -> None:
    console.goto(extension_of(*people[:2]))
    for form in console.locator("form").all():
        form.evaluate("form => { form.noValidate = true }")  # as a browser without the check, or a program
    console.get_by_label("Last day").fill("2020-01-01")
    press(console, button(console, "Give more time"))
    expect(console).to_have_title("Error: Extend the deadline | Gatehouse Console")
    expect(console.get_by_text("at most 90 days ahead.").last).to_be_visible()
    expect(console.get_by_text("This field is required.")).to_be_visible()
    assert_accessible(console)
    take_looks(console, "extend-refused", folder)
    assert not DeadlineExtension.objects.exists()
    assert not events(Kind.DEADLINE_SET)


@pytest.mark.security(84)
def test_another_tenants_person_is_not_there(console: Page, people: list[User]) -> None:
    stranger = UserFactory(tenant=TenantFactory())
    for chosen in ([stranger], [people[0], stranger]):
        response = console.goto(extension_of(*chosen))
        assert response is not None and response.status == 404


def test_the_mail_of_a_reminder_reads_well_in_every_look_and_language(
    people: list[User],
    new_context: Callable[..., BrowserContext],
    assert_accessible: Callable[[Page], None],
    folder: Path | None,
) -> None:
    page = new_context().new_page()
    for person, language in zip(people, ("en", "de", "ar"), strict=False):
        User.objects.filter(pk=person.pk).update(language=language)
        person.refresh_from_db()
        reminders.queue(prospects([person]))
        reminder_mail.send_due.call(str(person.tenant_id))
        sent: Any = mail.outbox[-1]
        assert sent.to == [person.email]
        page.set_content(sent.alternatives[0].content)
        expect(page.locator("html")).to_have_attribute("lang", language)
        assert_accessible(page)
        take_looks(page, f"mail-{language}", folder)
