"""The canonical form is exact, and no edit of a chain goes unseen."""

import copy
import hashlib
import hmac
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from audit import chain, keys
from audit.chain import Fault
from audit.errors import NotCanonical
from audit.kinds import Kind
from audit.log import record, unit_of_work
from audit.models import AuditChain, AuditEvent
from tests.audit.evidence import Person, changed, erased, events_of, first_fault, in_the_first_form, seal_anew
from tests.audit.lift import lifted

COLUMNS = [field.attname for field in AuditEvent._meta.concrete_fields]


def event(**changes: Any) -> Any:
    """An event of fixed values."""
    values = {
        "id": UUID("01951234-5678-7abc-8def-0123456789ab"),
        "form": 1,
        "chain": UUID(int=5),
        "sequence": 1,
        "tenant_id": UUID(int=5),
        "kind": "session:signed_out",
        "at": datetime(2026, 3, 1, 12, 0, 0, 42, tzinfo=UTC),
        "outcome": "ok",
        "actor_id": "1",
        "actor_label": "anna@acme.example",
        "target_type": "accounts.user",
        "target_id": "1",
        "target_label": "",
        "ip": "",
        "user_agent": "",
        "request_id": "r",
        "payload": {"reason": "größer", "email": "anna@acme.example"},
        "digests": {"actor_label": "d1", "payload.email": "d2"},
        "salts": {},
    }
    return SimpleNamespace(**values | changes)


def pinned(form: int, *, label: str, email: str) -> str:
    return (
        '{"actor_id":"1","at":"2026-03-01T12:00:00.000042Z","chain":"00000000-0000-0000-0000-000000000005",'
        f'"digests":{{"actor_label":"{label}","payload.email":"{email}"}},"form":{form},'
        '"id":"01951234-5678-7abc-8def-0123456789ab","kind":"session:signed_out","outcome":"ok",'
        '"payload":{"reason":"größer"},"request_id":"r","sequence":1,"target_id":"1",'
        '"target_type":"accounts.user","tenant_id":"00000000-0000-0000-0000-000000000005"}'
    )


def test_the_first_form_is_pinned_to_the_byte() -> None:
    """Rows of years hang on these bytes: another form needs another number in `form`."""
    assert chain.canonical(event()).decode() == pinned(1, label="d1", email="d2")
    with_salts = event(salts={"actor_label": "5a17", "payload.email": "5a18"})
    assert chain.canonical(with_salts) == chain.canonical(event())


def test_the_second_form_is_pinned_to_the_byte() -> None:
    """Digests of copies are computed, those of what was erased are there."""
    label = hashlib.sha256(b'5a17\0actor_label\0"anna@acme.example"').hexdigest()
    email = hashlib.sha256(b'5a18\0payload.email\0"anna@acme.example"').hexdigest()
    salts = {"actor_label": "5a17", "payload.email": "5a18"}
    whole = chain.canonical(event(form=2, digests={}, salts=salts)).decode()
    assert whole == pinned(2, label=label, email=email)
    gone = {"actor_label": "", "payload": {"reason": "größer"}}
    erased = event(form=2, digests={"actor_label": label, "payload.email": email}, salts={}, **gone)
    assert chain.canonical(erased).decode() == whole
    one = event(form=2, digests={"actor_label": label}, salts={"payload.email": "5a18"}, actor_label="")
    assert chain.canonical(one).decode() == whole


def test_hash_mac_digest_and_key_id_are_what_they_are_said_to_be() -> None:
    previous, form, key = "ab" * 32, b"form", b"k" * 32
    digest = hashlib.sha256(bytes.fromhex(previous) + form).hexdigest()
    assert chain.link(previous, form) == digest
    assert chain.authenticate(key, digest) == hmac.new(key, bytes.fromhex(digest), "sha256").hexdigest()
    assert chain.key_id(key) == hashlib.sha256(key).hexdigest()[:8]
    assert chain.digest_of("5a17", "ip", "::1") == hashlib.sha256(b'5a17\0ip\0"::1"').hexdigest()


