"""Administrators read their tenant's events, find them by everything one asks for, and change none."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.admin import filters
from accounts.models import Tenant, User
from audit import context, reading
from audit.context import RequestContext
from audit.declarations import Category
from audit.identifiers import uuid7
from audit.kinds import Kind
from audit.log import Outcome, record
from audit.models import AuditEvent
from policies.admin.events import AuditEventAdmin
from policies.evidence.asked import Asked, selection_of
from policies.flows.looks import looked_through
from tests.factories import TenantFactory, session_of, verified_client
from tests.policies.admin_scene import Side, root, url

pytestmark = pytest.mark.django_db
LIST = url(AuditEvent)
LOOKED = Kind.RECORD_LOOKED_THROUGH
NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def mine() -> Side:
    return Side()


@pytest.fixture
def theirs() -> Side:
    return Side()


@pytest.fixture
def client(mine: Side) -> Client:
    return mine.client()


def shown(client: Client, **query: str) -> list[AuditEvent]:
    return list(client.get(LIST, query).context["cl"].result_list)


def everything_of(side: Side) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(tenant_id=side.tenant.pk).order_by("-id"))


def happened(side: Side, kind: Kind = Kind.SIGNED_OUT, *, ip: str = "203.0.113.9", **said: Any) -> AuditEvent:
    """An event about a side's person, in a request of its own."""
    with context.use(RequestContext(ip=ip, request_id=f"request-{uuid4()}")):
        record(kind, **{"actor": side.person, "target": side.person, **said})
    return AuditEvent.objects.latest("id")


# -- who sees what -----------------------------------------------------------------------------------------------


def questions_about(side: Side) -> dict[str, dict[str, str]]:
    """Everything the list can be asked, each answered by something of this side."""
    happened(side, outcome=Outcome.REFUSED)
    event = happened(side, ip="198.51.100.7")
    return {
        "nothing": {},
        "period": {"period": "month"},
        "since": {"since": "2020-01-01"},
        "until": {"until": "2999-01-01T00:00"},
        "person": {"person": side.person.email},
        "person's id": {"person": str(side.person.pk)},
        "outcome": {"outcome": "ok"},
        "subject": {"category": "sign_in"},
        "kind": {"kind": "session:signed_out"},
        "refused": {"outcome": "refused"},
        "subject that was refused": {"category": "sign_in", "outcome": "refused"},
        "kind that was refused": {"kind": "session:signed_out", "outcome": "refused"},
        "tenant that was refused": {"tenant": str(side.tenant.pk), "outcome": "refused"},
        "subject of a tenant": {"tenant": str(side.tenant.pk), "category": "sign_in"},
        "address": {"ip": "198.51.100.7"},
        "tenant": {"tenant": str(side.tenant.pk)},
        "tenant's name": {"tenant": side.mark},
        "event": {"q": str(event.pk)},
        "search for a person": {"q": side.person.email},
        "request": {"q": event.request_id},
        "search for a tenant": {"q": str(side.tenant.pk)},
        "all at once": {"person": side.person.email, "category": "sign_in", "outcome": "ok", "ip": "198.51.100.7"},
    }


@pytest.mark.security(84)
def test_no_question_shows_another_tenants_event(client: Client, mine: Side, theirs: Side) -> None:
    for name, query in questions_about(theirs).items():
        assert {event.tenant_id for event in shown(client, **query)} <= {mine.tenant.pk}, name
    platform = verified_client(root())
    for name, query in questions_about(theirs).items():
        assert any(event.tenant_id == theirs.tenant.pk for event in shown(platform, **query)), name


@pytest.mark.security(84)
def test_the_platforms_own_events_are_the_platforms(client: Client) -> None:
    record(Kind.KEY_CANARY_FAILED)
    event = AuditEvent.objects.latest("id")
    assert event.tenant_id is None
    assert event not in shown(client) + shown(client, category="keys")
    assert client.get(url(AuditEvent, "change", event.pk)).status_code == 404
    assert event in shown(verified_client(root()), category="keys")


