"""Limits in the database: counted before evaluation, shared, growing, never a lever against others."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from accounts.errors import TooManyRequests
from accounts.flows import throttles
from accounts.flows.throttles import Limit
from accounts.models import Throttle
from audit.models import AuditEvent
from tests.accounts.test_verification import in_parallel
from tests.factories import TenantFactory, UserFactory

pytestmark = pytest.mark.django_db
THREE = Limit("test", 3, timedelta(minutes=5), timedelta(seconds=30))


def test_the_limit_is_the_limit_whatever_the_cache_does():
    for _ in range(3):
        throttles.count((THREE, "a"))
        cache.clear()
    with pytest.raises(TooManyRequests):
        throttles.count((THREE, "a"))
    throttles.count((THREE, "b"))


def test_the_pause_ends_and_grows_while_it_goes_on():
    now = timezone.now()
    waits = []
    for _ in range(4):
        for _ in range(3):
            throttles.count((THREE, "a"), now=now)
        with pytest.raises(TooManyRequests) as refused:
            throttles.count((THREE, "a"), now=now)
        with pytest.raises(TooManyRequests) as again:
            throttles.count((THREE, "a"), now=now + timedelta(seconds=1))
        assert again.value.until == refused.value.until
        waits.append((refused.value.until - now).total_seconds())
        now = refused.value.until
    assert waits == [30, 60, 120, 240]


def test_the_first_refusal_of_a_pause_is_recorded_and_no_other():
    now, person = timezone.now(), UserFactory(tenant=TenantFactory())
    for _ in range(3):
        throttles.count_recorded((THREE, "a"), about=person)
    assert not AuditEvent.objects.filter(kind="requests:throttled").exists()
    for _ in range(20):
        with pytest.raises(TooManyRequests):
            throttles.count_recorded((THREE, "a"), about=lambda: person)
    event = AuditEvent.objects.get(kind="requests:throttled")
    assert (event.outcome, event.target_id) == ("refused", str(person.pk))
    assert event.payload["scope"] == "test" and event.payload["until"] > f"{now:%Y-%m-%d}"
    assert "(test)" in event.sentence and person.email in event.sentence


def test_of_two_limits_the_one_that_began_the_pause_is_named():
    for _ in range(3):
        throttles.count((THREE, "a"))
    with pytest.raises(TooManyRequests) as refused:
        throttles.count((Limit("first", 0, timedelta(minutes=5)), "b"), (THREE, "c"))
    assert refused.value.scope == "first"
    with pytest.raises(TooManyRequests) as again:
        throttles.count((THREE, "a"), (Limit("first", 0, timedelta(minutes=5)), "b"))
    assert (again.value.scope, again.value.is_new) == ("test", True)


def test_an_old_window_is_forgotten():
    now = timezone.now()
    for _ in range(3):
        throttles.count((THREE, "a"), now=now)
    throttles.count((THREE, "a"), now=now + timedelta(minutes=5))


def test_forgiving_takes_back_one_try_and_no_more():
    for _ in range(3):
        throttles.count((THREE, "a"))
    throttles.forgive((THREE, "a"))
    throttles.count((THREE, "a"))
    with pytest.raises(TooManyRequests):
        throttles.count((THREE, "a"))


def test_no_subject_stands_in_the_table():
    throttles.count((THREE, "person@example.com"))
    assert "person" not in str(Throttle.objects.values())


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", "unknown"),
        ("nonsense", "unknown"),
    ],
)
def test_one_household_is_one_network(ip, network):
    assert throttles.network_of(ip) == network


def test_counters_long_over_are_idle():
    throttles.count((THREE, "a"))
    assert not throttles.idle(timezone.now()).exists()
    assert throttles.idle(timezone.now() + timedelta(hours=2)).count() == 1


@pytest.mark.postgres
@pytest.mark.security(26)
@pytest.mark.django_db(transaction=True)
def test_forty_at_once_are_no_more_than_the_limit():
    outcomes = in_parallel(40, lambda _: throttles.count((THREE, "a")))
    assert outcomes.count("") == 3
