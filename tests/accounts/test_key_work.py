"""Long work on secrets says how it ended, whatever ended it."""

import os
import signal
import subprocess
import sys
import threading
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError

from accounts import resealing
from accounts.authenticators import totp
from accounts.flows import adoption, key_work, rotation
from accounts.flows.key_work import Report
from accounts.key_errors import KeyWorkFailed
from accounts.management.key_commands import ending, told
from audit.kinds import Kind
from tests.accounts.sealed_scene import add_key, apps, events, rotate
from tests.accounts.test_adoption import adopt, moved

pytestmark = pytest.mark.django_db

ENDINGS = pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "OSError"),
        (RuntimeError("boom"), "RuntimeError"),
        (MemoryError(), "MemoryError"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(1), "interrupted"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, BaseException) else "",
)


def failing(error: BaseException):
    def fail(*_given, **_named):
        raise error

    return fail


@ENDINGS
def test_whatever_ends_a_rotation_is_recorded_and_raised(settings, monkeypatch, error, reason):
    apps(3)
    add_key(settings)
    monkeypatch.setattr(rotation, "write", failing(error))
    with pytest.raises(type(error)) as raised:
        rotate()
    assert raised.value is error
    assert [one.payload["reason"] for one in events(Kind.KEY_ROTATION_FAILED)] == [reason]
    assert not events(Kind.KEY_ROTATION_FINISHED)
    monkeypatch.undo()
    assert rotate()[0].done == 3


@ENDINGS
def test_whatever_ends_a_move_is_recorded_and_raised(settings, monkeypatch, error, reason):
    settings.MFA_ADOPT_FOREIGN_SECRETS = True
    moved("totp", {"secret": totp.new_secret()})
    monkeypatch.setattr(adoption, "require_written", failing(error))
    with pytest.raises(type(error)) as raised:
        adopt()
    assert raised.value is error
    assert [one.payload["reason"] for one in events(Kind.KEY_ADOPTION_FAILED)] == [reason]
    monkeypatch.undo()
    assert adopt().done == 1


def test_where_the_beginning_cannot_be_recorded_nothing_is_done(monkeypatch):
    real, said = key_work.record, []

    def fail_first(kind, **payload):
        said.append(kind)
        if len(said) == 1:
            raise DatabaseError
        real(kind, **payload)

    monkeypatch.setattr(key_work, "record", fail_first)
    with pytest.raises(KeyWorkFailed, match="DatabaseError"):
        with key_work.recorded(key_work.ROTATION, Report(), lambda: 0):
            pytest.fail("it was begun")
    assert [one.payload["reason"] for one in events(Kind.KEY_ROTATION_FAILED)] == ["DatabaseError"]


class FullDisk(StringIO):
    """Where a line for each batch cannot be written."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_command_that_cannot_say_how_far_it_is_still_records_its_end(settings):
    apps(3)
    add_key(settings)
    with pytest.raises(OSError, match="No space left") as raised:
        call_command("mfa_keys", "rotate", "--batch", "1", stdout=FullDisk())
    recorded = events(Kind.KEY_ROTATION_FAILED)
    assert raised.value.errno == 28  # held until here: not the collection of its frames ended the work
    assert [one.payload["reason"] for one in recorded] == ["interrupted"]


@pytest.fixture
def in_the_foreground():
    """Ctrl-C means what it does on a terminal: a shell has what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("in_the_foreground")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_told_to_end_records_it_and_says_how_to_go_on(settings, monkeypatch, number):
    apps(3)
    add_key(settings)
    real = resealing.write

    def told_to_end(*given):
        os.kill(os.getpid(), number)
        return real(*given)

    monkeypatch.setattr(rotation, "write", told_to_end)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(CommandError, match=r"It broke off: interrupted\..* run the same command again") as raised:
        call_command("mfa_keys", "rotate", stdout=StringIO())
    assert raised.value.returncode == told.FAILED
    assert [one.payload["reason"] for one in events(Kind.KEY_ROTATION_FAILED)] == ["interrupted"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_signal_does_not_disturb_the_end():
    with pytest.raises(KeyboardInterrupt), ending.orderly():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            ended_well = True
    assert ended_well


def test_in_a_thread_signals_are_left_to_the_process():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with ending.orderly():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_workers_of_a_crew_end_at_once_when_they_are_told_to():
    """They are forked while the command minds SIGTERM; what they do, the database undoes."""
    program = (
        "import os, signal\n"
        "from accounts import crew\n"
        "from accounts.management.key_commands import ending\n"
        "def task():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    yield 1\n"
        "with ending.orderly():\n"
        "    try:\n"
        "        list(crew.work(task, 1))\n"
        "    except crew.WorkerLost as lost:\n"
        "        print(lost)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{program}"], capture_output=True, text=True, check=False
    )
    assert ran.stdout == "a worker ended with -15\n", ran.stderr
