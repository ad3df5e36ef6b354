"""Standard output of a command of ours is its answer: what it records, in whatever way, goes to standard error."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command, find_commands, load_command_class

from accounts import crew
from audit.kinds import Kind
from audit.log import record
from audit.management.answering import AnsweringCommand
from tests.audit.evidence import Person
from tests.audit.export_scene import ROOT, run
from tests.harness import environment

SERVES = {"db_worker"}  # as gunicorn does: it has no answer, and its standard output is the log


class Asked(AnsweringCommand):
    """Answers with a word when it has done what it was given."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__()
        self.work = work

    def handle(self, *args: Any, **options: Any) -> None:
        self.work()
        self.stdout.write("answer")


def task() -> Iterator[str]:
    record(Kind.SIGNED_OUT)
    yield "done"


WAYS: dict[str, Callable[[], object]] = {
    "itself": lambda: list(task()),
    "in threads": lambda: list(crew.overlapped(task)),
    "in forked processes": lambda: list(crew.work(task, 2)),
    "after a command within it": lambda: (call_command(Asked(list)), record(Kind.SIGNED_OUT)),
}


def actions(text: str) -> set[str]:
    return {json.loads(line)["event"]["action"] for line in text.splitlines()}


@pytest.fixture(autouse=True)
def on(settings: Any) -> None:
    settings.AUDIT_LOG_STREAM = "stdout"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS)
def test_what_a_command_records_goes_to_standard_error(way: str, capfd: pytest.CaptureFixture[str]) -> None:
    call_command(Asked(WAYS[way]))
    said = capfd.readouterr()
    assert set(said.out.splitlines()) == {"answer"}
    assert actions(said.err) == {"session:signed_out"}
    record(Kind.SIGNED_OUT)
    after = capfd.readouterr()
    assert (actions(after.out), after.err) == ({"session:signed_out"}, "")


@pytest.mark.django_db(transaction=True)
def test_a_command_that_fails_leaves_standard_output_to_events(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        call_command(Asked(lambda: 1 / 0))
    record(Kind.SIGNED_OUT)
    said = capfd.readouterr()
    assert (actions(said.out), said.err) == ({"session:signed_out"}, "")


@pytest.mark.django_db(transaction=True)
def test_a_bar_on_a_terminal_does_not_draw_events_to_it(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rich puts another thing in the place of `sys.stderr` while it draws on standard output."""

    def work() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", sys.stdout)
            record(Kind.SIGNED_OUT)

    call_command(Asked(work))
    said = capfd.readouterr()
    assert (said.out, actions(said.err)) == ("answer\n", {"session:signed_out"})


def test_every_command_of_ours_answers() -> None:
    found = {
        name: isinstance(load_command_class(app.name, name), AnsweringCommand)
        for app in apps.get_app_configs()
        if Path(app.path).parent == ROOT
        for name in find_commands(os.path.join(app.path, "management"))
    }
    assert {name for name, answers in found.items() if not answers} == SERVES
    assert {"audit_export_chain", "access_pass", "mfa_keys", "mfa_status"} < found.keys()


def manage(*arguments: str) -> tuple[str, str]:
    """A command in a process of its own, on the database of this test: its output and its complaints."""
    surroundings = environment.of_a_process_beside() | {"AUDIT_LOG_STREAM": "stdout"}
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.security(88)
@pytest.mark.django_db(transaction=True)
def test_an_export_to_standard_output_can_be_verified_while_events_go_out(person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    exported, said = manage("audit_export_chain", "--tenant", str(person.tenant_id))
    assert Kind.CHAIN_EXPORTED in said
    code, told, complaints = run("-", stdin=exported.encode())
    assert (code, complaints) == (3, "")  # no checkpoint is given
    assert told.splitlines()[0].startswith(f"Tenant {person.tenant_id}: 2 events, exported on ")
    assert told.splitlines()[1] == "Numbers 1 to 2 fit together."


@pytest.mark.django_db(transaction=True)
def test_an_answer_in_json_is_json_while_events_go_out() -> None:
    answer, said = manage("mfa_keys", "rotate", "--json")
    assert json.loads(answer)["left"] == 0
    assert [kind in said for kind in (Kind.KEY_ROTATION_STARTED, Kind.KEY_ROTATION_FINISHED)] == [True, True]
