"""Events as lines on standard output: after they are committed, one line each, and nothing secret in it."""

import json
from typing import Any

import pytest
from django.core.checks import Error
from django.db import transaction
from django.utils import timezone

from audit import context, stream
from audit.checks import check_stream
from audit.context import RequestContext
from audit.kinds import Kind
from audit.log import record, unit_of_work
from audit.models import AuditEvent
from audit.summary import summary_of
from tests.audit.evidence import Person, events_of


@pytest.fixture(autouse=True)
def on(settings: Any) -> None:
    settings.AUDIT_LOG_STREAM = "stdout"


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.django_db(transaction=True)
def test_a_line_says_what_the_summary_says_and_where_the_event_stands(person: Person, capsys: Any) -> None:
    with context.use(RequestContext(ip="203.0.113.9", request_id="request-1")):
        record(Kind.MFA_RESET, actor=person, target=person, reason="lost")
    [event] = events_of(person.tenant_id)
    assert told(capsys) == [
        {
            "time": f"{event.at:%Y-%m-%dT%H:%M:%S.%f}Z",
            "logger": "audit.record",
            "request": "request-1",
            "event": summary_of(event),
            "chain": str(event.chain),
            "sequence": 1,
            "hash": event.hash,
        }
    ]


@pytest.mark.security(88)
@pytest.mark.django_db(transaction=True)
def test_a_line_holds_no_salts_and_no_seals(person: Person, capsys: Any) -> None:
    with context.use(RequestContext(ip="203.0.113.9", user_agent="Agent")):
        record(Kind.MFA_RESET, actor=person, target=person, reason="lost")
    [event] = events_of(person.tenant_id)
    line = capsys.readouterr().out
    assert event.salts
    for secret in (*event.salts.values(), *event.digests.values(), event.mac, event.key_id):
        assert secret not in line


@pytest.mark.django_db(transaction=True)
def test_nothing_goes_out_before_the_commit_nor_after_a_rollback(person: Person, capsys: Any) -> None:
    with pytest.raises(RuntimeError), unit_of_work():
        record(Kind.SIGNED_OUT, target=person)
        raise RuntimeError
    with pytest.raises(RuntimeError), transaction.atomic():
        record(Kind.SIGNED_OUT, target=person)
        raise RuntimeError
    assert (told(capsys), events_of(person.tenant_id)) == ([], [])
    with unit_of_work():
        record(Kind.SIGNED_OUT, target=person)
        record(Kind.SIGN_IN_FAILED, target=person)
        assert told(capsys) == []
    assert [one["event"]["action"] for one in told(capsys)] == ["session:signed_out", "sign_in:failed"]


@pytest.mark.django_db(transaction=True)
def test_a_refusal_goes_out_whatever_becomes_of_the_request(person: Person, capsys: Any) -> None:
    record(Kind.SIGN_IN_FAILED, target=person)
    with pytest.raises(RuntimeError), unit_of_work():
        record(Kind.SIGNED_OUT, target=person)
        raise RuntimeError
    assert [one["event"]["action"] for one in told(capsys)] == ["sign_in:failed"]


@pytest.mark.django_db(transaction=True)
def test_it_is_off_by_default(person: Person, capsys: Any, settings: Any) -> None:
    settings.AUDIT_LOG_STREAM = ""
    record(Kind.SIGNED_OUT, target=person)
    assert told(capsys) == []


class Gone:
    """An output that nobody reads any more."""

    def write(self, text: str) -> None:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


@pytest.mark.django_db(transaction=True)
def test_an_output_that_is_gone_undoes_nothing(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(stream.sys, "stdout", Gone())
        record(Kind.SIGNED_OUT, target=person)
    assert len(events_of(person.tenant_id)) == 1


LONG = [
    ("x" * 320, "y" * 1000, "z" * 64),
    ("😀" * 320, "😀" * 1000, "😀" * 64),
    ("ي" * 320, "é" * 1000, "ж" * 64),
    ("\r\n\u2028\u202e\x00", "=1\n", "r"),
]


@pytest.mark.security(87)
@pytest.mark.parametrize(("name", "reason", "request_id"), LONG, ids=["plain", "astral", "foreign", "hostile"])
def test_whatever_an_event_holds_it_is_one_short_line(person: Person, name: str, reason: str, request_id: str) -> None:
    values = {"tenant_id": person.tenant_id, "kind": "policy:published", "outcome": "ok", "hash": "0" * 64}
    names = dict.fromkeys(("actor_label", "target_label", "user_agent"), name)
    ids = dict.fromkeys(("actor_id", "target_id", "request_id", "target_type"), request_id)
    facts = {"payload": {"reason": reason, "after": {str(n): reason for n in range(20)}}}
    event = AuditEvent(**values, **names, **ids, **facts, chain=person.tenant_id, at=timezone.now(), sequence=1)
    event.id = person.pk
    line = stream.line(event)
    assert len(line) <= stream.LONGEST
    assert line.isascii() and line.splitlines() == [line[:-1]]
    assert json.loads(line)["event"]["id"] == str(person.pk)


@pytest.mark.parametrize(
    ("value", "found"), [("", []), ("stdout", []), ("stderr", ["audit.E006"]), ("on", ["audit.E006"])]
)
def test_a_stream_that_there_is_not_is_an_error(settings: Any, value: str, found: list[str]) -> None:
    settings.AUDIT_LOG_STREAM = value
    problems = check_stream(None)
    assert [one.id for one in problems] == found
    assert all(isinstance(one, Error) for one in problems)
