"""Back in after everything was lost: reset by an administrator, then the mailed link, or a pass that is read out."""

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, expect

from accounts.models import HelpRequest, User
from tests.accounts.admission_scene import guard
from tests.e2e.album import looks_folder, take_looks
from tests.e2e.walk import (
    at,
    button,
    choose,
    confirm_app,
    events,
    give_password,
    heading,
    link_in_mail,
    press,
    save_codes,
    setup_key,
    sign_in,
)
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
)

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
Check = Callable[[Page], None]


@pytest.fixture
def administrator() -> User:
    administrator = AdministratorFactory(email="ada@acme.example", tenant=TenantFactory(name="Acme Health"))
    enrol_totp(administrator)
    return administrator


@pytest.fixture
def person(administrator: User) -> User:
    person = UserFactory(email="dana@acme.example", tenant=administrator.tenant)
    enrol_totp(person)
    return person


@pytest.fixture
def office(new_context: Callable[..., BrowserContext], signed_in: Callable[..., BrowserContext], administrator: User):
    """The administrator's browser."""
    context = signed_in(new_context(), administrator, password_proof(), proof_of(live_binding(administrator)))
    return context.new_page()


def enrol(page: Page, authenticator_app: Callable[..., object]) -> None:
    heading(page, "Set up two-step verification")
    choose(page, "Authenticator app")
    confirm_app(page, authenticator_app(setup_key(page)).code())  # type: ignore[attr-defined]
    save_codes(page)


def test_by_the_mailed_link(
    page: Page, person: User, administrator: User, authenticator_app, assert_accessible: Check
) -> None:
    guard(person, administrator)
    sign_in(page, person)
    heading(page, "One more step before you set up")
    assert_accessible(page)
    take_looks(page, "enrolment-guarded", looks_folder())
    page.goto(link_in_mail("Set up two-step verification again"))
    at(page, reverse("mfa_enrolment_link"))
    heading(page, "Set up two-step verification again")
    assert_accessible(page)
    take_looks(page, "enrolment-link", looks_folder())
    press(page, button(page, "Continue"))
    enrol(page, authenticator_app)
    at(page, reverse("mfa_index"))
    assert {"enrolment_link:used", "authenticator:added"} <= set(events(person))


def test_in_another_browser_the_sign_in_comes_between(
    page: Page, person: User, administrator: User, authenticator_app, assert_accessible: Check
) -> None:
    guard(person, administrator)
    link = link_in_mail("Set up two-step verification again")
    page.goto(link)
    at(page, reverse("account_login"))
    give_password(page, person)
    press(page, button(page, "Continue"))
    enrol(page, authenticator_app)
    page.goto(link)
    heading(page, "This link does not work")
    assert_accessible(page)
    take_looks(page, "enrolment-link-invalid", looks_folder())


def test_by_a_pass_that_is_read_out(
    page: Page, office: Page, person: User, administrator: User, authenticator_app, assert_accessible: Check
) -> None:
    guard(person, administrator)
    sign_in(page, person)
    page.get_by_role("textbox", name="Access pass").fill("u95a cuuh v9u8")
    press(page, button(page, "Continue"))
    expect(page.get_by_text("That is no valid access pass.")).to_be_visible()
    assert_accessible(page)
    office.goto(reverse("admin:accounts_user_change", args=[person.pk]))
    office.get_by_role("link", name="Issue an access pass…").click()
    office.get_by_label("Reason").fill("The mailbox is gone, too.")
    office.get_by_label("How did you make sure who asked?").select_option("video")
    office.get_by_label(re.compile("^Type ")).fill(person.email)
    press(office, button(office, "Issue an access pass"))
    office.get_by_role("link", name="Show the pass…").click()
    heading(office, f"Access pass for {person.email}")
    assert_accessible(office)
    take_looks(office, "access-pass-ready", looks_folder())
    press(office, button(office, "Show the pass"))
    assert_accessible(office)
    take_looks(office, "access-pass-shown", looks_folder())
    read_out = office.locator(".code-read").inner_text()
    page.get_by_role("textbox", name="Access pass").fill(read_out.upper().replace("-", " "))
    press(page, button(page, "Continue"))
    page.goto("/")
    at(page, reverse("mfa_enrol"))
    enrol(page, authenticator_app)
    at(page, "/")
    assert {"access_pass:shown", "access_pass:used", "authenticator:added"} <= set(events(person))


def test_somebody_calls_and_the_administrators_see_it(
    page: Page, office: Page, person: User, assert_accessible: Check
) -> None:
    page.goto("/help/")
    page.get_by_role("link", name="I have lost everything").click()
    heading(page, "I have lost everything")
    assert_accessible(page)
    take_looks(page, "lost", looks_folder())
    page.get_by_label("Email").fill(person.email)
    press(page, button(page, "Tell my administrators"))
    heading(page, "Your request is passed on")
    assert_accessible(page)
    take_looks(page, "lost-sent", looks_folder())
    office.goto(reverse("admin:accounts_helprequest_changelist"))
    expect(office.get_by_role("link", name=person.email)).to_be_visible()
    take_looks(office, "help-requests", looks_folder())
    office.get_by_label(f"Select request for help {HelpRequest.objects.get().pk}").check()
    office.get_by_role("combobox", name="Action").select_option("close_requests")
    press(office, office.get_by_role("button", name="Go"))
    expect(office.get_by_text("1 request was closed.")).to_be_visible()


def test_after_the_password_the_page_knows_more(page: Page, person: User, assert_accessible: Check) -> None:
    sign_in(page, person)
    page.goto("/help/lost/")
    expect(page.get_by_text("the service desk")).to_be_visible()
    assert_accessible(page)
    take_looks(page, "lost-known", looks_folder())
    press(page, button(page, "Tell my administrators"))
    assert HelpRequest.objects.get().knew_password
