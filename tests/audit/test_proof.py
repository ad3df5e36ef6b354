"""Whatever is done to an export of a whole chain, the verifier without a database names where it begins."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from audit import chain, export_format
from audit.damage import Damage, Finding
from audit.errors import CheckpointUnsound, NotAnExport, NotCanonical, NotWhole, UnreadableLine
from audit.export_reading import LONGEST, read_head
from audit.proof import promises_about
from audit.statements import Statement
from tests.audit.evidence import Person, erased, in_the_first_form
from tests.audit.export_scene import DIVIDER, PRIVATE, PUBLIC, Exported, export, hash_anew, judged, row_of, written

pytestmark = pytest.mark.django_db
LENGTH = 9
NOT_HASHED = {"mac", "key_id"}  # seals: what they prove, they prove to whoever has the key
LINKS = {"prev_hash", "hash"}


@pytest.fixture
def exported(settings: Any, tmp_path: Path, person: Person) -> Exported:
    settings.AUDIT_CHECKPOINT_KEY = PRIVATE
    settings.AUDIT_CHECKPOINT_PUBLIC_KEYS = [PUBLIC]
    settings.AUDIT_CHECKPOINT_DIR = str(tmp_path)
    return export(tmp_path, person)


def told(finding: Finding | None) -> tuple[Any, Damage] | None:
    return finding and (finding.sequence, finding.damage)


def test_what_was_exported_fits_and_is_proved_up_to_the_last_checkpoint(exported: Exported) -> None:
    proof = exported.checked()
    assert (proof.events, proof.finding, proof.absent) == (LENGTH, None, None)
    assert proof.proved is not None
    assert (proof.proved.sequence, proof.proved.checkpoint) == (6, 2)
    assert exported.events[-1]["kind"] == "chain:exported"


def another(data: st.DataObject, old: Any) -> Any:
    """A value of the same JSON type that is not the old one."""
    if isinstance(old, dict):
        name = data.draw(st.sampled_from([*old, "more"]))
        return {n: v for n, v in old.items() if n != name} | ({} if name in old else {name: data.draw(st.text())})
    if isinstance(old, int):
        return data.draw(st.integers(LENGTH + 1, 10**6))
    if old is None:
        return str(uuid4())
    return data.draw(st.sampled_from([old[:-1] + "0", old[:-2] + "0Z", old.upper(), "é", "", str(uuid4())]))


def damage(data: st.DataObject, events: list[Any]) -> tuple[int, str]:
    """Do one thing to the events; the number at which the chain stops being what was recorded, and what it was."""
    number = data.draw(st.integers(1, LENGTH), label="number")
    kind = data.draw(st.sampled_from(["edit", "remove", "close the gap", "insert", "swap", "exchange"]), label="damage")
    event = events[number - 1]
    if kind == "edit":
        column = data.draw(st.sampled_from(sorted(event.keys() - NOT_HASHED)), label="column")
        new = another(data, event[column])
        assume(new != event[column])
        event[column] = new
        return number, column
    if kind in ("remove", "close the gap"):
        assume(number < LENGTH)  # cutting off is tested by itself
        del events[number - 1]
        for each in events[number - 1 :] if kind == "close the gap" else []:
            each["sequence"] -= 1
    elif kind == "insert":
        for each in events[number - 1 :]:
            each["sequence"] += 1
        events.insert(number - 1, events[0] | {"id": str(uuid4()), "sequence": number, "prev_hash": event["prev_hash"]})
    else:
        other = data.draw(st.integers(1, LENGTH), label="with")
        assume(other != number)
        if kind == "exchange":  # the lines, and their numbers too
            event["sequence"], events[other - 1]["sequence"] = other, number
        events[number - 1], events[other - 1] = events[other - 1], event
        number = min(number, other)
    return number, kind


@pytest.mark.security(88)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_any_event_of_a_file_is_named_where_it_begins(exported: Exported, data: st.DataObject) -> None:
    events = json.loads(json.dumps(exported.events))
    number, _kind = damage(data, events)
    finding = judged(written(exported.head, events), exported.promises).finding
    assert finding is not None
    assert finding.sequence == number


@pytest.mark.security(88)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_that_is_hashed_anew_is_found_by_the_next_checkpoint(exported: Exported, data: st.DataObject) -> None:
    """Whoever writes the file knows how hashes are made: the whole of it fits together, but not what was signed."""
    events = json.loads(json.dumps(exported.events))
    number, kind = damage(data, events)
    assume(number <= 6 and kind not in LINKS | {"chain", "salts", "form"})  # what hashing anew undoes, or cannot mend
    for place, each in enumerate(events, start=1):
        each["sequence"] = place
    try:
        hash_anew(events, number - 1)
    except (NotCanonical, UnreadableLine):
        reject()  # no event any more: what that becomes is tested by itself
    assume(events[:6] != exported.events[:6])
    head = exported.head | {"sequence": len(events), "hash": events[-1]["hash"]}
    proof = judged(written(head, events), exported.promises)
    assert proof.finding is not None
    assert number <= proof.finding.sequence <= 6
    if number > 3 and proof.finding.damage is Damage.REWRITTEN:
        assert proof.proved is not None
        assert proof.proved.sequence == 3


Change = Callable[[list[Any]], object]


def swap(events: list[Any]) -> None:
    events[2], events[5] = events[5], events[2]


def exchange(events: list[Any]) -> None:
    swap(events)
    events[2]["sequence"], events[5]["sequence"] = 3, 6


def insert(events: list[Any]) -> None:
    events.insert(3, events[0] | {"sequence": 4, "id": str(uuid4())})


def renumber(events: list[Any]) -> None:
    del events[3]
    for each in events[3:]:
        each["sequence"] -= 1


@pytest.mark.security(88)
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda events: events[4].update(outcome="refused"), (5, Damage.EDITED)),
        (lambda events: events[4].update(at="2026-01-01T00:00:00.000000Z"), (5, Damage.REDATED)),
        (lambda events: events[4].update(target_label="eve@acme.example"), (5, Damage.EDITED)),
        (lambda events: events[4]["salts"].popitem(), (5, Damage.EDITED)),
        (lambda events: events[4].update(digests=chain.digests_of(row_of(events[4]))), (5, Damage.COPY_EDITED)),
        (lambda events: events[4].update(prev_hash="0" * 64), (5, Damage.EDITED)),
        (lambda events: events.pop(3), (4, Damage.REMOVED)),
        (renumber, (4, Damage.REMOVED)),
        (swap, (3, Damage.MOVED)),
        (exchange, (3, Damage.MOVED)),
        (insert, (4, Damage.INSERTED)),
        (lambda events: events.insert(3, events[1]), (4, Damage.INSERTED)),
        (lambda events: events.insert(3, events[2]), (4, Damage.INSERTED)),
        (lambda events: events.append(events[-1] | {"sequence": LENGTH + 1}), (LENGTH + 1, Damage.INSERTED)),
        (lambda events: events.pop(), (LENGTH, Damage.CUT_OFF)),
        (lambda events: events.clear(), (1, Damage.CUT_OFF)),
        (lambda events: events[4].update(form=3), (5, Damage.UNREADABLE)),
        (lambda events: events[4].update(chain=str(uuid4())), (5, Damage.INSERTED)),
    ],
)
def test_what_was_done_to_a_file_is_named(exported: Exported, change: Change, found: tuple[int, Damage]) -> None:
    assert told(exported.checked(change).finding) == found


@pytest.mark.security(88)
def test_a_head_line_that_lies_is_found(exported: Exported) -> None:
    assert told(exported.checked(hash="0" * 64).finding) == (LENGTH, Damage.HEAD_EDITED)
    assert told(exported.checked(sequence=8).finding) == (9, Damage.INSERTED)
    assert told(exported.checked(sequence=10).finding) == (10, Damage.CUT_OFF)
    assert told(exported.checked(chain=str(uuid4())).finding) == (1, Damage.INSERTED)


@pytest.mark.security(88)
def test_an_end_cut_off_with_its_head_is_found_up_to_the_last_checkpoint(exported: Exported) -> None:
    def cut(events: list[Any]) -> None:
        del events[4:]

    head = {"sequence": 4, "hash": exported.events[3]["hash"]}
    proof = exported.checked(cut, **head)
    assert told(proof.finding) == (5, Damage.CUT_OFF)
    backdated = exported.checked(cut, at="2020-01-01T00:00:00.000000Z", **head)
    assert backdated.finding is None
    assert backdated.absent is not None
    assert (backdated.absent.sequence, backdated.proved and backdated.proved.sequence) == (6, 3)


@pytest.mark.security(88)
def test_erased_copies_leave_the_file_whole(exported: Exported) -> None:
    def erase(events: list[Any]) -> None:
        for each in events:
            each |= erased(row_of(each))

    assert exported.checked(erase).finding is None


@pytest.mark.security(88)
def test_a_file_of_the_first_version_is_proved_too(exported: Exported) -> None:
    """It was written before the second form, and is kept for years: every digest stands beside its copy."""
    events = [each | in_the_first_form(row_of(each)) for each in exported.events]
    hash_anew(events, 0)
    head = exported.head | {"version": 1, "hash": events[-1]["hash"]}
    assert judged(written(head, events), {}).finding is None
    events[4]["target_label"] = "eve@acme.example"
    assert told(judged(written(head, events), {}).finding) == (5, Damage.COPY_EDITED)


HOSTILE = {
    "nothing": b"",
    "half a line": b'{"id":"',
    "no JSON": b"\x00\xff\xfe",
    "a list": b"[]",
    "a number": b"1",
    "not a number": b'{"sequence":NaN}',
    "deep": b"[" * 200_000,
    "a huge number": b'{"sequence":' + b"9" * 5000 + b"}",
    "a huge line": b" " * (LONGEST + 1),
}


@pytest.mark.security(88)
@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
def test_a_line_that_exporting_never_writes_is_named_and_nothing_breaks(exported: Exported, line: bytes) -> None:
    lines = written(exported.head, exported.events).split(b"\n")
    lines[5] = line
    found = told(judged(b"\n".join(lines), exported.promises).finding)
    assert found == (5, Damage.UNREADABLE)
    with pytest.raises(NotAnExport):
        read_head(BytesIO(line))


@pytest.mark.security(88)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sequence", "5"),
        ("sequence", True),
        ("form", 1.0),
        ("id", "x"),
        ("id", 7),
        ("chain", None),
        ("at", "2026-11-28"),
        ("at", 0),
        ("at", "0001-01-01T00:00:00.000000+23:59"),
        ("at", "9999-12-31T23:59:59.000000-23:59"),
        ("at", "2026-11-28T12:00:00.000000+00:00"),
        ("payload", []),
        ("payload", None),
        ("salts", {"ip": 7}),
        ("digests", {"ip": None}),
        ("outcome", None),
        ("kind", ["x"]),
        ("hash", 0),
        ("more", "x"),
    ],
)
def test_a_value_of_another_type_is_unreadable(exported: Exported, column: str, value: Any) -> None:
    assert told(exported.checked(lambda events: events[4].update({column: value})).finding) == (5, Damage.UNREADABLE)


@pytest.mark.security(88)
def test_a_name_that_stands_twice_is_unreadable(exported: Exported) -> None:
    content = written(exported.head, exported.events).replace(b'"kind":"chain:exported"', b'"kind":"x","kind":"y"')
    assert told(judged(content, exported.promises).finding) == (LENGTH, Damage.UNREADABLE)


def test_a_text_without_form_is_not_canonical(exported: Exported) -> None:
    for text in ("\ud800", "e\u0301"):
        found = exported.checked(lambda events, text=text: events[4].update(request_id=text)).finding
        assert told(found) == (5, Damage.UNREADABLE)


@pytest.mark.security(88)
def test_values_within_any_number_of_others_are_named_and_nothing_breaks(exported: Exported) -> None:
    for part in ({"failures": "deep"}, {"email": "deep"}):
        changed = exported.events[3] | {"payload": exported.events[3]["payload"] | part}
        content = written(exported.head, [*exported.events[:3], changed, *exported.events[4:]])
        for depth in range(900, 1000):
            deep = content.replace(b'"deep"', b"[" * depth + b"]" * depth)
            found = told(judged(deep, exported.promises).finding)
            assert found is not None
            assert found[0] == 4


def test_line_ends_of_another_system_and_a_byte_order_mark_do_no_harm(exported: Exported) -> None:
    content = b"\xef\xbb\xbf" + written(exported.head, exported.events).replace(b"\n", b"\r\n")
    assert judged(content, exported.promises) == exported.checked()
    assert judged(content.rstrip(), exported.promises) == exported.checked()


@pytest.mark.security(88)
def test_five_thousand_hostile_names_stay_one_line_each(exported: Exported) -> None:
    names = [f"{chr(number)}\r\n{DIVIDER}\u202e{number}" for number in range(5000)]
    lines = [export_format.line_of(exported.events[0] | {"target_label": name}) for name in names]
    assert len("".join(lines).splitlines()) == 5000
    assert [json.loads(line)["target_label"] for line in lines] == names


LONG_AGO = {"at": "0001-01-01T00:00:00.000000+23:59"}  # before the first moment that there is


def test_a_selection_is_no_whole_chain(exported: Exported) -> None:
    head = exported.head | {"whole": False}
    with pytest.raises(NotWhole):
        read_head(BytesIO(written(head, [])))
    for wrong in (
        {"version": 3},
        {"version": True},
        {"whole": 1},
        {"format": "x"},
        {"sequence": None},
        {"at": "x"},
        LONG_AGO,
    ):
        with pytest.raises(NotAnExport):
            read_head(BytesIO(written(exported.head | wrong, [])))


def test_checkpoints_that_contradict_each_other_are_refused(person: Person) -> None:
    assert person.tenant_id
    chain_id = str(person.tenant_id)
    two = [Statement(number, "", "", "", {chain_id: (1, str(number))}, "") for number in (1, 2)]
    with pytest.raises(CheckpointUnsound, match="checkpoint 2 contradicts"):
        promises_about(person.tenant_id, two)
