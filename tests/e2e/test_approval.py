"""An administrator who lost everything is reset: one asks, a second agrees, the person can cancel, time passes."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from accounts.models import Intervention, User
from policies.flows import periodic
from tests.accounts.acts_scene import settled_administrator
from tests.e2e.walk import button, events, give_password, heading, link_in_mail, press
from tests.factories import TenantFactory, enrol_totp, live_binding, password_proof, proof_of
from tests.harness.browser import Complaints
from tests.harness.codes import Clock

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True), pytest.mark.security(54, 55)]
State = Intervention.State


@pytest.fixture
def people() -> tuple[User, User, User]:
    tenant = TenantFactory(name="Acme Example")
    ada, grace, dana = (
        settled_administrator(tenant=tenant, email=f"{name}@acme.example", name=name.title())
        for name in ("ada", "grace", "dana")
    )
    for one in (ada, grace, dana):
        enrol_totp(one)
    return ada, grace, dana


def verified(
    new_context: Callable[..., BrowserContext], signed_in: Callable[..., BrowserContext], person: User
) -> Page:
    return signed_in(new_context(), person, password_proof(), proof_of(live_binding(person))).new_page()


def ask(office: Page, dana: User, assert_accessible: Callable[[Page], None]) -> None:
    """From the person's page to the request, by what the pages say."""
    office.goto(reverse("admin:accounts_user_change", args=[dana.pk]))
    office.get_by_role("link", name="Reset two-step verification…").click()
    heading(office, f"Reset two-step verification of {dana.email}?")
    expect(office.get_by_text("A second administrator has to agree")).to_be_visible()
    expect(office.get_by_text("Waits for 24 hours")).to_be_visible()
    assert_accessible(office)
    office.get_by_label("Reason").fill("Her bag was stolen.")
    office.get_by_label("How did you make sure who asked?").select_option("video")
    office.get_by_label(re.compile("^Type ")).fill(dana.email)
    press(office, button(office, "Reset two-step verification"))
    expect(office.get_by_text("1 request needs a second administrator, who has been told.")).to_be_visible()


def agree(office: Page, dana: User, assert_accessible: Callable[[Page], None]) -> None:
    office.goto(reverse("admin:accounts_intervention_changelist") + "?state=asked")
    assert_accessible(office)
    office.locator("#result_list tbody a").first.click()
    office.get_by_role("link", name="Agree…").click()
    heading(office, f"Reset two-step verification: {dana.email}")
    expect(office.get_by_text("Her bag was stolen.")).to_be_visible()
    assert_accessible(office)
    office.get_by_label(re.compile("^I have made sure")).check()
    press(office, button(office, "Agree"))
    expect(office.get_by_text("Agreed. It waits for its time")).to_be_visible()
    assert_accessible(office)


def test_asked_cancelled_asked_again_agreed_to_and_done_a_day_later(
    people: tuple[User, User, User],
    new_context: Callable[..., BrowserContext],
    signed_in: Callable[..., BrowserContext],
    assert_accessible: Callable[[Page], None],
    clock: Clock,
    complaints: Complaints,
) -> None:
    complaints.forgive("inline style|style-src-elem inline")  # axe itself puts imported style sheets into the page
    ada, grace, dana = people
    office, second = (verified(new_context, signed_in, one) for one in (ada, grace))
    home = new_context().new_page()

    ask(office, dana, assert_accessible)
    home.goto(link_in_mail("Something was asked for"))
    heading(home, "Cancel what was asked for?")
    assert_accessible(home)
    press(home, button(home, "Cancel it"))
    heading(home, "It was cancelled")
    assert_accessible(home)
    assert Intervention.objects.get().state == State.CANCELLED

    ask(office, dana, assert_accessible)
    agree(second, dana, assert_accessible)
    act = Intervention.objects.latest("requested_at")
    clock.forward(timedelta(hours=25))
    assert ("carry_out_acts", 1) in list(periodic.run(timezone.now()))
    act.refresh_from_db()
    assert act.state == State.DONE
    assert not dana.bindings.filter(unbound_at=None).exists()
    happened = events(dana)
    kinds = ("intervention:asked", "intervention:cancelled", "intervention:approved", "mfa:reset")
    assert [happened.count(kind) for kind in kinds] == [2, 1, 1, 1]

    home.goto(link_in_mail("two-step verification again"))
    if home.get_by_label("Password", exact=True).count():
        give_password(home, dana)
    assert "/accounts/" in home.url
