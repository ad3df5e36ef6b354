"""`mfa_keys adopt`: take over the secrets of another site."""

from argparse import ArgumentParser
from typing import Any, Final

from accounts.flows import adoption
from accounts.flows.adoption import Shape
from accounts.flows.key_work import Report
from accounts.management.key_commands import told
from accounts.management.key_commands.rotate import within

HELP: Final = (
    "Take over what another Django site stored: allauth's apps and recovery codes, in plain text or as bare Fernet "
    "tokens. Needs MFA_ADOPT_FOREIGN_SECRETS=on. Begin with --dry-run."
)
EXAMPLES: Final = """\
  MFA_ADOPT_FOREIGN_SECRETS=on manage.py mfa_keys adopt --dry-run    open everything, count it, change nothing
  MFA_ADOPT_FOREIGN_SECRETS=on manage.py mfa_keys adopt              do it
  manage.py mfa_keys adopt --json                                    for programs"""


def add_arguments(parser: ArgumentParser) -> None:
    """How the other site made its recovery codes."""
    parser.add_argument("--dry-run", action="store_true", help="open and count, and change nothing")
    parser.add_argument("--codes", type=within(1, 50), default=10, metavar="N", help="its MFA_RECOVERY_CODE_COUNT (10)")
    parser.add_argument("--digits", type=within(6, 20), default=8, metavar="N", help="its MFA_RECOVERY_CODE_DIGITS (8)")


def run(answer: told.Answer, options: dict[str, Any]) -> int:
    """Well when everything was taken over, or could be."""
    report, shape = Report(), Shape(options["codes"], options["digits"])
    work = adoption.preview if options["dry_run"] else adoption.adopt
    answer.follow(work(report, shape=shape), report)
    would = "can be" if options["dry_run"] else "were"
    words = f"{report.done} {would} taken over, {report.unreadable} cannot be, {report.left} left"
    answer.tell(told.counted(report), words)
    return told.LEFT if report.unreadable or (report.left and not options["dry_run"]) else told.DONE
