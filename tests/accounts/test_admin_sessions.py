"""Sessions in the admin, and the flow that ends them."""

import uuid
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client

from accounts.errors import NotAllowed
from accounts.flows import sessions
from accounts.models import Session, User
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    verified_client,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/accounts/session/"


@pytest.fixture
def administrator() -> User:
    return AdministratorFactory(tenant=TenantFactory())


@pytest.fixture
def person(administrator: User) -> User:
    return UserFactory(tenant=administrator.tenant, email="person@sessions.example")


def session_of(client: Client) -> Session:
    return Session.objects.get(public_id=client.session.row.public_id)


def end(client: Client, *ids: Any) -> Any:
    return client.post(LIST, {"action": "end_sessions", ACTION_CHECKBOX_NAME: [str(one) for one in ids]}, follow=True)


# security 68
def test_an_ended_session_is_dead_at_its_next_request_and_recorded(administrator: User, person: User) -> None:
    theirs = client_of(person)
    other = client_of(person)
    assert theirs.get("/accounts/2fa/enrol/").status_code == 200
    row = session_of(theirs)
    end(verified_client(administrator), row.public_id)
    assert theirs.get("/accounts/2fa/enrol/").url.startswith("/accounts/login/")
    assert other.get("/accounts/2fa/enrol/").status_code == 200
    event = AuditEvent.objects.get(kind=Kind.SESSION_ENDED)
    assert (event.actor_id, event.target_id) == (str(administrator.pk), str(person.pk))
    assert event.payload == {"session": str(row.public_id), "reason": "ended_by_administrator"}


def test_ones_own_session_goes_on(administrator: User, person: User) -> None:
    client = verified_client(administrator)
    mine, other = session_of(client), session_of(client_of(person))
    page = end(client, mine.public_id, other.public_id)
    assert page.status_code == 200
    assert b"Your own session goes on" in page.content
    assert b"1 session was ended." in page.content
    assert client.get(LIST).status_code == 200
    assert AuditEvent.objects.filter(kind=Kind.SESSION_ENDED).count() == 1


def test_ending_twice_is_recorded_once(administrator: User, person: User) -> None:
    client, row = verified_client(administrator), session_of(client_of(person))
    end(client, row.public_id)
    assert b"0 sessions were ended." in end(client, row.public_id).content
    assert AuditEvent.objects.filter(kind=Kind.SESSION_ENDED).count() == 1


def test_a_platform_administrators_session_is_not_the_tenants_to_end(administrator: User) -> None:
    boss = AdministratorFactory(tenant=administrator.tenant, is_superuser=True)
    row = session_of(client_of(boss))
    page = end(verified_client(administrator), row.public_id)
    assert b"You may not do this." in page.content
    assert session_of_is_alive(row)
    refusal = AuditEvent.objects.get(kind=Kind.ADMIN_REFUSED)
    assert (refusal.actor_id, refusal.payload) == (str(administrator.pk), {"page": LIST, "reason": "not_allowed"})


def session_of_is_alive(row: Session) -> bool:
    return Session.objects.filter(pk=row.pk, ended_at=None).exists()


def test_a_session_that_ended_meanwhile_is_not_recorded_again(
    administrator: User, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "end", lambda rows: 0)
    assert sessions.end_each([session_of(client_of(person)).public_id], actor=administrator) == 0
    assert not AuditEvent.objects.filter(kind=Kind.SESSION_ENDED).exists()


# security 84
def test_the_flow_ends_none_when_one_is_another_tenants(administrator: User, person: User) -> None:
    own, foreign = session_of(client_of(person)), session_of(client_of(UserFactory(tenant=TenantFactory())))
    with pytest.raises(NotAllowed):
        sessions.end_each([own.public_id, foreign.public_id], actor=administrator)
    assert session_of_is_alive(own)
    assert session_of_is_alive(foreign)
    assert not AuditEvent.objects.filter(kind=Kind.SESSION_ENDED).exists()


def test_a_user_ends_no_sessions(person: User) -> None:
    row = session_of(client_of(person))
    with pytest.raises(NotAllowed):
        sessions.end_each([row.public_id], actor=person)
    assert sessions.end_each([uuid.uuid4()], actor=person) == 0


def test_the_list_says_what_was_proved(administrator: User, person: User) -> None:
    enrol_totp(person)
    client_of(person)
    client_of(person, password_proof(), proof_of(live_binding(person)))
    body = verified_client(administrator).get(LIST, {"q": person.email}).content.decode()
    assert "Password only" in body
    assert "Two factors" in body


def test_a_sign_in_that_is_not_finished_is_not_listed(administrator: User) -> None:
    Client(HTTP_HOST="localhost").get("/accounts/login/")
    client = verified_client(administrator)
    assert all(row.person_id for row in client.get(LIST).context["cl"].result_list)


@pytest.mark.parametrize("status", ["active", "expired", "ended"])
def test_sessions_are_filtered_by_status(administrator: User, person: User, status: str) -> None:
    clients = [client_of(person) for _ in range(3)]
    expired, ended, active = map(session_of, clients)
    Session.objects.filter(pk=expired.pk).update(expire_date=expired.created_at)
    sessions.end_each([ended.public_id], actor=administrator)
    shown = verified_client(administrator).get(LIST, {"q": person.email, "status": status}).context["cl"]
    assert {row.status for row in shown.result_list} == {status}
    assert {"active": active, "expired": expired, "ended": ended}[status] in shown.result_list


def test_the_list_costs_the_same_for_many_sessions(
    administrator: User, person: User, django_assert_num_queries: Any
) -> None:
    client = verified_client(administrator)
    client.get(LIST)
    for _ in range(2):
        client_of(person)
        with django_assert_num_queries(3):  # the session of the request, the count, the rows
            assert client.get(LIST).status_code == 200


def test_the_list_says_browsers_as_people_call_them_and_the_page_as_they_call_themselves(
    administrator: User, person: User
) -> None:
    row = session_of(client_of(person))
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    Session.objects.filter(pk=row.pk).update(agent=agent)
    client = verified_client(administrator)
    listed = client.get(LIST).content.decode()
    assert "Firefox on Linux" in listed and agent not in listed
    page = client.get(f"{LIST}{row.public_id}/change/").content.decode()
    assert agent in page and str(row.public_id) in page
