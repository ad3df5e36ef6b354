"""An event's own page: in words, with what was decided and what happened around it; who looks is recorded."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Binding, HelpRequest, Notice, Session, Tenant, User
from audit import context
from audit.context import RequestContext
from audit.kinds import Kind
from audit.log import record
from audit.models import AuditEvent
from policies.models import DecidedSignIn
from tests.audit.lift import lifted
from tests.factories import PASSWORD, next_code, verified_client
from tests.policies.admin_scene import Side, events, last_event, root, url

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine() -> Side:
    return Side()


@pytest.fixture
def client(mine: Side) -> Client:
    return mine.client()


def page(client: Client, event: AuditEvent) -> str:
    response = client.get(url(AuditEvent, "change", event.pk))
    assert response.status_code == 200
    return response.content.decode()


def happened(side: Side, kind: Kind = Kind.SIGNED_OUT, **said: Any) -> AuditEvent:
    record(kind, **{"actor": side.person, "target": side.person, **said})
    return AuditEvent.objects.latest("id")


def test_a_page_tells_what_happened_and_escapes_it(client: Client, mine: Side) -> None:
    body = page(
        client, happened(mine, Kind.MFA_RESET, reason="<script>alert(1)</script>", methods=["totp", "webauthn"])
    )
    assert f"{mine.person.email} reset the authenticators of {mine.person.email}." in body
    assert "&lt;script&gt;" in body and "<script>alert" not in body
    assert "totp, webauthn" in body
    assert "Nothing wrong" in body
    assert "No checkpoint was signed yet." in body


@pytest.mark.security(88)
def test_a_page_says_when_its_event_was_edited(client: Client, mine: Side) -> None:
    event = happened(mine)
    with lifted(connection), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_auditevent SET outcome = 'refused' WHERE mac = %s", [event.mac])
    body = page(client, event)
    assert "It does not fit its hash: it was edited." in body
    assert "Something is wrong" in body and "Nothing wrong" not in body


def test_neighbours_are_those_of_the_same_session_and_of_the_same_request(client: Client, mine: Side) -> None:
    theirs, session = Side(), str(uuid4())
    with context.use(RequestContext(request_id="request-one")):
        before, event = (
            happened(mine, session=session),
            happened(mine, Kind.RECOVERY_CODES_USED, left=1, session=session),
        )
        foreign = happened(theirs, session=session)
    with context.use(RequestContext(request_id="request-two")):
        after = happened(mine, Kind.SIGN_IN_CANCELLED, session=session)
        happened(mine, Kind.SIGN_IN_CANCELLED, session=str(uuid4()))
    around = client.get(url(AuditEvent, "change", event.pk)).context["around"]
    assert {str(words): [one.pk for one in found] for words, found in around} == {
        "In the same session": [before.pk, after.pk],
        "In the same request": [before.pk],
    }
    shown = verified_client(root()).get(url(AuditEvent, "change", event.pk)).context["around"]
    assert foreign.pk in [one.pk for one in dict((str(words), found) for words, found in shown)["In the same request"]]


def test_a_decision_leads_to_the_sign_in_that_it_was_about(client: Client, mine: Side) -> None:
    kept = signed_in(mine)
    event = happened(
        mine,
        Kind.SIGN_IN_COMPLETED,
        decision="allow",
        reasons=["second_factor_proved", "no_such_reason"],
        policy_version=1,
        session=kept.session,
    )
    found = client.get(url(AuditEvent, "change", event.pk)).context["decision"]
    assert found.url == reverse("admin:accounts_user_sign_in", args=[mine.person.pk, kept.pk])
    assert found.version == 1 and found.version_url
    mine.person.delete()
    gone = client.get(url(AuditEvent, "change", event.pk)).context["decision"]
    assert (gone.url, gone.version_url) == ("", "")


def signed_in(side: Side) -> DecidedSignIn:
    """The last decision of a sign-in of the side's person, who came with password and app."""
    browser = Client()
    browser.post(reverse("account_login"), {"login": side.person.email, "password": PASSWORD})
    browser.post(reverse("mfa_authenticate"), {"code": next_code(side.secret), "method": "totp"})
    browser.get(reverse("home"))
    return DecidedSignIn.objects.filter(person_id=side.person.pk).latest("pk")


def test_an_event_without_a_decision_has_none(client: Client, mine: Side) -> None:
    signed_in(mine)
    proved = last_event(Kind.SECOND_FACTOR_ACCEPTED)
    assert proved.payload["strength"]
    for event in (happened(mine), proved):
        assert client.get(url(AuditEvent, "change", event.pk)).context["decision"] is None


# -- who looks is recorded ---------------------------------------------------------------------------------------


@pytest.mark.security(88)
def test_looking_at_an_event_about_somebody_else_is_recorded(client: Client, mine: Side) -> None:
    event = happened(mine)
    page(client, event)
    look = last_event(Kind.ADMIN_VIEWED_SENSITIVE)
    assert (look.actor_id, look.target_id, look.tenant_id) == (
        str(mine.administrator.pk),
        str(mine.person.pk),
        mine.tenant.pk,
    )
    assert look.payload == {"page": "event", "event": str(event.pk)}


def test_looking_at_ones_own_is_not(client: Client, mine: Side) -> None:
    page(client, happened(mine, actor=mine.administrator, target=mine.administrator))
    page(client, happened(mine, Kind.TENANT_CHANGED, actor=mine.administrator, target=mine.tenant))
    assert client.get(url(User, "change", mine.administrator.pk)).status_code == 200
    assert client.get(url(User, "history", mine.administrator.pk)).status_code == 200
    assert not events(Kind.ADMIN_VIEWED_SENSITIVE)


