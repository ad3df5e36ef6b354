"""Verifying quickly and verifying properly say the same, whatever stands in the table: PostgreSQL alone."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import chain, keys, quick, raw_rows, verification
from audit.damage import Damage, Finding
from audit.kinds import Kind
from audit.log import record
from audit.models import AuditEvent
from tests.audit.evidence import HOSTILE, changed, erased, events_of, in_the_first_form, seal_anew
from tests.audit.test_verification import FIELDS, LENGTH, edit, raw, shift, sql, told, undone

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def verdict(hostile_chain: UUID) -> Finding | None:
    [found] = verification.verify([hostile_chain], since=None, processes=1, progress=lambda events: None)
    return found.finding


@contextmanager
def properly() -> Iterator[None]:
    """Without the quick way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_rows, "are_there", lambda: False)
        yield


def both(hostile_chain: UUID) -> tuple[Finding | None, Finding | None]:
    with properly():
        slow = verdict(hostile_chain)
    return verdict(hostile_chain), slow


def certain(hostile_chain: UUID) -> int:
    """How many events of the chain are found whole quickly, from its beginning."""
    return quickly(raw_rows.read(hostile_chain, 0, 100), hostile_chain)


def quickly(page: list[str], of: UUID) -> int:
    """How many events of a page are found whole, from its beginning."""
    seals = quick.sealers(keys.by_id())
    for count in range(len(page), 0, -1):
        if quick.last_hash(page[:count], of, number=0, previous=chain.GENESIS, seals=seals) is not None:
            return count
    return 0


@pytest.mark.security(88)
def test_what_is_whole_is_found_whole_quickly_but_for_what_is_rare(hostile_chain: UUID) -> None:
    assert certain(hostile_chain) == LENGTH - 2  # the largest integer is looked at properly
    assert both(hostile_chain) == (None, None)
    for event in events_of(hostile_chain):
        assert chain.authenticate(keys.primary().secret, event.hash) == event.mac
        assert quick.sealers(keys.by_id())[event.key_id](bytes.fromhex(event.hash)).hex() == event.mac


TEXTS = ["", " ", HOSTILE, "e\u0301", "\u0344", '"', "\\", "%s", "ok", "0" * 64, str(UUID(int=1)), "a" * 300]
DOCUMENTS = [
    {},
    {"ip": "x"},
    {"ip": 5},
    {"ip": None},
    {"payload.email": "x"},
    {"actor_label": "x", "payload.actor_label": "y"},
    {"foo": "x"},
    {'"': "x"},
    {"%s": "%d"},
    {"email": ""},
    {"failures": 2**53},
    {"failures": -(2**70)},
    {"failures": 1.0},
    {"failures": "e\u0301"},
    {"a": [[[{"b": 1e300}]]]},
    ["a list"],
    "text",
    7,
    None,
]
MOMENTS = ["2026-11-28 16:00:00 BC", "infinity", "-infinity", "0044-03-15", "20260-01-01", "1969-12-31 23:59:59.000001"]


def value_for(data: st.DataObject, column: str, old: Any) -> tuple[str, Any]:
    """Something else for a column: how SQL takes it, and what."""
    kind = type(FIELDS[column]).__name__
    if kind == "JSONField":
        changed = [old | {"more": "x"}, {n: old[n] for n in list(old)[1:]}, dict.fromkeys(old, "x")]
        return "%s::jsonb", json.dumps(data.draw(st.sampled_from(DOCUMENTS + changed), label="document"))
    if kind == "UUIDField":
        nothing = [None] if FIELDS[column].null else []
        return "%s", data.draw(st.sampled_from([UUID(int=0), uuid4(), *nothing]), label="id")
    if kind == "DateTimeField":
        return "%s::timestamptz", data.draw(st.sampled_from([*MOMENTS, f"{old:%Y-%m-%d %H:%M:%S.%f} BC"]), label="at")
    if kind.startswith("Positive"):
        return "%s", data.draw(st.sampled_from([0, 2, 99, 2**15 - 1]), label="number")
    limit = FIELDS[column].max_length
    return "%s", data.draw(st.sampled_from([*TEXTS, str(old).upper(), f" {old}"]), label="text")[:limit]


