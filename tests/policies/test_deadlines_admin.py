"""The page that gives people more time, and what a person's page tells about it."""

from datetime import timedelta

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.flows import people
from accounts.models import Tenant, User
from audit.kinds import Kind
from policies.flows import deadlines
from policies.models import DeadlineExtension
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, enrol_totp, verified_client
from tests.policies.admin_scene import events, last_event, root, stale_client, url

pytestmark = [pytest.mark.django_db, pytest.mark.security(62)]

LIST = url(User)
PAGE = reverse("admin:accounts_user_extend_deadline")


@pytest.fixture
def person(tenant: Tenant) -> User:
    return UserFactory(tenant=tenant, email="late@office.example")


def page_of(*people: User) -> str:
    return f"{PAGE}?ids={','.join(str(person.pk) for person in people)}"


def in_days(days: int) -> str:
    return (timezone.now() + timedelta(days=days)).date().isoformat()


def said(**changes: str) -> dict[str, str]:
    return {"last_day": in_days(10), "reason": "The keys come next week."} | changes


def test_from_the_list_to_the_page_to_more_time(client: Client, administrator: User, person: User) -> None:
    other = UserFactory(tenant=person.tenant, email="other@office.example")
    chosen = {"action": "extend_deadline", ACTION_CHECKBOX_NAME: [str(person.pk), str(other.pk)]}
    page = client.post(LIST, chosen).url
    body = client.get(page).content.decode()
    for words in ("late@office.example", "other@office.example", "Give 2 people more time?"):
        assert words in body
    response = client.post(page, said(), follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    assert "2 people got more time." in response.content.decode()
    for one in (person, other):
        row = DeadlineExtension.objects.get(person_id=one.pk)
        assert (row.actor_id, row.reason) == (administrator.pk, "The keys come next week.")
        assert User.objects.get(pk=one.pk).grace_extended_to == row.until
        assert row.until.strftime("%Y-%m-%d %H:%M") == f"{in_days(10)} 23:59"
    assert events(Kind.DEADLINE_SET) == 2
    assert last_event(Kind.DEADLINE_SET).actor_id == str(administrator.pk)


def test_looking_shows_each_deadline_before_and_after_and_changes_nothing(client: Client, person: User) -> None:
    enrolled = UserFactory(tenant=person.tenant)
    enrol_totp(enrolled)
    response = client.post(page_of(person, enrolled), said(reason="", look="1"))
    body = response.content.decode()
    rows = {row["of"].person.pk: row for row in response.context["rows"]}
    assert rows[person.pk]["of"].after.date().isoformat() == in_days(10)
    assert rows[person.pk]["of"].before is None
    assert "They have set up what is demanded." in body
    assert "Error:" not in body
    assert not DeadlineExtension.objects.exists()
    assert not events(Kind.DEADLINE_SET)


def test_who_is_left_out_is_named_when_it_is_done(client: Client, administrator: User, person: User) -> None:
    colleague = AdministratorFactory(tenant=person.tenant)
    response = client.post(page_of(person, colleague), said(), follow=True)
    body = response.content.decode()
    assert "1 person got more time." in body
    assert f"No more time for {colleague}. Administrators get no more time than the policy gives." in body
    assert [row.person_id for row in DeadlineExtension.objects.all()] == [person.pk]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reason": " "}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"last_day": ""}, "last_day"),
        ({"last_day": "soon"}, "last_day"),
        ({"last_day": "0001-01-01"}, "last_day"),
        ({"last_day": "9999-12-31"}, "last_day"),
    ],
    ids=["no-reason", "long-reason", "no-day", "no-date", "past", "far"],
)
def test_what_cannot_be_meant_is_said_at_the_field(
    client: Client, person: User, changes: dict[str, str], field: str
) -> None:
    for look in ({}, {"look": "1"}):
        response = client.post(page_of(person), said(**changes) | look)
        assert response.status_code == 200
        if not (look and changes == {"reason": " "}):
            assert [*response.context["form"].errors] == [field]
            assert "Error:" in response.content.decode()
    assert not DeadlineExtension.objects.exists()


