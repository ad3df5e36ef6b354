"""`mfa_keys verify`: does every stored secret open?"""

from argparse import ArgumentParser
from typing import Any, Final

from accounts.flows import secret_check
from accounts.flows.key_work import Report
from accounts.management.key_commands import told

HELP: Final = "Open every sealed secret where it stands, and say which do not open. No secret is shown."
EXAMPLES: Final = """\
  manage.py mfa_keys verify           a line for each row that does not open, on standard error
  manage.py mfa_keys verify --json    for programs"""


def add_arguments(parser: ArgumentParser) -> None:
    """None of its own."""


def run(answer: told.Answer, options: dict[str, Any]) -> int:
    """Well when all of them open."""
    report = Report()
    answer.follow(secret_check.verify(report), report)
    answer.tell(told.counted(report), f"{report.done} opened, {report.unreadable} did not")
    return told.LEFT if report.unreadable else told.DONE
