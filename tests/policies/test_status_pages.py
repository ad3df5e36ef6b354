"""The page and the command of the MFA status: plain numbers, of those whom one answers for."""

import json
import re
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit.kinds import Kind
from policies.admin.charts import WIDTH, bar, line
from tests.factories import TenantFactory, UserFactory, enrol_totp, publish_rules, verified_client
from tests.policies.admin_scene import Side, last_event, root
from tests.policies.test_snapshots import note

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


def status_of(side: Side) -> str:
    return reverse("admin:mfa_status_of", args=[side.tenant.pk])


def cells(response) -> dict[str, str]:
    """The figures of the page by their words."""
    rows = re.findall(r'<th scope="row">(.*?)</th>\s*<td class="num">(.*?)</td>', response.content.decode(), re.DOTALL)
    return {re.sub(r"<svg.*</svg>|<.*?>", "", words, flags=re.DOTALL).strip(): number for words, number in rows}


class TestThePage:
    def test_it_shows_how_far_the_tenant_is(self, client, mine):
        UserFactory(tenant=mine.tenant)
        response = client.get(status_of(mine))
        assert response.status_code == 200
        found = cells(response)
        assert (found["Ready"], found["Overdue: stopped at the next sign-in"]) == ("2", "1")
        assert (found["App"], found["Recovery codes"], found["No second factor"]) == ("2", "0", "1")
        assert (found["User"], found["Administrator"]) == ("1", "1")
        assert found["One lost device away from being locked out"] == "2"
        page = response.content.decode()
        assert "1 person is not ready yet" in page
        assert "2 of 3 people have a second factor." in page
        assert "style=" not in page.partition("<main")[2]

    @pytest.mark.security(84)
    def test_another_tenants_status_does_not_exist(self, client, theirs):
        for address in (status_of(theirs), reverse("admin:mfa_status_of", args=[uuid.uuid4()])):
            response = client.get(address)
            assert response.status_code == 404
            assert theirs.mark not in response.content.decode()
            refusal = last_event(Kind.ADMIN_REFUSED)
            assert (refusal.payload["reason"], refusal.payload["page"]) == ("not_found", address)

    @pytest.mark.security(84)
    def test_the_status_of_all_leads_a_tenants_administrator_to_their_own(self, client, mine):
        response = client.get(reverse("admin:mfa_status"))
        assert (response.status_code, response["Location"]) == (302, status_of(mine))

    def test_the_platform_sees_all_tenants_and_each(self, mine, theirs):
        client = verified_client(root())
        response = client.get(reverse("admin:mfa_status"))
        page = response.content.decode()
        assert mine.mark in page and theirs.mark in page
        assert client.get(status_of(theirs)).status_code == 200
        assert client.get(reverse("admin:mfa_status_of", args=[uuid.uuid4()])).status_code == 404

    def test_it_takes_the_same_queries_for_more_people(self, client, mine):
        client.get(status_of(mine))

        def taken() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(status_of(mine)).status_code == 200
            return len(captured)

        before = taken()
        for number in range(5):
            person = UserFactory(tenant=mine.tenant)
            if number % 2:
                enrol_totp(person)
        assert taken() == before

    def test_the_page_of_all_takes_the_same_queries_for_more_tenants(self):
        client = verified_client(root())
        UserFactory(tenant=TenantFactory())
        client.get(reverse("admin:mfa_status"))

        def taken() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(reverse("admin:mfa_status")).status_code == 200
            return len(captured)

        before = taken()
        for _ in range(4):
            UserFactory(tenant=TenantFactory())
        assert taken() == before

    def test_it_shows_the_way_so_far_and_where_it_leads(self, client, mine):
        publish_rules(mine.tenant, grace_days=14)
        page = client.get(status_of(mine)).content.decode()
        assert "There is no snapshot yet." in page
        assert "It is too early to say how many will not be ready then" in page
        today = timezone.localdate(timezone=mine.tenant.zone)
        for ago in range(1, 15):
            note(mine.tenant, today - timedelta(days=ago), missing=10)
        page = client.get(status_of(mine)).content.decode()
        assert "For most people the days of grace end on" in page
        assert re.search(r"in the last four weeks,\s+\d+ (person|people) will not be ready then", page)
        assert page.count("<polyline") == 2
        assert page.count("<tr>") > 14

    def test_the_console_leads_there(self, client):
        assert reverse("admin:mfa_status") in client.get(reverse("admin:index")).content.decode()


class TestTheCommand:
    def said(self, *arguments: str) -> str:
        out = StringIO()
        call_command("mfa_status", *arguments, stdout=out)
        return out.getvalue()

    def test_it_says_the_same_as_the_page(self, mine):
        UserFactory(tenant=mine.tenant)
        found = json.loads(self.said("--tenant", mine.mark, "--json"))
        assert list(found["tenants"]) == [mine.mark]
        status = found["tenants"][mine.mark]
        assert found["total"] == status
        assert (status["people"], status["enrolled"], status["missing"], status["overdue"]) == (3, 1, 2, 2)
        assert status["by_method"] == {"webauthn": 0, "totp": 1}
        assert status["by_role"] == {"user": 2, "administrator": 1}

    def test_people_read_it_too(self, mine, theirs):
        said = self.said()
        assert f"{mine.mark}: 1 of 2 enrolled, 1 missing, 1 overdue, 1 one lost device from lock-out" in said
        assert theirs.mark in said
        alone = self.said("--tenant", mine.mark)
        assert "        2  people\n" in alone
        assert theirs.mark not in alone

    def test_an_unknown_tenant_is_an_error(self):
        with pytest.raises(CommandError, match="no tenant with the short name 'nowhere'") as refused:
            self.said("--tenant", "nowhere")
        assert refused.value.returncode == 1


@pytest.mark.parametrize(
    ("number", "of", "percent"), [(0, 0, 0), (0, 9, 0), (1, 1000, 1), (999, 1000, 99), (1, 2, 50), (7, 7, 100)]
)
def test_a_bar_says_all_and_nothing_only_where_it_is_so(number, of, percent):
    found = bar("x", number, of)
    assert found.percent == percent
    assert found.width == pytest.approx(WIDTH * number / of if of else 0, abs=0.1)


def test_a_line_leaves_days_without_a_figure_out():
    assert line([0, None, 10], most=10) == "0.0,160.0 600.0,0.0"


def test_a_line_of_one_day_is_a_dot():
    assert line([5], most=0) == "0.0,160 0.0,160"
    assert line([None, 5], most=5) == "600.0,0.0 600.0,0.0"
