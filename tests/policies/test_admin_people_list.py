"""The list of people goes from page to page by address: nobody twice, nobody left out, no page dearer than another."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.admin import filters
from accounts.models import Tenant, User
from policies.admin import paged_list
from policies.admin.people import PersonAdmin
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, verified_client

pytestmark = pytest.mark.django_db
LIST = reverse("admin:accounts_user_changelist")


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch) -> Tenant:
    """Seven people and their administrator, on pages of three."""
    monkeypatch.setattr(PersonAdmin, "list_per_page", 3)
    tenant: Tenant = TenantFactory()
    for number in range(7):
        UserFactory(tenant=tenant, email=f"p{number}@example.com", name="Seven" if number else "Nought")
    UserFactory(tenant=TenantFactory(), email="p3x@example.com")
    return tenant


@pytest.fixture
def client(tenant: Tenant) -> Client:
    return verified_client(AdministratorFactory(tenant=tenant, email="admin@example.com"))


def shown(response: Any) -> list[str]:
    return [person.email.partition("@")[0] for person in response.context["cl"].result_list]


def link(response: Any, rel: str) -> str | None:
    found = re.search(rf'<a href="([^"]*)" rel="{rel}">', response.content.decode())
    return found and found[1].replace("&amp;", "&")


def walk(client: Client, start: str, rel: str) -> list[list[str]]:
    pages, query = [], start
    while query is not None:
        response = client.get(LIST + query)
        pages.append(shown(response))
        query = link(response, rel)
    return pages


def test_pages_follow_each_other_and_lead_back(client: Client) -> None:
    pages = walk(client, "", "next")
    assert pages == [["admin", "p0", "p1"], ["p2", "p3", "p4"], ["p5", "p6"]]
    assert walk(client, "?after=p4@example.com", "prev") == pages[::-1]


def test_a_search_and_a_filter_stay_from_page_to_page(client: Client) -> None:
    assert walk(client, "?q=seven&role=user", "next") == [["p1", "p2", "p3"], ["p4", "p5", "p6"]]


def test_filters_begin_the_list_anew(client: Client) -> None:
    body = client.get(LIST, {"after": "p1@example.com"}).content.decode()
    assert 'href="?role=user"' in body


def test_a_page_beyond_the_end_leads_to_the_beginning(client: Client) -> None:
    response = client.get(LIST, {"after": "zzz"})
    assert (shown(response), link(response, "prev")) == ([], "?")


def test_another_order_has_numbered_pages(client: Client) -> None:
    response = client.get(LIST, {"o": "-1", "p": "2"})
    assert shown(response) == ["p3", "p2", "p1"]
    assert link(response, "next") is None
    assert client.get(LIST, {"o": "-1", "p": "99"}).status_code == 302


def test_everybody_on_one_page_while_they_are_few(client: Client) -> None:
    assert len(shown(client.get(LIST, {"all": ""}))) == 8


def test_nobody_counts_further_than_a_bound(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "8 people" in client.get(LIST).content.decode()
    monkeypatch.setattr(paged_list, "COUNTED", 5)
    response = client.get(LIST, {"q": "p"})
    body = response.content.decode()
    assert "More than 5 people" in body
    assert "More than 5 results" in body
    assert len(walk(client, "", "next")) == 3
    assert len(shown(client.get(LIST, {"all": ""}))) == 3


def indexes_of_people(cursor: Any) -> set[str]:
    """Those that hold up no constraint."""
    cursor.execute(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'accounts_user'::regclass"
        " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)"
    )
    return {name for (name,) in cursor.fetchall()}


@pytest.mark.postgres
@pytest.mark.parametrize("everywhere", [False, True])
def test_both_columns_of_a_search_are_found_by_their_indexes(tenant: Tenant, everywhere: bool) -> None:
    home = Tenant.objects.get(is_default=True) if everywhere else tenant
    client = verified_client(AdministratorFactory(tenant=home, is_superuser=everywhere))
    with CaptureQueriesContext(connection) as captured:
        assert "p3" in shown(client.get(LIST, {"q": "p3@exam"}))
    searches = [query["sql"] for query in captured if "LIKE" in query["sql"]]
    assert len(searches) == 1  # so few are counted by reading them
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE accounts_user DROP CONSTRAINT accounts_user_email_key")
        for name in indexes_of_people(cursor) - {"person_email_trigrams", "person_name_trigrams"}:
            cursor.execute(f"DROP INDEX {name}")  # of so few people, any finds them
        cursor.execute("SET LOCAL enable_seqscan = off")
        for sql in searches:
            cursor.execute("EXPLAIN " + sql)
            plan = str(cursor.fetchall())
            assert "person_email_trigrams" in plan and "person_name_trigrams" in plan


@pytest.mark.postgres
def test_a_deep_page_and_a_search_are_found_by_an_index() -> None:
    with CaptureQueriesContext(connection), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        deep = User.objects.filter(tenant=TenantFactory(), email__gt="m").order_by("email")[:51].explain()
        part = User.objects.filter(email__icontains="needle").explain()
    assert "person_tenant_email" in deep
    assert "person_email_trigrams" in part


# -- more tenants than there is room for ----------------------------------------------------------------------------


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, tenant: Tenant) -> Client:
    """A platform administrator who sees more tenants than are offered one by one."""
    monkeypatch.setattr(filters, "MOST_OFFERED", 2)
    Tenant.objects.filter(pk=tenant.pk).update(name="Harbour Clinic", slug="harbour")
    UserFactory(tenant=TenantFactory(name="Old Harbour Inn", slug="inn"), email="inn@example.com")
    return verified_client(AdministratorFactory(is_superuser=True, email="root@example.com"))


def of_tenant(client: Client, value: str) -> set[str]:
    return {
        one.email.partition("@")[0] for one in client.get(LIST, {"tenant": value, "all": ""}).context["cl"].queryset
    }


def test_of_many_tenants_one_is_asked_for_by_part_of_its_name(platform: Client) -> None:
    assert of_tenant(platform, "clinic") == {f"p{number}" for number in range(7)}
    assert of_tenant(platform, " INN ") == {"inn"}
    assert of_tenant(platform, "harbour") == {"inn", *(f"p{number}" for number in range(7))}


def test_of_many_tenants_a_name_that_none_has_shows_nobody(platform: Client) -> None:
    assert of_tenant(platform, "nowhere") == set()
    assert of_tenant(platform, str(uuid4())) == set()


@pytest.mark.parametrize("value", ["", "   "])
def test_of_many_tenants_no_name_filters_nothing(platform: Client, value: str) -> None:
    assert {"inn", "p0", "root"} <= of_tenant(platform, value)


def test_the_field_says_which_tenant_was_chosen_and_keeps_what_else_was(platform: Client, tenant: Tenant) -> None:
    body = platform.get(LIST, {"tenant": str(tenant.pk), "role": "user", "p": "2", "q": "sev<en"}).content.decode()
    assert re.search(r'name="tenant" value="Harbour Clinic"', body)
    form = re.search(r'<form class="tenant-filter".*?</form>', body, re.DOTALL)
    assert form
    hidden = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', form[0])
    assert hidden == [("role", "user"), ("q", "sev&lt;en")]


def test_of_many_tenants_their_own_administrators_are_offered_none(platform: Client, client: Client) -> None:
    shown = client.get(LIST, {"tenant": "inn"})
    assert "tenant-filter" not in shown.content.decode()
    assert "inn" not in of_tenant(client, "inn")
    assert "p0" in of_tenant(client, "inn")


def test_tenants_are_not_read_one_by_one_for_the_filter(platform: Client) -> None:
    TenantFactory.create_batch(5)
    with CaptureQueriesContext(connection) as asked:
        platform.get(LIST)
    names = [one["sql"] for one in asked if one["sql"].startswith('SELECT "accounts_tenant"."id" AS')]
    assert [one.rpartition(" ORDER BY ")[2] for one in names] == ["2 ASC LIMIT 3"]
