"""`manage.py purge_expired`: remove what has run out and nobody can use any more."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.utils import timezone

from accounts.expiry import expired
from audit.management.answering import AnsweringCommand


class Command(AnsweringCommand):
    """Harmless at any time and as often as you like; once an hour is plenty."""

    help = (
        "Remove expired sessions, WebAuthn ceremonies, unfinished enrolments, invitations and counters, the facts of\n"
        "sign-ins that are older than 90 days, and notices and reminders long after it is known what became of them.\n"
        "Every worker does it hourly.\n\n"
        "Examples:\n"
        "  manage.py purge_expired             remove them, and say how many\n"
        "  manage.py purge_expired --dry-run   only say how many\n"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        for name, rows in expired(timezone.now()).items():
            number = rows.count() if options["dry_run"] else rows.delete()[0]
            self.stdout.write(f"{name}: {number} {'to remove' if options['dry_run'] else 'removed'}")
