"""Events are written with what they record, last, together, or not at all."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser, Group
from django.db import DatabaseError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject

from audit import chain, context
from audit.errors import KeyMissing, NotRecorded, UndeclaredField
from audit.kinds import Kind
from audit.log import Outcome, joined_unit, record, unit_of_work
from audit.models import AuditChain
from tests.audit.evidence import Person, assert_whole, events_of

pytestmark = pytest.mark.django_db
OPENED = "INSERT audit_auditchain"
APART = ["INSERT audit_auditevent", "UPDATE audit_auditchain"]
WRITTEN = ["WITH audit_auditchain"] if connection.vendor == "postgresql" else APART


def kinds(person: Person) -> list[str]:
    """What was recorded in the person's chain."""
    return [event.kind for event in events_of(person.tenant_id)]


def statements(queries: CaptureQueriesContext) -> list[str]:
    """Verb and table of each statement, without savepoints."""
    found = [re.match(r'(?:\d+ times: )?(\w+).*?"?(audit_\w+|auth_group)', one["sql"], re.DOTALL) for one in queries]
    return [f"{match[1]} {match[2]}" for match in found if match]


class Broken(Exception):
    """Raised by tests in the middle of something."""


# -- what a row holds


@pytest.mark.security(88)
def test_a_row_says_who_whom_where_when_and_how(person: Person) -> None:
    administrator = Person(email="root@acme.example", tenant_id=person.tenant_id)
    here = context.RequestContext(ip="192.0.2.7", user_agent="Firefox", request_id="r-12345678")
    moment = datetime(2026, 5, 1, 10, 20, 30, 123456, tzinfo=UTC)
    with context.use(here), time_machine.travel(moment, tick=False):
        record(Kind.MFA_RESET, actor=administrator, target=person, reason="lost phone", removed=2)
    [event] = events_of(person.tenant_id)
    assert (event.actor_id, event.actor_label) == (str(administrator.pk), "root@acme.example")
    assert (event.target_id, event.target_label) == (str(person.pk), "anna@acme.example")
    assert (event.target_type, event.tenant_id) == ("accounts.user", person.tenant_id)
    assert (event.ip, event.user_agent, event.request_id) == ("192.0.2.7", "Firefox", "r-12345678")
    assert (event.at, event.outcome) == (moment, Outcome.OK)
    assert event.id.int >> 80 == int(moment.timestamp() * 1000)
    assert event.payload == {"reason": "lost phone", "removed": 2}
    assert event.sentence == "root@acme.example reset the authenticators of anna@acme.example."
    assert event.succeeded


def test_without_an_actor_it_is_the_person_of_the_request(person: Person) -> None:
    with context.use(context.RequestContext()):
        context.set_person(SimpleLazyObject(lambda: person))
        record(Kind.SIGNED_OUT)
    [event] = events_of(person.tenant_id)
    assert (event.actor_id, event.actor_label) == (str(person.pk), "anna@acme.example")


def test_nobody_in_a_request_is_anonymous_and_outside_one_it_is_the_system() -> None:
    before = len(events_of(None))
    with context.use(context.RequestContext(person=AnonymousUser())):
        record(Kind.SIGN_IN_FAILED, email="who@acme.example")
    record(Kind.KEY_CANARY_FAILED, reason="no_such_key")
    recorded = events_of(None)[before:]
    assert [(e.actor_id, e.actor_label) for e in recorded] == [("", "anonymous"), ("", "system")]
    assert all(event.tenant_id is None for event in recorded)
    assert_whole(None, length=before + 2)


@pytest.mark.parametrize("given", ["instance", "id"])
def test_a_given_tenant_goes_before_the_target_s_and_the_actor_s(person: Person, given: str) -> None:
    tenant = uuid4()
    record(Kind.SIGNED_OUT, target=person, tenant=tenant if given == "id" else SimpleNamespace(pk=tenant))
    assert [event.tenant_id for event in events_of(tenant)] == [tenant]


