"""A call, seen from both ends: the agent's page in the console, and the person's under Security."""

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.flows import caller_checks
from accounts.flows.caller_checks import Side
from accounts.models import CallerCheck, User
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, client_of, verified_client
from tests.policies.admin_scene import events, last_event, stale_client

pytestmark = pytest.mark.django_db
MINE = "/accounts/2fa/caller-check/"


@pytest.fixture
def agent() -> User:
    return AdministratorFactory(tenant=TenantFactory())


@pytest.fixture
def person(agent: User) -> User:
    return UserFactory(tenant=agent.tenant)


def page(person: User) -> str:
    return reverse("admin:accounts_user_caller_check", args=[person.pk])


def code(side: Side) -> str:
    return caller_checks.code_of(CallerCheck.objects.latest("started_at"), side, timezone.now())


def spaced(said: str) -> str:
    return f"{said[:3]} {said[3:]}"


def test_the_whole_call(agent: User, person: User) -> None:
    office, home = verified_client(agent), verified_client(person)
    assert "Nobody from support is calling you." in home.get(MINE).content.decode()
    assert page(person) in office.get(reverse("admin:accounts_user_change", args=[person.pk])).content.decode()
    office.post(page(person), {"ticket": "T-77"})
    assert spaced(code(Side.AGENT)) in office.get(page(person)).content.decode()
    before = home.get(MINE).content.decode()
    assert "T-77" in before and str(agent) in before
    assert spaced(code(Side.PERSON)) not in before
    assert home.post(MINE, {"code": code(Side.AGENT)}).status_code == 302
    assert spaced(code(Side.PERSON)) in home.get(MINE).content.decode()
    answer = office.post(page(person), {"do": "enter", "code": code(Side.PERSON)}, follow=True)
    assert "You are talking to" in answer.content.decode()
    assert last_event("caller_check:passed").payload["ticket"] == "T-77"


def test_a_wrong_code_says_what_to_do_and_stays_on_the_page(agent: User, person: User) -> None:
    office, home = verified_client(agent), verified_client(person)
    office.post(page(person), {"ticket": "T-77"})
    answer = home.post(MINE, {"code": "000000"}).content.decode()
    assert "If it is wrong again, end the call." in answer and 'class="code-read"' not in answer
    assert "Enter the code." in home.post(MINE, {"code": ""}).content.decode()
    assert home.post(MINE, {"code": "9" * 70_000}).status_code == 413
    answer = office.post(page(person), {"do": "enter", "code": "000000"}, follow=True).content.decode()
    assert "That is not the code." in answer
    assert events("caller_check:failed") == 3


def test_who_cannot_sign_in_gets_the_codes_by_mail(agent, person, django_capture_on_commit_callbacks) -> None:
    office = verified_client(agent)
    office.post(page(person), {"ticket": "T-77"})
    with django_capture_on_commit_callbacks(execute=True):
        office.post(page(person), {"do": "mail"})
    assert [one for one in mail.outbox if one.to == [person.email] and code(Side.PERSON) in one.body]
    assert "Sent at" in office.get(page(person)).content.decode()


def test_nothing_is_entered_or_mailed_where_no_check_is_under_way(agent: User, person: User) -> None:
    office, home = verified_client(agent), verified_client(person)
    for said in ({"do": "mail"}, {"do": "enter", "code": "123456"}):
        assert "This check is over." in office.post(page(person), said, follow=True).content.decode()
    assert "This check is over." in home.post(MINE, {"code": "123456"}, follow=True).content.decode()


@pytest.mark.security(84)
def test_another_tenant_s_people_are_not_there(person: User) -> None:
    stranger = verified_client(AdministratorFactory(tenant=TenantFactory()))
    for answer in (stranger.get(page(person)), stranger.post(page(person), {"ticket": "T-77"})):
        assert answer.status_code == 404
    assert not CallerCheck.objects.exists()


def test_a_colleague_does_not_see_the_codes_of_another_s_check(agent: User, person: User) -> None:
    verified_client(agent).post(page(person), {"ticket": "T-77"})
    colleague = verified_client(AdministratorFactory(tenant=agent.tenant))
    text = colleague.get(page(person)).content.decode()
    assert spaced(code(Side.AGENT)) not in text and spaced(code(Side.PERSON)) not in text
    colleague.post(page(person), {"do": "enter", "code": code(Side.PERSON)})
    assert not events("caller_check:passed")


def test_a_password_alone_shows_no_code_to_anybody(agent: User, person: User) -> None:
    verified_client(person)
    verified_client(agent).post(page(person), {"ticket": "T-77"})
    thief: Client = client_of(person)
    assert thief.get(MINE).status_code == 302
    assert thief.post(MINE, {"code": code(Side.AGENT)}).status_code == 302
    assert CallerCheck.objects.get().agent_proved_at is None


def test_the_agent_s_session_need_not_be_fresh_for_a_call(agent: User, person: User) -> None:
    """A check gives the agent nothing: what follows from it asks for a fresh factor of its own."""
    office = stale_client(agent)
    assert office.post(page(person), {"ticket": "T-77"}, follow=True).status_code == 200
    assert CallerCheck.objects.exists()
