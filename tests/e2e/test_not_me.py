"""“It was not me”: from the mail, in a browser where nobody is signed in, to the end of every session."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page

from accounts.models import User
from tests.e2e.walk import at, button, heading, link_in_mail, press
from tests.factories import (
    TenantFactory,
    UserFactory,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
)

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def person() -> User:
    person = UserFactory(tenant=TenantFactory(name="Acme Example"))
    enrol_totp(person)
    return person


def test_the_link_in_a_notice_ends_every_session(
    person: User,
    new_context: Callable[..., BrowserContext],
    signed_in: Callable[..., BrowserContext],
    assert_accessible: Callable[[Page], None],
) -> None:
    thief = signed_in(new_context(), person, password_proof(), proof_of(live_binding(person))).new_page()
    thief.goto(reverse("mfa_index"))
    heading(thief, "Security")
    reader = new_context().new_page()
    reader.goto(link_in_mail("A sign-in method was added"))
    heading(reader, "Was this not you?")
    assert_accessible(reader)
    press(reader, button(reader, "It was not me"))
    heading(reader, "Your account is signed out everywhere")
    assert_accessible(reader)
    thief.goto("/")
    at(thief, reverse("account_login"))
    reader.goto(link_in_mail("A sign-in method was added"))
    heading(reader, "This link no longer works")
    assert_accessible(reader)
