"""Every page for people, looked at by axe: light and dark, on a telephone and at a desk, without one violation.

Nothing scrolls sideways, and nothing breaks the content security policy. The admin's pages are looked at in
`tests/policies/test_admin_browser.py`.
"""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, Response, expect

from accounts.errors import TooManyRequests
from accounts.flows import invitations, people
from accounts.models import Binding, Role, Tenant, User
from accounts.views.help import HelpView
from tests.e2e.people import add_key
from tests.e2e.walk import (
    LOGIN,
    at,
    button,
    choose,
    confirm_app,
    give_code,
    give_password,
    heading,
    link_in_mail,
    setup_key,
    sign_in,
)
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    publish_rules,
)
from tests.harness.browser import Passkey

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
Check = Callable[[Page], None]
STICKING_OUT = """() => {
  const found = []
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (words.nextNode()) {
    const parent = words.currentNode.parentElement
    const range = document.createRange()
    range.selectNodeContents(words.currentNode)
    const box = parent.closest("li, td, th, .card, .panel, .note, .choice, .btn, main")
    const clipped = parent.closest(".visually-hidden, .who, .brand, svg, script, noscript")
    if (!box || clipped || !parent.checkVisibility() || !words.currentNode.data.trim()) continue
    const style = getComputedStyle(box), edge = box.getBoundingClientRect()
    const left = edge.left + parseFloat(style.paddingLeft), right = edge.right - parseFloat(style.paddingRight)
    const out = Array.from(range.getClientRects()).some((word) => word.right > right + 1 || word.left < left - 1)
    if (out) found.push(words.currentNode.data.trim())
  }
  return found
}"""


@pytest.fixture
def person() -> User:
    """Somebody with a long address, as people have them."""
    tenant = TenantFactory(
        name="The Example Society for the Long-Named", rules={"contact": "the service desk, +44 20 7946 0000"}
    )
    return UserFactory(
        tenant=tenant, email="maximiliane.mustermann-beispiel@subdivision.example.com", name="Maximiliane"
    )


@pytest.fixture
def assert_accessible(assert_accessible: Check) -> Check:
    """As everywhere, and no word sticks out of its box on a telephone."""

    def check(page: Page) -> None:
        assert_accessible(page)
        was = page.viewport_size
        page.set_viewport_size({"width": 390, "height": 900})
        assert page.evaluate(STICKING_OUT) == [], page.url
        page.set_viewport_size(was)

    return check


@pytest.fixture
def visit(page: Page, assert_accessible: Check) -> Callable[..., Response]:
    """Go to a page, which must answer with this status and be accessible."""

    def go(path: str, title: str, status: int = 200) -> None:
        response = page.goto(path)
        assert response is not None and response.status == status, f"{path}: {response and response.status}"
        heading(page, title)
        assert_accessible(page)

    return go


def ask_why(page: Page) -> None:
    """Have the page say why somebody is stopped."""
    page.get_by_text("Why am I seeing this?").click()
    expect(page.get_by_text("Decided by version")).to_be_visible()


def test_the_pages_for_strangers(page: Page, visit, assert_accessible):
    visit(LOGIN, "Sign in")
    visit("/accounts/signup/", "Create an account")
    visit("/accounts/password/reset/", "Forgot your password?")
    visit("/accounts/password/reset/done/", "Look into your mailbox")
    visit("/accounts/password/reset/key/1-set-password/", "This link no longer works")
    visit("/accounts/confirm-email/", "Look into your mailbox")
    visit("/accounts/confirm-email/none/", "This link no longer works")
    visit("/accounts/inactive/", "This account is switched off")
    visit("/accounts/invitation/none/", "This link no longer works", 404)
    visit("/help/", "Help with signing in")
    page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true })")
    assert_accessible(page)


def test_the_pages_of_signing_up_and_of_a_forgotten_password(page: Page, visit, assert_accessible, settings):
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill("newcomer@example.com")
    for field in page.locator("input[type=password]").all():
        field.fill("123")
    button(page, "Create account").click()
    expect(page).to_have_title(re.compile("^Error: "))
    assert_accessible(page)
    for field in page.locator("input[type=password]").all():
        field.fill("a long enough pass phrase")
    button(page, "Create account").click()
    heading(page, "Look into your mailbox")
    visit(link_in_mail("Confirm"), "Confirm your address")
    page.get_by_label("Password", exact=True).fill("wrong")
    button(page, "Yes, confirm").click()
    expect(page).to_have_title(re.compile("^Error: "))
    assert_accessible(page)
    page.get_by_label("Password", exact=True).fill("a long enough pass phrase")
    button(page, "Yes, confirm").click()
    at(page, LOGIN)
    assert_accessible(page)
    page.goto("/accounts/password/reset/")
    page.get_by_label("Email").fill("newcomer@example.com")
    button(page, "Send the link").click()
    heading(page, "Look into your mailbox")
    visit(link_in_mail("Choose a new password"), "Choose a new password")
    for field in page.locator("input[type=password]").all():
        field.fill("another long pass phrase")
    button(page, "Change password").click()
    heading(page, "Your password is changed")
    assert_accessible(page)
    settings.SIGNUP_OPEN = False
    visit("/accounts/signup/", "Accounts are made by your administrator")