def test_the_time_zone_of_a_moment_makes_no_difference() -> None:
    elsewhere = event().at.astimezone(datetime.now().astimezone().tzinfo) + timedelta(0)
    assert chain.canonical(event(at=elsewhere)) == chain.canonical(event())


exact = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def normal(value: Any) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    return chain.unicodedata.is_normalized("NFC", text) and not any("\ud800" <= c <= "\udfff" for c in text)


@given(st.dictionaries(st.text(max_size=9), exact, max_size=4))
def test_the_canonical_form_keeps_every_value_apart_from_every_other(payload: dict[str, Any]) -> None:
    assume(normal(payload))
    form = chain.canonical(event(payload=payload, digests={}))
    assert json.loads(form)["payload"] == payload
    shuffled = dict(reversed(list(payload.items())))
    assert chain.canonical(event(payload=shuffled, digests={})) == form


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), 2**53, -(2**53), "e\u0301", "\ud800", {1: "a"}, {"e\u0301": 1}, b"a", (1,), [[0.5]]],
)
def test_what_json_readers_disagree_about_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(NotCanonical):
        chain.canonical(event(payload={"x": value}))


def test_an_unknown_form_is_not_guessed() -> None:
    with pytest.raises(NotCanonical):
        chain.canonical(event(form=3))


def test_hashing_needs_the_standard_library_alone() -> None:
    """A verifier on an auditor's machine has neither Django nor our settings."""
    code = "import sys, audit.chain; print([m for m in sys.modules if m.split('.')[0] in ('django', 'asgiref')])"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.'); {code}"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.fixture
def recorded(person: Person) -> list[AuditEvent]:
    """Five events of one chain with personal and other values of every type."""
    with unit_of_work():
        record(Kind.SIGN_IN_FAILED, target=person, email="anna@acme.example", failures=3)
        record(Kind.PERSON_CHANGED, actor=person, target=person, fields=["name"], before={"name": "Ann"})
        record(Kind.SIGN_IN_COMPLETED, actor=person, target=person, methods=["totp"], user_verified=True)
        record(Kind.POLICY_PUBLISHED, actor=person, target=person, version=2, changes={"level": ["off", "on"]})
        record(Kind.SIGNED_OUT, actor=person, target=person)
    return events_of(person.tenant_id)


def head_of(events: list[AuditEvent]) -> AuditChain:
    return AuditChain.objects.get(pk=events[0].chain)


@pytest.mark.django_db
def test_what_was_recorded_is_whole(recorded: list[AuditEvent]) -> None:
    assert len(recorded) == 5
    assert first_fault(recorded, head_of(recorded)) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def other_value(data: st.DataObject, old: Any) -> Any:
    """A value of a column's type that is not the old one, sometimes close to it."""
    if isinstance(old, dict):
        name = data.draw(st.sampled_from([*old, "more"]))
        changed = copy.deepcopy(old)
        if name in old and data.draw(st.booleans()):
            del changed[name]
        else:
            changed[name] = data.draw(json_values)
        return changed
    if isinstance(old, datetime):
        return old + data.draw(st.timedeltas(timedelta(-99), timedelta(99)))
    if isinstance(old, int):
        return data.draw(st.integers(0, 2**31))
    if isinstance(old, str):
        return data.draw(st.sampled_from(["", old.upper(), old + " ", old[1:], "é" + old]) | st.text(max_size=20))
    return data.draw(st.uuids() | st.none())


@pytest.mark.security(88)
@pytest.mark.django_db
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_edit_of_any_column_of_any_event_is_found(recorded: list[AuditEvent], data: st.DataObject) -> None:
    events = [copy.copy(one) for one in recorded]
    edited = data.draw(st.sampled_from(events))
    column = data.draw(st.sampled_from(COLUMNS))
    old = getattr(edited, column)
    new = other_value(data, old)
    assume(new != old or type(new) is not type(old))
    setattr(edited, column, new)
    assert first_fault(events) is not None


