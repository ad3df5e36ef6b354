"""Editing a policy in a real browser: the summary follows what is typed, and all of it works without script."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import BrowserContext, Page, expect

from accounts.models import Tenant, User
from policies import document as documents
from policies.flows import drafts
from policies.models import PolicyDraft
from tests.e2e.people import add_key
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
)
from tests.harness.browser import Complaints
from tests.policies.draft_scene import address
from tests.policies.test_admin_browser import violations

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

SignIn = Callable[..., BrowserContext]


@pytest.fixture
def tenant(transactional_db: None) -> Tenant:
    tenant = TenantFactory(name="Acme Health", time_zone="Europe/Berlin")
    people = [UserFactory(tenant=tenant, email=f"colleague-{number}@acme.example") for number in range(4)]
    enrol_totp(people[0])
    add_key(people[1], "Blue", aaguid=bytes.fromhex("2fc0579f811347eab116bb5a8db9202a"))
    people[2].groups.add(Group.objects.create(name="Night shift"))
    return tenant


@pytest.fixture
def administrator(tenant: Tenant) -> User:
    person = AdministratorFactory(tenant=tenant, email="ada@acme.example")
    enrol_totp(person)
    return person


def enter(context: BrowserContext, signed_in: SignIn, person: User) -> BrowserContext:
    return signed_in(context, person, password_proof(), proof_of(live_binding(person)))


def said(page: Page, name: str) -> Any:
    return page.locator(f"[data-summary-list={name}] li")


def test_the_sentences_follow_what_is_typed(
    page: Page, context: BrowserContext, signed_in: SignIn, administrator: User
) -> None:
    enter(context, signed_in, administrator)
    page.goto(address(administrator.tenant.policy))
    expect(page.get_by_text("As it is in force.")).to_be_visible()
    page.get_by_label("Days for people who were here before").fill("3")
    expect(said(page, "added")).to_have_text(["3 days of grace for people who were here before"])
    expect(said(page, "removed")).to_have_text(["14 days of grace for people who were here before"])
    expect(page.get_by_text("With what you have typed. Not saved yet.")).to_be_visible()
    page.get_by_label("Days for people who were here before").fill("91")
    label = "Days for people who were here before it was demanded"
    expect(said(page, "errors")).to_have_text(f"{label}: Give a whole number from 0 to 90, with the digits 0 to 9.")
    expect(said(page, "sentences")).to_have_count(0)
    page.get_by_label("Days for people who were here before").fill("14")
    page.get_by_label("those ticked below, and nobody else").check()
    page.get_by_role("group", name="Groups").get_by_label("Night shift").check()
    expect(said(page, "added")).to_have_text(["For the group Night shift only"])
    expect(said(page, "errors")).to_have_count(0)
    assert not PolicyDraft.objects.exists()
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("The draft is saved. Nothing has changed for anybody yet.")).to_be_visible()
    assert PolicyDraft.objects.get().document["scope"]["groups"] == ["Night shift"]


def test_a_summary_that_does_not_come_is_said(
    page: Page, context: BrowserContext, signed_in: SignIn, administrator: User
) -> None:
    enter(context, signed_in, administrator)
    page.goto(address(administrator.tenant.policy))
    page.route("**/summary/", lambda route: route.fulfill(status=503))
    page.get_by_label("Name", exact=True).fill("Keys")
    expect(page.get_by_text("The sentences could not be brought up to date.")).to_be_visible()


def test_everything_works_without_script(
    new_context: Callable[..., BrowserContext], signed_in: SignIn, administrator: User
) -> None:
    context = enter(new_context(java_script_enabled=False), signed_in, administrator)
    page = context.new_page()
    page.goto(address(administrator.tenant.policy))
    page.get_by_label("Name", exact=True).fill("Typed first")
    page.get_by_role("button", name="More rows").first.click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Typed first")
    row = page.locator(".row-excludes").nth(2)
    row.get_by_label("Whom").select_option("Night shift")
    row.get_by_label("Why").fill("At sea")
    row.get_by_label("Until the end of").fill(str((datetime.now(UTC) + timedelta(days=30)).date()))
    page.get_by_label("Authenticator app").first.select_option("Allowed, offered first")
    page.get_by_label("Name", exact=True).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Two methods have the same place: give each its own.")
    page.get_by_label("Passkey or security key").first.select_option("Not allowed")
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("The draft is saved.")).to_be_visible()
    document = PolicyDraft.objects.get().document
    assert (document["name"], document["allowed"]) == ("Typed first", ["totp", "recovery_code"])
    assert [(one["kind"], one["value"]) for one in document["excludes"]] == [("group", "Night shift")]


def test_the_page_is_accessible_in_every_state(
    page: Page, context: BrowserContext, signed_in: SignIn, administrator: User, complaints: Complaints
) -> None:
    complaints.forgive("inline style|style-src-elem inline")  # axe itself puts imported style sheets into the page
    enter(context, signed_in, administrator)
    policy = administrator.tenant.policy
    page.goto(address(policy))
    page.get_by_label("those ticked below, and nobody else").check()
    page.get_by_role("group", name="Roles").get_by_label("All administrators").check()
    assert not violations(page)
    page.get_by_label("Days for administrators").fill("3")
    other = AdministratorFactory(tenant=administrator.tenant, email="grace@acme.example")
    drafts.save(policy, documents.default_document() | {"grace_days": 5}, enabled=True, actor=other, revision=0)
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_role("heading", name="Nothing was saved: somebody else was here meanwhile")).to_be_visible()
    assert not violations(page)
    page.get_by_label("Name", exact=True).fill("")
    page.locator("[name=excludes-0-reason]").fill("because")
    page.get_by_role("button", name="Save what I typed instead").click()
    expect(page.get_by_text("Nothing was saved. Please correct this first:")).to_be_visible()
    assert not violations(page)


def test_what_the_platform_fixed_is_accessible_too(
    page: Page,
    context: BrowserContext,
    signed_in: SignIn,
    administrator: User,
    complaints: Complaints,
    settings: Any,
) -> None:
    complaints.forgive("inline style|style-src-elem inline")
    settings.MFA_POLICY_FLOOR = (
        '{"enforcement": "required", "grace_days": 7, "excludes": [], "passkey_login": false,'
        ' "scope": {"everyone": true, "roles": [], "groups": [], "staff": false, "sources": []}}'
    )
    enter(context, signed_in, administrator)
    page.goto(address(administrator.tenant.policy))
    expect(page.get_by_text("The platform lets no tenant exclude anybody.")).to_be_visible()
    expect(page.get_by_label("The policy is switched on")).to_be_disabled()
    assert not violations(page)
