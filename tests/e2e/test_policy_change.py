"""A policy changed from beginning to end in a browser: edited, tried, published, confirmed, and taken back."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from accounts.models import Tenant, User
from audit.kinds import Kind
from audit.models import AuditEvent
from policies.flows import drafts, publish
from policies.models import MFAPolicy
from tests.e2e.walk import at, button, give_code, heading, press, sign_in
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    verified_client,
)
from tests.harness.browser import SCHEMES, Complaints, accessibility_violations
from tests.harness.codes import AuthenticatorApp, Clock
from tests.policies.publishing_scene import document, drafted, published

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def acme() -> Tenant:
    return TenantFactory(name="Acme Health", slug="acme", rules={"enforcement": "optional", "grace_days": 0})


@pytest.fixture
def ada(acme: Tenant) -> User:
    return AdministratorFactory(tenant=acme, email="ada@acme.example", name="Ada Beck")


@pytest.fixture
def app(ada: User, authenticator_app: Callable[[str], AuthenticatorApp]) -> AuthenticatorApp:
    return authenticator_app(enrol_totp(ada))


@pytest.fixture
def people(acme: Tenant) -> list[User]:
    return [UserFactory(tenant=acme, email=f"{name}@acme.example") for name in ("bea", "cem", "dov")]


def page_of(tenant: Tenant, page: str = "change") -> str:
    return f"/admin/policies/mfapolicy/{tenant.policy.pk}/{page}/"


def enter(page: Page, person: User, app: AuthenticatorApp, clock: Clock, wanted: str) -> None:
    """Sign in by password and the app's next code, to this page."""
    clock.forward(timedelta(seconds=30))  # each code of the app opens once
    sign_in(page, person, wanted)
    give_code(page, app.code())
    at(page, wanted)


def in_force(tenant: Tenant) -> dict[str, object]:
    version = publish.version_in_force(MFAPolicy.objects.get(tenant=tenant))
    assert version is not None
    return dict(version.document)


