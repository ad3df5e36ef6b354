"""What web processes and workers say about their encryption keys as they start, as operators read it in the log."""

import base64
import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.checks import run_checks
from django.core.management import get_commands
from django.db import InterfaceError, OperationalError, connections

from accounts import at_start, canary, checks, keyring
from accounts.flows import retirement
from accounts.management.commands.mfa_keys import WORDS
from accounts.models import KeyCanary
from config import logs
from config.logs import WITHHELD, JSONFormatter
from tests.accounts.sealed_scene import apps, id_of, rotate
from tests.harness import environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security(86, 87)]

ROOT = Path(__file__).resolve().parents[2]
DEMO = base64.urlsafe_b64encode(bytes(32)).decode()
SHORT = base64.urlsafe_b64encode(bytes(range(16))).decode()
COMMAND = re.compile(r"manage\.py (\w+)(?: (\w+))?")
STARTS = {
    "wsgi": ["-c", "import config.wsgi"],
    "asgi": ["-c", "import config.asgi"],
    "worker": ["manage.py", "db_worker", "--batch", "--no-startup-delay"],
}


def new_key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture
def lines(settings) -> Iterator[io.StringIO]:
    """What the site's handler writes of what is said at start."""
    settings.DEBUG = settings.MFA_ADOPT_FOREIGN_SECRETS = False
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    for logger in (at_start.logger, canary.logger):
        logger.addHandler(handler)
    yield stream
    for logger in (at_start.logger, canary.logger):
        logger.removeHandler(handler)


@pytest.fixture
def first_key(settings) -> str:
    """A site with one key, its canary, and one app."""
    KeyCanary.objects.all().delete()
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    canary.ensure()
    apps(1)
    return settings.MFA_ENCRYPTION_KEYS[0]


def told(lines: io.StringIO) -> dict[str, dict[str, Any]]:
    """What was said of the keys, by the number of the check."""
    entries = [json.loads(line) for line in lines.getvalue().splitlines()]
    return {entry["message"].partition(":")[0]: entry for entry in entries if entry["logger"] == at_start.__name__}


def assert_mends(message: str) -> None:
    """It names commands, all of which exist, and no word of it was taken for a secret."""
    commands = COMMAND.findall(message)
    assert commands, message
    assert all(name in get_commands() and (name != "mfa_keys" or word in WORDS) for name, word in commands), message
    assert WITHHELD not in message


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], {"accounts.E001": "MFA_ENCRYPTION_KEYS is empty"}),
        (["own", "nonsense"], {"accounts.E002": "In MFA_ENCRYPTION_KEYS, entry 2 is not 32 bytes in base64"}),
        ([SHORT], {"accounts.E002": "In MFA_ENCRYPTION_KEYS, entry 1 is not 32 bytes in base64"}),
        (["own", "own"], {"accounts.E003": "In MFA_ENCRYPTION_KEYS, entries 1 and 2 are the same key"}),
        ([DEMO, "own"], {"accounts.E004": "In MFA_ENCRYPTION_KEYS, the primary key was published somewhere"}),
        (["own", DEMO], {"accounts.E005": "In MFA_ENCRYPTION_KEYS, entry 2 is known to others"}),
        (["own", "audit"], {"accounts.E011": "In MFA_ENCRYPTION_KEYS, entry 2 is also SECRET_KEY or an audit key"}),
    ],
)
def test_keys_that_are_wrong_in_themselves_are_told(settings, first_key, lines, keys, expected):
    known = {"own": first_key, "audit": settings.AUDIT_HMAC_KEYS[0]}
    settings.MFA_ENCRYPTION_KEYS = [known.get(key, key) for key in keys]
    at_start.tell_of_keys()
    found = told(lines)
    assert set(found) == set(expected)
    for number, text in expected.items():
        assert found[number]["level"] == "critical"
        assert found[number]["message"].startswith(f"{number}: {text}")
        assert_mends(found[number]["message"])
    assert not [key for key in settings.MFA_ENCRYPTION_KEYS if key in lines.getvalue()]


