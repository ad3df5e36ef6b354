"""How work on keys is told: a bar on a terminal, a line for each batch elsewhere, JSON for programs."""

import json
import time
from collections.abc import Generator, Iterable
from contextlib import closing
from typing import IO, Any, Final, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from accounts.flows.key_work import Report, Step
from accounts.sealed_rows import Fault

DONE: Final = 0
LEFT: Final = 1  # something does not open, or is left to do
REFUSED: Final = 2
FAILED: Final = 3
CODES: Final = (
    "Exit codes: 0 all is well; 1 something does not open or is left to do; 2 refused, or wrong arguments; "
    "3 it broke off."
)


class Answer:
    """What one run says: words and a bar for people; for programs one JSON object, also if it is refused or breaks off.

    In JSON each row that does not open is written as it is found, on a line of its own: all of them are told, however
    many there are, and none is kept in memory. The figures stand behind them.
    """

    def __init__(self, command: BaseCommand, *, in_json: bool) -> None:
        self.in_json = in_json
        self._out, self._err = command.stdout, command.stderr
        self._report: Report | None = None
        self._listed = 0

    def tell(self, document: dict[str, Any], *lines: str) -> None:
        """What came of it: the document for programs, the lines for people."""
        if self.in_json:
            self._end(document)
        for line in () if self.in_json else lines:
            self._out.write(line)

    def advise(self, words: str) -> None:
        """For people alone, and beside what they may send to a file."""
        if not self.in_json:
            self._err.write(words)

    def failure(self, code: str, words: str, *, returncode: int) -> CommandError:
        """Why it was refused or broke off, to be raised; in JSON also told, behind what was found until then."""
        if self.in_json:
            found = counted(self._report) if self._report is not None else {}
            found.pop("left", None)  # nobody has counted it
            self._end({**found, "error": {"code": code, "message": words}})
        return CommandError(words, returncode=returncode)

    def follow(self, steps: Generator[Step], report: Report) -> None:
        """Go through the steps, show how far they are, and tell what does not open.

        Where that cannot be shown, the work ends too, and says so.
        """
        self._report = report
        on_terminal = not self.in_json and self._out.isatty()
        console = Console(file=cast(IO[str], self._out), force_terminal=on_terminal)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
        )
        bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not on_terminal)
        with closing(steps), bar:
            task = bar.add_task("Secrets", total=None, rate="")
            began = time.monotonic()
            for step in steps:
                rate = f"{report.done / max(time.monotonic() - began, 0.001):,.0f}/s"
                bar.update(task, total=report.total, completed=report.done + report.unreadable, rate=rate)
                self._tell_faults(step.faults)
                if not self.in_json and not on_terminal:
                    self._out.write(f"{step.place}: {report.done} of {report.total}, {rate}")

    def _tell_faults(self, faults: Iterable[Fault]) -> None:
        for one in faults:
            if self.in_json:
                start = ",\n" if self._listed else '{\n  "faults": [\n'
                self._out.write(f"{start}    {json.dumps(one._asdict())}", ending="")
                self._listed += 1
            else:
                self._err.write(in_words(one))

    def _end(self, document: dict[str, Any]) -> None:
        """The document, or the rest of the one that was begun with what does not open."""
        text = json.dumps(document, indent=2, default=str)
        if self._report is not None:
            begun = "\n  ],\n" if self._listed else '{\n  "faults": [],\n'
            text = begun + text.removeprefix("{\n")
        self._out.write(text)


def in_words(fault: Fault) -> str:
    """The line for a row that does not open."""
    under = f" under {fault.key_id}" if fault.key_id else ""
    home = f" (ciphertext in {fault.home})" if fault.home else ""
    return f"{fault.place}: row {fault.row} of {fault.table}{home}, owner {fault.owner}{under}: {fault.reason}"


def counted(report: Report) -> dict[str, int]:
    """The figures of one run, by name."""
    return {"total": report.total, "done": report.done, "unreadable": report.unreadable, "left": report.left}