def change_somewhere(hostile_chain: UUID, data: st.DataObject) -> None:
    """Any column of any event but its place."""
    number = data.draw(st.integers(1, LENGTH), label="number")
    column = data.draw(st.sampled_from(sorted(FIELDS.keys() - {"chain", "sequence"})), label="column")
    place, value = value_for(data, column, getattr(events_of(hostile_chain)[number - 1], column))
    statement = f'UPDATE audit_auditevent SET "{column}" = {place} WHERE chain = %s AND sequence = %s'  # noqa: S608
    assert sql(statement, value, raw("chain", hostile_chain), number) == 1


@pytest.mark.security(88)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_quickly_and_properly_the_same_is_found(hostile_chain: UUID, data: st.DataObject) -> None:
    with undone():
        change_somewhere(hostile_chain, data)
        found, slow = both(hostile_chain)
    assert found == slow


@pytest.mark.security(88)
def test_events_that_are_missing_or_moved_are_found_alike(hostile_chain: UUID) -> None:
    for change in ([(3, 50)], [(9, 50)], [(2, 99), (6, 2), (99, 6)]):
        with undone():
            for old, new in change:
                shift(hostile_chain, [old], new - old)
            found, slow = both(hostile_chain)
            assert found == slow is not None


@pytest.mark.security(88)
def test_the_same_moment_before_christ_is_another(hostile_chain: UUID) -> None:
    """Where a moment is spelt without its era, an event could be re-dated unseen."""
    with undone():
        sql("UPDATE audit_auditevent SET at = (to_char(at, 'YYYY-MM-DD HH24:MI:SS.US TZH') || ' BC')::timestamptz")
        assert told(verdict(hostile_chain)) == (1, Damage.UNREADABLE)


@pytest.mark.security(88)
def test_copies_that_were_erased_with_their_salts_are_looked_at_properly_and_whole(hostile_chain: UUID) -> None:
    with undone():
        edit(hostile_chain, 4, **erased(events_of(hostile_chain)[3]))
        assert certain(hostile_chain) == 3
        assert both(hostile_chain) == (None, None)


