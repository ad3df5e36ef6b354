"""Campaigns in the admin: begun by whoever answers for the tenant, shown with what became of their mails, stopped."""

from datetime import time

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.utils.html import escape

from accounts.models import Tenant
from audit.kinds import Kind
from policies.models import Campaign, Reminder
from tests.factories import verified_client
from tests.policies.admin_scene import last_event, root, url
from tests.policies.reminding_scene import a_tenant, newcomer

pytestmark = pytest.mark.django_db
FORM = {"days": "14, 3,0", "quiet_from": "21:00", "quiet_until": "07:30"}


@pytest.fixture
def tenant() -> Tenant:
    return a_tenant()


def test_an_administrator_begins_one_for_their_own_tenant(client, tenant):
    assert 'value="14, 7, 3, 1, 0"' in client.get(url(Campaign, "add")).content.decode()
    other = a_tenant()
    response = client.post(url(Campaign, "add"), FORM | {"tenant": str(other.pk)})
    assert response.status_code == 302
    campaign = Campaign.objects.get()
    assert (campaign.tenant, campaign.days) == (tenant, [14, 3, 0])
    assert (campaign.quiet_from, campaign.quiet_until) == (time(21), time(7, 30))
    assert last_event(Kind.CAMPAIGN_STARTED).target_id == str(tenant.pk)


def test_the_platform_begins_one_for_any_tenant(tenant):
    response = verified_client(root()).post(url(Campaign, "add"), FORM | {"tenant": str(tenant.pk)})
    assert response.status_code == 302
    assert Campaign.objects.get().tenant == tenant


@pytest.mark.parametrize("days", ["", "91", "-1", "x", "1,,x", "1000", "٣"])
def test_days_that_make_no_campaign_are_answered_with_the_form(client, days):
    response = client.post(url(Campaign, "add"), FORM | {"days": days})
    assert response.status_code == 200
    assert "errorlist" in response.content.decode() or response.context["errors"]
    assert not Campaign.objects.exists()


def test_it_is_shown_with_what_became_of_its_mails_and_stopped(client, tenant):
    campaign = Campaign.objects.create(tenant=tenant)
    Reminder.objects.create(
        person=newcomer(tenant), tenant=tenant, day="2030-01-01", campaign=campaign, state=Reminder.State.SENT
    )
    for address in (url(Campaign), url(Campaign, "change", campaign.pk)):
        page = client.get(address).content.decode()
        for words in ("Running", "14, 7, 3, 1, 0", "20:00–08:00 (Europe/Berlin)"):
            assert words in page, address
    assert f"Campaign of {escape(str(tenant))} since" in page
    [row] = client.get(url(Campaign)).context["cl"].result_list
    assert (row.number_waiting, row.number_sent, row.number_given_up) == (0, 1, 0)
    client.post(url(Campaign), {"action": "stop", ACTION_CHECKBOX_NAME: [str(campaign.pk)]})
    campaign.refresh_from_db()
    assert campaign.ended_at is not None
    assert "Stopped" in client.get(url(Campaign)).content.decode()


def test_its_own_page_stops_it_while_it_runs(client, tenant):
    campaign = Campaign.objects.create(tenant=tenant)
    page = url(Campaign, "change", campaign.pk)
    assert 'name="action" value="stop"' in client.get(page).content.decode()
    response = client.post(url(Campaign), {"action": "stop", ACTION_CHECKBOX_NAME: str(campaign.pk)}, follow=True)
    assert "1 campaign was stopped." in response.content.decode()
    assert last_event(Kind.CAMPAIGN_STOPPED).target_id == str(tenant.pk)
    assert 'name="action" value="stop"' not in client.get(page).content.decode()


def test_an_empty_list_says_what_that_means(client):
    assert "There is no campaign yet: nobody is reminded by itself." in client.get(url(Campaign)).content.decode()
    assert "Nobody was reminded yet." in client.get(url(Reminder)).content.decode()
    found = client.get(url(Reminder), {"q": "nobody"}).content.decode()
    assert "Nothing fits what you search for." in found
    assert "Nobody was reminded yet." not in found
