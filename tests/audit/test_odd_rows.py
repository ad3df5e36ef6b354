"""What a database can be made to hold beside what recording writes is found, named, and told to nobody as recorded.

Whoever owns the tables can drop constraints, change the types of columns, and on SQLite write any value into any.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import Q

from audit import chain, chain_export, checkpoints, raw_rows, reading, rows, selections, spot_check, verification
from audit.chain import Fault
from audit.damage import Damage, Finding
from audit.errors import RecordNotWhole
from audit.kinds import Kind
from audit.log import record, unit_of_work
from audit.models import AuditChain, AuditEvent, Checkpoint
from audit.reading import Selection
from audit.selections import Format
from tests.audit.evidence import Person, events_of
from tests.audit.export_scene import PRIVATE, PUBLIC
from tests.audit.test_quick import properly
from tests.audit.test_verification import edit, insert, raw, sql, told, undone, verify

pytestmark = [pytest.mark.django_db, pytest.mark.security(88)]
LENGTH = 9
AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def made(monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A chain whose id has letters, read in spans of eight and pages of four."""
    monkeypatch.setattr(verification, "SPAN", 8)
    monkeypatch.setattr(rows, "PAGE", 4)
    monkeypatch.setattr(raw_rows, "PAGE", 4)
    person = Person(tenant_id=UUID("abcdefab-cdef-4abc-8def-abcdefabcdef"))
    with unit_of_work():
        for number in range(LENGTH // 3):
            record(Kind.SIGN_IN_FAILED, target=person, email="anna@acme.example", failures=number)
            record(Kind.PERSON_CHANGED, actor=person, target=person, fields=["name"], before={"name": "Ann"})
            record(Kind.SIGNED_OUT, actor=person, target=person)
    assert person.tenant_id
    return person.tenant_id


def on(vendor: str) -> None:
    if connection.vendor != vendor:
        pytest.skip(f"only {vendor} can be made to hold it")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def chain_id(request: pytest.FixtureRequest, db: None, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """On both databases, each in its run."""
    on(request.param)
    return made(monkeypatch)


@pytest.fixture
def on_sqlite(db: None, monkeypatch: pytest.MonkeyPatch) -> UUID:
    on("sqlite")
    return made(monkeypatch)


@pytest.fixture
def on_postgres(db: None, monkeypatch: pytest.MonkeyPatch) -> UUID:
    on("postgresql")
    return made(monkeypatch)


def found(chain_id: UUID) -> Finding | None:
    [judged] = verification.verify([chain_id], since=None, processes=1, progress=lambda events: None)
    return judged.finding


def both(chain_id: UUID) -> set[tuple[Any, Damage] | None]:
    """What is found quickly, where that is possible, and properly."""
    with properly():
        slow = told(found(chain_id))
    return {slow, told(found(chain_id))}


def without_the_constraint() -> None:
    if connection.vendor == "sqlite":  # the index is the table's own: only a new table is without it
        sql("CREATE TABLE another AS SELECT * FROM audit_auditevent")
        sql("DROP TABLE audit_auditevent")
        sql("ALTER TABLE another RENAME TO audit_auditevent")
    else:
        sql("ALTER TABLE audit_auditevent DROP CONSTRAINT one_event_per_number")


@pytest.mark.parametrize("number", range(1, LENGTH + 1))
def test_a_second_event_with_a_number_that_is_taken_is_found(chain_id: UUID, number: int) -> None:
    """Wherever pages and spans meet, and whichever of the two comes first."""
    with undone():
        without_the_constraint()
        insert(chain_id, number, id=uuid4(), kind="mfa:reset")
        for finding in both(chain_id):
            assert finding is not None
            assert finding[0] in (number, number + 1)
        head = rows.head_of(chain_id)
        assert verification.fault_after(head, 0, chain.GENESIS) is not None
        assert "".join(chain_export.pieces(head)).count("\n") == LENGTH + 1


@pytest.mark.postgres
def test_events_of_a_table_that_inherits_are_found(on_postgres: UUID) -> None:
    with undone():
        sql("CREATE TABLE heir () INHERITS (audit_auditevent)")
        sql("INSERT INTO heir SELECT * FROM ONLY audit_auditevent WHERE sequence = 4")
        assert None not in both(on_postgres)


def test_very_many_with_one_number_take_no_memory(chain_id: UUID) -> None:
    with undone():
        without_the_constraint()
        for _each in range(9):
            insert(chain_id, 2, id=uuid4())
        assert len(list(rows.numbered(chain_id, 0, 4))) == 5
        if raw_rows.are_there():
            assert len(raw_rows.read(chain_id, 0, 4)) == 5


@pytest.mark.parametrize("column", ["id", "tenant_id", "at", "payload", "salts", "digests"])
def test_what_is_spelt_otherwise_is_unreadable(on_sqlite: UUID, column: str) -> None:
    """An event whose tenant is spelt otherwise is in no list of theirs."""
    other = {"at": "at || '+00:00'", "payload": "payload || ' '", "salts": "' ' || salts", "digests": "'{ }'"}
    with undone():
        spelling = other.get(column, f"upper({column})")
        assert sql(f"UPDATE audit_auditevent SET {column} = {spelling} WHERE sequence = 5") == 1  # noqa: S608
        assert told(found(on_sqlite)) == (5, Damage.UNREADABLE)


@pytest.mark.parametrize("spelling", ["upper(chain)", "'{' || chain || '}'", "'urn:uuid:' || chain", "'nobody'"])
def test_a_chain_that_is_spelt_otherwise_is_told_and_ends(on_sqlite: UUID, spelling: str) -> None:
    with undone():
        insert(on_sqlite, 77, id=uuid4())
        assert sql(f"UPDATE audit_auditevent SET chain = {spelling} WHERE sequence = 77") == 1  # noqa: S608
        code, said = verify()
        assert (code, "tampered with" in said) == (1, True)


FORGED = '{"failures":\n{"id":"x","user_id":"admin","action":"mfa:reset"}\n,'


def test_a_member_that_stands_twice_is_found_or_gone_and_told_to_nobody(chain_id: UUID) -> None:
    """Readers of JSON disagree about which one counts; in an export it would be a line of its own."""
    with undone():
        twice = "%s || substr(payload, 2)"
        if connection.vendor == "postgresql":
            sql("ALTER TABLE audit_auditevent ALTER payload TYPE json")
            twice = "(%s || substr(payload::text, 2))::json"
        assert sql(f"UPDATE audit_auditevent SET payload = {twice} WHERE sequence = 4", FORGED) == 1  # noqa: S608
        events = [one for batch in selected(chain_id) for one in batch]
        for form in Format:
            written = selections.lines(form, events)
            assert (written.count(b"\n"), b"admin" in written) == (LENGTH, False)
        first = 1 if connection.vendor == "postgresql" else 4  # of another type are all of them
        assert both(chain_id) == {(first, Damage.UNREADABLE)}
        with pytest.raises(rows.Unreadable):
            list(chain_export.pieces(rows.head_of(chain_id)))


def selected(chain_id: UUID) -> Iterator[list[tuple[Any, ...]]]:
    return reading.batches(Selection(branches=(Q(tenant_id=chain_id),)), selections.read())


OTHER_TYPES = {
    "salts": ("text", "salts::text || ' '", None),
    "payload": ("json", "payload::text::json", (1, Damage.UNREADABLE)),
    "form": ("numeric(9, 3)", "form + 0.4", (1, Damage.UNREADABLE)),
    "id": ("text", "upper(id::text)", (1, Damage.UNREADABLE)),
    "tenant_id": ("text", "upper(tenant_id::text)", (1, Damage.UNREADABLE)),
    "sequence": ("numeric(9, 3)", "sequence + 0.4", (Decimal("1.400"), Damage.INSERTED)),
    "key_id": ("text[]", "ARRAY[key_id]", (1, Damage.UNKNOWN_KEY)),
    "mac": ("text[]", "ARRAY[mac]", (1, Damage.FORGED)),
    "hash": ("bytea", "hash::bytea", (1, Damage.EDITED)),
    "ip": ("text[]", "ARRAY[ip]", (1, Damage.UNREADABLE)),
}


@pytest.mark.postgres
@pytest.mark.parametrize("column", OTHER_TYPES)
def test_columns_of_another_type_are_no_matter_for_the_quick_way(on_postgres: UUID, column: str) -> None:
    """The database spells them otherwise, or hides what stands there; only what is read as recorded counts."""
    kind, value, named = OTHER_TYPES[column]
    with undone():
        for name in ("sequence", "form"):
            sql(f"ALTER TABLE audit_auditevent DROP CONSTRAINT IF EXISTS audit_auditevent_{name}_check")
        for (index,) in asked("SELECT indexname FROM pg_indexes WHERE tablename = 'audit_auditevent'"):
            if index.startswith("event_"):
                sql(f'DROP INDEX "{index}"')
        sql(f"ALTER TABLE audit_auditevent ALTER {column} TYPE {kind} USING {value}")
        assert raw_rows.read(on_postgres, 0, LENGTH) == []
        assert both(on_postgres) == {named}


def asked(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


DOCUMENTS = ["[]", "7", "null", '"text"', '["ip"]']


@pytest.mark.parametrize("column", ["digests", "salts", "payload"])
@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_of_another_kind_are_named_where_nothing_links_to_them(
    chain_id: UUID, column: str, document: str
) -> None:
    value = "CAST(%s AS jsonb)" if connection.vendor == "postgresql" else "%s"
    with undone():
        statement = f"UPDATE audit_auditevent SET prev_hash = %s, {column} = {value} WHERE sequence = 3"  # noqa: S608
        sql(statement, "ab" * 32, document)
        for finding in both(chain_id):
            assert finding is not None
            assert finding[0] == 3


@pytest.mark.parametrize("sequence", [2 * 10**8, 9 * 10**18])
def test_a_head_far_ahead_is_found_at_once(chain_id: UUID, sequence: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    look = verification.look
    monkeypatch.setattr(verification, "look", lambda span: looked.append(span) or look(span))
    other = uuid4()
    record(Kind.SIGNED_OUT, tenant=other)
    with undone():
        AuditChain.objects.filter(pk=chain_id).update(sequence=sequence)
        judged = verification.verify([chain_id, other], since=None, processes=1, progress=lambda events: None)
        first, second = judged
        assert told(first.finding) == (LENGTH + 1, Damage.CUT_OFF)
        assert second.finding is None
        assert len(looked) == 3
        assert told(verification.fault_after(rows.head_of(chain_id), 0, chain.GENESIS)) == (LENGTH + 1, Damage.CUT_OFF)
        assert len(looked) == 5


@pytest.mark.parametrize("value", ["'abc'", "1.5", "X'00'"])
def test_a_head_whose_number_is_none_is_found(on_sqlite: UUID, value: str) -> None:
    with undone():
        sql(f"UPDATE audit_auditchain SET sequence = {value} WHERE id = %s", raw("chain", on_sqlite))  # noqa: S608
        assert told(found(on_sqlite)) == (0, Damage.HEAD_EDITED)


@pytest.mark.parametrize("hexed", ["zz", "abc", "", "AB" * 32])
def test_a_hash_that_is_none_is_found(chain_id: UUID, hexed: str) -> None:
    for number in range(1, LENGTH + 1):
        with undone():
            edit(chain_id, number, hash=hexed)
            sql("UPDATE audit_auditevent SET prev_hash = %s WHERE sequence = %s", hexed, number + 1)
            for finding in both(chain_id):
                assert finding is not None
                assert finding[0] == number
            head = rows.head_of(chain_id)
            assert told(verification.fault_after(head, number, "0" * 64)) == (number, Damage.REWRITTEN)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(rows, "first_since", lambda _chain, _since, number=number: number + 1)
                begun = verification.verify([chain_id], since=AT, processes=1, progress=lambda events: None)
                assert [told(judged.finding) for judged in begun] == [(number, Damage.EDITED)]
            if number < LENGTH:
                look = spot_check.look_at(events_of(chain_id)[number])
                assert look.fault in (Fault.NOT_LINKED, Fault.EDITED)


@pytest.mark.parametrize("column", ["ip", "kind", "user_agent", "hash", "prev_hash", "payload", "id"])
@pytest.mark.parametrize("value", ["CAST(X'FF41' AS TEXT)", "X''", "X'FF41'"])
def test_bytes_where_text_should_be_are_found(on_sqlite: UUID, column: str, value: str) -> None:
    with undone():
        sql("PRAGMA ignore_check_constraints = ON")
        sql(f"UPDATE audit_auditevent SET {column} = {value} WHERE sequence = 8")  # noqa: S608
        finding = told(found(on_sqlite))
        sql("PRAGMA ignore_check_constraints = OFF")
        assert finding is not None
        assert finding[0] == 8
        sql("UPDATE audit_auditevent SET sequence = 99 WHERE sequence = 8")
        finding = told(found(on_sqlite))
        assert finding is not None
        assert finding[0] == 8


def test_a_number_between_two_is_found_and_ends_no_export(on_sqlite: UUID) -> None:
    with undone():
        sql("UPDATE audit_auditevent SET sequence = 5.5 WHERE sequence = 9")
        finding = told(found(on_sqlite))
        assert finding is not None
        assert "".join(chain_export.pieces(rows.head_of(on_sqlite))).count("\n") == LENGTH


@pytest.mark.postgres
def test_nothing_where_a_text_should_be_is_found(on_postgres: UUID) -> None:
    with undone():
        sql("ALTER TABLE audit_auditevent ALTER ip DROP NOT NULL")
        sql("UPDATE audit_auditevent SET ip = NULL WHERE sequence = 3")
        assert both(on_postgres) == {(3, Damage.UNREADABLE)}


@pytest.mark.parametrize("salt", [int("12345678901234567890123456789012"), None, True, ["x"], {"a": "b"}])
def test_a_salt_that_is_no_text_is_refused_even_where_it_hashes_alike(chain_id: UUID, salt: Any) -> None:
    event = events_of(chain_id)[1]
    event.salts["actor_label"] = str(salt)
    form = chain.canonical(event)
    event.prev_hash, event.hash = "ab" * 32, chain.link("ab" * 32, form)
    assert chain.fault_of(event, event.sequence, event.prev_hash, None) is None
    event.salts["actor_label"] = salt
    assert chain.fault_of(event, event.sequence, event.prev_hash, None) is Fault.NOT_CANONICAL


def test_a_value_within_a_thousand_others_is_refused() -> None:
    deep: Any = "x"
    for _each in range(100_000):
        deep = [deep]
    event = AuditEvent(
        id=uuid4(), form=2, chain=UUID(int=1), sequence=1, kind="x", at=AT, payload={"x": deep}, salts={}, digests={}
    )
    event.prev_hash = chain.GENESIS
    assert chain.fault_of(event, 1, chain.GENESIS, None) is Fault.NOT_CANONICAL


EDGES = [AT.replace(year=1, month=1, day=1), AT.replace(year=9999, month=12, day=31)]


@pytest.mark.parametrize("at", EDGES)
def test_a_moment_of_no_year_is_refused(at: datetime) -> None:
    zone = timezone(timedelta(hours=23) if at.year == 1 else timedelta(hours=-23))
    event = AuditEvent(id=uuid4(), form=2, chain=UUID(int=1), sequence=1, kind="x", at=at.replace(tzinfo=zone))
    event.prev_hash = chain.GENESIS
    assert chain.fault_of(event, 1, chain.GENESIS, None) is Fault.NOT_CANONICAL


@pytest.mark.parametrize("number", ["CAST(X'FF41' AS TEXT)", "'abc'", "X'00'", "1e400", "'x' || char(27) || '[2K'"])
def test_an_event_whose_number_is_none_is_found(on_sqlite: UUID, number: str) -> None:
    """Constraints and triggers let it in: a text is more than every number."""
    with undone():
        insert(on_sqlite, 77, id=uuid4())
        sql("PRAGMA ignore_check_constraints = ON")
        assert sql(f"UPDATE audit_auditevent SET sequence = {number} WHERE sequence = 77") == 1  # noqa: S608
        sql("PRAGMA ignore_check_constraints = OFF")
        finding = found(on_sqlite)
        assert finding is not None
        assert finding.damage is Damage.INSERTED
        assert str(finding).isprintable()
        head = rows.head_of(on_sqlite)
        assert verification.fault_after(head, head.sequence, head.hash) is not None
        assert verify()[0] == verify("--since", "2020-01-01")[0] == 1


def lets_in_nothing(*columns: str) -> None:
    """The table lets in what is nothing in these columns."""
    if connection.vendor == "postgresql":
        if "id" in columns:
            sql("ALTER TABLE audit_auditevent DROP CONSTRAINT audit_auditevent_pkey")
        for column in columns:
            sql(f"ALTER TABLE audit_auditevent ALTER {column} DROP NOT NULL")
    else:
        without_the_constraint()


def test_an_event_without_a_number_is_found(chain_id: UUID) -> None:
    with undone():
        lets_in_nothing("sequence")
        insert(chain_id, 77, id=uuid4())
        assert sql("UPDATE audit_auditevent SET sequence = NULL WHERE sequence = 77") == 1
        assert both(chain_id) == {(0, Damage.INSERTED)}
        head = rows.head_of(chain_id)
        assert told(verification.fault_after(head, head.sequence, head.hash)) == (0, Damage.INSERTED)
        edit(chain_id, 5, outcome="failed")
        assert verify("--since", "2020-01-01")[0] == 1


def test_an_event_without_a_chain_is_found(chain_id: UUID) -> None:
    with undone():
        lets_in_nothing("chain")
        insert(chain_id, 77, id=uuid4())
        assert sql("UPDATE audit_auditevent SET chain = NULL WHERE sequence = 77") == 1
        code, said = verify()
        assert (code, "of no chain" in said) == (1, True)


def test_an_event_without_an_id_is_named(chain_id: UUID) -> None:
    with undone():
        lets_in_nothing("id")
        assert sql("UPDATE audit_auditevent SET id = NULL WHERE sequence = 4") == 1
        assert both(chain_id) == {(4, Damage.UNREADABLE)}


def several_heads(chain_id: UUID, number: int) -> None:
    """One more, with the place that this event had."""
    place = [raw("chain", chain_id), number, events_of(chain_id)[number - 1].hash]
    if connection.vendor == "postgresql":
        sql("CREATE TABLE heir () INHERITS (audit_auditchain)")
        sql("INSERT INTO heir (id, sequence, hash) VALUES (%s, %s, %s)", *place)
    else:
        sql("INSERT INTO audit_auditchain (id, sequence, hash) VALUES (upper(%s), %s, %s)", *place)


@pytest.fixture
def with_checkpoints(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_CHECKPOINT_KEY, settings.AUDIT_CHECKPOINT_PUBLIC_KEYS = PRIVATE, [PUBLIC]
    settings.AUDIT_CHECKPOINT_DIR = str(tmp_path)


@pytest.mark.usefixtures("with_checkpoints")
def test_a_second_head_does_not_keep_checkpoints_where_they_are(chain_id: UUID) -> None:
    """With it, events after the last checkpoint could have been cut off unseen, however old they were.

    Of other chains new events are vouched for, that of the alarm among them.
    """
    first = checkpoints.make(AT)
    record(Kind.SIGNED_OUT, tenant=chain_id)
    with undone():
        several_heads(chain_id, LENGTH)
        with pytest.raises(RecordNotWhole, match=f"chain {chain_id}"):
            checkpoints.make(AT)
        with pytest.raises(RecordNotWhole):
            checkpoints.make(AT)
        before, after = (json.loads(each.text)["statement"]["heads"] for each in (first, newest_checkpoint()))
        assert after.pop(str(chain_id)) == before.pop(str(chain_id), None)
        alarm = AuditEvent.objects.filter(kind="chain:not_whole").order_by("sequence")[0]
        assert after[str(chain.PLATFORM)][0] >= alarm.sequence
        assert verify()[0] == 1


def newest_checkpoint() -> Checkpoint:
    return Checkpoint.objects.order_by("-number")[0]


def test_what_a_file_hides_from_lists_is_found(on_sqlite: UUID) -> None:
    """An index that lacks a row: whoever reads by it does not see the event."""
    assert rows.contradiction() is None
    victim = raw("id", events_of(on_sqlite)[4].pk)
    [(definition,)] = asked("SELECT sql FROM sqlite_master WHERE name = 'event_by_tenant'")
    with undone():
        sql('DROP INDEX "event_by_tenant"')
        sql(f"{definition} WHERE id <> '{victim}'")
        sql("PRAGMA writable_schema = ON")
        sql("UPDATE sqlite_master SET sql = %s WHERE name = 'event_by_tenant'", definition)
        sql("PRAGMA writable_schema = RESET")
        code, said = verify()
        assert (code, "The database file contradicts itself: " in said) == (1, True)
        assert "event_by_tenant" in said


@pytest.mark.usefixtures("with_checkpoints")
def test_a_head_that_was_put_back_is_found_by_the_next_checkpoint(chain_id: UUID) -> None:
    checkpoints.make(AT)
    record(Kind.SIGNED_OUT, tenant=chain_id)
    with undone():
        place = (LENGTH, events_of(chain_id)[LENGTH - 1].hash, raw("chain", chain_id))
        sql("UPDATE audit_auditchain SET sequence = %s, hash = %s WHERE id = %s", *place)
        with pytest.raises(RecordNotWhole, match=f"number {LENGTH + 1}"):
            checkpoints.make(AT)


@pytest.mark.usefixtures("with_checkpoints")
@pytest.mark.parametrize(
    "change",
    [
        "sequence = 'abc'",
        "sequence = X'00'",
        "sequence = 1.5",
        "sequence = CAST(X'FF41' AS TEXT)",
        "hash = X'00'",
        "id = 'nobody'",
        "id = X'00'",
    ],
)
def test_odd_heads_and_numbers_do_not_keep_checkpoints_from_being_made(on_sqlite: UUID, change: str) -> None:
    checkpoints.make(AT)
    record(Kind.MFA_RESET, tenant=on_sqlite, reason="lost")
    with undone():
        sql("PRAGMA ignore_check_constraints = ON")
        sql(f"UPDATE audit_auditchain SET {change} WHERE id = %s", raw("chain", on_sqlite))  # noqa: S608
        with pytest.raises(RecordNotWhole):
            checkpoints.make(AT)
        assert verify()[0] == 1
        if change.startswith("sequence"):
            sql(f"UPDATE audit_auditevent SET {change} WHERE kind = 'mfa:reset'")  # noqa: S608
            assert checkpoints.is_due(AT)
        sql("PRAGMA ignore_check_constraints = OFF")


def test_heads_that_are_together_more_than_a_database_counts_keep_nobody_from_a_verdict(chain_id: UUID) -> None:
    record(Kind.SIGNED_OUT)
    with undone():
        AuditChain.objects.update(sequence=2**63 - 1)
        code, said = verify()
        assert (code, f"Tenant {chain_id}: number {LENGTH + 1}" in said) == (1, True)


def test_an_export_of_a_chain_whose_head_is_far_ahead_ends(chain_id: UUID) -> None:
    with undone():
        AuditChain.objects.filter(pk=chain_id).update(sequence=9 * 10**18)
        assert "".join(chain_export.pieces(rows.head_of(chain_id))).count("\n") == LENGTH


def test_a_promise_is_compared_with_a_hash_that_is_none(on_sqlite: UUID) -> None:
    with undone():
        sql("UPDATE audit_auditevent SET hash = CAST(X'FF41' AS TEXT) WHERE sequence = 2")
        stands = rows.hashes_of(on_sqlite, [1, 2, 99])
        assert (stands[2], stands.keys()) == ("", {1, 2})


def test_an_event_of_no_number_can_still_be_looked_at(on_sqlite: UUID) -> None:
    with undone():
        sql("UPDATE audit_auditevent SET sequence = 'abc' WHERE sequence = 5")
        [event] = [each for each in events_of(on_sqlite) if each.sequence == "abc"]
        assert spot_check.look_at(event).is_sound is False
        sql("UPDATE audit_auditevent SET prev_hash = CAST(X'FF41' AS TEXT) WHERE sequence = 4")
        assert spot_check.look_at(AuditEvent.objects.get(sequence=3, chain=on_sqlite)).continued is False
