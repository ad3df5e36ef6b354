"""How work on keys is told: a bar on a terminal, a line for each batch elsewhere, JSON for programs."""

import json
import time
from collections.abc import Generator, Iterable
from contextlib import closing
from typing import IO, Any, Final, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from accounts.flows.key_work import Report, Step
from accounts.sealed_rows import Fault

DONE: Final = 0
LEFT: Final = 1  # something does not open, or is left to do
REFUSED: Final = 2
FAILED: Final = 3
MOST_TOLD: Final = 10_000  # faults in one answer in JSON; the rest is counted
CODES: Final = (
    "Exit codes: 0 all is well; 1 something does not open or is left to do; 2 refused, or wrong arguments; "
    "3 it broke off."
)


def follow(command: BaseCommand, steps: Generator[Step], report: Report, *, quiet: bool) -> list[Fault]:
    """Go through the steps and show how far they are; returns what does not open, as far as it is told.

    Where that cannot be shown, the work ends too, and says so.
    """
    faults: list[Fault] = []
    on_terminal = not quiet and command.stdout.isatty()
    console = Console(file=cast(IO[str], command.stdout), force_terminal=on_terminal)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not on_terminal)
    with closing(steps), bar:
        task = bar.add_task("Secrets", total=None, rate="")
        began = time.monotonic()
        for step in steps:
            rate = f"{report.done / max(time.monotonic() - began, 0.001):,.0f}/s"
            bar.update(task, total=report.total, completed=report.done + report.unreadable, rate=rate)
            if not quiet:
                say_faults(command, step.faults)
            if not quiet and not on_terminal:
                command.stdout.write(f"{step.place}: {report.done} of {report.total}, {rate}")
            faults += step.faults[: max(0, MOST_TOLD - len(faults))] if quiet else ()
    return faults


def say_faults(command: BaseCommand, faults: Iterable[Fault]) -> None:
    """One line for each row that does not open."""
    for one in faults:
        under = f" under {one.key_id}" if one.key_id else ""
        home = f" (ciphertext in {one.home})" if one.home else ""
        words = f"{one.place}: row {one.row} of {one.table}{home}, owner {one.owner}{under}: {one.reason}"
        command.stderr.write(words)


def say_json(command: BaseCommand, document: Any) -> None:
    """One document, and nothing else, on standard output."""
    command.stdout.write(json.dumps(document, indent=2, default=str))


def counted(report: Report) -> dict[str, int]:
    """The figures of one run, by name."""
    return {"total": report.total, "done": report.done, "unreadable": report.unreadable, "left": report.left}