@pytest.mark.security(88)
def test_a_doubt_costs_a_page_and_no_more(
    hostile_chain: UUID, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(raw_rows, "PAGE", 3)
    with django_assert_num_queries(8):  # head, below 1 or no number, three pages, one of them again, the end
        assert verdict(hostile_chain) is None


OTHER: dict[str, Any] = {"UUIDField": uuid4(), "DateTimeField": datetime(2026, 1, 1, tzinfo=UTC), "JSONField": {"x": 1}}


@pytest.mark.security(88)
@pytest.mark.parametrize("column", sorted(FIELDS.keys() - {"chain", "sequence"}))
def test_whatever_is_written_into_a_column_is_not_found_whole_quickly(hostile_chain: UUID, column: str) -> None:
    kind = type(FIELDS[column]).__name__
    for value in (OTHER[kind],) if kind in OTHER else (7,) if kind.startswith("Positive") else ("", "x", "5a7b9c0d"):
        with undone():
            edit(hostile_chain, 7, **{column: value})
            events = events_of(hostile_chain)
            changed = getattr(events[6], column) == value
            assert changed
            found, slow = both(hostile_chain)
            assert found == slow
            assert (found is None) == (certain(hostile_chain) > 6)


@pytest.mark.security(88)
def test_signs_that_part_columns_hide_nothing(hostile_chain: UUID) -> None:
    """What one column lacks, another may not hold: side by side they would be the same text."""
    with undone():
        before = raw_rows.read(hostile_chain, 0, 100)
        sql("ALTER TABLE audit_auditevent ALTER target_type DROP NOT NULL")
        move = "UPDATE audit_auditevent SET target_type = NULL, actor_label = actor_label || %s || target_type"
        assert sql(f"{move} WHERE chain = %s AND sequence = 4", raw_rows.FIELD, hostile_chain) == 1
        assert raw_rows.read(hostile_chain, 0, 100) == before[:3]
        found, slow = both(hostile_chain)
        assert found == slow is not None


def test_every_column_of_an_event_is_spelt(hostile_chain: UUID) -> None:
    [first, *_] = raw_rows.read(hostile_chain, 0, 100)
    event = AuditEvent.objects.get(chain=hostile_chain, sequence=1)
    found = dict(zip(raw_rows.COLUMNS, first.split(raw_rows.FIELD), strict=True))
    assert {*found, "chain"} == FIELDS.keys()
    assert (found["id"], found["kind"], found["key_id"]) == (str(event.pk), event.kind, event.key_id)
    assert json.loads(found["payload"]) == event.payload


def sealed_by_somebody_with_the_key(record: str, chain_id: UUID, **changes: str) -> str:
    """The first event with other texts, hashed and sealed over what stands there, canonical or not."""
    found = dict(zip(raw_rows.COLUMNS, record.split(raw_rows.FIELD), strict=True)) | changes
    read = json.JSONDecoder().raw_decode
    salts, digests, payload = (read(found[name])[0] for name in ("salts", "digests", "payload"))
    if salts:
        given = found["salts"].split('"')[3::4]
        for salt, name in zip(given, salts, strict=True):
            value = found[name] if name in found else payload.get(name.removeprefix(chain.PAYLOAD), "x")
            digests[name] = hashlib.sha256(f"{salt}\0{name}\0{chain.to_json(value)}".encode()).hexdigest()
        if found["form"] == BESIDE:
            found["digests"] = json.dumps(digests)
    hashed: dict[str, Any] = {name: found[name] for name in ("actor_id", "id", "kind", "outcome", "request_id")}
    hashed |= {name: found[name] for name in ("target_id", "target_type", "tenant_id")}
    hashed |= {"form": int(found["form"]), "sequence": int(found["sequence"]), "chain": str(chain_id)}
    hashed |= {"at": f"{found['at'].replace(' ', 'T', 1):0<26}Z", "digests": digests}
    gone = {name.removeprefix(chain.PAYLOAD) for name in salts}
    hashed["payload"] = {name: payload[name] for name in payload if name not in gone} if gone else payload
    if payload == {"a": {"b": "x"}}:
        hashed["payload"] = {"a": {}}  # as if the personal value stood a level higher
    text = json.dumps(hashed, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    found["hash"] = chain.link(found["prev_hash"], text.encode())
    found["mac"] = chain.authenticate(keys.primary().secret, found["hash"])
    return raw_rows.FIELD.join(found[name] for name in raw_rows.COLUMNS)


SALT = "5a" * 16
BESIDE = str(chain.BESIDE_COPIES)


@pytest.mark.security(88)
@pytest.mark.parametrize("form", [BESIDE, str(chain.FORM)])
@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        ({}, 1),
        ({"request_id": HOSTILE}, 1),
        ({"request_id": "%s"}, 1),
        ({"id": 'a","kind":"forged'}, 1),  # hashed as JSON has a text; that it is an id, its column sees to
        ({"tenant_id": 'a","kind":"forged'}, 1),
        ({"payload": '{"x": "e\\u0301"}'}, 0),
        ({"payload": '{"b": "\\u00e9"}'}, 0),
        ({"payload": '{"b": "\\n"} "more"'}, 0),
        ({"payload": '{"b": "x"} "more"'}, 0),
        ({"ip": "192.0.2.1", "salts": f'{{"ip": "{SALT}"}}'}, 1),
        ({"ip": "\u00e9", "salts": f'{{"ip": "{SALT}"}}'}, 1),
        ({"ip": '"%s\\', "salts": f'{{"ip": "{SALT}"}}'}, 1),
        ({"payload": '{"b": "x", "a": 1}', "salts": f'{{"payload.b": "{SALT}"}}'}, 1),
        ({"payload": '{"a": 1, "b": "x", "c": []}', "salts": f'{{"payload.b": "{SALT}"}}'}, 1),
        ({"payload": '{"b": "x"}', "salts": f'{{"payload.b": "{SALT}"}}'}, 1),
        ({"payload": '{"b": 7, "c": true}', "salts": f'{{"payload.b": "{SALT}"}}'}, 1),
        ({"payload": '{"a": {"b": "y"}, "b": {"c": "x"}}', "salts": f'{{"payload.b": "{SALT}"}}'}, 1),
        ({"payload": '{"a\\"b": "y", "b": "x"}', "salts": f'{{"payload.b": "{SALT}"}}'}, 1),
        ({"payload": '{"b": "\\"", "c": ", \\"b\\": \\""}', "salts": f'{{"payload.b": "{SALT}"}}'}, 1),
        ({"request_id": "e\u0301"}, 0),
        ({"at": "0044-03-15 00:00:00.000000"}, 0),
        ({"at": "4000-03-15 00:00:00.123 BC"}, 0),
        ({"at": "20260-03-15 00:00:00.12345"}, 0),
        ({"payload": "[]"}, 0),
        ({"payload": '{"failures": 9007199254740993}'}, 0),
        ({"payload": '{"failures": 1.5}'}, 0),
        ({"payload": '{"x": "e\u0301"}'}, 0),
        ({"payload": '{"b": "e\u0301"}', "salts": f'{{"payload.b": "{SALT}"}}'}, 0),
        ({"payload": '{"b": 1.5}', "salts": f'{{"payload.b": "{SALT}"}}'}, 0),
        ({"ip": "192.0.2.1", "salts": '{"ip": "x"}'}, 0),  # no salt of ours: looked at properly
        ({"ip": "192.0.2.1", "salts": '{"ip": ["x"]}'}, 0),
        ({"ip": "192.0.2.1", "salts": f'{{"ip": "{SALT[:-2]}\\\\"}}'}, 0),
        ({"ip": "", "salts": f'{{"ip": "{SALT}"}}'}, 0),
        ({"salts": f'{{"payload": "{SALT}"}}'}, 0),
        ({"salts": f'{{"kind": "{SALT}"}}'}, 0),
        ({"payload": '{"a": {"b": "x"}}', "salts": f'{{"payload.b": "{SALT}"}}'}, 0),
        ({"ip": "e\u0301", "salts": f'{{"ip": "{SALT}"}}'}, 0),
        ({"ip": "\n\u0301", "salts": f'{{"ip": "{SALT}"}}'}, 0),
    ],
)
def test_what_has_no_canonical_form_is_never_found_whole_quickly(
    changes: dict[str, str], whole: int, form: str
) -> None:
    """Even where somebody with the key sealed it."""
    record(Kind.KEY_VERIFIED, tenant=(tenant := uuid4()), key="x", opened=1, unreadable=0)
    [line] = raw_rows.read(tenant, 0, 1)
    bare = dict.fromkeys(chain.PERSONAL_COLUMNS, "") | {"salts": "{}", "digests": "{}", "at": "2026-11-28 12:00:00.12"}
    bare["form"] = form
    line = sealed_by_somebody_with_the_key(line, tenant, **(bare | changes))
    assert quickly([line], tenant) == whole


