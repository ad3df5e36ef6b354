"""The path of every request: one SELECT, no evaluation, no write."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Session
from policies import enforcement
from tests.factories import PASSWORD, TenantFactory, UserFactory, enrol_totp, next_code, verified_client

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


def test_a_sign_in_by_password_and_code_is_thirty_two_statements_in_all_the_first_time():
    person = UserFactory(tenant=TenantFactory())
    secret = enrol_totp(person)
    browser = Client()
    with CaptureQueriesContext(connection) as captured:
        browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
        browser.post(reverse("mfa_authenticate"), {"code": next_code(secret), "method": "totp"})
    assert browser.get(reverse("home")).status_code == 200
    assert len(captured) <= 32, "\n".join(query["sql"] for query in captured)


def test_the_first_request_after_a_change_asks_and_the_next_does_not(client, django_assert_num_queries):
    session = Session.objects.exclude(signed_in_at=None).get(ended_at=None)
    type(session.person).objects.update(security_version=50)
    client.get(reverse("account_set_password"))
    with django_assert_num_queries(1):
        client.get(reverse("account_set_password"))
