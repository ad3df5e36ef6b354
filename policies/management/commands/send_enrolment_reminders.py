"""`manage.py send_enrolment_reminders`: remind everybody who has yet to set up two-step verification, now."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from typing import IO, Any, cast

from django.core.management.base import CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress

from accounts.models import Tenant, User
from audit.management.answering import AnsweringCommand
from policies.flows import reminder_mail, reminders
from policies.rollout.remindable import Spared, batches, prospects


class Command(AnsweringCommand):
    """Harmless to repeat: who was reminded today is left out, so a run that was cut short is simply run again."""

    help = (
        "Queue a reminder by mail for everybody of whom two-step verification is demanded, who has not set it up, and\n"
        "whose deadline lies ahead. The worker sends them. Nobody gets more than one a day, however often this runs;\n"
        "a run that was cut short is simply repeated. Inactive and excluded people are never reminded.\n\n"
        "Examples:\n"
        "  manage.py send_enrolment_reminders                 remind the people of every tenant\n"
        "  manage.py send_enrolment_reminders --tenant acme   those of one\n"
        "  manage.py send_enrolment_reminders --overdue       also those whose deadline is over\n"
        "  manage.py send_enrolment_reminders --dry-run       only count them\n\n"
        "Exit codes: 0 done, also when nobody was to be reminded; 1 there is no such tenant; 2 wrong arguments."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--tenant", metavar="SHORT-NAME", help="the people of this tenant only")
        parser.add_argument("--overdue", action="store_true", help="also those whose deadline is over")
        parser.add_argument("--dry-run", action="store_true", help="count them, and queue nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = chosen(options["tenant"])
        people = User.objects.filter(tenant__in=tenants, is_active=True)
        console = Console(file=cast(IO[str], self.stdout))
        with Progress(console=console, transient=True, disable=not self.stdout.isatty()) as progress:
            bar = progress.add_task("Reminders", total=people.count())
            counted = [
                (tenant, self.remind(tenant, options, lambda done: progress.update(bar, advance=done)))
                for tenant in tenants
            ]
        for tenant, outcome in counted:
            if outcome.total():
                self.stdout.write(f"{tenant.slug}: {told(outcome, only_counted=options['dry_run'])}")
        number = sum(outcome[None] for _tenant, outcome in counted)
        self.stdout.write(f"{number} {'to remind' if options['dry_run'] else 'queued'} in all")
        if not options["dry_run"]:
            for tenant_id in reminder_mail.tenants_with_work(timezone.now()):
                reminder_mail.soon(tenant_id)

    def remind(self, tenant: Tenant, options: dict[str, Any], advance: Any) -> Counter[Spared | None]:
        """Queue what is to be queued in one tenant, batch by batch; returns how many got one or why not."""
        outcome: Counter[Spared | None] = Counter()
        for people in batches(tenant):
            found = prospects(people, overdue_too=options["overdue"])
            if options["dry_run"]:
                found = reminders.without_recent(found)
            else:
                found = reminders.queue(found, overdue_too=options["overdue"])
            outcome.update(one.spared for one in found)
            advance(len(people))
        return outcome


def chosen(slug: str | None) -> list[Tenant]:
    """The active tenants, or the one of this short name. Raises CommandError if there is none."""
    tenants = Tenant.objects.filter(is_active=True).order_by("slug")
    if slug is None:
        return list(tenants)
    found = list(tenants.filter(slug=slug))
    if not found:
        raise CommandError(f"There is no active tenant with the short name {slug!r}.", returncode=1)
    return found


def told(outcome: Counter[Spared | None], *, only_counted: bool) -> str:
    """What came of one tenant, as operators read it."""
    spared = ", ".join(f"{outcome[one]} {one.value}" for one in Spared if outcome[one])
    return f"{outcome[None]} {'to remind' if only_counted else 'queued'}" + (f"; left out: {spared}" if spared else "")
