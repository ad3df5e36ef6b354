"""`mfa_keys verify`: does every stored secret open?"""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand

from accounts.flows import secret_check
from accounts.flows.key_work import Report
from accounts.management.key_commands import told

HELP: Final = "Open every sealed secret where it stands, and say which do not open. No secret is shown."
EXAMPLES: Final = """\
  manage.py mfa_keys verify           a line for each row that does not open, on standard error
  manage.py mfa_keys verify --json    for programs"""


def add_arguments(parser: ArgumentParser) -> None:
    """None of its own."""


def run(command: BaseCommand, options: dict[str, Any]) -> int:
    """Well when all of them open."""
    report = Report()
    faults = told.follow(command, secret_check.verify(report), report, quiet=options["json"])
    if options["json"]:
        told.say_json(command, told.counted(report) | {"faults": [one._asdict() for one in faults]})
    else:
        command.stdout.write(f"{report.done} opened, {report.unreadable} did not")
    return told.LEFT if report.unreadable else told.DONE