@pytest.mark.security(88)
@pytest.mark.django_db
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_removing_inserting_or_swapping_events_is_found(recorded: list[AuditEvent], data: st.DataObject) -> None:
    events = list(recorded)
    places = st.integers(0, len(events) - 1)
    change = data.draw(st.sampled_from(["remove", "repeat", "swap"]))
    at, to = data.draw(places), data.draw(places)
    if change == "remove":
        del events[at]
    elif change == "repeat":
        events.insert(to, events[at])
    else:
        assume(at != to)
        events[at], events[to] = events[to], events[at]
    assert first_fault(events, head_of(recorded)) is not None


@pytest.mark.security(88)
@pytest.mark.django_db
def test_history_rewritten_without_the_key_is_found(recorded: list[AuditEvent]) -> None:
    """Somebody with the whole database recomputes every hash, and knows no key."""
    previous, forger = chain.GENESIS, b"f" * 32
    recorded[1].outcome = "refused"
    for one in recorded:
        one.prev_hash = previous
        one.hash = previous = chain.link(previous, chain.canonical(one))
        one.mac = chain.authenticate(forger, one.hash)
    assert first_fault(recorded) is Fault.FORGED
    for one in recorded:
        one.key_id = chain.key_id(forger)
    assert first_fault(recorded) is Fault.UNKNOWN_KEY


@pytest.fixture
def of_the_first_form(recorded: list[AuditEvent]) -> list[AuditEvent]:
    """The same events as they were recorded in the beginning."""
    for one in recorded:
        changed(one, in_the_first_form(one))
    seal_anew(recorded)
    return recorded


@pytest.mark.security(88)
@pytest.mark.django_db
def test_erasing_copies_and_salts_leaves_the_chain_whole(recorded: list[AuditEvent]) -> None:
    for one in recorded:
        changed(one, erased(one))
    assert first_fault(recorded, head_of(recorded)) is None
    assert recorded[1].payload == {"fields": ["name"]}


@pytest.mark.security(88)
@pytest.mark.django_db
def test_events_of_the_first_form_are_whole_and_stay_so_when_they_are_erased(
    of_the_first_form: list[AuditEvent],
) -> None:
    assert first_fault(of_the_first_form) is None
    for one in of_the_first_form:
        changed(one, erased(one))
    assert first_fault(of_the_first_form) is None


ALMOST_ERASED: dict[str, tuple[Any, Fault, Fault]] = {
    "the copy, not its salt": (lambda one: {"target_label": ""}, Fault.EDITED, Fault.COPY_EDITED),
    "the salt, not its copy": (
        lambda one: {"salts": {name: salt for name, salt in one.salts.items() if name != "target_label"}},
        Fault.EDITED,
        Fault.COPY_EDITED,
    ),
    "everything, and a copy put back": (
        lambda one: erased(one) | {"target_label": "eve@acme.example"},
        Fault.COPY_EDITED,
        Fault.COPY_EDITED,
    ),
    "everything, and a copy put back with a salt": (
        lambda one: erased(one) | {"target_label": "eve@acme.example", "salts": {"target_label": "5a17"}},
        Fault.COPY_EDITED,
        Fault.COPY_EDITED,
    ),
    "the copy, with its digest beside another one": (
        lambda one: {"target_label": "eve@acme.example", "digests": chain.digests_of(one)},
        Fault.COPY_EDITED,
        Fault.COPY_EDITED,
    ),
    "everything, without a digest": (lambda one: erased(one) | {"digests": {}}, Fault.EDITED, Fault.EDITED),
}