def test_the_pages_of_an_invitation(page: Page, person, visit, assert_accessible):
    actor = AdministratorFactory(tenant=person.tenant)
    invited = people.add(
        email="invited@example.com", name="Ines", tenant=person.tenant, role=Role.USER, language="", actor=actor
    )
    invitations.invite(invited, actor=actor)
    visit(link_in_mail("Welcome"), "Welcome. Choose your password")
    for field, typed in zip(page.locator("input[type=password]").all(), ("one pass phrase", "another"), strict=True):
        field.fill(typed)
    page.locator("main button[type=submit]").click()
    expect(page).to_have_title(re.compile("^Error: "))
    assert_accessible(page)


def test_the_pages_of_signing_in(page: Page, person, assert_accessible, clock):
    page.goto(LOGIN)
    give_password(page, person, "wrong")
    expect(page).to_have_title(re.compile("^Error: "))
    assert_accessible(page)
    enrol_totp(person)
    enrol_recovery_codes(person)
    add_key(person, "Blue key")
    give_password(page, person)
    heading(page, "Verify it’s you")
    ask_why(page)
    assert_accessible(page)
    choose(page, "Recovery code")
    expect(page.get_by_label("Recovery code")).to_be_focused()
    assert_accessible(page)
    choose(page, "Authenticator app")
    give_code(page, "000000")
    expect(page).to_have_title(re.compile("^Error: "))
    assert_accessible(page)
    for _ in range(5):
        give_code(page, "000000")
    expect(page.get_by_text("This method is paused until")).to_be_visible()
    assert_accessible(page)
    choose(page, "I can’t use any of these")
    heading(page, "Help with signing in")
    assert_accessible(page)
    Binding.objects.filter(person=person, kind=Binding.Kind.TOTP).update(locked_at=timezone.now())
    page.goto("/accounts/2fa/authenticate/?method=totp")
    assert_accessible(page)


def test_the_pages_of_a_first_enrolment(page: Page, person, assert_accessible, authenticator_app):
    publish_rules(person.tenant, passkey_login=True)
    sign_in(page, person)
    heading(page, "Set up two-step verification")
    ask_why(page)
    assert_accessible(page)
    choose(page, "Passkey")
    heading(page, "Add a passkey")
    assert_accessible(page)
    with Passkey(page, isUserVerified=False):
        button(page, "Create passkey").click()
        expect(page.locator("#webauthn-failure")).to_be_visible()
        assert_accessible(page)
    page.get_by_role("link", name="Choose another method").click()
    choose(page, "Authenticator app")
    confirm_app(page, "000000")
    expect(page).to_have_title(re.compile("^Error: "))
    assert_accessible(page)
    confirm_app(page, authenticator_app(setup_key(page)).code())
    heading(page, "Save your recovery codes")
    assert_accessible(page)
    page.locator("form[action='/accounts/2fa/recovery-codes/']").evaluate("form => form.noValidate = true")
    button(page, "Finish set-up").click()
    expect(page.get_by_text("Please save your codes first")).to_be_visible()
    expect(page.get_by_role("list", name="Progress")).to_be_visible()
    assert_accessible(page)


def own_everything(context: BrowserContext, person: User, signed_in, clock) -> str:
    """Somebody signed in with app, key, passkey and codes; returns the id of the key."""
    publish_rules(person.tenant, passkey_login=True, enforcement="optional")
    enrol_totp(person)
    enrol_recovery_codes(person)
    key = add_key(person, "Blue key")
    add_key(person, "Work laptop, the newer one of the two", resident=True)
    clock.forward(timedelta(minutes=10))  # nothing is as new as that it would not count
    signed_in(context, person, password_proof(), proof_of(key))
    return str(key.pk)


