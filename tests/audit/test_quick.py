"""Verifying quickly and verifying properly say the same, whatever stands in the table: PostgreSQL alone."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
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
from audit.row import Row
from tests.audit.evidence import HOSTILE, events_of
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
    page = raw_rows.read(hostile_chain, 0, 100)
    return quick.certain(page, 0, chain.GENESIS, quick.sealers(keys.by_id()))[0]


@pytest.mark.security(88)
def test_what_is_whole_is_found_whole_quickly_but_for_what_is_rare(hostile_chain: UUID) -> None:
    assert certain(hostile_chain) == LENGTH - 2  # the largest integer is looked at properly
    assert both(hostile_chain) == (None, None)
    for event in events_of(hostile_chain):
        assert chain.authenticate(keys.primary().secret, event.hash) == event.mac
        assert quick.sealers(keys.by_id())[event.key_id](bytes.fromhex(event.hash)) == event.mac


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


@pytest.mark.security(88)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_quickly_and_properly_the_same_is_found(hostile_chain: UUID, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, LENGTH), label="number")
    column = data.draw(st.sampled_from(sorted(FIELDS.keys() - {"chain", "sequence"})), label="column")
    place, value = value_for(data, column, getattr(events_of(hostile_chain)[number - 1], column))
    with undone():
        where = (raw("chain", hostile_chain), number)
        statement = f'UPDATE audit_auditevent SET "{column}" = {place} WHERE chain = %s AND sequence = %s'  # noqa: S608
        assert sql(statement, value, *where) == 1
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
        edit(hostile_chain, 4, actor_label="", target_label="", ip="", user_agent="", salts={}, payload={"failures": 1})
        assert certain(hostile_chain) == 3
        assert both(hostile_chain) == (None, None)


@pytest.mark.security(88)
def test_a_doubt_costs_a_page_and_no_more(
    hostile_chain: UUID, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(raw_rows, "PAGE", 3)
    with django_assert_num_queries(7):  # head, below 1, three pages, one of them again, the end
        assert verdict(hostile_chain) is None


def test_every_column_of_an_event_is_spelt(hostile_chain: UUID) -> None:
    [first, *_] = raw_rows.read(hostile_chain, 0, 100)
    event = AuditEvent.objects.get(chain=hostile_chain, sequence=1)
    assert len(first) == len(FIELDS)
    assert (first[0], first[5], first[-1]) == (str(event.pk), event.kind, event.key_id)
    assert json.loads(first[16]) == event.payload


NAMES = list(Row.__slots__)


def sealed_by_somebody_with_the_key(row: raw_rows.RawRow, **changes: str) -> raw_rows.RawRow:
    """The first event with other texts, hashed and sealed over what stands there, canonical or not."""
    found = dict(zip(NAMES, row, strict=True)) | changes
    salts, digests, payload = (json.loads(found[name]) for name in ("salts", "digests", "payload"))
    if salts:
        given = found["salts"].split('"')[3::4]
        for salt, name in zip(given, salts, strict=True):
            digests[name] = hashlib.sha256(
                f"{salt}\0{name}\0{json.dumps(found[name], ensure_ascii=False)}".encode()
            ).hexdigest()
        found["digests"] = json.dumps(digests)
    hashed = {name: found[name] for name in ("actor_id", "chain", "form", "id", "kind", "outcome", "request_id")}
    hashed |= {name: found[name] for name in ("sequence", "target_id", "target_type", "tenant_id")}
    hashed |= {"at": found["at"][:-2], "digests": digests, "payload": payload}
    text = json.dumps(hashed, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    found["hash"] = chain.link(chain.GENESIS, text.encode())
    found["mac"] = chain.authenticate(keys.primary().secret, found["hash"])
    return tuple(found[name] for name in NAMES)


@pytest.mark.security(88)
@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        ({}, 1),
        ({"request_id": HOSTILE}, 1),
        ({"ip": "192.0.2.1", "salts": '{"ip": "x"}'}, 1),
        ({"request_id": "e\u0301"}, 0),
        ({"at": "0044-03-15T00:00:00.000000ZAD"}, 0),
        ({"payload": "[]"}, 0),
        ({"payload": '{"failures": 9007199254740993}'}, 0),
        ({"payload": '{"failures": 1.5}'}, 0),
        ({"payload": '{"x": "e\u0301"}'}, 0),
        ({"ip": "192.0.2.1", "salts": '{"ip": ["x"]}'}, 0),
        ({"ip": "192.0.2.1", "salts": '{"ip": "x\\\\y"}'}, 0),
        ({"ip": "", "salts": '{"ip": "x"}'}, 0),
        ({"ip": "e\u0301", "salts": '{"ip": "x"}'}, 0),
    ],
)
def test_what_has_no_canonical_form_is_never_found_whole_quickly(changes: dict[str, str], whole: int) -> None:
    """Even where somebody with the key sealed it."""
    record(Kind.KEY_VERIFIED, tenant=(tenant := uuid4()), key="x", opened=1, unreadable=0)
    [row] = raw_rows.read(tenant, 0, 1)
    bare = dict.fromkeys(chain.PERSONAL_COLUMNS, "") | {"salts": "{}", "digests": "{}"}
    row = sealed_by_somebody_with_the_key(row, **(bare | changes))
    assert quick.certain([row], 0, chain.GENESIS, quick.sealers(keys.by_id()))[0] == whole
