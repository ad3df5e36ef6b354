"""The lists behind the figures: the same people, only one's own, and no formula in the file."""

import csv
import io
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import enrolment_state
from accounts.models import Role, User
from audit.kinds import Kind
from policies.rollout import statistics
from policies.rollout.listed import Which, listed
from tests.bench import crowd
from tests.factories import TenantFactory, UserFactory
from tests.policies.admin_scene import Side, last_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine() -> Side:
    return Side()


@pytest.fixture
def theirs() -> Side:
    return Side()


@pytest.fixture
def client(mine: Side) -> Client:
    return mine.client()


def address(side: Side, which: str, page: str = "list") -> str:
    """Of a list: the page itself, or a file by its ending."""
    if page == "list":
        return reverse("admin:mfa_status_list", args=[side.tenant.pk, which])
    return reverse("admin:mfa_status_file", args=[side.tenant.pk, which, page])


def table(response) -> list[list[str]]:
    text = b"".join(response.streaming_content).decode().removeprefix("\ufeff")
    return list(csv.reader(io.StringIO(text)))


def test_each_list_holds_as_many_as_its_figure_says():
    tenant = TenantFactory()
    crowd.gather(tenant, 100)
    for person in User.objects.filter(tenant=tenant):
        enrolment_state.refresh(person)
    now = timezone.now()
    status = statistics.status_of([tenant.pk], now)[tenant.pk]
    for which in set(Which) - {Which.APP_ONLY}:
        assert listed(tenant, which, now).count() == getattr(status, which.name.lower()), which
    assert listed(tenant, Which.APP_ONLY, now).count() == 50
    assert status.overdue > 0 and status.one_loss_away > 0 and status.few_codes > 0


@pytest.mark.security(84)
@pytest.mark.parametrize("which", list(Which))
@pytest.mark.parametrize("page", ["list", "csv", "xlsx"])
def test_another_tenants_lists_do_not_exist(client, theirs, which, page):
    response = client.get(address(theirs, which, page), {"q": "example"})
    assert response.status_code == 404
    assert theirs.mark not in response.content.decode()
    assert last_event(Kind.ADMIN_REFUSED).payload["reason"] == "not_found"


@pytest.mark.security(84)
@pytest.mark.parametrize("which", list(Which))
def test_no_list_holds_anybody_of_another_tenant(client, mine, theirs, which):
    UserFactory(tenant=theirs.tenant)
    for query in ({}, {"q": theirs.mark}, {"role": "user"}, {"after": "a"}, {"tenant": theirs.tenant.pk}):
        page = client.get(address(mine, which), query).content.decode()
        assert f"@{theirs.mark}" not in page and f"Person {theirs.mark}" not in page
        assert theirs.mark not in str(table(client.get(address(mine, which, "csv"), query)))


def test_a_list_that_there_is_not_is_not_there(client, mine):
    assert client.get(address(mine, "passwords")).status_code == 404
    assert client.get(reverse("admin:mfa_status_list", args=[uuid.uuid4(), "overdue"])).status_code == 404


def test_it_is_searched_and_filtered(client, mine):
    UserFactory(tenant=mine.tenant, email="anna@acme.example", name="Anna")
    UserFactory(tenant=mine.tenant, email="boss@acme.example", name="Berta", role=Role.ADMINISTRATOR)

    def found(**query: str) -> list[str]:
        rows = client.get(address(mine, "overdue"), query).context["rows"]
        assert [row[0] for row in table(client.get(address(mine, "overdue", "csv"), query))[1:]] == [
            row["person"].email for row in rows
        ]
        return [row["person"].email for row in rows]

    both = ["anna@acme.example", "boss@acme.example"]
    assert found() == both
    assert found(q="ANNA") == found(q="anna@") == both[:1]
    assert found(role="administrator") == both[1:]
    assert found(role="nothing") == both
    assert found(q="nobody") == []


def test_pages_go_on_by_address_and_cost_the_same(client, mine):
    people = [UserFactory(tenant=mine.tenant, email=f"p{number:03}@acme.example") for number in range(120)]
    url, seen, taken = address(mine, "without"), [], []
    query = ""
    client.get(url)  # the session's own writes
    while query is not None:
        with CaptureQueriesContext(connection) as captured:
            response = client.get(url + query)
        assert not any("OFFSET" in one["sql"] for one in captured)
        taken.append(len(captured))
        seen += [row["person"].email for row in response.context["rows"]]
        query = response.context["next_url"] or None
    assert seen == [person.email for person in people]
    assert len(taken) == 3 and len(set(taken)) == 1
    assert len(table(client.get(address(mine, "without", "csv")))) == 121


def test_a_name_that_begins_like_a_formula_is_text(client, mine):
    UserFactory(tenant=mine.tenant, email="eve@acme.example", name="=HYPERLINK(1)")
    rows = table(client.get(address(mine, "without", "csv")))
    assert rows[0] == ["Email", "Name", "Role", "Methods", "Recovery codes left", "Enrolled since", "First sign-in"]
    assert rows[1][:4] == ["eve@acme.example", "'=HYPERLINK(1)", "User", ""]