def test_the_pages_of_somebody_with_every_method(page: Page, person, signed_in, visit, assert_accessible, clock):
    key = own_everything(page.context, person, signed_in, clock)
    visit("/", "Hello, Maximiliane")
    visit("/accounts/2fa/", "Security")
    visit("/accounts/2fa/webauthn/", "Security keys and passkeys")
    visit(f"/accounts/2fa/webauthn/keys/{key}/edit/", "Rename security key or passkey")
    visit(f"/accounts/2fa/webauthn/keys/{key}/remove/", "Remove “Blue key”?")
    visit("/accounts/2fa/webauthn/add/", "Add a security key")
    visit("/accounts/2fa/enrol/", "Add a method")
    visit("/accounts/2fa/totp/replace/", "Replace your authenticator app")
    visit("/accounts/2fa/totp/deactivate/", "Remove the authenticator app?")
    visit("/accounts/2fa/recovery-codes/", "Recovery codes")
    visit("/accounts/2fa/recovery-codes/generate/", "Make new recovery codes?")
    button(page, "Make new codes").click()
    heading(page, "Save your recovery codes")
    assert_accessible(page)


def test_the_pages_of_the_account(page: Page, person, signed_in, visit, assert_accessible, clock):
    own_everything(page.context, person, signed_in, clock)
    visit("/accounts/email/", "Email addresses")
    page.get_by_label("Email", exact=False).last.fill("second@example.com")
    button(page, "Add address").click()
    expect(page.get_by_text("Not confirmed")).to_be_visible()
    assert_accessible(page)
    visit("/accounts/password/change/", "Change password")
    for field in page.locator("input[type=password]").all():
        field.fill("x")
    page.locator("main form button[type=submit]").first.click()
    expect(page).to_have_title(re.compile("^Error: "))
    assert_accessible(page)
    visit("/accounts/2fa/turn-off/", "Turn off two-step verification?")
    visit("/accounts/logout/", "Sign out?")
    visit("/help/", "Help with signing in")
    visit("/nothing/here/", "There is no such page", 404)


def test_confirming_that_it_is_you_by_each_method(page: Page, person, signed_in, visit, assert_accessible, clock):
    own_everything(page.context, person, signed_in, clock)
    clock.forward(timedelta(minutes=6))
    visit("/accounts/2fa/turn-off/", "Confirm it’s you")
    ask_why(page)
    assert_accessible(page)
    plain = UserFactory(tenant=person.tenant)
    signed_in(page.context, plain)
    clock.forward(timedelta(minutes=6))
    visit("/accounts/2fa/totp/activate/", "Confirm it’s you")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    choosy = UserFactory(tenant=person.tenant)
    enrol_totp(choosy)
    signed_in(page.context, choosy, password_proof(), proof_of(live_binding(choosy)))
    clock.forward(timedelta(minutes=6))
    visit("/accounts/2fa/turn-off/", "Confirm it’s you")


def test_the_pages_of_somebody_in_grace(page: Page, signed_in, visit, clock):
    tenant = TenantFactory(rules={"enforcement": "optional"})
    person = UserFactory(tenant=tenant, name="")
    clock.forward(timedelta(minutes=1))
    publish_rules(tenant, grace_days=14)
    signed_in(page.context, person)
    visit("/", "Hello")
    visit("/accounts/2fa/", "Security")
    visit("/accounts/2fa/enrol/", "Set up two-step verification")


def test_the_page_of_who_cannot_go_on(page: Page, person, signed_in, visit, assert_accessible):
    signed_in(page.context, person)
    Tenant.objects.filter(pk=person.tenant_id).update(is_active=False)
    visit("/", "You cannot go on", 403)
    ask_why(page)
    assert_accessible(page)


def test_a_step_up_of_a_session_and_the_end_of_an_unused_one(page: Page, person, signed_in, visit, clock):
    signed_in(page.context, person)
    add_key(person, "The blue key on the key ring with the torch")
    visit("/", "Verify it’s you")
    ask_why(page)
    expect(page.get_by_text("The blue key on the key ring")).to_have_count(0)  # a password alone learns no names
    clock.forward(timedelta(minutes=31))
    visit("/", "Sign in")
    expect(page.get_by_text("You were signed out because nothing happened here for 30 minutes.")).to_be_visible()


@pytest.mark.parametrize(
    ("fault", "status", "title"),
    [
        (SuspiciousOperation, 400, "That request made no sense"),
        (ValueError, 500, "Something went wrong on our side"),
        (OperationalError, 503, "We are not ready just now"),
        (lambda: TooManyRequests(timezone.now() + timedelta(minutes=5)), 429, "Too many attempts"),
    ],
)
def test_the_pages_of_what_went_wrong(visit, monkeypatch, fault, status, title):
    def fail(*_: object) -> None:
        raise fault()

    monkeypatch.setattr(HelpView, "get", fail)
    visit("/help/", title, status)