def test_keys_that_are_not_those_of_the_database_are_told(settings, first_key, lines):
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    at_start.tell_of_keys()
    found = told(lines)
    assert set(found) == {"accounts.E016", "accounts.E017"}
    assert f"the first key, {keyring.primary_key_id()}, is not one" in found["accounts.E016"]["message"]
    assert f"stored secrets need: {id_of(first_key)}." in found["accounts.E017"]["message"]
    assert {entry["level"] for entry in found.values()} == {"critical"}
    for entry in found.values():
        assert_mends(entry["message"])


def test_a_wrong_order_is_told_and_a_retired_key_is_a_warning(settings, first_key, lines):
    second = new_key()
    settings.MFA_ENCRYPTION_KEYS = [second, first_key]
    canary.ensure()
    at_start.tell_of_keys()
    assert told(lines) == {}
    settings.MFA_ENCRYPTION_KEYS = [first_key, second]
    at_start.tell_of_keys()
    settings.MFA_ENCRYPTION_KEYS = [second, first_key]
    rotate()
    retirement.retire(id_of(first_key))
    at_start.tell_of_keys()
    found = told(lines)
    assert {number: entry["level"] for number, entry in found.items()} == {
        "accounts.E018": "critical",
        "accounts.W005": "warning",
    }
    assert id_of(first_key) in found["accounts.W005"]["message"]
    for entry in found.values():
        assert_mends(entry["message"])


def test_a_check_that_is_silenced_is_silent_here_too(settings, first_key, lines):
    settings.SILENCED_SYSTEM_CHECKS = ["accounts.W005"]
    settings.MFA_ENCRYPTION_KEYS = [new_key(), first_key]
    canary.ensure()
    rotate()
    retirement.retire(id_of(first_key))
    at_start.tell_of_keys()
    assert told(lines) == {}


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_without_a_database_what_the_settings_say_is_told_and_the_start_goes_on(
    settings, first_key, lines, monkeypatch, error
):
    def gone(self: Any) -> None:
        raise error("connection to server at db.example.com failed")

    settings.MFA_ENCRYPTION_KEYS = [first_key, first_key]
    monkeypatch.setattr(type(connections["default"]), "connect", gone)
    at_start.tell_of_keys()
    assert set(told(lines)) == {"accounts.E003"}


def test_the_alarm_of_the_canary_keeps_its_words_in_the_log(settings, first_key, lines, monkeypatch):
    monkeypatch.setattr(canary, "_last", None)
    settings.MFA_ENCRYPTION_KEYS = [first_key, "nonsense"]
    canary.verify_at_start()
    messages = [json.loads(line)["message"] for line in lines.getvalue().splitlines()]
    assert "In MFA_ENCRYPTION_KEYS, entry 2 is not a Fernet key" in messages


def test_what_is_told_is_what_the_checks_of_keys_find(settings, first_key, lines):
    settings.MFA_ENCRYPTION_KEYS = [DEMO, first_key, first_key, SHORT, settings.AUDIT_HMAC_KEYS[0]]
    at_start.tell_of_keys()
    found = run_checks(tags=[checks.ENCRYPTION_KEYS], databases=["default"])
    assert len(found) == 4
    written = [json.loads(line)["message"] for line in lines.getvalue().splitlines()]
    assert written == [f"{one.id}: {one.msg} {one.hint}" for one in found]
    assert [one.msg for one in found if logs.text(one.msg) != one.msg] == []


@pytest.mark.parametrize("start", STARTS)
def test_every_kind_of_process_tells_as_it_starts(start, tmp_path):
    surroundings = environment.fresh("https://login.example.com") | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'none.sqlite3'}",
        "TASKS_BACKEND": "django_tasks_db.DatabaseBackend",
    }
    own = surroundings["MFA_ENCRYPTION_KEYS"]
    surroundings["MFA_ENCRYPTION_KEYS"] = f"{own},{DEMO},{own}"
    done = subprocess.run(
        [sys.executable, *STARTS[start]],
        cwd=ROOT,
        env={**os.environ, **surroundings},
        capture_output=True,
        text=True,
        check=False,
    )
    said = told(io.StringIO(done.stdout))
    assert {number: entry["level"] for number, entry in said.items()} == {
        "accounts.E003": "critical",
        "accounts.E005": "critical",
    }, done.stdout + done.stderr
    assert done.returncode == 0 or start == "worker", "a worker is ended by the system checks, as before"
    assert own not in done.stdout + done.stderr and DEMO not in done.stdout + done.stderr
