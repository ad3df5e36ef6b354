"""The path of every request: one SELECT, no evaluation, no write."""

from datetime import timedelta

import pytest
from django.urls import reverse

from accounts.models import Session
from policies import enforcement
from tests.factories import TenantFactory, UserFactory, verified_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    client = verified_client(UserFactory(tenant=TenantFactory()))
    client.get(reverse("help"))
    client.get(reverse("home"))
    return client


def test_a_granted_request_costs_one_select(client, django_assert_num_queries, monkeypatch):
    def evaluated(*args, **kwargs):
        raise AssertionError("the hot path evaluated the policy")

    monkeypatch.setattr(enforcement, "judge", evaluated)
    with django_assert_num_queries(1) as captured:
        assert client.get(reverse("account_set_password")).status_code == 302
    assert captured[0]["sql"].startswith("SELECT s.")


def test_an_ordinary_request_writes_nothing(client, django_assert_num_queries, clock):
    clock.forward(timedelta(minutes=4))
    with django_assert_num_queries(1):
        client.get(reverse("account_set_password"))
    clock.forward(timedelta(minutes=2))
    with django_assert_num_queries(2) as captured:
        client.get(reverse("account_set_password"))
    assert "last_seen_at" in captured[1]["sql"]


def test_the_first_request_after_a_change_asks_and_the_next_does_not(client, django_assert_num_queries):
    session = Session.objects.exclude(signed_in_at=None).get(ended_at=None)
    type(session.person).objects.update(security_version=50)
    client.get(reverse("account_set_password"))
    with django_assert_num_queries(1):
        client.get(reverse("account_set_password"))
