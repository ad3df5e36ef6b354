"""`manage.py settle_policies`: write down which published versions went out of force because nobody confirmed them."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.utils import timezone

from audit.management.answering import AnsweringCommand
from policies.flows import confirm
from policies.models import MFAPolicy


class Command(AnsweringCommand):
    """Harmless at any time: the clock decided already, this records it."""

    help = (
        "Record which versions went out of force because nobody confirmed them in time. They are out of force without\n"
        "this; it only puts the event into the record soon, not when the policy is next changed.\n\n"
        "Examples:\n"
        "  manage.py settle_policies             record them\n"
        "  manage.py settle_policies --dry-run   only name them\n\n"
        "Exit codes: 0 done, also when there was nothing to record."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--dry-run", action="store_true", help="name them, and record nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        lapsed = list(MFAPolicy.objects.filter(confirm_by__lte=timezone.now()).order_by("pk"))
        for policy in lapsed:
            self.stdout.write(
                f"{policy.code}: version {policy.version} was not confirmed by {policy.confirm_by:%H:%M %Z}"
            )
            if not options["dry_run"]:
                confirm.settle(policy)
        self.stdout.write(f"{len(lapsed)} {'to record' if options['dry_run'] else 'recorded'}")