@pytest.mark.security(88)
@pytest.mark.parametrize("name", ["xx", "\u00e9x"])
def test_salts_that_bear_another_name_than_those_of_the_event_before_are_found(hostile_chain: UUID, name: str) -> None:
    with undone():
        salts = events_of(hostile_chain)[3].salts
        edit(hostile_chain, 4, salts={name if each == "ip" else each: salt for each, salt in salts.items()})
        assert certain(hostile_chain) == 3
        found, slow = both(hostile_chain)
        assert found == slow is not None


@pytest.mark.security(88)
@pytest.mark.parametrize("form", [BESIDE, str(chain.FORM)])
def test_two_salts_as_long_as_one_are_not_taken_for_it(form: str) -> None:
    """Even where somebody with the key sealed it."""
    record(Kind.KEY_VERIFIED, tenant=(tenant := uuid4()), key="x", opened=1, unreadable=0)
    [line] = raw_rows.read(tenant, 0, 1)
    bare = dict.fromkeys(chain.PERSONAL_COLUMNS, "") | {"digests": "{}", "ip": "192.0.2.1", "form": form}
    one = sealed_by_somebody_with_the_key(line, tenant, **(bare | {"salts": f'{{"ip": "{SALT}"}}'}))
    last = dict(zip(raw_rows.COLUMNS, one.split(raw_rows.FIELD), strict=True))["hash"]
    for salt, whole in ((SALT, 2), ('a", "' + "x" * 22 + '": "b', 1)):
        digest = hashlib.sha256(f'{salt}\0ip\0"192.0.2.1"'.encode()).hexdigest()
        after = {"sequence": "2", "prev_hash": last, "digests": f'{{"ip": "{digest}"}}'}
        two = sealed_by_somebody_with_the_key(line, tenant, **(bare | after | {"salts": "{}"}))
        found = dict(zip(raw_rows.COLUMNS, two.split(raw_rows.FIELD), strict=True))
        found |= {"salts": f'{{"ip": "{salt}"}}'} | ({} if form == BESIDE else {"digests": "{}"})
        assert quickly([one, raw_rows.FIELD.join(found.values())], tenant) == whole