@pytest.mark.security(88)
def test_nobody_adds_changes_or_removes_events(mine: Side) -> None:
    client = verified_client(root())
    [event, *_rest] = everything_of(mine)
    assert client.post(url(AuditEvent, "add")).status_code == 403
    assert client.post(url(AuditEvent, "change", event.pk), {"outcome": "failed"}).status_code == 403
    assert client.post(url(AuditEvent, "delete", event.pk), {"post": "yes"}).status_code == 403
    again = AuditEvent.objects.get(pk=event.pk)
    assert (again.outcome, again.hash) == (event.outcome, event.hash)


def test_the_tenant_is_named_to_the_platforms_administrators_alone(client: Client, mine: Side) -> None:
    gone = TenantFactory(name="Soon gone")
    record(Kind.TENANT_CREATED, target=gone, tenant=gone, slug="gone")
    names = {event.named_tenant for event in shown(verified_client(root()))}
    assert {str(mine.tenant), "Soon gone"} <= names
    assert "tenant_name" not in client.get(LIST).context["cl"].list_display


# -- what one asks for -------------------------------------------------------------------------------------------


@pytest.fixture
def story(mine: Side) -> list[AuditEvent]:
    """A sign-out, a failed sign-in by somebody unknown from elsewhere, and a reset that broke, oldest first."""
    return [
        happened(mine),
        happened(mine, Kind.SIGN_IN_FAILED, ip="2001:db8::7"),
        happened(mine, Kind.MFA_RESET, actor=mine.administrator, outcome=Outcome.FAILED),
    ]


def told(story: list[AuditEvent], client: Client, **query: str) -> list[int]:
    """Which of the story are shown, newest first."""
    found = [event.pk for event in shown(client, **query)]
    numbers = {event.pk: number for number, event in enumerate(story)}
    return [numbers[pk] for pk in found if pk in numbers]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [2, 1, 0]),
        ({"outcome": "refused"}, [1]),
        ({"outcome": "failed"}, [2]),
        ({"outcome": "haunted"}, [2, 1, 0]),
        ({"category": "sign_in"}, [1, 0]),
        ({"category": "no such"}, [2, 1, 0]),
        ({"category": "sign_in", "kind": "session:signed_out"}, [0]),
        ({"kind": "no:such"}, [2, 1, 0]),
        ({"ip": "2001:0DB8:0::7"}, [1]),
        ({"ip": "nowhere"}, []),
        ({"category": "sign_in", "outcome": "ok"}, [0]),
        ({"category": "sign_in", "ip": "2001:db8::7", "outcome": "ok"}, []),
    ],
    ids=str,
)
def test_filters_narrow(client: Client, story: list[AuditEvent], query: dict[str, str], numbers: list[int]) -> None:
    assert told(story, client, **query) == numbers


def test_a_person_is_whoever_acted_or_whom_it_happened_to(client: Client, mine: Side, story: Any) -> None:
    assert told(story, client, person=f" {mine.person.email.upper()} ") == [2, 1, 0]
    assert told(story, client, person=str(mine.administrator.pk)) == [2]
    assert told(story, client, person=mine.administrator.email, outcome="ok") == []
    assert told(story, client, person=mine.administrator.email, category="recovery") == [2]
    assert told(story, client, person="nobody@nowhere.example") == []


def test_events_are_found_by_the_address_of_somebody_who_is_gone(client: Client, mine: Side, story: Any) -> None:
    address = mine.person.email
    mine.person.delete()
    assert told(story, client, person=address) == [2, 1, 0]


@pytest.mark.parametrize("given", ["actor", "target", "id", "request", "label", "nothing", "part", "upper"])
def test_a_search_is_exact(client: Client, mine: Side, story: list[AuditEvent], given: str) -> None:
    event = story[2]
    term, numbers = {
        "actor": (event.actor_id, [2]),
        "target": (event.target_id, [2, 1, 0]),
        "id": (str(event.pk), [2]),
        "upper": (str(event.pk).upper(), [2]),
        "request": (event.request_id, [2]),
        "label": (f" {mine.administrator.email.upper()} ", [2]),
        "nothing": ("  ", [2, 1, 0]),
        "part": (mine.mark, []),
    }[given]
    assert told(story, client, q=term) == numbers


def test_a_search_is_narrowed_by_filters(client: Client, mine: Side, story: list[AuditEvent]) -> None:
    assert told(story, client, q=mine.person.email, outcome="refused") == [1]
    assert told(story, client, q=mine.person.email, category="recovery") == [2]
    assert told(story, client, q=mine.administrator.email, person=mine.person.email) == [2]


