"""The pages of the MFA status in a browser: accessible, light and dark, on a telephone too."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from accounts import enrolment_state
from accounts.models import User
from policies.admin.status_pages import round_url
from policies.flows import reminder_rounds
from policies.models import Reminder, ReminderRound
from policies.rollout.listed import Which
from tests.bench import crowd
from tests.e2e.album import looks_folder, take_looks
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    publish_rules,
)
from tests.policies.test_snapshots import note

pytestmark = pytest.mark.e2e
State = Reminder.State


@pytest.fixture
def administrator(transactional_db: None) -> User:
    """The platform's, in a tenant with people in every state."""
    tenant = TenantFactory(name="Acme Example")
    crowd.gather(tenant, 60)
    User.objects.filter(tenant=tenant, factors=0).update(first_sign_in_at=timezone.now())
    for person in User.objects.filter(tenant=tenant):
        enrolment_state.refresh(person)
    publish_rules(tenant, grace_days=14)
    for ago in range(1, 60):
        note(tenant, timezone.localdate() - timedelta(days=ago), missing=min(10, 2 + ago // 6))
    person = AdministratorFactory(tenant=tenant, is_superuser=True)
    enrol_totp(person)
    return person


@pytest.fixture
def verified(context: BrowserContext, administrator: User, signed_in: Callable[..., BrowserContext]) -> BrowserContext:
    return signed_in(context, administrator, password_proof(), proof_of(live_binding(administrator)))


def test_every_page_of_the_status_is_accessible(
    verified: BrowserContext, page: Page, administrator: User, assert_accessible: Callable[[Page], None]
) -> None:
    for number, address in enumerate(pages_of(administrator)):
        response = page.goto(address)
        assert response is not None and response.status == 200, address
        assert_accessible(page)
        take_looks(page, f"status-{number}", looks_folder())


def pages_of(administrator: User) -> list[str]:
    tenant = administrator.tenant_id
    begun = a_round(administrator)
    lists = [reverse("admin:mfa_status_list", args=[tenant, which]) for which in ("missing", "few-codes", "excluded")]
    return [reverse("admin:mfa_status"), reverse("admin:mfa_status_of", args=[tenant]), *lists, round_url(begun)]


def a_round(administrator: User) -> ReminderRound:
    """Some people gone through while the mail server is down."""
    people = User.objects.filter(tenant=administrator.tenant_id).order_by("factors", "pk")
    begun = reminder_rounds.ask_some(
        list(people[:40]),
        administrator.tenant,
        which=Which.MISSING,
        actor=administrator,
    )
    asked = list(begun.reminders.order_by("pk").values_list("pk", flat=True))
    due = timezone.now() + timedelta(minutes=5)
    begun.reminders.update(state=State.QUEUED, trouble="")
    begun.reminders.filter(pk__in=asked[:3]).update(trouble="[Errno 111] Connection refused", due_at=due)
    begun.reminders.filter(pk__in=asked[3:5]).update(state=State.FAILED, trouble="550 5.1.1 no such user")
    begun.reminders.filter(pk__in=asked[5:9]).update(state=State.SENT)
    return begun


def test_everybody_in_a_list_is_reminded_and_it_is_seen_how_far_it_is(
    verified: BrowserContext, page: Page, administrator: User
) -> None:
    tenant = administrator.tenant
    page.goto(reverse("admin:mfa_status_list", args=[tenant.pk, "missing"]))
    page.get_by_text("Remind everybody in this list").click()
    page.get_by_role("button", name=re.compile(r"^Remind \d+ people$")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Reminders")
    begun = ReminderRound.objects.get()
    expect(page).to_have_url(re.compile(str(begun.pk)))
    assert begun.queued == Reminder.objects.count() > 0
    assert page.get_by_role("link", name="Back to the list").get_attribute("href").startswith("/admin/mfa-status/")


def test_the_page_looks_again_by_itself_until_it_is_done(
    verified: BrowserContext, page: Page, administrator: User
) -> None:
    begun = a_round(administrator)
    page.goto(round_url(begun))
    expect(page.get_by_text("Connection refused")).to_be_visible()
    expect(page.get_by_role("button", name="Stop looking by itself")).to_be_visible()
    begun.reminders.exclude(state=State.FAILED).update(state=State.SENT)
    expect(page.get_by_role("heading", name="reminders were sent")).to_be_visible()
    expect(page.get_by_role("button", name="Stop looking by itself")).to_be_hidden()
    expect(page.get_by_role("status").filter(has_text="reminders were sent")).to_be_attached()


def test_without_script_a_link_looks_again(
    new_context: Callable[..., BrowserContext], signed_in: Callable[..., BrowserContext], administrator: User
) -> None:
    context = signed_in(
        new_context(java_script_enabled=False), administrator, password_proof(), proof_of(live_binding(administrator))
    )
    begun = a_round(administrator)
    page = context.new_page()
    page.goto(round_url(begun))
    begun.reminders.exclude(state=State.FAILED).update(state=State.SENT)
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("heading", name="reminders were sent")).to_be_visible()
