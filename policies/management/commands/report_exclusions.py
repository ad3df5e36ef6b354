"""`manage.py report_exclusions`: tell administrators which excludes of their policy end soon."""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError

from audit.management.answering import AnsweringCommand
from policies.flows import exclusions
from policies.flows.exclusions import Nearing

MOST_DAYS = 366  # no exclude lasts longer


class Command(AnsweringCommand):
    """Harmless at any time and as often as you like; once an hour is plenty, once a day is needed."""

    help = (
        "Report the excludes of policies in force that end soon: an event, and a mail to the tenant's administrators\n"
        "with whom, why and until when. Each is reported twice: once when it comes near, and once on its last day.\n"
        "Nothing is reported again by a second run, and a run that was cut short is simply repeated.\n\n"
        "Examples:\n"
        "  manage.py report_exclusions             report what ends within 14 days\n"
        "  manage.py report_exclusions --days 30   begin earlier\n"
        "  manage.py report_exclusions --dry-run   only say what would be reported\n\n"
        "Exit codes: 0 done, also when there was nothing to report; 1 a policy could not be read, and all others are\n"
        "done; 2 wrong arguments."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--dry-run", action="store_true", help="say what would be reported, and do nothing")
        parser.add_argument("--days", type=days, default=days("14"), metavar="N", help="how long before (1 to 366)")

    def handle(self, *args: Any, **options: Any) -> None:
        found = exclusions.find(options["days"])
        reported = found.nearing if options["dry_run"] else exclusions.report(found.nearing)
        number = 0
        for one in reported:
            number += 1
            self.stdout.write(line(one))
        self.stdout.write(f"{number} {'to report' if options['dry_run'] else 'reported'}")
        if found.unreadable:
            codes = ", ".join(policy.code for policy in found.unreadable)
            raise CommandError(f"These policies cannot be read by this version of the site: {codes}", returncode=1)


def days(text: str) -> timedelta:
    """A number of days. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_DAYS):
        raise ArgumentTypeError(f"a whole number from 1 to {MOST_DAYS}, not {text!r}")
    return timedelta(days=int(text))


def line(one: Nearing) -> str:
    """One exclude, as operators read it."""
    return f"{one.policy.code}: {one.kind} {one.whom} until {one.until:%Y-%m-%d %H:%M %Z}: {one.reason}"