@pytest.mark.security(88)
@pytest.mark.django_db
@pytest.mark.parametrize("how", ALMOST_ERASED)
@pytest.mark.parametrize("events", ["recorded", "of_the_first_form"])
def test_whatever_is_no_whole_erasure_is_found(request: pytest.FixtureRequest, events: str, how: str) -> None:
    found = request.getfixturevalue(events)
    columns, fault, in_the_first_form = ALMOST_ERASED[how]
    changed(found[2], columns(found[2]))
    assert first_fault(found) is (fault if events == "recorded" else in_the_first_form)


@pytest.mark.security(88)
@pytest.mark.django_db
def test_a_digest_stands_beside_its_copy_in_the_first_form_and_never_in_the_second(recorded: list[AuditEvent]) -> None:
    """So that what may be written into an event without being seen is nothing."""
    event = recorded[2]
    assert event.digests == {}
    digests, event.digests = chain.digests_of(event), chain.digests_of(event)
    assert first_fault(recorded) is Fault.COPY_EDITED
    changed(event, {"form": chain.BESIDE_COPIES})
    seal_anew(recorded)
    assert first_fault(recorded) is None
    event.digests = {name: digest for name, digest in digests.items() if name != "target_label"}
    seal_anew(recorded)
    assert first_fault(recorded) is Fault.COPY_EDITED


@pytest.mark.django_db
def test_equal_personal_values_have_different_digests(recorded: list[AuditEvent]) -> None:
    digests = [digest for one in recorded for digest in chain.digests_of(one).values()]
    assert len(digests) == len(set(digests)) > 5


@pytest.mark.security(88)
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("assignment", "fault"),
    [
        ("outcome = 'refused'", Fault.EDITED),
        ("kind = 'person:deleted'", Fault.EDITED),
        ("tenant_id = NULL", Fault.EDITED),
        ("target_label = 'eve@acme.example'", Fault.EDITED),
        ("ip = '192.0.2.66'", Fault.COPY_EDITED),  # it had none
        ("""payload = '{"methods": ["totp"], "user_verified": 1}'""", Fault.EDITED),
        ("""payload = '{"methods": ["totp"], "user_verified": 1.5}'""", Fault.NOT_CANONICAL),
        ("sequence = 9", Fault.OUT_OF_SEQUENCE),
        ("prev_hash = hash", Fault.NOT_LINKED),
        ("mac = hash", Fault.FORGED),
        ("key_id = ''", Fault.UNKNOWN_KEY),
    ],
)
def test_an_edit_in_the_table_is_named(recorded: list[AuditEvent], assignment: str, fault: Fault) -> None:
    with transaction.atomic(), lifted(connection), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE audit_auditevent SET {assignment} WHERE id = %s",  # noqa: S608
            [AuditEvent._meta.pk.get_db_prep_value(recorded[2].pk, connection)],
        )
        assert cursor.rowcount == 1
    assert first_fault(events_of(recorded[0].chain)) is fault


@pytest.mark.django_db
def test_events_of_an_older_key_still_verify(person: Person, settings: Any) -> None:
    old = settings.AUDIT_HMAC_KEYS
    record(Kind.SIGNED_OUT, actor=person, target=person)
    settings.AUDIT_HMAC_KEYS = ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", *old]
    record(Kind.SIGNED_OUT, actor=person, target=person)
    first, second = events_of(person.tenant_id)
    assert second.key_id == keys.primary().id != first.key_id
    assert first_fault([first, second]) is None
    settings.AUDIT_HMAC_KEYS = old
    assert first_fault([first, second]) is Fault.UNKNOWN_KEY


@pytest.mark.django_db
def test_chains_of_two_tenants_cannot_be_exchanged(person: Person) -> None:
    stranger = Person(tenant_id=uuid4())
    record(Kind.SIGNED_OUT, actor=person, target=person)
    record(Kind.SIGNED_OUT, actor=stranger, target=stranger)
    [theirs] = events_of(stranger.tenant_id)
    theirs.chain = theirs.tenant_id = person.tenant_id
    assert first_fault([theirs]) is Fault.EDITED
