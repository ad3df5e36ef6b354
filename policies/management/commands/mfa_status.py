"""`manage.py mfa_status`: how far the rollout is, of one tenant or of all."""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable
from typing import Any, Final

from django.core.management.base import CommandError
from django.utils import timezone

from accounts.models import Tenant
from audit.management.answering import AnsweringCommand
from policies.rollout import statistics
from policies.rollout.statistics import Status

NOT_FOUND: Final = 1
FIGURES: Final = (
    ("people", "people"),
    ("enrolled", "with a second factor"),
    ("without", "without"),
    ("demanded", "of whom the policy demands it"),
    ("missing", "  who do not have what is demanded"),
    ("in_grace", "    with days left"),
    ("not_begun", "    whose days begin at their first sign-in"),
    ("overdue", "    overdue: stopped at the next sign-in"),
    ("excluded", "excluded for a time"),
    ("with_codes", "with recovery codes"),
    ("one_loss_away", "one lost device away from being locked out"),
    ("few_codes", "with three recovery codes or fewer"),
    ("never_signed_in", "never signed in"),
)
NAMES: Final = ("by_method", "by_role", "enrolled_by_role", "by_source")


class Command(AnsweringCommand):
    """Reads only."""

    help = (
        "Say how many people there are and how many of them are ready for what their tenant's policy demands.\n"
        "People who are switched off are not counted. Nothing is changed.\n\n"
        "Examples:\n"
        "  manage.py mfa_status                  all tenants together, then each on a line\n"
        "  manage.py mfa_status --tenant acme    one tenant, by its short name\n"
        "  manage.py mfa_status --json           for programs; with --tenant for one tenant\n\n"
        "Exit codes: 0 done; 1 there is no such tenant; 2 wrong arguments."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--tenant", metavar="NAME", help="one tenant, by its short name")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = wanted(options["tenant"])
        now = timezone.now()
        found = statistics.status_of([one.pk for one in tenants], now)
        total = statistics.total(found.values())
        if options["json"]:
            each = {one.slug: as_dict(found[one.pk]) for one in tenants}
            self.stdout.write(json.dumps({"at": now.isoformat(), "total": as_dict(total), "tenants": each}, indent=2))
            return
        self.stdout.write("\n".join(lines(total)))
        if not options["tenant"]:
            self.stdout.write("")
            self.stdout.write("\n".join(line(one.slug, found[one.pk]) for one in tenants))


def wanted(slug: str | None) -> list[Tenant]:
    """The tenant of this short name, or all. Raises CommandError."""
    tenants = Tenant.objects.order_by("slug")
    if slug is None:
        return list(tenants)
    found = list(tenants.filter(slug=slug))
    if not found:
        raise CommandError(f"There is no tenant with the short name {slug!r}.", returncode=NOT_FOUND)
    return found


def as_dict(status: Status) -> dict[str, Any]:
    """The figures by name, for programs."""
    counted = {name: getattr(status, name) for name, _words in FIGURES}
    methods = {str(one): status.by_method[one] for one in statistics.METHODS.values()}
    return counted | {name: dict(getattr(status, name)) for name in NAMES} | {"by_method": methods}


def lines(status: Status) -> Iterable[str]:
    """The figures, one to a line."""
    for name, words in FIGURES:
        yield f"{getattr(status, name):>9}  {words}"
    for name in NAMES:
        parts = ", ".join(f"{key} {number}" for key, number in sorted(getattr(status, name).items()))
        yield f"{name.replace('_', ' ')}: {parts or 'none'}"


def line(slug: str, status: Status) -> str:
    """One tenant on one line."""
    return (
        f"{slug}: {status.enrolled} of {status.people} enrolled,"
        f" {status.missing} missing, {status.overdue} overdue, {status.one_loss_away} one lost device from lock-out"
    )
