"""The path of every request: one SELECT, no evaluation, no write."""

from datetime import timedelta

import pytest
from django.conf import settings as site
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Notice, Session
from audit import context
from audit.kinds import Kind
from audit.log import record
from audit.models import AuditChain
from policies import enforcement, facts
from tests.factories import PASSWORD, TenantFactory, UserFactory, enrol_totp, next_code, verified_client

pytestmark = pytest.mark.django_db
STATEMENTS = {"postgresql": 22, "sqlite": 26}  # of the two POSTs of a sign-in; never more than 32


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


@pytest.fixture
def signed_in_again(clock):
    """The statements of a sign-in from a browser that is known, and how many notices it sent."""
    person = UserFactory(tenant=TenantFactory())
    secret = enrol_totp(person)
    browser = Client()

    def sign_in() -> None:
        browser.cookies.pop(site.SESSION_COOKIE_NAME, None)
        browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
        browser.post(reverse("mfa_authenticate"), {"code": next_code(secret), "method": "totp"})

    sign_in()
    clock.forward(timedelta(minutes=2))
    told = Notice.objects.filter(person=person).count()
    with CaptureQueriesContext(connection) as captured:
        sign_in()
    statements = [one["sql"] for one in captured]  # the next request forgets them
    assert browser.get(reverse("home")).status_code == 200
    return statements, Notice.objects.filter(person=person).count() - told


def test_a_sign_in_writes_the_person_once_and_tells_nobody_of_a_known_browser(signed_in_again):
    statements, notices = signed_in_again
    assert len([one for one in statements if one.startswith('UPDATE "accounts_user"')]) == 1
    assert notices == 0


def test_a_sign_in_from_a_known_browser_is_no_dearer(signed_in_again):
    statements, _notices = signed_in_again
    assert len(statements) <= STATEMENTS[connection.vendor], "\n".join(statements)


@pytest.mark.postgres
def test_no_statement_of_a_sign_in_looks_for_the_end_of_a_chain(signed_in_again):
    statements, _notices = signed_in_again
    assert not [one for one in statements if one.startswith("SELECT sequence, hash")]
    assert len([one for one in statements if one.startswith("WITH head")]) == 2


def test_a_judgement_brings_the_end_of_the_tenants_chain():
    person = UserFactory(tenant=TenantFactory())
    record(Kind.SIGNED_OUT, target=person)
    with context.use(context.RequestContext()) as here:
        facts.situation(person)
    head = AuditChain.objects.get(pk=person.tenant_id)
    assert here.heads == {person.tenant_id: (head.sequence, head.hash)}


def test_a_tenant_in_whose_chain_nothing_is_has_rules_all_the_same():
    person = UserFactory(tenant=TenantFactory())
    AuditChain.objects.filter(pk=person.tenant_id).delete()  # as before its first event
    with context.use(context.RequestContext()) as here:
        assert facts.situation(person).rules
    assert not here.heads


def test_the_first_sign_in_of_all_is_no_dearer_than_thirty_two_statements():
    person = UserFactory(tenant=TenantFactory())
    secret = enrol_totp(person)
    browser = Client()
    with CaptureQueriesContext(connection) as captured:
        browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
        browser.post(reverse("mfa_authenticate"), {"code": next_code(secret), "method": "totp"})
    statements = [one["sql"] for one in captured]  # the next request forgets them
    assert browser.get(reverse("home")).status_code == 200
    assert len(statements) <= 32, "\n".join(statements)


def test_the_first_request_after_a_change_asks_and_the_next_does_not(client, django_assert_num_queries):
    session = Session.objects.exclude(signed_in_at=None).get(ended_at=None)
    type(session.person).objects.update(security_version=50)
    client.get(reverse("account_set_password"))
    with django_assert_num_queries(1):
        client.get(reverse("account_set_password"))
