"""`manage.py snapshot_enrolment`: note how far each tenant is today, for the trend and the forecast."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import IO, Any, cast

from django.utils import timezone
from rich.console import Console
from rich.progress import Progress

from audit.management.answering import AnsweringCommand
from policies.flows import snapshots
from policies.management.commands.mfa_status import wanted


class Command(AnsweringCommand):
    """Harmless at any time and as often as you like; the first of a day counts."""

    help = (
        "Note for each tenant how many people are enrolled, missing and overdue today: one row a day, by the tenant's\n"
        "own calendar. The console draws the trend and the forecast from these. A tenant that has today's row is\n"
        "left alone, and a run that was cut short is simply repeated.\n\n"
        "Examples:\n"
        "  manage.py snapshot_enrolment                 every tenant; once a day, late in the day\n"
        "  manage.py snapshot_enrolment --tenant acme   one tenant, by its short name\n"
        "  manage.py snapshot_enrolment --dry-run       only say how many tenants are due\n\n"
        "Exit codes: 0 done, also when nothing was due; 1 there is no such tenant; 2 wrong arguments."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--tenant", metavar="NAME", help="one tenant, by its short name")
        parser.add_argument("--dry-run", action="store_true", help="say what is due, and note nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        due = snapshots.due(wanted(options["tenant"]), now)
        if options["dry_run"]:
            self.stdout.write(f"{len(due)} due")
            return
        console = Console(file=cast(IO[str], self.stdout))
        with Progress(console=console, transient=True, disable=not self.stdout.isatty()) as progress:
            bar = progress.add_task("Snapshots", total=len(due))
            for done in snapshots.take(due, now):
                progress.update(bar, advance=done)
        self.stdout.write(f"{len(due)} noted")