def test_looking_at_what_somebody_else_did_to_no_person_is_recorded(client: Client, mine: Side) -> None:
    event = happened(mine, Kind.TENANT_CHANGED, target=mine.tenant)
    page(client, event)
    look = last_event(Kind.ADMIN_VIEWED_SENSITIVE)
    assert (look.target_type, look.target_id, look.tenant_id) == ("audit.auditevent", str(event.pk), mine.tenant.pk)
    assert look.payload == {"page": "event", "event": str(event.pk)}


@pytest.mark.security(88)
def test_looking_at_a_person_an_authenticator_of_theirs_or_any_history_is_recorded(client: Client, mine: Side) -> None:
    """A history is the record itself: without this it could be read with no trace."""
    binding, session = mine.binding, mine.session
    for address in (
        url(User, "change", mine.person.pk),
        url(Binding, "change", binding.pk),
        url(User, "history", mine.person.pk),
        url(Binding, "history", binding.pk),
        url(Session, "history", session.public_id),
        url(Tenant, "history", mine.tenant.pk),
    ):
        assert client.get(address).status_code == 200
    looks = AuditEvent.objects.filter(kind=Kind.ADMIN_VIEWED_SENSITIVE).order_by("id")
    assert [look.payload for look in looks] == [
        {"page": "person"},
        {"page": "authenticator", "authenticator": str(binding.pk)},
        *[{"page": "history"}] * 4,
    ]
    assert [look.target_id for look in looks] == [*[str(mine.person.pk)] * 5, str(mine.tenant.pk)]
    assert {look.actor_id for look in looks} == {str(mine.administrator.pk)}


@pytest.mark.security(88)
def test_looking_through_the_sessions_is_recorded_once_for_each_question(client: Client, mine: Side) -> None:
    for question in ("", "?p=1", "?q=person", "?q=person&p=1", "?q=person"):
        assert client.get(url(Session) + question).status_code == 200
    looks = AuditEvent.objects.filter(kind=Kind.ADMIN_VIEWED_SENSITIVE)
    assert [(look.payload, look.target_id) for look in looks] == [({"page": "sessions"}, str(mine.tenant.pk))] * 2


@pytest.mark.security(88)
def test_looking_at_mails_requests_for_help_and_acts_is_recorded(client: Client, mine: Side) -> None:
    notice = mine.person.notices.latest("pk")
    pages: dict[str, Model] = {"notice": notice, "help_request": mine.help_request, "act": mine.act}
    for address in (*(url(type(one), "change", one.pk) for one in pages.values()), url(Notice), url(HelpRequest)):
        assert client.get(address).status_code == 200
    looks = AuditEvent.objects.filter(kind=Kind.ADMIN_VIEWED_SENSITIVE).order_by("id")
    assert [(look.payload, look.target_id) for look in looks] == [
        *(({"page": name, name: str(one.pk)}, str(mine.person.pk)) for name, one in pages.items()),
        ({"page": "notices"}, str(mine.tenant.pk)),
        ({"page": "help_requests"}, str(mine.tenant.pk)),
    ]


def test_looking_through_one_tenants_sessions_is_told_in_its_own_record(mine: Side) -> None:
    platform = verified_client(root())
    for question, tenant in (("", None), (f"?tenant={mine.tenant.pk}", mine.tenant), ("?tenant=nobody", None)):
        platform.get(url(Session) + question)
        look = last_event(Kind.ADMIN_VIEWED_SENSITIVE)
        assert look.target_id == (str(tenant.pk) if tenant else "")
        assert (look.tenant_id == mine.tenant.pk) is (tenant is not None)
    assert events(Kind.ADMIN_VIEWED_SENSITIVE) == 3


def test_somebody_who_is_gone_is_named_as_they_were(client: Client, mine: Side) -> None:
    event, address = happened(mine), mine.person.email
    mine.person.delete()
    page(client, event)
    look = last_event(Kind.ADMIN_VIEWED_SENSITIVE)
    assert (look.target_label, look.tenant_id) == (address, mine.tenant.pk)


def test_looking_at_sign_ins_and_sessions_is_recorded(client: Client, mine: Side) -> None:
    kept = signed_in(mine)
    session = Session.objects.filter(person=mine.person).latest("created_at")
    for address in (
        reverse("admin:accounts_user_sign_ins", args=[mine.person.pk]),
        reverse("admin:accounts_user_sign_in", args=[mine.person.pk, kept.pk]),
        url(Session, "change", session.public_id),
    ):
        assert client.get(address).status_code == 200
    looks = AuditEvent.objects.filter(kind=Kind.ADMIN_VIEWED_SENSITIVE).order_by("id")
    assert [look.payload["page"] for look in looks] == ["sign_ins", "sign_in", "session"]
    assert {look.target_id for look in looks} == {str(mine.person.pk)}


def test_what_is_not_shown_is_not_looked_at(client: Client, mine: Side) -> None:
    theirs = Side()
    assert client.get(url(AuditEvent, "change", happened(theirs).pk)).status_code == 404
    assert client.get(url(Session, "change", theirs.session.public_id)).status_code == 404
    assert not events(Kind.ADMIN_VIEWED_SENSITIVE)


def test_a_page_takes_few_queries_however_much_there_is_around(client: Client, mine: Side) -> None:
    session = str(uuid4())
    with context.use(RequestContext(request_id="request-one")):
        for _each in range(30):
            happened(mine, session=session)
        event = happened(mine, Kind.SIGN_IN_COMPLETED, session=session, policy_version=1, strength="multi_factor")
    page(client, event)
    with CaptureQueriesContext(connection) as asked:
        page(client, event)
    assert len(asked) <= 20, [one["sql"][:100] for one in asked]