def in_the_beginning(hostile_chain: UUID, first: int = 1, last: int = LENGTH) -> None:
    """These events are of the first form, sealed anew and all after them too."""
    events = events_of(hostile_chain)
    for event in events[first - 1 : last]:
        changed(event, in_the_first_form(event))
    seal_anew(events)
    for event in events:
        written = ("form", "digests", "prev_hash", "hash", "mac")
        edit(hostile_chain, event.sequence, **{name: getattr(event, name) for name in written})
    sql("UPDATE audit_auditchain SET hash = %s WHERE id = %s", events[-1].hash, hostile_chain)


@pytest.mark.security(88)
def test_events_of_the_first_form_are_found_whole_quickly_too(hostile_chain: UUID) -> None:
    with undone():
        in_the_beginning(hostile_chain)
        assert certain(hostile_chain) == LENGTH - 2  # as in the second form
        assert both(hostile_chain) == (None, None)
        for event in events_of(hostile_chain)[:3]:
            for digests in ({}, dict.fromkeys(event.digests, "0" * 64), event.digests | {"more": "0" * 64}):
                edit(hostile_chain, event.sequence, digests=digests)
                found, slow = both(hostile_chain)
                assert found == slow is not None
            edit(hostile_chain, event.sequence, digests=event.digests)


@pytest.mark.security(88)
@pytest.mark.parametrize("first", [1, 4])
def test_forms_that_meet_within_a_chain_are_whole(hostile_chain: UUID, first: int) -> None:
    with undone():
        in_the_beginning(hostile_chain, first, last=6)
        assert certain(hostile_chain) >= first - 1
        assert both(hostile_chain) == (None, None)


@pytest.mark.security(88)
def test_a_digest_beside_its_copy_is_not_found_whole_quickly(hostile_chain: UUID) -> None:
    with undone():
        event = events_of(hostile_chain)[3]
        edit(hostile_chain, 4, digests=chain.digests_of(event))
        assert certain(hostile_chain) == 3
        found, slow = both(hostile_chain)
        assert found == slow == Finding(4, Damage.COPY_EDITED, event.pk)
