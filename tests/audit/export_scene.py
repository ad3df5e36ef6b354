"""A chain with checkpoints, exported, for tests that tamper with the file; and the verifier as an auditor runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from django.utils import timezone

from audit import chain, chain_export, checkpoints, export_format, statements
from audit.export_reading import read_events, read_head
from audit.kinds import Kind
from audit.log import record
from audit.proof import Promise, Proof, promises_about, prove
from audit.row import Row
from tests.audit.evidence import Person

ROOT = Path(__file__).parents[2]
PRIVATE = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PUBLIC = statements.signing_key(PRIVATE).public
DIVIDER = "\u2028"

Line = dict[str, Any]


@dataclass(frozen=True)
class Exported:
    """The lines of a file as documents, and what checkpoints promise of its chain."""

    head: Line
    events: list[Line]
    promises: dict[int, Promise]
    directory: Path

    def checked(self, change: Callable[[list[Line]], object] = lambda events: None, **head: Any) -> Proof:
        """What the verifier says after `change` to a copy of the events, and with other values in the head line."""
        events = json.loads(json.dumps(self.events))
        change(events)
        return judged(written(self.head | head, events), self.promises)


def written(head: Line, events: Iterable[Line]) -> bytes:
    return "".join(map(export_format.line_of, [head, *events])).encode()


def judged(content: bytes, promises: dict[int, Promise]) -> Proof:
    """What the verifier says of a file with this content."""
    file = BytesIO(content)
    return prove(read_head(file), read_events(file), promises)


def export(directory: Path, person: Person) -> Exported:
    """Nine events of several kinds: a checkpoint after the third and one after the sixth, the last is the export."""
    for number in range(3):
        record(Kind.SIGN_IN_FAILED, target=person, email=f"an{DIVIDER}na@acme.example", failures=number)
        record(Kind.PERSON_CHANGED, actor=person, target=person, fields=["name"], before={"name": "Ännchen"})
        if number < 2:
            record(Kind.SIGN_IN_COMPLETED, actor=person, target=person, methods=["totp"], user_verified=True)
            checkpoints.make(timezone.now())
    assert person.tenant_id
    line, head = chain_export.begin(person.tenant_id)
    found = statements.read_all(directory, statements.public_keys([PUBLIC]))
    events = [json.loads(each) for piece in chain_export.pieces(head) for each in piece.splitlines()]
    return Exported(json.loads(line), events, promises_about(person.tenant_id, found), directory)


def hash_anew(events: list[Line], after: int) -> None:
    """What somebody does who knows how hashes are made: all events after number `after` fit together again."""
    previous = events[after - 1]["hash"] if after else chain.GENESIS
    for each in events[after:]:
        row = row_of(each)
        each["prev_hash"] = previous
        each["hash"] = previous = chain.link(previous, chain.canonical(row))


def run(*arguments: str, home: Path = ROOT, code: str = "", stdin: bytes = b"") -> tuple[int, str, str]:
    """The verifier in a process that can see no settings; exit code, output and complaints."""
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME")}
    command = [sys.executable, *(["-c", code] if code else ["-m", "audit.verify"]), *arguments]
    done = subprocess.run(command, cwd=home, env=clean, input=stdin, capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def row_of(event: Line) -> Row:
    [row] = read_events(BytesIO(export_format.line_of(event).encode()))
    return row
