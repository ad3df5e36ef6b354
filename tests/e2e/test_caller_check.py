"""A call in two browsers: the agent's and the person's, each reading a code to the other."""

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, expect

from accounts.models import CallerCheck, User
from tests.e2e.walk import button, heading, press
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
CODE = re.compile(r"\d{3} \d{3}")


def read_out(page: Page) -> str:
    return CODE.search(page.locator(".code-read").inner_text()).group()  # type: ignore[union-attr]


def test_agent_and_person_recognise_each_other(
    new_context: Callable[..., BrowserContext],
    signed_in: Callable[..., BrowserContext],
    assert_accessible: Callable[[Page], None],
) -> None:
    agent = AdministratorFactory(tenant=TenantFactory(name="Acme Example"))
    person = UserFactory(tenant=agent.tenant)
    office, home = (verified(new_context, signed_in, one).new_page() for one in (agent, person))
    home.goto(reverse("mfa_caller_check"))
    expect(home.get_by_text("Nobody from support is calling you.")).to_be_visible()
    office.goto(reverse("admin:accounts_user_change", args=[person.pk]))
    office.get_by_role("link", name="Check a call…").click()
    heading(office, f"A call with {person.email}")
    office.get_by_label("Support ticket").fill("T-1234")
    press(office, button(office, "Start"))
    assert_accessible(office)
    home.get_by_role("link", name="Look again").click()
    expect(home.get_by_text(agent.email)).to_be_visible()
    assert_accessible(home)
    home.get_by_label("The code that the caller reads to you").fill(read_out(office))
    press(home, button(home, "Check"))
    expect(home.get_by_role("heading", name="Read this code to them")).to_be_visible()
    assert_accessible(home)
    office.get_by_role("textbox", name="Code").fill(read_out(home))
    press(office, button(office, "Check"))
    expect(office.get_by_text(f"You are talking to {person}.")).to_be_visible()
    assert_accessible(office)
    assert CallerCheck.objects.get().person_proved_at is not None


def verified(
    new_context: Callable[..., BrowserContext], signed_in: Callable[..., BrowserContext], person: User
) -> BrowserContext:
    enrol_totp(person)
    return signed_in(new_context(), person, password_proof(), proof_of(live_binding(person)))
