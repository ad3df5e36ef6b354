"""Whatever is done to the tables behind our back, `audit_verify` names the first event that it was done to."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from audit import chain, verification
from audit.damage import SENTENCES, Damage, Finding
from audit.identifiers import moment_of, uuid7
from audit.kinds import Kind
from audit.log import record, unit_of_work
from audit.models import AuditChain, AuditEvent
from audit.promises import Promises
from audit.statements import Statement
from tests.audit.evidence import Person, events_of
from tests.audit.lift import lifted

LENGTH = 9
FIELDS = {field.attname: field for field in AuditEvent._meta.concrete_fields}


@pytest.fixture
def chain_id(db: None, person: Person, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A chain of nine events of several kinds, read in spans of four."""
    monkeypatch.setattr(verification, "SPAN", 4)
    with unit_of_work():
        for number in range(LENGTH // 3):
            record(Kind.SIGN_IN_FAILED, target=person, email="anna@acme.example", failures=number)
            record(Kind.PERSON_CHANGED, actor=person, target=person, fields=["name"], before={"name": "Ann"})
            record(Kind.SIGN_IN_COMPLETED, actor=person, target=person, methods=["totp"], user_verified=True)
    assert person.tenant_id
    return person.tenant_id


@contextmanager
def undone() -> Iterator[None]:
    """Without triggers, and afterwards as if nothing had been done."""
    with transaction.atomic():
        with lifted(connection):
            yield
        transaction.set_rollback(True)


def sql(statement: str, *values: Any) -> int:
    """Do it behind our back; how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


def raw(column: str, value: Any) -> Any:
    """A value as the database takes it."""
    return FIELDS[column].get_db_prep_save(value, connection)


def edit(chain_id: UUID, number: int, **columns: Any) -> None:
    """Write other values into one event."""
    sets = ", ".join(f'"{name}" = %s' for name in columns)
    values = [raw(name, value) for name, value in columns.items()]
    where = " WHERE chain = %s AND sequence = %s"
    assert sql(f"UPDATE audit_auditevent SET {sets}{where}", *values, raw("chain", chain_id), number) == 1  # noqa: S608


def remove(chain_id: UUID, number: int) -> None:
    where = (raw("chain", chain_id), number)
    assert sql("DELETE FROM audit_auditevent WHERE chain = %s AND sequence = %s", *where) == 1


def shift(chain_id: UUID, numbers: Any, by: int) -> None:
    """Give events other numbers, one by one."""
    for number in numbers:
        edit(chain_id, number, sequence=number + by)


def insert(chain_id: UUID, number: int, **values: Any) -> None:
    """A copy of the first event with other values, at a number that is free."""
    copied = {name: getattr(events_of(chain_id)[0], name) for name in FIELDS} | {"id": uuid4(), "sequence": number}
    copied |= values
    names, places = ", ".join(f'"{name}"' for name in copied), ", ".join(["%s"] * len(copied))
    statement = f"INSERT INTO audit_auditevent ({names}) VALUES ({places})"  # noqa: S608
    assert sql(statement, *(raw(name, value) for name, value in copied.items())) == 1


def found(chain_id: UUID) -> Finding | None:
    """What verifying that chain finds."""
    [verdict] = verification.verify([chain_id], since=None, processes=1, progress=lambda events: None)
    return verdict.finding


def told(finding: Finding | None) -> tuple[Any, Damage] | None:
    return finding and (finding.sequence, finding.damage)


def test_what_was_recorded_is_whole(chain_id: UUID) -> None:
    [verdict] = verification.verify([chain_id], since=None, processes=1, progress=lambda events: None)
    assert (verdict.finding, verdict.events, verdict.head.sequence) == (None, LENGTH, LENGTH)


def other(data: st.DataObject, old: Any) -> Any:
    """A value of a column's type that is not the old one."""
    if isinstance(old, dict):
        name = data.draw(st.sampled_from([*old, "more"]))
        return {k: v for k, v in old.items() if k != name} | ({} if name in old else {name: data.draw(st.text())})
    if isinstance(old, UUID) or old is None:
        return data.draw(st.uuids())
    if isinstance(old, int):
        return data.draw(st.integers(LENGTH + 1, 2**15 - 1))
    if isinstance(old, str):
        return data.draw(st.sampled_from([" " + old[1:], old.upper(), "é", ""]))
    return old + data.draw(st.timedeltas(timedelta(-99), timedelta(99)))


@pytest.mark.security(88)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_any_event_is_found_where_it_begins(chain_id: UUID, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, LENGTH), label="number")
    kind = data.draw(st.sampled_from(["edit", "remove", "close the gap", "insert", "swap", "cut off"]), label="damage")
    first = number
    events = events_of(chain_id)
    with undone():
        if kind == "edit":
            column = data.draw(st.sampled_from(sorted(FIELDS)), label="column")
            old = getattr(events[number - 1], column)
            new = other(data, old)
            assume(new != old and not (isinstance(new, dict) and "\0" in json.dumps(new)))
            assume("\\u0000" not in json.dumps(new, default=str))  # PostgreSQL takes none
            edit(chain_id, number, **{column: new})
        elif kind == "remove":
            remove(chain_id, number)
        elif kind == "close the gap":
            remove(chain_id, number)
            shift(chain_id, range(number + 1, LENGTH + 1), -1)
        elif kind == "insert":
            shift(chain_id, range(LENGTH, number - 1, -1), 1)
            insert(chain_id, number, prev_hash=events[number - 1].prev_hash)
        elif kind == "swap":
            with_number = data.draw(st.integers(1, LENGTH), label="with")
            assume(with_number != number)
            first = min(number, with_number)
            edit(chain_id, number, sequence=99)
            edit(chain_id, with_number, sequence=number)
            edit(chain_id, 99, sequence=with_number)
        else:
            for each in range(number, LENGTH + 1):
                remove(chain_id, each)
        finding = found(chain_id)
    assert finding is not None
    assert finding.sequence == first
    assert found(chain_id) is None


