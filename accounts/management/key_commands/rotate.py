"""`mfa_keys rotate`: everything anew under the first key."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any, Final

from accounts.flows import key_work, rotation
from accounts.flows.key_work import Report
from accounts.management.key_commands import told
from accounts.sealed_rows import BATCH

HELP: Final = (
    "Seal every secret anew under the first key, while people sign in. It may be broken off at any moment and run "
    "again, and run on several machines at once. No session ends, and nobody enrols anew."
)
EXAMPLES: Final = """\
  manage.py mfa_keys rotate                do it
  manage.py mfa_keys rotate --workers 2    with two processes (PostgreSQL)
  manage.py mfa_keys rotate --dry-run      only say how many rows there are to do
  manage.py mfa_keys rotate --json         for programs"""


def add_arguments(parser: ArgumentParser) -> None:
    """How many at once, how much at once, and in which direction."""
    parser.add_argument("--workers", type=within(1, 32), default=1, metavar="N", help="processes on this machine (1)")
    parser.add_argument("--batch", type=within(1, 10_000), default=BATCH, metavar="ROWS", help="rows at once")
    parser.add_argument("--backwards", action="store_true", help="also under a first key that is older than another")
    parser.add_argument("--dry-run", action="store_true", help="say how many rows there are to do, and change nothing")


def run(answer: told.Answer, options: dict[str, Any]) -> int:
    """Well when everything stands under the primary key."""
    report = Report()
    if options["dry_run"]:
        key_work.require_right_keys_as_they_are(backwards=options["backwards"])
        report.total = report.left = rotation.remaining()
        answer.tell({"faults": [], **told.counted(report)}, f"{report.total} rows are not under the first key")
        return told.DONE
    steps = rotation.rotate(report, workers=options["workers"], size=options["batch"], backwards=options["backwards"])
    answer.follow(steps, report)
    words = f"{report.done} sealed anew, {report.unreadable} do not open, {report.left} left"
    answer.tell(told.counted(report), words)
    return told.LEFT if report.left else told.DONE


def within(least: int, most: int) -> Any:
    """A whole number of these bounds, as an argument."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ArgumentTypeError(f"a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return number