def test_tenants_are_found_by_part_of_their_names(monkeypatch: pytest.MonkeyPatch, mine: Side, theirs: Side) -> None:
    monkeypatch.setattr(filters, "MOST_OFFERED", 1)
    Tenant.objects.filter(pk__in=[mine.tenant.pk, theirs.tenant.pk]).update(name="Harbour")
    platform = verified_client(root())
    tenants = {event.tenant_id for event in shown(platform, tenant="harb")}
    assert tenants == {mine.tenant.pk, theirs.tenant.pk}
    assert shown(platform, tenant="nowhere") == []


def test_a_name_that_very_many_tenants_share_is_to_be_typed_further(
    monkeypatch: pytest.MonkeyPatch, mine: Side, theirs: Side
) -> None:
    monkeypatch.setattr("policies.evidence.asked.MOST_TENANTS", 1)
    Tenant.objects.filter(pk__in=[mine.tenant.pk, theirs.tenant.pk]).update(name="Harbour")
    reader, question = root(), {"tenant": "harb"}
    platform = verified_client(reader)
    with CaptureQueriesContext(connection) as asked:
        body = platform.get(LIST, question).content.decode()
    assert "Type more of it." in body
    assert not [one["sql"] for one in asked if 'FROM "audit_auditevent"' in one["sql"]]
    for narrower in ({"person": mine.person.email}, {"q": mine.person.email}, {"ip": happened(mine).ip}):
        assert {event.tenant_id for event in shown(platform, **question, **narrower)} >= {mine.tenant.pk}, narrower
    with_all = selection_of(Asked(**question), seen_by=reader, now=timezone.now())  # as an export has it
    assert {event.tenant_id for event in reading.newest(with_all, 100)} == {mine.tenant.pk, theirs.tenant.pk}


