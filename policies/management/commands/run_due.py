"""`manage.py run_due`: do what is due by itself: reminders, reports, snapshots, and clearing away."""

import time
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from typing import Any

from django.db import close_old_connections
from django.utils import timezone

from audit.management.answering import AnsweringCommand
from policies.flows import periodic


class Command(AnsweringCommand):
    """Harmless at any time, as often and on as many machines as you like."""

    help = (
        "Do the periodic work that is due, as every db_worker does beside its tasks: take up what dead workers left,\n"
        "queue campaigns' reminders and the mail that waits to be tried again, record\n"
        "which policies were not confirmed, report excludes that end, take the snapshots of enrolment, and\n"
        "remove what has run out. A lease in the database sees to it that each is done by one process at\n"
        "a time; what a process that died had in hand is taken up after two minutes.\n\n"
        "Examples:\n"
        "  manage.py run_due                do what is due, and end (once a minute, from cron)\n"
        "  manage.py run_due --every 60     go on, looking every 60 seconds (where no worker runs)\n"
        "  manage.py run_due --dry-run      only name what is due\n\n"
        "Exit codes: 0 done, also when nothing was due; 1 some work failed, and is tried again; 2 wrong arguments."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--dry-run", action="store_true", help="name what is due, and do nothing")
        parser.add_argument("--every", type=seconds, metavar="SECONDS", help="go on, looking so often (1 to 3600)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"]:
            for name in periodic.due(timezone.now()):
                self.stdout.write(f"{name} is due")
            return
        self.round()
        while options["every"]:
            time.sleep(options["every"])
            close_old_connections()
            self.round()

    def round(self) -> None:
        """Do what is due now, and say what there was to do."""
        for name, number in periodic.run(timezone.now()):
            if number:
                self.stdout.write(f"{name}: {number}")


def seconds(text: str) -> int:
    """How often to look. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 3600):
        raise ArgumentTypeError(f"a whole number from 1 to 3600, not {text!r}")
    return int(text)
