"""The banner of grace: on every page that somebody in grace sees, on no page of anybody else, and for no query."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from tests.factories import TenantFactory, UserFactory, client_of, enrol_totp, verified_client
from tests.policies.test_deadlines_snoozes import BANNER

pytestmark = [pytest.mark.django_db, pytest.mark.security(62)]

SET_UP = "Set up now"


@pytest.fixture
def person() -> User:
    """Somebody new, who signed in for the first time just now, where it is noon."""
    ahead = 12 - timezone.now().hour
    rules = {"new_grace_days": 14, "snoozes": 2}
    person = UserFactory(tenant=TenantFactory(rules=rules, time_zone=f"Etc/GMT{-ahead:+d}"))
    person.first_sign_in_at = timezone.now()
    person.save(update_fields=["first_sign_in_at"])
    return person


@pytest.fixture
def browser(person: User) -> Client:
    """Somebody in grace who has been let in."""
    browser = client_of(person)
    browser.get("/")
    return browser


def text(browser: Client, url: str) -> str:
    return browser.get(url, follow=True).content.decode()


@pytest.mark.parametrize("url", [reverse("help"), reverse("account_logout"), "/no-such-page/"])
def test_pages_before_the_gate_and_errors_have_it(browser, url):
    page = text(browser, url)
    assert BANNER in page and "14 days left" in page
    assert SET_UP in page and "Remind me tomorrow (2 more times)" in page


def test_where_it_is_being_set_up_it_has_no_button_to_that(browser):
    page = text(browser, reverse("mfa_activate_totp"))
    assert BANNER in page and "14 days left" in page
    assert SET_UP not in page


def test_the_choice_of_methods_says_it_once(browser):
    assert text(browser, reverse("mfa_enrol")).count(BANNER) == 1


def test_a_refused_form_has_it(person):
    browser = Client(enforce_csrf_checks=True)
    browser.cookies = client_of(person).cookies
    browser.get("/")
    response = browser.post(reverse("account_logout"))
    assert response.status_code == 403
    assert BANNER in response.content.decode()


@pytest.mark.parametrize("url", [reverse("help"), "/no-such-page/"])
def test_nobody_else_sees_it(browser, person, url):
    other = UserFactory(tenant=person.tenant)
    enrol_totp(other)
    enrolled = verified_client(other)
    enrolled.get("/")
    assert BANNER not in text(enrolled, url)
    assert BANNER not in text(Client(), url)


def test_the_page_after_signing_out_has_none(browser):
    browser.post(reverse("account_logout"))
    assert BANNER not in text(browser, reverse("help"))


def test_put_off_it_is_put_off_everywhere(browser):
    assert BANNER in text(browser, reverse("help"))
    browser.post(reverse("policies_snooze"))
    for url in (reverse("help"), "/no-such-page/"):
        assert BANNER not in text(browser, url)


def test_a_grant_that_is_over_promises_nothing(browser, clock):
    clock.forward(timedelta(days=15))
    assert BANNER not in text(browser, reverse("help"))


def test_an_error_page_asks_no_more_for_somebody_in_grace(browser, person):
    with CaptureQueriesContext(connection) as captured:
        page = browser.get("/no-such-page/")
    assert BANNER in page.content.decode()
    assert len(captured) == 1, captured.captured_queries