@pytest.mark.security(88)
def test_each_kind_of_damage_is_named(chain_id: UUID) -> None:
    events = events_of(chain_id)
    with undone():
        edit(chain_id, 5, at=events[4].at - timedelta(days=3))
        assert told(found(chain_id)) == (5, Damage.REDATED)
    with undone():
        edit(chain_id, 5, outcome="refused")
        assert found(chain_id) == Finding(5, Damage.EDITED, events[4].id)
    with undone():
        edit(chain_id, 6, prev_hash="0" * 64)
        assert told(found(chain_id)) == (6, Damage.EDITED)
    with undone():
        edit(chain_id, 5, target_label="eve@acme.example")
        assert told(found(chain_id)) == (5, Damage.EDITED)
    with undone():
        edit(chain_id, 5, target_label="eve@acme.example", digests=chain.digests_of(events[4]))
        assert told(found(chain_id)) == (5, Damage.COPY_EDITED)
    with undone():
        remove(chain_id, 4)
        assert told(found(chain_id)) == (4, Damage.REMOVED)
    with undone():
        remove(chain_id, 4)
        shift(chain_id, range(5, LENGTH + 1), -1)
        assert told(found(chain_id)) == (4, Damage.REMOVED)
    with undone():
        remove(chain_id, 8)
        remove(chain_id, 9)
        assert told(found(chain_id)) == (8, Damage.CUT_OFF)
    with undone():
        edit(chain_id, 2, sequence=99)
        edit(chain_id, 6, sequence=2)
        edit(chain_id, 99, sequence=6)
        assert told(found(chain_id)) == (2, Damage.MOVED)
    with undone():
        edit(chain_id, 3, sequence=20)
        assert found(chain_id) == Finding(3, Damage.MOVED, events[2].id)
    with undone():
        edit(chain_id, 3, payload=["a list"])
        assert told(found(chain_id)) == (3, Damage.UNREADABLE)
    with undone():
        edit(chain_id, 3, key_id="00000000")
        assert told(found(chain_id)) == (3, Damage.UNKNOWN_KEY)
    assert all(SENTENCES[damage] for damage in Damage)


@pytest.mark.security(88)
def test_events_at_numbers_that_no_event_has_are_found(chain_id: UUID) -> None:
    with undone():
        insert(chain_id, 0)
        assert told(found(chain_id)) == (0, Damage.INSERTED)
    with undone():
        insert(chain_id, LENGTH + 1, prev_hash=events_of(chain_id)[-1].hash)
        assert told(found(chain_id)) == (LENGTH + 1, Damage.INSERTED)


@pytest.mark.security(88)
def test_history_hashed_anew_without_the_key_is_found_where_it_begins(chain_id: UUID) -> None:
    events = events_of(chain_id)
    events[3].outcome = "failed"
    previous = events[2].hash
    with undone():
        for event in events[3:]:
            event.prev_hash = previous
            event.hash = previous = chain.link(previous, chain.canonical(event))
            edit(chain_id, event.sequence, outcome=event.outcome, prev_hash=event.prev_hash, hash=previous)
        sql("UPDATE audit_auditchain SET hash = %s WHERE id = %s", previous, raw("chain", chain_id))
        assert found(chain_id) == Finding(4, Damage.FORGED, events[3].id)


@pytest.mark.security(88)
def test_heads_that_lie_are_found(chain_id: UUID) -> None:
    head = AuditChain.objects.filter(pk=chain_id)
    with undone():
        head.update(hash="f" * 64)
        assert told(found(chain_id)) == (LENGTH, Damage.HEAD_EDITED)
    with undone():
        head.update(sequence=LENGTH - 1, hash=events_of(chain_id)[-2].hash)
        assert told(found(chain_id)) == (LENGTH, Damage.INSERTED)
    with undone():
        head.delete()
        assert told(found(chain_id)) == (1, Damage.HEAD_MISSING)