@pytest.mark.security(51)
def test_the_page_needs_a_fresh_factor(administrator: User, person: User) -> None:
    client = stale_client(administrator)
    answers = [
        client.get(page_of(person)),
        client.post(page_of(person), said()),
        client.post(page_of(person), said(look="1")),
    ]
    for response in answers:
        assert response.url.startswith(reverse("mfa_reauthenticate") + "?next=%2Fadmin%2Faccounts%2Fuser%2Fextend")
    assert not DeadlineExtension.objects.exists()


@pytest.mark.security(84)
def test_another_tenants_people_are_not_there(client: Client, person: User) -> None:
    stranger = UserFactory(tenant=TenantFactory())
    for chosen in ([stranger], [person, stranger]):
        assert client.get(page_of(*chosen)).status_code == 404
        assert client.post(page_of(*chosen), said()).status_code == 404
    chosen_ids = {"action": "extend_deadline", ACTION_CHECKBOX_NAME: [str(stranger.pk)]}
    assert client.post(LIST, chosen_ids).status_code == 404
    assert not DeadlineExtension.objects.exists()


def test_the_platforms_people_in_ones_tenant_are_not_ones_own(client: Client, tenant: Tenant) -> None:
    boss = UserFactory(tenant=tenant, is_superuser=True)
    for response in (client.get(page_of(boss), follow=True), client.post(page_of(boss), said(), follow=True)):
        assert "You may not do this." in response.content.decode()
    assert last_event(Kind.DEADLINE_REFUSED).target_id == str(boss.pk)


def test_people_of_two_tenants_get_time_each_where_they_are(person: User, tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(time_zone="Pacific/Kiritimati")
    far = UserFactory(tenant=TenantFactory(time_zone="Pacific/Pago_Pago"))
    client = verified_client(root())
    client.post(page_of(person, far), said())
    untils = {row.person_id: row.until for row in DeadlineExtension.objects.all()}
    assert untils[far.pk] - untils[person.pk] == timedelta(hours=25)
    response = client.post(page_of(person, far), said(last_day=in_days(90)))
    assert response.status_code == 200
    assert "at most 90 days ahead" in str(response.context["form"].errors["last_day"])
    assert DeadlineExtension.objects.count() == 2


def test_a_persons_page_tells_the_deadline_and_who_moved_it_when_and_why(
    client: Client, administrator: User, person: User
) -> None:
    page = url(User, "change", person.pk)
    assert page_of(person) in client.get(page).content.decode()
    client.post(page_of(person), said())
    body = client.get(page).content.decode()
    until = DeadlineExtension.objects.get().until
    for words in (
        "More time that was given",
        "The keys come next week.",
        administrator.email,
        f"Until {until:%-d %B %Y}",
    ):
        assert words in body


def test_a_persons_page_says_that_the_time_is_over(client: Client, administrator: User, person: User, clock) -> None:
    client.post(page_of(person), said(last_day=in_days(0)))
    clock.forward(timedelta(days=1, hours=1))
    body = verified_client(administrator).get(url(User, "change", person.pk)).content.decode()
    assert "Over since" in body


@pytest.mark.security(84)
def test_what_another_tenant_gave_is_for_the_platform_to_see(client: Client, person: User) -> None:
    client.post(page_of(person), said())
    boss = root()
    new = TenantFactory()
    people.change(person, actor=boss, tenant=new)
    page = url(User, "change", person.pk)
    there = verified_client(AdministratorFactory(tenant=new)).get(page).content.decode()
    assert "The keys come next week." not in there
    assert "The keys come next week." in verified_client(boss).get(page).content.decode()
    assert list(deadlines.ledger_of(person, seen_by=boss))
