"""The public summary of an event: nine fields, and nothing of the chain."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import columns, context, reading, selections
from audit.context import RequestContext
from audit.encoding import visible
from audit.export_format import COLUMNS
from audit.kinds import Kind
from audit.log import Outcome, record
from audit.models import AuditEvent
from audit.reading import Selection
from audit.selections import Format
from audit.spreadsheets import BOM
from audit.summary import Read, Summary, summary_of
from tests.audit.evidence import Person, events_of

AT = datetime(2026, 5, 1, 22, 30, 15, 7, tzinfo=UTC)
HERE = RequestContext(ip="203.0.113.9", user_agent="Agent", request_id="request-1")


def read(**changes: Any) -> Read:
    """A sign-out of nobody in particular, unless told otherwise."""
    values: dict[str, Any] = dict.fromkeys(Read._fields, "")
    values |= {"id": UUID(int=7), "tenant_id": None, "kind": "session:signed_out", "at": AT, "outcome": "ok"}
    return Read(**values | {"payload": {}} | changes)


@pytest.mark.django_db
def test_the_summary_of_a_recorded_event(person: Person) -> None:
    victim = Person(email="zoe@acme.example", tenant_id=person.tenant_id)
    with context.use(HERE):
        record(Kind.MFA_RESET, actor=person, target=victim, outcome=Outcome.FAILED, removed=2, reason="lost")
    [event] = events_of(person.tenant_id)
    assert summary_of(event) == {
        "id": str(event.pk),
        "user_id": str(person.pk),
        "user_email": "anna@acme.example",
        "action": "mfa:reset",
        "resource": f"accounts.user:{victim.pk}",
        "details": {
            "outcome": "failed",
            "tenant_id": str(person.tenant_id),
            "target": "zoe@acme.example",
            "user_agent": "Agent",
            "request_id": "request-1",
            "facts": {"removed": 2, "reason": "lost"},
        },
        "ip_address": "203.0.113.9",
        "timestamp": f"{event.at:%Y-%m-%dT%H:%M:%S.%f}Z",
        "success": False,
    }


@pytest.mark.django_db
def test_a_summary_tells_nothing_of_salts_and_seals(person: Person) -> None:
    with context.use(HERE):
        record(Kind.MFA_RESET, actor=person, target=person, reason="lost")
    [event] = events_of(person.tenant_id)
    told = json.dumps(summary_of(event))
    for secret in (*event.salts.values(), *event.digests.values(), event.mac, event.hash, event.key_id):
        assert secret not in told


def test_what_is_not_known_is_none() -> None:
    found = summary_of(read(actor_label="anonymous"))
    assert [found[name] for name in ("user_id", "user_email", "resource", "ip_address")] == [None] * 4  # type: ignore[literal-required]
    assert {**found["details"]} == {
        "outcome": "ok",
        "tenant_id": None,
        "target": None,
        "user_agent": None,
        "request_id": None,
        "facts": {},
    }
    assert (found["success"], found["timestamp"]) == (True, "2026-05-01T22:30:15.000007Z")


@pytest.mark.django_db
def test_what_is_read_for_files_says_the_same_as_the_event(person: Person) -> None:
    for _each in range(3):
        record(Kind.SIGNED_OUT, actor=person, target=person, session=uuid4())
    selection = Selection(branches=(reading.Q(actor_id=str(person.pk)),))
    batches = list(reading.batches(selection, selections.read(), size=2))
    assert [len(batch) for batch in batches] == [2, 1]
    events = AuditEvent.objects.filter(tenant_id=person.tenant_id).order_by("id")
    found = selections.lines(Format.JSON_LINES, [one for batch in batches for one in batch]).decode().splitlines()
    assert [json.loads(line) for line in found] == [summary_of(event) for event in events]


TEXTS = st.text(max_size=8)
NAMED = (
    "actor_id",
    "actor_label",
    "target_type",
    "target_id",
    "target_label",
    "ip",
    "user_agent",
    "request_id",
    "kind",
)
READS = st.builds(
    Read,
    id=st.uuids(),
    tenant_id=st.none() | st.uuids(),
    kind=TEXTS,
    at=st.datetimes(timezones=st.just(UTC)),
    outcome=st.sampled_from(["ok", "refused", "failed"]),
    payload=st.dictionaries(TEXTS, TEXTS | st.integers() | st.booleans() | st.lists(TEXTS, max_size=2), max_size=3),
    **dict.fromkeys(
        ("actor_id", "actor_label", "target_type", "target_id", "target_label", "ip", "user_agent", "request_id"), TEXTS
    ),
)


@pytest.mark.security(87)
@given(READS, st.sampled_from([None, True, False]))
def test_lines_written_by_hand_say_what_the_summary_says(event: Read, as_ascii: bool | None) -> None:
    """With the facts as a document, or as the text that one database or another holds."""
    summary = summary_of(event)
    if as_ascii is not None:
        event = event._replace(payload=json.dumps(event.payload, ensure_ascii=as_ascii))  # type: ignore[arg-type]
    line = selections.lines(Format.JSON_LINES, [event]).decode()
    assert line.isascii() and line.splitlines() == [line[:-1]]
    assert json.loads(line) == summary
    cells = [str(cell) for [cell] in selections._cells([event])]
    assert json.loads(cells[5]) == summary["details"]
    told = [str(one) if one else "" for one in summary.values()]
    assert cells[:5] + cells[6:8] == told[:5] + told[6:8]


@pytest.mark.security(87)
@pytest.mark.parametrize("form", list(Format))
@given(st.lists(READS, max_size=4))
def test_a_batch_is_its_events_one_after_the_other(form: Format, events: list[Read]) -> None:
    events = [one._replace(**{name: visible(getattr(one, name), 320) for name in NAMED}) for one in events]
    assert selections.lines(form, events) == b"".join(selections.lines(form, [one]) for one in events)


@pytest.mark.parametrize("at", ["2026-05-01 22:30:15.000007", "2026-05-01 22:30:15.12", "2026-05-01 22:30:15"])
def test_a_moment_is_told_from_how_the_database_spells_it(at: str) -> None:
    other = "0987-05-01 22:30:15.5"  # nothing recorded it: told by itself, with all others of its batch
    for beside in ([], [read(at=other)]):
        line, *more = selections.lines(Format.JSON_LINES, [read(at=at), *beside]).splitlines()
        assert json.loads(line)["timestamp"] == f"{datetime.fromisoformat(at):%Y-%m-%dT%H:%M:%S.%f}Z"
        assert [json.loads(each)["timestamp"] for each in more] == ["0987-05-01T22:30:15.500000Z"] * len(beside)


# -- files -------------------------------------------------------------------------------------------------------

PIECES = [
    *("\r\n", "\n", "\u2028", "\x85", "\x00", "\u202e", "\ud800", "\ufeff", "\t"),
    *('"', ",", ";", "=1", "é", "ليلى", "😀"),
]


def hostile(number: int) -> str:
    """One of many names, each made to break something."""
    first, second = PIECES[number % len(PIECES)], PIECES[number // len(PIECES) % len(PIECES)]
    return f"{first}{'=-+@'[number % 4]}x{second}{number}"


@pytest.mark.security(87)
@pytest.mark.django_db
@pytest.mark.parametrize("form", list(Format))
def test_five_thousand_hostile_names_stay_one_line_each(form: Format) -> None:
    events = []
    for number in range(5000):
        name = visible(hostile(number), 320)  # as `record` writes it
        events.append(read(actor_id="a", actor_label=name, target_id="t", target_label=name, payload={"name": name}))
    text = (selections.head(form, {"person": hostile(1)[:5]}, AT) + selections.lines(form, events)).decode()
    assert text.count("\n") == 5001
    assert len(text.splitlines()) == 5001
    if form is Format.JSON_LINES:
        found = [json.loads(line) for line in text.splitlines()[1:]]
        assert [one["user_email"] for one in found] == [event.actor_label for event in events]
        return
    rows = list(csv.reader(io.StringIO(text.removeprefix(BOM))))
    assert rows[0] == list(COLUMNS)
    assert {len(row) for row in rows} == {9}
    assert not [cell for row in rows for cell in row if cell.lstrip()[:1] in set("=+-@")]


def test_the_columns_are_the_fields_of_a_summary() -> None:
    assert COLUMNS == tuple(Summary.__annotations__)


def test_a_file_of_json_lines_says_first_that_it_proves_nothing() -> None:
    [line] = selections.head(Format.JSON_LINES, {"kind": "mfa:reset"}, AT).decode().splitlines()
    told = json.loads(line)
    assert (told["whole"], told["filter"]) == (False, {"kind": "mfa:reset"})
    assert "proves nothing" in told["note"]


def test_the_mark_of_the_encoding_stands_once_in_a_file() -> None:
    text = (selections.head(Format.CSV, {}, AT) + selections.lines(Format.CSV, [read()]) * 2).decode()
    assert text.startswith(BOM)
    assert text.count(BOM) == 1


@pytest.mark.parametrize("spelt", ["20260-01-01 00:00:00.12345", "4000-03-15 00:00:00.123 BC"])
def test_a_moment_of_another_age_is_not_told_as_one_of_ours(spelt: str) -> None:
    """It is as long as any other; whoever exports it has the export broken off."""
    assert len(spelt) == columns.MOMENT
    with pytest.raises(ValueError, match="Invalid isoformat"):
        selections.lines(Format.JSON_LINES, [read(at=spelt)])
