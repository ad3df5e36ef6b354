"""“Remind me tomorrow”: by count, once a day, gone at the end; the deadline never moves."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Tenant, User
from audit.kinds import Kind
from policies.flows import deadlines, snoozes
from policies.flows.snoozes import NoSnoozeLeft
from tests.factories import TenantFactory, UserFactory, client_of, enrol_totp, publish_rules
from tests.policies.admin_scene import events, last_event

pytestmark = [pytest.mark.django_db, pytest.mark.security(62)]

URL = reverse("policies_snooze")
DAY = timedelta(days=1)
BANNER = "requires two-step verification from"


@pytest.fixture
def tenant() -> Tenant:
    """Where it is noon just now, so that no test meets midnight by chance."""
    ahead = 12 - timezone.now().hour
    return TenantFactory(rules={"new_grace_days": 14, "snoozes": 2}, time_zone=f"Etc/GMT{-ahead:+d}")


@pytest.fixture
def person(tenant: Tenant) -> User:
    """Somebody new, who signed in for the first time just now."""
    person = UserFactory(tenant=tenant)
    person.first_sign_in_at = timezone.now()
    person.save(update_fields=["first_sign_in_at"])
    return person


@pytest.fixture
def browser(person: User) -> Client:
    return client_of(person)


def page(browser: Client) -> str:
    return browser.get("/").content.decode()


def test_the_banner_goes_until_tomorrow_in_every_browser_and_comes_back(person, browser, clock):
    other = client_of(person)
    assert "Remind me tomorrow (2 more times)" in page(browser)
    response = browser.post(URL, {"next": "/help/"}, follow=True)
    assert response.redirect_chain == [("/help/", 302)]
    assert "We remind you again tomorrow." in response.content.decode()
    for one in (browser, other, client_of(person)):
        assert BANNER not in page(one)
    event = last_event(Kind.DEADLINE_SNOOZED)
    assert (event.actor_id, event.target_id, event.payload["left"]) == (str(person.pk), str(person.pk), 1)
    clock.forward(DAY)
    later = client_of(person)
    assert BANNER in page(later)
    assert "Remind me tomorrow (1 more time)" in page(later)
    later.post(URL)
    assert BANNER not in page(later)
    clock.forward(DAY)
    last = client_of(person)
    assert BANNER in page(last)
    assert "Remind me" not in page(last)
    assert "This cannot be put off any more." in last.post(URL, follow=True).content.decode()
    assert BANNER in page(last)
    assert events(Kind.DEADLINE_SNOOZED) == 2


def test_the_deadline_stays_where_it_is(person, browser, clock):
    before = deadlines.deadline_of(person)
    browser.post(URL)
    person.refresh_from_db()
    assert deadlines.deadline_of(person) == before == person.first_sign_in_at + 14 * DAY
    clock.forward(14 * DAY)
    assert client_of(person).get("/").url.startswith(reverse("mfa_enrol"))


def test_twice_on_one_day_counts_once(person, browser):
    for _ in range(3):
        assert browser.post(URL).url == "/"
    person.refresh_from_db()
    assert person.snoozes_used == events(Kind.DEADLINE_SNOOZED) == 1


def test_where_the_policy_allows_none_the_banner_stays(person, browser, tenant):
    publish_rules(tenant, new_grace_days=14)
    assert "Remind me" not in page(browser)
    browser.post(URL)
    assert BANNER in page(browser)
    assert not events(Kind.DEADLINE_SNOOZED)


def test_a_policy_that_allows_fewer_takes_effect_at_once(person, browser, tenant):
    assert "(2 more times)" in page(browser)
    publish_rules(tenant, new_grace_days=14, snoozes=1)
    assert "(1 more time)" in page(browser)


def test_on_the_last_day_nothing_can_be_put_off(person, clock):
    clock.forward(14 * DAY - timedelta(hours=1))
    late = client_of(person)
    assert "1 day left." in page(late)
    assert "Remind me" not in page(late)
    late.post(URL)
    assert BANNER in page(late)


def test_tomorrow_begins_where_the_tenant_is(person, tenant):
    Tenant.objects.filter(pk=tenant.pk).update(time_zone="America/New_York")
    found = User.objects.select_related("tenant").get(pk=person.pk)
    now = datetime(2026, 3, 8, 3, 0, tzinfo=UTC)  # 22:00 on the 7th; the clocks change in that night
    assert snoozes.tomorrow(found, now) == datetime(2026, 3, 8, 5, 0, tzinfo=UTC)
    assert snoozes.tomorrow(found, now + DAY) == datetime(2026, 3, 9, 4, 0, tzinfo=UTC)


def test_whoever_has_enrolled_has_nothing_to_put_off(person):
    enrol_totp(person)
    assert client_of(person).post(URL).url.startswith(reverse("mfa_authenticate"))
    assert not events(Kind.DEADLINE_SNOOZED)


def test_without_grace_the_flow_refuses(person, tenant):
    publish_rules(tenant, snoozes=5)
    with pytest.raises(NoSnoozeLeft):
        snoozes.snooze(person)
    assert not events(Kind.DEADLINE_SNOOZED)


@pytest.mark.security(71)
def test_only_a_post_with_its_token_puts_anything_off(person, browser):
    assert browser.get(URL).status_code == 405
    strict = Client(enforce_csrf_checks=True, HTTP_HOST="localhost")
    strict.cookies = browser.cookies
    assert strict.post(URL).status_code == 403
    assert Client().post(URL).url.startswith(reverse("account_login"))
    person.refresh_from_db()
    assert person.snoozes_used == 0


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_the_way_back_stays_on_this_site(browser, wanted):
    assert browser.post(URL, {"next": wanted}).url == "/"


def test_the_banner_costs_no_query(person, browser, django_assert_num_queries):
    browser.get(reverse("help"))
    page(browser)
    for _ in range(2):
        with django_assert_num_queries(1):
            browser.get(reverse("account_set_password"))
        browser.post(URL)
        page(browser)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_at_once_count_once(person):
    barrier = threading.Barrier(6)

    def put_off(number: int) -> Any:
        barrier.wait()
        try:
            return snoozes.snooze(User.objects.select_related("tenant").get(pk=person.pk))
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as executor:
        assert len(set(executor.map(put_off, range(6)))) == 1
    person.refresh_from_db()
    assert person.snoozes_used == events(Kind.DEADLINE_SNOOZED) == 1