def test_the_target_s_tenant_goes_before_the_actor_s(person: Person) -> None:
    record(Kind.DOMAIN_ADDED, actor=Person(), target=person, domain="acme.example")
    record(Kind.DOMAIN_ADDED, actor=person, target=Person(tenant_id=None), domain="acme.example")
    assert_whole(person.tenant_id, length=2)


@pytest.mark.security(87)
def test_a_thing_with_a_public_id_is_never_named_by_its_key() -> None:
    session = SimpleNamespace(pk="the-secret-session-key", public_id=uuid4())
    record(Kind.SESSION_ENDED, target=session, reason="idle")
    *_, event = events_of(None)
    assert event.target_id == str(session.public_id)
    assert event.target_type == "SimpleNamespace"


def test_the_kind_says_how_it_went_unless_the_flow_does(person: Person) -> None:
    record(Kind.SIGN_IN_FAILED, target=person)
    record(Kind.SIGN_IN_FAILED, target=person, outcome=Outcome.FAILED)
    assert [event.outcome for event in events_of(person.tenant_id)] == ["refused", "failed"]


@pytest.mark.security(88)
def test_hostile_labels_agents_and_values_stay_on_one_line(person: Person) -> None:
    person.email = "anna\r\nroot signed in\x1b[2J\u202e\0\ud800" + "x" * 1000
    here = context.RequestContext(ip="192.0.2.7", user_agent="a\u2028b", request_id="r")
    with context.use(here):
        record(Kind.SIGN_IN_FAILED, actor=person, target=person, reason="a\nb", email="=cmd\0")
    [event] = events_of(person.tenant_id)
    texts = [event.actor_label, event.target_label, event.sentence, *event.payload.values()]
    assert all(len(text.splitlines()) == 1 and "\0" not in text for text in texts)
    assert event.actor_label.startswith("anna\\u000d\\u000aroot signed in\\u001b[2J\\u202e\\u0000\\ud800xx")
    assert len(event.actor_label) == 320
    assert_whole(person.tenant_id, length=1)


def test_an_undeclared_field_records_nothing(person: Person) -> None:
    with pytest.raises(UndeclaredField):
        record(Kind.SIGN_IN_FAILED, target=person, password="hunter2")
    assert kinds(person) == []


# -- units of work


def test_events_are_the_last_statements_of_the_outermost_unit(person: Person) -> None:
    with CaptureQueriesContext(connection) as queries, unit_of_work():
        record(Kind.PERSON_ADDED, target=person)
        Group.objects.create(name="first")
        with unit_of_work():
            record(Kind.GROUPS_CHANGED, target=person)
        Group.objects.create(name="second")
    assert statements(queries)[:2] == ["INSERT auth_group", "INSERT auth_group"]
    assert statements(queries)[2:] == ["SELECT audit_auditchain", OPENED, "SELECT audit_auditchain", *WRITTEN]
    assert kinds(person) == ["person:added", "groups:changed"]
    assert_whole(person.tenant_id, length=2)


@pytest.mark.parametrize("in_unit", [True, False])
def test_one_event_costs_three_statements_or_two(person: Person, in_unit: bool) -> None:
    record(Kind.SIGNED_OUT, target=person)
    with CaptureQueriesContext(connection) as queries:
        if in_unit:
            with unit_of_work():
                record(Kind.SIGNED_OUT, target=person)
        else:
            record(Kind.SIGNED_OUT, target=person)
    assert statements(queries) == ["SELECT audit_auditchain", *WRITTEN]


