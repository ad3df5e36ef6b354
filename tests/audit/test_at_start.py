"""A web process that could sign the record says so as it starts, as operators read it in the log."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from audit import at_start, statements
from config.logs import WITHHELD, JSONFormatter
from tests.harness import environment

pytestmark = [pytest.mark.django_db, pytest.mark.security(88)]
ROOT = Path(__file__).resolve().parents[2]
PRIVATE = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the site's handler writes of what is said at start."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    at_start.logger.addHandler(handler)
    yield stream
    at_start.logger.removeHandler(handler)


def told(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [entry for entry in found if entry["logger"] == at_start.__name__]


@pytest.mark.parametrize("given", [PRIVATE, "not even a key"])
def test_a_web_process_that_has_the_signing_key_says_so(settings: Any, lines: io.StringIO, given: str) -> None:
    settings.AUDIT_CHECKPOINT_KEY = given
    at_start.tell_of_signing_key()
    [entry] = told(lines.getvalue())
    assert entry["level"] == "critical"
    assert entry["message"].startswith("audit.E007: This web process has AUDIT_CHECKPOINT_KEY")
    assert "manage.py audit_checkpoint --new-key" in entry["message"]
    assert WITHHELD not in entry["message"]
    assert given not in lines.getvalue()


def test_one_without_it_or_with_the_check_silenced_says_nothing(settings: Any, lines: io.StringIO) -> None:
    settings.AUDIT_CHECKPOINT_KEY = ""
    at_start.tell_of_signing_key()
    settings.AUDIT_CHECKPOINT_KEY = PRIVATE
    settings.SILENCED_SYSTEM_CHECKS = ["audit.E007"]
    at_start.tell_of_signing_key()
    assert told(lines.getvalue()) == []


def test_no_command_finds_fault_with_the_key_where_it_belongs(settings: Any) -> None:
    settings.AUDIT_CHECKPOINT_KEY = PRIVATE
    settings.AUDIT_CHECKPOINT_PUBLIC_KEYS = [statements.signing_key(PRIVATE).public]
    err = io.StringIO()
    call_command("check", stderr=err)
    assert "AUDIT_CHECKPOINT_KEY" not in err.getvalue()


@pytest.mark.parametrize(
    ("start", "levels"),
    [
        (["-c", "import config.wsgi"], ["critical"]),
        (["-c", "import config.asgi"], ["critical"]),
        (["manage.py", "db_worker", "--batch", "--no-startup-delay"], []),
        (["manage.py", "audit_checkpoint", "--if-due"], []),
    ],
)
def test_web_processes_alone_tell_as_they_start(start: list[str], levels: list[str], tmp_path: Path) -> None:
    file = tmp_path / "signing"
    file.write_text(f"{PRIVATE}\n")
    surroundings = environment.fresh("https://login.example.com") | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'none.sqlite3'}",
        "TASKS_BACKEND": "django_tasks_db.DatabaseBackend",
        "AUDIT_CHECKPOINT_KEY_FILE": str(file),
        "AUDIT_CHECKPOINT_PUBLIC_KEYS": statements.signing_key(PRIVATE).public,
    }
    done = subprocess.run(
        [sys.executable, *start],
        cwd=ROOT,
        env={**os.environ, **surroundings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert [entry["level"] for entry in told(done.stdout)] == levels, done.stdout + done.stderr
    assert "audit.E004" not in done.stdout + done.stderr, "the line end of the file is no part of the key"
    assert PRIVATE not in done.stdout + done.stderr
