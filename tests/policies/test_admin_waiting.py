"""The overview says what waits for an administrator, of what they see and may decide."""

import pytest
from django.urls import reverse

from accounts.flows import help_requests
from accounts.models import HelpRequest, Tenant
from tests.accounts import acts_scene
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, verified_client

pytestmark = pytest.mark.django_db
INDEX = reverse("admin:index")


def shown_to(person) -> str:
    return verified_client(person).get(INDEX).content.decode()


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory()


def test_an_act_waits_for_everybody_but_who_asked_and_whom_it_is_about(tenant):
    asker, second, boss = (acts_scene.settled_administrator(tenant=tenant) for _ in range(3))
    elsewhere = AdministratorFactory(tenant=TenantFactory())
    root = AdministratorFactory(is_superuser=True)
    act = acts_scene.ask(boss, asker)
    words = "1 act on an account needs a second administrator."
    assert {who: words in shown_to(who) for who in (asker, boss, second, elsewhere, root)} == {
        asker: False,
        boss: False,
        second: True,
        elsewhere: False,
        root: True,
    }
    acts_scene.approve(act, second)
    assert words not in shown_to(root)


def test_people_who_asked_for_help_are_counted_until_that_is_closed(tenant):
    administrator, elsewhere = AdministratorFactory(tenant=tenant), AdministratorFactory(tenant=TenantFactory())
    for _ in range(2):
        HelpRequest.objects.create(person=UserFactory(tenant=tenant), tenant=tenant)
    words = "2 people asked for help to get in."
    assert words in shown_to(administrator)
    assert words not in shown_to(elsewhere)
    for asked in HelpRequest.objects.all():
        help_requests.close(asked, actor=administrator)
    assert "asked for help to get in" not in shown_to(administrator)


def test_it_costs_two_queries_however_much_waits(tenant, django_assert_num_queries):
    administrator = AdministratorFactory(tenant=tenant)
    client = verified_client(administrator)
    client.get(INDEX)
    for _ in range(3):
        HelpRequest.objects.create(person=UserFactory(tenant=tenant), tenant=tenant)
        with django_assert_num_queries(4):  # session; acts, requests; what is under way
            client.get(INDEX)