def test_many_events_of_one_chain_cost_no_more(person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    with CaptureQueriesContext(connection) as queries, unit_of_work():
        for _ in range(100):
            record(Kind.SIGNED_OUT, target=person)
    assert statements(queries) == ["SELECT audit_auditchain", *WRITTEN]
    assert_whole(person.tenant_id, length=101)


@pytest.mark.postgres
def test_where_the_end_of_a_chain_was_read_on_the_way_one_statement_is_enough(person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    with in_a_request(person, end_of(person)), CaptureQueriesContext(connection) as queries, unit_of_work():
        record(Kind.SIGNED_OUT, target=person)
        record(Kind.SIGNED_OUT, target=person)
    assert statements(queries) == WRITTEN
    assert_whole(person.tenant_id, length=3)


@pytest.mark.postgres
@pytest.mark.security(88)
@pytest.mark.parametrize(
    "lie",
    [
        lambda number, digest: (number - 1, digest),
        lambda number, digest: (number + 1, digest),
        lambda number, digest: (number, digest[::-1]),
        lambda number, digest: (0, chain.GENESIS),
    ],
)
def test_a_wrong_word_about_the_end_of_a_chain_costs_statements_alone(person: Person, lie: Any) -> None:
    record(Kind.SIGNED_OUT, target=person)
    with in_a_request(person, lie(*end_of(person))), CaptureQueriesContext(connection) as queries:
        record(Kind.SIGNED_OUT, target=person)
        record(Kind.SIGNED_OUT, target=person)
    looked = ["SELECT audit_auditchain", *WRITTEN]
    assert statements(queries) == [*WRITTEN, *looked, *looked]  # and it is not believed twice
    assert_whole(person.tenant_id, length=3)


@pytest.mark.postgres
@pytest.mark.security(88)
def test_what_was_rolled_back_is_nobodys_end(person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    with in_a_request(person, end_of(person)):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            record(Kind.SIGNED_OUT, target=person)
            raise ZeroDivisionError
        record(Kind.SIGNED_OUT, target=person)
    assert_whole(person.tenant_id, length=2)


@pytest.mark.postgres
@pytest.mark.security(88)
def test_what_the_database_drops_in_silence_does_not_happen(person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    with connection.cursor() as cursor:
        cursor.execute("CREATE FUNCTION dropped() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        cursor.execute(
            "CREATE TRIGGER dropped BEFORE INSERT ON audit_auditevent FOR EACH ROW EXECUTE FUNCTION dropped()"
        )
        with in_a_request(person, end_of(person)), pytest.raises(NotRecorded), unit_of_work():
            Group.objects.create(name="Sales")
            record(Kind.SIGNED_OUT, target=person)
        cursor.execute("DROP TRIGGER dropped ON audit_auditevent")
    assert not Group.objects.exists()
    assert_whole(person.tenant_id, length=1)


def test_nobody_expects_anything_outside_a_request_or_of_a_chain_that_is_not_there(person: Person) -> None:
    assert person.tenant_id
    context.expect_head(person.tenant_id, 1, chain.GENESIS)
    assert not context.current().heads
    with context.use(context.RequestContext()) as here:
        context.expect_head(person.tenant_id, None, None)
        assert not here.heads
        context.expect_head(person.tenant_id, 1, chain.GENESIS)
    assert here.heads
    assert not context.current().heads
    record(Kind.SIGNED_OUT, target=person)
    assert_whole(person.tenant_id, length=1)


def end_of(person: Person) -> tuple[int, str]:
    """Number and hash of the newest event of a person's tenant."""
    found = AuditChain.objects.get(pk=person.tenant_id)
    return found.sequence, found.hash


@contextmanager
def in_a_request(person: Person, end: tuple[int, str]) -> Iterator[None]:
    """A request that was told where the chain of this person's tenant ends."""
    assert person.tenant_id
    with context.use(context.RequestContext(request_id="r")):
        context.expect_head(person.tenant_id, *end)
        yield


def test_chains_are_locked_in_the_order_of_their_ids() -> None:
    people = [Person() for _ in range(5)]
    for person in people:
        record(Kind.SIGNED_OUT, target=person)
    with CaptureQueriesContext(connection) as queries, unit_of_work():
        for person in people:
            record(Kind.SIGNED_OUT, target=person)
        record(Kind.KEY_CANARY_FAILED)
    locks = [one["sql"] for one in queries if one["sql"].startswith("SELECT sequence")]
    order = [re.sub("[^0-9a-f]", "", re.search(r"id = '?([0-9a-f-]+)", sql)[1]) for sql in locks]  # type: ignore[index]
    assert order == sorted(order)
    assert len(set(order)) == 6
    for person in people:
        assert_whole(person.tenant_id, length=2)


def test_a_unit_is_a_decorator_with_and_without_parentheses(person: Person) -> None:
    @unit_of_work
    def sign_out(who: Person, *, kind: Kind) -> str:
        """Said of the function."""
        record(kind, target=who)
        return "done"

    @unit_of_work()
    def end(who: Person) -> None:
        record(Kind.SESSION_ENDED, target=who)

    assert sign_out(person, kind=Kind.SIGNED_OUT) == "done"
    assert (sign_out.__name__, sign_out.__doc__) == ("sign_out", "Said of the function.")
    end(person)
    end(person)
    assert kinds(person) == ["session:signed_out", "session:ended", "session:ended"]


def test_a_unit_that_calls_itself_joins_itself(person: Person) -> None:
    @unit_of_work
    def count_down(number: int) -> None:
        if number:
            record(Kind.SIGNED_OUT, target=person, count=number)
            count_down(number - 1)

    count_down(3)
    assert [event.payload["count"] for event in events_of(person.tenant_id)] == [3, 2, 1]


def test_a_coroutine_is_no_unit_of_work() -> None:
    with pytest.raises(TypeError, match="sync_to_async"):

        @unit_of_work
        async def flow() -> None: ...


def test_a_unit_without_events_writes_none() -> None:
    with CaptureQueriesContext(connection) as queries, unit_of_work():
        Group.objects.create(name="quiet")
    assert statements(queries) == ["INSERT auth_group"]


def test_a_failed_unit_leaves_neither_change_nor_event(person: Person) -> None:
    with pytest.raises(Broken), unit_of_work():
        Group.objects.create(name="gone")
        record(Kind.GROUPS_CHANGED, target=person)
        raise Broken
    assert not Group.objects.filter(name="gone").exists()
    assert kinds(person) == []
    record(Kind.SIGNED_OUT, target=person)
    assert kinds(person) == ["session:signed_out"]


@contextmanager
def plain_atomic() -> Iterator[None]:
    with transaction.atomic():
        yield


@pytest.mark.parametrize("inner", [unit_of_work, plain_atomic])
def test_an_inner_failure_drops_the_inner_events_alone(person: Person, inner: Any) -> None:
    with unit_of_work():
        record(Kind.PERSON_ADDED, target=person)
        with pytest.raises(Broken), inner():
            Group.objects.create(name="gone")
            record(Kind.GROUPS_CHANGED, target=person)
            with unit_of_work():
                record(Kind.PERSON_DELETED, target=person)
            raise Broken
        with inner():
            record(Kind.PERSON_CHANGED, target=person)
    assert kinds(person) == ["person:added", "person:changed"]
    assert not Group.objects.filter(name="gone").exists()
    assert_whole(person.tenant_id, length=2)


def test_what_fails_in_a_joined_unit_undoes_the_unit_around_it_even_if_it_is_caught(person: Person) -> None:
    with unit_of_work():
        Group.objects.create(name="around")
        record(Kind.PERSON_ADDED, target=person)
        with pytest.raises(Broken), joined_unit():
            record(Kind.GROUPS_CHANGED, target=person)
            raise Broken
    assert kinds(person) == []
    assert not Group.objects.filter(name="around").exists()


def test_a_joined_unit_stands_with_the_unit_around_it_and_costs_no_savepoint(person: Person) -> None:
    with CaptureQueriesContext(connection) as queries, unit_of_work():
        record(Kind.PERSON_ADDED, target=person)
        with joined_unit():
            record(Kind.PERSON_CHANGED, target=person)
    assert kinds(person) == ["person:added", "person:changed"]
    assert sum("SAVEPOINT" in one["sql"] and "RELEASE" not in one["sql"] for one in queries) <= 1  # the test's own
    assert_whole(person.tenant_id, length=2)


def test_a_joined_unit_alone_is_a_unit(person: Person) -> None:
    with pytest.raises(Broken), joined_unit():
        record(Kind.PERSON_ADDED, target=person)
        raise Broken
    with joined_unit():
        record(Kind.PERSON_CHANGED, target=person)
    assert kinds(person) == ["person:changed"]


def test_a_transaction_marked_for_rollback_takes_its_events_along(person: Person) -> None:
    """A rehearsal: `set_rollback` undoes what was done, in silence."""
    with unit_of_work():
        Group.objects.create(name="rehearsed")
        record(Kind.GROUPS_CHANGED, target=person)
        transaction.set_rollback(True)
    assert kinds(person) == []
    assert not Group.objects.filter(name="rehearsed").exists()


def test_a_refusal_is_recorded_before_it_is_raised(person: Person) -> None:
    def refuse() -> None:
        with unit_of_work():
            Group.objects.create(name="counted")
            record(Kind.SECOND_FACTOR_FAILED, target=person, reason="wrong_code")
        raise Broken

    with pytest.raises(Broken):
        refuse()
    assert kinds(person) == ["second_factor:failed"]
    assert Group.objects.filter(name="counted").exists()


def test_what_cannot_be_recorded_does_not_happen(person: Person, settings: Any) -> None:
    settings.AUDIT_HMAC_KEYS = []
    with pytest.raises(KeyMissing), unit_of_work():
        Group.objects.create(name="unrecorded")
        record(Kind.GROUPS_CHANGED, target=person)
    assert not Group.objects.filter(name="unrecorded").exists()


def test_a_bare_record_that_fails_dooms_the_transaction_around_it(person: Person, settings: Any) -> None:
    """Even where somebody swallows the error."""
    settings.AUDIT_HMAC_KEYS = []
    with transaction.atomic():
        Group.objects.create(name="unrecorded")
        with pytest.raises(KeyMissing):
            record(Kind.GROUPS_CHANGED, target=person)
    assert not Group.objects.filter(name="unrecorded").exists()


def test_a_database_that_refuses_the_event_refuses_the_change(person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    AuditChain.objects.filter(pk=person.tenant_id).update(sequence=0)  # somebody tampered: number 1 is taken
    with pytest.raises(DatabaseError), unit_of_work():
        Group.objects.create(name="unrecorded")
        record(Kind.GROUPS_CHANGED, target=person)
    assert not Group.objects.filter(name="unrecorded").exists()
    assert kinds(person) == ["session:signed_out"]


def test_without_a_unit_an_event_is_written_at_once(person: Person) -> None:
    with transaction.atomic():
        record(Kind.SIGNED_OUT, target=person)
        assert kinds(person) == ["session:signed_out"]


def test_a_rolled_back_unit_leaves_no_gap(person: Person) -> None:
    for number in range(6):
        try:
            with unit_of_work():
                record(Kind.SIGNED_OUT, target=person)
                if number % 2:
                    raise Broken
        except Broken:
            continue
    assert_whole(person.tenant_id, length=3)


def test_a_unit_belongs_to_its_thread(person: Person) -> None:
    """What another thread records meanwhile must not end up in this thread's transaction."""
    from audit import log

    seen: list[object] = []
    with unit_of_work():
        other = threading.Thread(target=lambda: seen.append(log._open.unit))
        other.start()
        other.join()
        assert log._open.unit is not None
    assert seen == [None]


@pytest.mark.django_db(transaction=True)
def test_a_unit_works_from_asynchronous_code(person: Person) -> None:
    from asgiref.sync import sync_to_async

    @sync_to_async
    @unit_of_work
    def sign_out(who: Person) -> None:
        record(Kind.SIGNED_OUT, target=who)

    async def both() -> None:
        await asyncio.gather(*(sign_out(person) for _ in range(5)))
        await sync_to_async(connections.close_all)()

    asyncio.run(both())
    assert_whole(person.tenant_id, length=5)


@pytest.mark.django_db(transaction=True)
def test_outside_any_transaction_an_event_is_committed(person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    assert not connection.in_atomic_block
    assert_whole(person.tenant_id, length=1)


def test_the_chain_begins_at_one_after_the_genesis(person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    [event] = events_of(person.tenant_id)
    assert (event.sequence, event.prev_hash) == (1, chain.GENESIS)
