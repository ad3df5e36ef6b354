"""Five thousand names, each made to break something, recorded as any other: one line each in all that goes out."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.db.models import Q
from django.test import RequestFactory

from audit import chain_export, context, reading, selections, stream
from audit.encoding import visible
from audit.entries import LABEL_LIMIT
from audit.kinds import Kind
from audit.log import record, unit_of_work
from audit.middleware import context_of
from audit.reading import Selection
from audit.selections import Format
from audit.spreadsheets import BOM
from tests.audit.evidence import Person
from tests.audit.export_scene import judged
from tests.audit.test_summary import AT, hostile

NUMBER = 5000
NAMES = [f"{hostile(number)}{chr(number)}" for number in range(NUMBER)]
LABELS = [visible(name, LABEL_LIMIT) for name in NAMES]
SIGNS = set("=+-@\t\r\n")


def record_all(person: Person) -> None:
    """Whoever acts, whom it happens to, their browser and what changed: all of this name."""
    request = RequestFactory().get("/")
    with unit_of_work():
        for name in NAMES:
            somebody = Person(email=name, tenant_id=person.tenant_id)
            request.META["HTTP_USER_AGENT"] = name
            with context.use(context_of(request)):
                record(Kind.PERSON_CHANGED, actor=somebody, target=somebody, fields=[name], before={name: name})


def lines_of(text: str, *, end: str = "\n") -> list[str]:
    """The lines of it, which whoever reads it by another idea of lines finds too."""
    lines = text.split(end)
    assert lines.pop() == ""
    assert text.splitlines() == lines
    return lines


def selected(form: Format, person: Person) -> str:
    """A file by filter, as it goes out."""

    def pieces() -> Iterator[bytes]:
        yield selections.head(form, {"person": NAMES[0]}, AT)
        for batch in reading.batches(Selection(branches=(Q(tenant_id=person.tenant_id),)), selections.read()):
            yield selections.lines(form, batch)

    return b"".join(pieces()).decode()


@pytest.mark.security(87, 88)
@pytest.mark.django_db
def test_recorded_hostile_names_stay_one_line_each_in_every_format(
    person: Person,
    settings: Any,
    capsys: pytest.CaptureFixture[str],
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]],
) -> None:
    settings.AUDIT_LOG_STREAM = stream.STDOUT
    with django_capture_on_commit_callbacks(execute=True):
        record_all(person)
    streamed = lines_of(capsys.readouterr().out)
    assert max(map(len, streamed)) <= stream.LONGEST
    assert "".join(streamed).isascii()
    told = [json.loads(line)["event"] for line in streamed]
    assert [(one["user_email"], one["details"]["target"]) for one in told] == [(name, name) for name in LABELS]

    _head, *found = lines_of(selected(Format.JSON_LINES, person))
    assert [json.loads(line) for line in found] == told

    table = selected(Format.CSV, person).removeprefix(BOM)
    assert len(lines_of(table, end="\r\n")) == 1 + NUMBER
    cells = list(csv.reader(io.StringIO(table, newline="")))
    assert {len(row) for row in cells} == {len(told[0])}
    assert not [cell for row in cells for cell in row if cell.lstrip()[:1] in SIGNS]

    assert person.tenant_id
    head, end = chain_export.begin(person.tenant_id)
    whole = head + "".join(chain_export.pieces(end))
    assert [json.loads(line)["actor_label"] for line in lines_of(whole)[1:-1]] == LABELS
    proof = judged(whole.encode(), {})
    assert (proof.events, proof.finding) == (NUMBER + 1, None)
