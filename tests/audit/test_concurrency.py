"""Many writers at once: no gap, no fork, no deadlock, whatever the order of their locks."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, connections

from audit import context
from audit.kinds import Kind
from audit.log import record, unit_of_work
from audit.models import AuditChain
from audit.verification import verify
from tests.audit.evidence import Person, assert_whole, events_of

pytestmark = pytest.mark.django_db(transaction=True)


def all_at_once(writers: int, work: Callable[[int], None]) -> None:
    """Run `work` in as many threads, each on a connection of its own, from one start signal; raise what they raise."""
    start = threading.Barrier(writers)
    pooled = connection

    def run(number: int) -> None:
        own = pooled.copy()
        own.settings_dict["OPTIONS"].pop("pool", None)  # the pool would let a few in at a time
        connections["default"] = own
        try:
            own.ensure_connection()
            start.wait(timeout=30)
            work(number)
        finally:
            own.close()

    with ThreadPoolExecutor(writers) as executor:
        for future in [executor.submit(run, number) for number in range(writers)]:
            future.result(timeout=60)


@pytest.mark.security(88)
def test_writers_of_one_chain_queue_up(person: Person) -> None:
    def work(number: int) -> None:
        for _ in range(5):
            record(Kind.SIGNED_OUT, target=person, count=number)

    all_at_once(6, work)
    assert_whole(person.tenant_id, length=30)


@pytest.mark.postgres
@pytest.mark.security(88)
def test_fifty_writers_of_a_new_chain_leave_no_gap_and_no_fork(person: Person) -> None:
    def work(number: int) -> None:
        for _ in range(10):
            record(Kind.SIGNED_OUT, target=person, count=number)

    all_at_once(50, work)
    assert_whole(person.tenant_id, length=500)
    for number in range(50):
        assert sum(event.payload["count"] == number for event in events_of(person.tenant_id)) == 10


@pytest.mark.postgres
@pytest.mark.security(88)
def test_fifty_requests_that_saw_the_same_end_of_a_chain_follow_one_another(person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    seen = AuditChain.objects.values_list("sequence", "hash").get(pk=person.tenant_id)

    def work(number: int) -> None:
        for _ in range(4):
            with context.use(context.RequestContext(request_id=str(number))), unit_of_work():
                context.expect_head(person.tenant_id, *seen)
                record(Kind.SIGNED_OUT, target=person, count=number)
                record(Kind.SIGNED_OUT, target=person, count=number)

    all_at_once(50, work)
    assert_whole(person.tenant_id, length=401)


@contextmanager
def every_fifth_refused() -> Iterator[None]:
    """The database writes no event whose count is a multiple of five, as if its disk were full."""
    body = "BEGIN IF (NEW.payload->>'count')::int % 5 = 0 THEN RAISE 'full'; END IF; RETURN NEW; END"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE FUNCTION full_now() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        cursor.execute(
            "CREATE TRIGGER full_now BEFORE INSERT ON audit_auditevent FOR EACH ROW EXECUTE FUNCTION full_now()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER full_now ON audit_auditevent")
            cursor.execute("DROP FUNCTION full_now")


@pytest.mark.postgres
@pytest.mark.security(88)
def test_fifty_writers_whose_events_fail_now_and_then_leave_changes_and_events_alike(person: Person) -> None:
    """A change stands exactly where its event does, and the chain is whole: by `audit_verify` too."""

    def work(number: int) -> None:
        for turn in range(4):
            try:
                with unit_of_work():
                    Group.objects.create(name=f"{number}-{turn}")
                    record(Kind.SIGNED_OUT, target=person, count=number + turn)
            except DatabaseError:
                assert (number + turn) % 5 == 0

    with every_fifth_refused():
        all_at_once(50, work)
    kept = sum((number + turn) % 5 != 0 for number in range(50) for turn in range(4))
    assert Group.objects.filter(name__contains="-").count() == kept
    assert_whole(person.tenant_id, length=kept)
    assert person.tenant_id
    [verdict] = verify([person.tenant_id], since=None, processes=1, progress=lambda events: None)
    assert (verdict.finding, verdict.events) == (None, kept)


@pytest.mark.postgres
def test_units_over_many_chains_never_wait_for_each_other_in_a_circle() -> None:
    """New chains and old ones, recorded in every order, with failures among them."""
    people = [Person(tenant_id=uuid4()) for _ in range(6)]
    record(Kind.SIGNED_OUT, target=people[0])
    done: list[int] = []

    def work(number: int) -> None:
        shuffled = Random(number)  # noqa: S311
        for turn in range(8):
            try:
                with unit_of_work():
                    for person in shuffled.sample(people, len(people)):
                        record(Kind.SIGNED_OUT, target=person, count=number)
                    if (number + turn) % 4 == 0:
                        raise TimeoutError
                done.append(number)
            except TimeoutError:
                continue

    all_at_once(30, work)
    assert len(done) == 180
    assert_whole(people[0].tenant_id, length=181)
    for person in people[1:]:
        assert_whole(person.tenant_id, length=180)


@pytest.mark.postgres
def test_a_chain_is_free_while_the_work_of_a_unit_goes_on(person: Person) -> None:
    """Events are written last, so a slow unit keeps nobody waiting."""
    recorded, finished = threading.Event(), threading.Event()

    def work(number: int) -> None:
        if number == 0:
            with unit_of_work():
                Group.objects.create(name="slow")
                record(Kind.GROUPS_CHANGED, target=person)
                recorded.set()
                assert finished.wait(timeout=20)
        else:
            assert recorded.wait(timeout=20)
            record(Kind.SIGNED_OUT, target=person)
            finished.set()

    all_at_once(2, work)
    assert [event.kind for event in events_of(person.tenant_id)] == ["session:signed_out", "groups:changed"]
    assert_whole(person.tenant_id, length=2)