@given(
    told=st.lists(
        st.tuples(st.sampled_from(["a:one", "a:two", "b", "Ä", "c"]), st.sampled_from(list(Outcome)), st.booleans()),
        max_size=12,
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_recorded_is_known_by_kind_and_outcome(mine: Side, theirs: Side, told: Any) -> None:
    """Also of kinds that no catalogue knows, and nothing that is not there."""
    with transaction.atomic():
        for kind, outcome, is_mine in told:
            write(mine if is_mine else theirs, kind, outcome)
        for tenant in (mine.tenant.pk, theirs.tenant.pk, None):
            there = AuditEvent.objects.filter(**({} if tenant is None else {"tenant_id": tenant}))
            with CaptureQueriesContext(connection) as asked:
                found = reading.recorded(tenant)
            assert len(asked) == 1
            assert sorted(found) == sorted(set(there.values_list("kind", "outcome")))
        transaction.set_rollback(True)


def write(side: Side, kind: str, outcome: Outcome) -> None:
    """A row as it is found by; its chain does not hold."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_auditevent (id, form, chain, sequence, tenant_id, kind, at, outcome, actor_id,"
            " actor_label, target_type, target_id, target_label, ip, user_agent, request_id, payload, salts, digests,"
            " prev_hash, hash, mac, key_id) VALUES (%s, 1, %s, 1, %s, %s, %s, %s, '', '', '', '', '', '', '', '', '{}',"
            " '{}', '{}', '', '', '', '')",
            [_id(uuid4()), _id(uuid4()), _id(side.tenant.pk), kind, timezone.now(), outcome.value],
        )


def _id(value: UUID) -> Any:
    return AuditEvent._meta.get_field("chain").get_db_prep_value(value, connection)


def test_a_kind_with_an_outcome_that_it_never_has_is_not_looked_for(client: Client, mine: Side) -> None:
    happened(mine)
    for question in ({"kind": "session:signed_out", "outcome": "failed"}, {"category": "keys"}, {"outcome": "failed"}):
        asked = Asked.of(question)
        assert selection_of(asked, seen_by=mine.administrator, now=timezone.now()).branches == (), question
        assert shown(client, **question) == []


WHO = ("person", "id", "address", "search", "search by id", "tenants")
WHAT = ({"kind": "session:signed_out"}, {"kind": "mfa:reset"}, {"category": "sign_in"}, {"category": "keys"}, {})


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("outcome", ["", "ok", "refused", "failed"])
def test_parting_by_kinds_finds_what_walking_finds(
    monkeypatch: pytest.MonkeyPatch, mine: Side, theirs: Side, who: str, outcome: str
) -> None:
    """Of somebody who acted, and to whom others did."""
    monkeypatch.setattr("policies.evidence.asked.MOST_TENANTS", 1)
    happened(mine, outcome=Outcome.REFUSED)
    happened(mine, Kind.SIGN_IN_FAILED, actor=None)
    happened(theirs, actor=mine.person)
    asked = {
        "person": {"person": mine.person.email},
        "id": {"person": str(mine.person.pk)},
        "address": {"ip": "203.0.113.9"},
        "search": {"q": mine.person.email},
        "search by id": {"q": str(mine.person.pk)},
        "tenants": {"tenant": "m"},
    }[who]
    for reader in (mine.administrator, root()):
        for what in WHAT:
            for tenant in ({}, {"tenant": str(mine.tenant.pk)}):
                question = Asked.of(asked | what | tenant | {"outcome": outcome})
                with monkeypatch.context() as patch:
                    patch.setattr("policies.evidence.asked.MOST_BRANCHES", -1)
                    walked = selection_of(question, seen_by=reader, now=timezone.now())
                parted = selection_of(question, seen_by=reader, now=timezone.now())
                found = [list(reading.newest(each, 5).values_list("pk", flat=True)) for each in (walked, parted)]
                assert found[0] == found[1], question
                assert [row[0] for batch in reading.batches(parted, ("id",)) for row in batch] == [
                    row[0] for batch in reading.batches(walked, ("id",)) for row in batch
                ], question


def test_who_has_very_many_events_is_not_walked_for_a_kind(mine: Side) -> None:
    """Each branch has its column, kind and outcome, which an index has in order."""
    question = Asked.of({"person": mine.person.email, "kind": "mfa:reset"})
    selection = selection_of(question, seen_by=mine.administrator, now=timezone.now())
    columns = {tuple(name for name, _value in branch.children) for branch in selection.branches}
    assert columns == {(column, "kind", "outcome") for column in set(reading.INDEXED) - {"ip"}}
    assert len(selection.branches) == 12


@pytest.mark.postgres
def test_what_somebody_never_did_is_not_looked_for(mine: Side) -> None:
    happened(mine)
    for narrower in ({"outcome": "failed"}, {"category": "keys"}):
        for who in ({"person": mine.person.email}, {"ip": "203.0.113.9"}):
            asked = Asked.of(who | narrower)
            assert selection_of(asked, seen_by=mine.administrator, now=timezone.now()).branches == (), asked


# -- time --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "until", "numbers"),
    [
        ("", "", [0, 1, 2, 3]),
        ("2030-05-01", "", [1, 2, 3]),
        ("", "2030-05-01", [0, 1, 2]),
        ("2030-05-01", "2030-05-01", [1, 2]),
        ("2030-05-01T10:30", "2030-05-01T10:30", [2]),
        ("2030-05-01T10:31", "", [3]),
        ("2030-05-01T08:30:00+00:00", "2030-05-01T08:30:01+00:00", [2]),
        ("nonsense", "9999-12-31T23:59", [0, 1, 2, 3]),
    ],
)
def test_days_and_minutes_are_meant_whole_and_where_one_is(
    mine: Side, monkeypatch: pytest.MonkeyPatch, since: str, until: str, numbers: list[int]
) -> None:
    ids = []
    for moment in ("2030-04-30T21:59", "2030-04-30T22:00", "2030-05-01T08:30", "2030-05-01T22:00"):
        monkeypatch.setattr("audit.entries.timezone.now", lambda at=moment: datetime.fromisoformat(f"{at}+00:00"))
        ids.append(happened(mine).pk)
    with timezone.override("Europe/Berlin"):
        selection = selection_of(Asked(since=since, until=until), seen_by=mine.administrator, now=NOW)
    found = [event.pk for event in reading.oldest(selection, 100)]
    assert [number for number, pk in enumerate(ids) if pk in found] == numbers


def test_a_period_ends_now_and_is_kept_as_moments(mine: Side) -> None:
    asked = Asked(period="hour", person=" x ").at(NOW)
    assert asked.kept == {"person": " x ", "since": "2030-05-01T11:00:00+00:00", "until": NOW.isoformat()}
    assert Asked.of(asked.kept) == Asked(person="x", since=asked.since, until=asked.until)
    assert Asked(until="2030-04-01").at(NOW).until.startswith("2030-04-02T00:00")


# -- pages -------------------------------------------------------------------------------------------------------


def link(response: Any, rel: str) -> str | None:
    found = re.search(rf'<a href="([^"]*)" rel="{rel}">', response.content.decode())
    return found and found[1].replace("&amp;", "&")


def walk(client: Client, start: str, rel: str) -> Iterator[list[Any]]:
    query: str | None = start
    while query is not None:
        response = client.get(LIST + query)
        yield [event.pk for event in response.context["cl"].result_list]
        query = link(response, rel)


@pytest.mark.parametrize("query", ["", "?category=sign_in", "?person={}"])
def test_pages_follow_each_other_and_lead_back(monkeypatch: pytest.MonkeyPatch, mine: Side, query: str) -> None:
    monkeypatch.setattr(AuditEventAdmin, "list_per_page", 2)
    client, query = mine.client(), query.format(mine.person.email)
    for _each in range(5):
        happened(mine)
    client.get(f"{LIST}{query}")  # this look is recorded, and stands in the pages of the next
    pages = list(walk(client, query, "next"))
    flat = [pk for page in pages for pk in page]
    assert flat == sorted(set(flat), reverse=True)
    assert len(flat) >= 5 and all(len(page) == 2 for page in pages[:-1])
    last = f"{query or '?'}&after={pages[-2][-1]}"
    assert list(walk(client, last, "prev")) == pages[::-1]


def test_a_page_beyond_the_end_leads_to_the_beginning(client: Client) -> None:
    response = client.get(LIST, {"after": str(uuid7(datetime(1971, 1, 1, tzinfo=UTC)))})
    assert (list(response.context["cl"].result_list), link(response, "prev")) == ([], "?")
    assert shown(client, after="no id") == shown(client)


def test_nobody_counts_events(client: Client, mine: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AuditEventAdmin, "list_per_page", 2)
    with CaptureQueriesContext(connection) as asked:
        body = client.get(LIST).content.decode()
    assert not [one["sql"] for one in asked if "COUNT(" in one["sql"]]
    assert "More than 2 results" in body


@pytest.fixture
def many(mine: Side, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A platform administrator, more tenants than are offered one by one, and a page that is full."""
    monkeypatch.setattr(filters, "MOST_OFFERED", 2)
    TenantFactory.create_batch(3)
    for _each in range(60):
        happened(mine, ip="198.51.100.7")
    return verified_client(root())


def asked_for(client: Client, query: dict[str, str]) -> list[str]:
    """The statements of a page, the session's too, but for what begins and ends transactions: as the bench counts."""
    with CaptureQueriesContext(connection) as asked:
        assert client.get(LIST, query).status_code == 200
    statements = [one["sql"] for one in asked]
    return [one for one in statements if one.split()[0] not in {"BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"}]


def test_a_page_takes_few_statements_whatever_is_asked_also_when_the_look_is_recorded(
    many: Client, mine: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    many.get(LIST)  # of a session that is granted what it may
    with monkeypatch.context() as patch:
        patch.setattr("accounts.flows.viewing.ANEW_AFTER", timedelta(0))
        for name, query in questions_about(mine).items():
            for narrower in ({}, {"tenant": str(mine.tenant.pk)}):
                statements = asked_for(many, query | narrower)
                assert len(statements) <= 8, (name, statements)
                assert [one for one in statements if "looked_through" in one], name
    for name, query in questions_about(mine).items():
        many.get(LIST, query)
        statements = asked_for(many, query)
        assert len(statements) <= 6, (name, statements)
        assert not [one for one in statements if "looked_through" in one], name


# -- who looks is recorded ---------------------------------------------------------------------------------------


def looks() -> list[dict[str, Any]]:
    """What was asked for in each look that was recorded."""
    return [event.payload["asked"] for event in AuditEvent.objects.filter(kind=LOOKED).order_by("id")]


@pytest.mark.security(88)
def test_a_look_through_the_record_is_recorded_with_what_was_asked_for(client: Client, mine: Side) -> None:
    client.get(LIST)
    client.get(LIST, {"person": mine.person.email, "outcome": "ok", "period": ""})
    assert looks() == [{}, {"person": mine.person.email, "outcome": "ok"}]
    for event in AuditEvent.objects.filter(kind=LOOKED):
        assert (event.actor_id, event.tenant_id) == (str(mine.administrator.pk), mine.tenant.pk)
        assert event.sentence == f"{mine.administrator} looked through the record."


@pytest.mark.security(88)
def test_the_pages_of_one_question_are_one_look_for_an_hour(client: Client, mine: Side, clock: Any) -> None:
    for query in ({"ip": "::1"}, {"ip": "::1", "after": str(uuid4())}, {"ip": "::1 "}, {"ip": "::2"}, {"ip": "::1"}):
        client.get(LIST, query)
    assert looks() == [{"ip": "::1"}, {"ip": "::2"}]
    clock.forward(timedelta(minutes=61))
    client = mine.client()
    client.get(LIST, {"ip": "::1"})
    assert len(looks()) == 3
    mine.client().get(LIST, {"ip": "::1"})  # in another session
    assert len(looks()) == 4


def test_a_look_is_new_after_an_hour_in_the_same_session(mine: Side, clock: Any) -> None:
    session, administrator = session_of(mine.administrator), mine.administrator
    for minutes, known in ((0, 1), (59, 1), (2, 2), (1, 2)):
        clock.forward(timedelta(minutes=minutes))
        looked_through(Asked(ip="::1"), None, actor=administrator, session=session)
        assert len(looks()) == known, minutes
    for number in range(60):
        looked_through(Asked(ip=f"::{number + 2}"), None, actor=administrator, session=session)
    assert len(session["looks"]) == 50
    looked_through(Asked(ip="::1"), None, actor=administrator, session=session)
    assert len(looks()) == 63


@pytest.mark.security(84)
def test_what_the_platform_looks_for_in_one_tenant_is_in_that_tenants_record(mine: Side) -> None:
    platform = verified_client(root())
    for query, tenant in (({"tenant": str(mine.tenant.pk)}, mine.tenant), ({}, None)):
        platform.get(LIST, query)
        look = AuditEvent.objects.filter(kind=LOOKED).latest("id")
        assert (look.tenant_id == mine.tenant.pk) is (tenant is not None), query


def test_nothing_is_shown_when_the_look_cannot_be_recorded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **said: Any) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr("policies.flows.looks.record", full)
    with pytest.raises(DatabaseError):
        client.get(LIST)


def test_who_may_not_see_the_list_looks_at_nothing(mine: Side) -> None:
    assert Client().get(LIST).status_code == 302
    assert verified_client(mine.person).get(LIST).status_code != 200
    assert not looks()


# -- the page, in words ------------------------------------------------------------------------------------------


def test_the_kinds_offered_are_those_of_the_chosen_subject(client: Client) -> None:
    def offered(**query: str) -> list[str]:
        specs = client.get(LIST, query).context["cl"].filter_specs
        return [value for one in specs if one.parameter_name == "kind" for value, _label in one.lookup_choices]

    assert offered() == []
    of_keys = sorted(kind for kind in Kind if kind.startswith("key:"))
    assert offered(category=Category.KEYS.value) == of_keys and "key:canary_failed" in of_keys
    assert "mfa:reset" in offered(kind="mfa:reset")


def test_fields_keep_what_else_is_asked_for(client: Client) -> None:
    query = {"ip": "203.0.113.9", "outcome": "ok", "q": "a<b", "after": str(uuid4())}
    body = client.get(LIST, query).content.decode()
    forms = re.findall(r'<form class="tenant-filter".*?</form>', body, re.DOTALL)
    [form] = [one for one in forms if 'id="filter-by-ip"' in one]
    hidden = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', form)
    assert sorted(hidden) == [("outcome", "ok"), ("q", "a&lt;b")]
    assert 'value="203.0.113.9"' in form


def test_the_time_is_told_to_the_second_with_its_zone() -> None:
    screen, event = AuditEventAdmin(AuditEvent, None), AuditEvent(at=datetime(2026, 5, 1, 22, 30, 15, 999, tzinfo=UTC))  # type: ignore[arg-type]
    assert screen.when(event) == "2026-05-01 22:30:15 UTC"
    with timezone.override("Europe/Berlin"):
        assert screen.when(event) == "2026-05-02 00:30:15 CEST"


def test_a_row_tells_in_words_what_happened(mine: Side) -> None:
    screen = AuditEventAdmin(AuditEvent, None)  # type: ignore[arg-type]
    event = happened(mine, Kind.MFA_RESET)
    with translation.override("en"):
        assert screen.what(event) == f"{mine.person} reset the authenticators of {mine.person}."
        assert "Succeeded" in screen.result(event)
    strange = AuditEvent(kind="ghost:seen", outcome="haunted")
    assert screen.what(strange) == "ghost:seen"
    assert "haunted" in screen.result(strange)


# -- on PostgreSQL -----------------------------------------------------------------------------------------------


def plans(selection: reading.Selection) -> Iterator[str]:
    """How the database reads a first page, and a deep one either way."""
    deep = uuid7(NOW - timedelta(days=400))
    for page in (
        lambda: reading.newest(selection, 51),
        lambda: reading.newest(selection, 51, before=deep),
        lambda: reading.oldest(selection, 51, after=deep),
    ):
        with CaptureQueriesContext(connection) as asked:
            list(page())
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + asked[0]["sql"])
            yield "\n".join(row[0] for row in cursor.fetchall())


@pytest.mark.postgres
@pytest.mark.parametrize("everywhere", [False, True], ids=["tenant", "platform"])
def test_every_question_is_answered_by_an_index_without_sorting(mine: Side, theirs: Side, everywhere: bool) -> None:
    """With as many rows as make statistics matter, of which those asked for are few, or nearly all."""
    fill(theirs, 30_000)
    fill(mine, 10_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE audit_auditevent")
    reader: User = root() if everywhere else mine.administrator
    for name, query in questions_about(mine).items():
        selection = selection_of(Asked.of(query), seen_by=reader, now=timezone.now())
        for plan in plans(selection):
            assert "Seq Scan" not in plan, (name, plan)
            for line in re.findall(r"Sort  \(cost=[\d.]+ rows=(\d+)", plan):
                assert int(line) <= 51 * max(1, len(selection.branches)), (name, plan)


def fill(side: Side, number: int) -> None:
    """Many events that look like recorded ones to whoever plans a query; their chain does not hold."""
    kinds = [str(kind) for kind in Kind if not kind.startswith("key:")]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO audit_auditevent (id, form, chain, sequence, tenant_id, kind, at, outcome, actor_id,
              actor_label, target_type, target_id, target_label, ip, user_agent, request_id, payload, salts,
              digests, prev_hash, hash, mac, key_id)
            SELECT (lpad(to_hex(1700000000000 + n * 1000), 12, '0') || '70008' || substr(md5(%s || n), 1, 15))::uuid, 1,
              %s, 1000000 + n, %s, (%s::text[])[1 + n %% array_length(%s::text[], 1)], now(),
              CASE WHEN n %% 500 = 0 THEN 'failed' WHEN n %% 20 = 0 THEN 'refused' ELSE 'ok' END,
              md5((n %% 900)::text), 'p' || n %% 900, 'accounts.user', md5((n %% 900)::text), 'p' || n %% 900,
              '10.0.' || n %% 200 || '.1', '', md5(n::text), '{}', '{}', '{}', '', '', '', ''
            FROM generate_series(1, %s) AS n
            """,
            [side.mark, side.tenant.pk, side.tenant.pk, kinds, kinds, number],
        )


@pytest.mark.postgres
def test_times_have_an_index_of_their_own_on_postgresql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'event_times'")
        [(definition,)] = cursor.fetchall()
    assert "USING brin (at)" in definition


@pytest.mark.security(88)
@pytest.mark.parametrize("statement", ["UPDATE audit_auditevent SET outcome = 'ok'", "DELETE FROM audit_auditevent"])
def test_the_database_still_refuses_changes_under_its_new_indexes(mine: Side, statement: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert everything_of(mine)