def test_a_change_from_its_draft_to_its_end_and_back(
    page: Page,
    new_context: Callable[..., BrowserContext],
    acme: Tenant,
    ada: User,
    app: AuthenticatorApp,
    people: list[User],
    clock: Clock,
) -> None:
    policy, change = acme.policy, page_of(acme)
    enter(page, ada, app, clock, change)
    press(page, page.get_by_role("link", name="Change this policy"))
    page.get_by_role("radio", name="Required: nobody is let in without").check()
    press(page, button(page, "Save and try"))

    at(page, page_of(acme, "try"))
    button(page, "Try it").click()
    expect(page.get_by_role("heading", name="3 people would be stopped who get in today")).to_be_visible()
    expect(page.get_by_role("link", name="bea@acme.example")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Only who would be stopped").click()
    assert download.value.path().read_text(encoding="utf-8-sig").count("@acme.example") >= 3
    assert in_force(acme)["enforcement"] == "optional"

    press(page, page.get_by_role("link", name="Publish"))
    button(page, "Publish").click()
    expect(page.get_by_text("Say why you make this change")).to_be_visible()
    page.get_by_label("Reason", exact=True).fill("The auditors ask for it.")
    expect(page.get_by_label("Take it back after 15 minutes")).to_be_checked()
    press(page, button(page, "Publish"))

    at(page, change)
    expect(page.get_by_text("Sign in again first, for instance in a private window")).to_be_visible()
    expect(button(page, "Confirm: keep it in force")).to_have_count(0)
    private = new_context().new_page()
    enter(private, ada, app, clock, change)
    press(private, button(private, "Confirm: keep it in force"))
    expect(private.get_by_text("Confirmed. The version stays in force.")).to_be_visible()
    assert in_force(acme)["enforcement"] == "required"

    press(private, button(private, "Make a draft of version 1"))
    at(private, page_of(acme, "draft"))
    private.goto(page_of(acme, "publish"))
    private.get_by_label("Reason", exact=True).fill("Too soon.")
    private.get_by_label("I understand").check()
    private.get_by_label("Take it back after 15 minutes").uncheck()
    press(private, button(private, "Publish"))
    expect(private.get_by_text("Version 3 is in force, from everybody’s next request on.")).to_be_visible()
    assert in_force(acme)["enforcement"] == "optional"
    kinds = AuditEvent.objects.filter(target_id=str(policy.pk)).order_by("id").values_list("kind", flat=True)
    assert list(kinds)[-5:] == [
        Kind.POLICY_DRAFT_SAVED,
        Kind.POLICY_PUBLISHED,
        Kind.POLICY_CONFIRMED,
        Kind.POLICY_DRAFT_SAVED,
        Kind.POLICY_PUBLISHED,
    ]


def test_without_script_a_draft_is_tried_all_the_same(
    new_context: Callable[..., BrowserContext],
    signed_in: Callable[..., BrowserContext],
    acme: Tenant,
    ada: User,
    people: list[User],
) -> None:
    enrol_totp(ada)
    drafted(ada, enforcement="required", grace_days=0)
    context = new_context(java_script_enabled=False)
    page = signed_in(context, ada, password_proof(), proof_of(live_binding(ada))).new_page()
    page.goto(page_of(acme, "try"))
    press(page, button(page, "Try it"))
    heading(page, "Try the draft")
    expect(page.get_by_role("heading", name="3 people would be stopped who get in today")).to_be_visible()
    expect(page.get_by_text("The run was cut off")).to_be_hidden()


def test_a_run_that_breaks_off_says_so_and_can_be_tried_again(
    page: Page, signed_in: Callable[..., BrowserContext], acme: Tenant, ada: User, complaints: Complaints
) -> None:
    complaints.forgive("net::ERR_FAILED")
    enrol_totp(ada)
    drafted(ada, grace_days=0)
    signed_in(page.context, ada, password_proof(), proof_of(live_binding(ada)))
    page.goto(page_of(acme, "try"))
    page.route("**/try/run/", lambda route: route.abort())
    button(page, "Try it").click()
    expect(page.get_by_role("alert")).to_have_text("The run was cut off, and nothing was changed. Try it again.")
    page.unroute("**/try/run/")
    button(page, "Try it").click()
    expect(page.get_by_role("heading", name="Nobody who gets in today would be stopped")).to_be_visible()
    expect(page.get_by_text("The run was cut off")).to_be_hidden()


def test_every_page_of_a_change_is_accessible(
    page: Page,
    signed_in: Callable[..., BrowserContext],
    acme: Tenant,
    ada: User,
    people: list[User],
    complaints: Complaints,
) -> None:
    """In light and dark, on a telephone and at a desk. (axe itself puts imported style sheets into the page.)"""
    complaints.forgive("inline style|style-src-elem inline")
    enrol_totp(ada)
    published(ada, grace_days=0, how={"mode": "report"})
    for person in people:
        client_of(person).get("/")
    test = {"name": "Nobody needs a method", "role": "user", "groups": [], "source": "password", "known": "before"}
    drafted(ada, enforcement="always", grace_days=0, tests=[test | {"methods": [], "expect": "allowed"}])
    verified_client(ada)
    signed_in(page.context, ada, password_proof(), proof_of(live_binding(ada)))
    for address in ("change", "versions/2", "report", "try"):
        page.goto(page_of(acme, address))
        assert not violations(page), address
    button(page, "Try it").click()
    expect(page.get_by_role("heading", name="3 people would be stopped who get in today")).to_be_visible()
    assert not violations(page), "the result"
    page.goto(page_of(acme, "publish"))
    button(page, "Publish").click()
    expect(page).to_have_title(re.compile("^Error: "))
    assert not violations(page), "what is refused"
    drafts.save(acme.policy, document(enforcement="optional"), enabled=False, actor=ada, revision=1)
    page.goto(page_of(acme, "publish"))
    assert not violations(page), "switching off"
    published(ada, enforcement="always", how={"until_confirmed": True})
    for address in (page_of(acme), page_of(acme, "publish"), "/admin/"):
        page.goto(address)
        assert not violations(page), address


def violations(page: Page) -> list[str]:
    """What axe finds once colours have come to rest: Django's links fade from one scheme to the other."""
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished)).then(() => true)")
        found += accessibility_violations(page, schemes=[scheme])
    return found