def test_values_that_are_of_no_type_are_named_where_the_database_takes_them(chain_id: UUID) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite stores what is not of a column's type")
    for column, value in [("at", "yesterday"), ("payload", "{"), ("id", "x"), ("tenant_id", "x")]:
        with undone():
            sql("PRAGMA ignore_check_constraints = ON")
            where = raw("chain", chain_id)
            sql(f'UPDATE audit_auditevent SET "{column}" = %s WHERE chain = %s AND sequence = 6', value, where)  # noqa: S608
            assert told(found(chain_id)) == (6, Damage.UNREADABLE), column
        sql("PRAGMA ignore_check_constraints = OFF")


def verify(*arguments: str) -> tuple[int, str]:
    """The command's exit code, and what it says."""
    out = StringIO()
    try:
        call_command("audit_verify", "--processes", "1", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def test_the_command_says_that_all_is_whole(chain_id: UUID) -> None:
    record(Kind.SIGNED_OUT)
    code, said = verify()
    events, chains = AuditEvent.objects.count(), AuditChain.objects.count()
    assert (code, said) == (0, f"{events} events looked at in {chains} chains, 0 of them not whole.\n")
    code, said = verify("--tenant", str(chain_id))
    assert code == 0
    assert f"Tenant {chain_id}: whole from number 1 to 9." in said


@pytest.mark.security(88)
def test_the_command_names_what_is_wrong_and_ends_with_1(chain_id: UUID) -> None:
    event = events_of(chain_id)[4]
    record(Kind.SIGNED_OUT)
    with undone():
        edit(chain_id, 5, outcome="refused")
        code, said = verify()
        elsewhere, _said = verify("--tenant", "platform")
    assert code == 1
    assert f"Tenant {chain_id}: number 5, event {event.id}: the event was edited." in said
    assert elsewhere == 0


def test_the_command_ends_with_3_where_it_cannot_tell(chain_id: UUID, settings: Any) -> None:
    assert verify("--tenant", str(uuid4()))[0] == 3
    settings.AUDIT_HMAC_KEYS = ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]
    code, said = verify()
    assert (code, "not in AUDIT_HMAC_KEYS" in said) == (3, True)
    for nothing in ([], ["short"]):
        settings.AUDIT_HMAC_KEYS = nothing
        assert verify()[0] == 3


@pytest.mark.parametrize("wrong", [["--tenant", "acme"], ["--since", "yesterday"], ["--processes", "0"]])
def test_wrong_arguments_are_told(wrong: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("audit_verify", *wrong)


def test_since_a_moment_what_is_before_is_believed_and_that_is_said(chain_id: UUID) -> None:
    events = events_of(chain_id)
    since = events[5].at.isoformat()
    with undone():
        edit(chain_id, 2, outcome="refused")
        code, said = verify("--since", since, "--tenant", str(chain_id))
    assert code == 0
    assert "was not looked at" in said
    assert "\n4 events looked at in 1 chains" in said
    with undone():
        edit(chain_id, 6, outcome="refused")
        assert verify("--since", since)[0] == 1
    assert verify("--since", "2999-01-01")[1].startswith("0 events looked at")


def test_pages_are_read_one_after_the_other(chain_id: UUID, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(
        10
    ):  # total, head, what is below 1 or no number, three pages and two starts, the end
        assert verify("--tenant", str(chain_id))[0] == 0


@pytest.mark.security(88)
@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_several_processes_find_the_same(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "SPAN", 4)
    for number in range(30):
        record(Kind.SIGNED_OUT, target=person, count=number)
    chain_id = person.tenant_id
    assert chain_id
    [whole] = verification.verify([chain_id], since=None, processes=2, progress=lambda events: None)
    with closing(Promises()) as promised:
        promised.add([Statement(1, "", "", "", {str(chain_id): (9, "0" * 64)}, "")])
        [broken] = verification.verify(
            [chain_id], since=None, processes=2, progress=lambda events: None, promised=promised
        )
        assert told(broken.finding) == (9, Damage.REWRITTEN)
    with lifted(connection):
        edit(chain_id, 27, outcome="refused")
    [edited] = verification.verify([chain_id], since=None, processes=2, progress=lambda events: None)
    assert (whole.events, whole.finding, told(edited.finding)) == (30, None, (27, Damage.EDITED))


@given(st.datetimes().map(lambda moment: moment.replace(tzinfo=chain.UTC)))
def test_the_moment_of_an_id_is_told_to_the_microsecond(moment: Any) -> None:
    assume(moment.year >= 1970)
    assert moment_of(uuid7(moment)) == moment
    assert moment_of(uuid4()) is None
