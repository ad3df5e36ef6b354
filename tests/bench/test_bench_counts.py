"""What requests ask of the database, beside the hot path (`tests/policies/test_hot_path.py`)."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from tests.factories import TenantFactory, UserFactory, client_of, publish_rules, verified_client

pytestmark = pytest.mark.django_db


def test_a_page_for_everybody_asks_nothing_of_a_stranger(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get(reverse("account_login")).status_code == 200


def test_a_chosen_language_looks_nobody_up(django_assert_num_queries):
    client = verified_client(UserFactory(tenant=TenantFactory()))
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    with django_assert_num_queries(0):
        response = client.get(reverse("healthz"))
    assert response["Content-Language"] == "de"


def test_the_persons_own_language_comes_with_the_session(django_assert_num_queries):
    client = verified_client(UserFactory(tenant=TenantFactory(), language="ar"))
    with django_assert_num_queries(1):
        response = client.get(reverse("healthz"), headers={"accept-language": "de"})
    assert response["Content-Language"] == "ar"


def test_a_stranger_is_answered_in_the_browsers_language(django_assert_num_queries):
    with django_assert_num_queries(0):
        response = Client().get(reverse("healthz"), headers={"accept-language": "de, en;q=0.5"})
    assert response["Content-Language"] == "de"
    assert "Accept-Language" in response["Vary"]


def test_somebody_in_grace_costs_one_select_too(django_assert_num_queries, clock):
    tenant = TenantFactory(rules={"enforcement": "optional"})
    client = client_of(UserFactory(tenant=tenant))
    clock.forward(timedelta(minutes=1))
    publish_rules(tenant, grace_days=14)
    client.get(reverse("account_set_password"))
    with django_assert_num_queries(1):
        response = client.get(reverse("account_set_password"))
    assert response.wsgi_request.gate.days_left == 14
