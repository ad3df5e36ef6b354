"""`manage.py check_enrolment_state`: do the counters say what people own?"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import IO, Any, cast

from django.core.management.base import CommandError
from rich.console import Console
from rich.progress import Progress

from accounts.enrolment_state import State
from accounts.flows import state_check
from accounts.flows.state_check import BATCH, Difference
from accounts.models import Tenant
from audit.management.answering import AnsweringCommand

WRONG = 1
NO_SUCH_TENANT = 2


class Command(AnsweringCommand):
    """Harmless at any time and while people work; broken off, it can begin again."""

    help = (
        "Compare the counters on everybody's row (which kinds of authenticators, how many recovery codes, enrolled\n"
        "since when) with the authenticators themselves. The site keeps them right; SQL by hand, and rows brought in\n"
        "from elsewhere, do not. Lists and statistics read them; sign-in does not.\n\n"
        "Examples:\n"
        "  manage.py check_enrolment_state                           say what is wrong\n"
        "  manage.py check_enrolment_state --repair                  and put it right, which is recorded\n"
        "  manage.py check_enrolment_state --repair --dry-run        say what --repair would put right\n"
        "  manage.py check_enrolment_state --tenant acme --repair    in one tenant, by its short name\n\n"
        "Exit codes: 0 all is right, or was put right; 1 something is wrong; 2 no such tenant, or wrong arguments."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--repair", action="store_true", help="put right what is wrong, and record it")
        parser.add_argument("--tenant", metavar="NAME", help="look at one tenant, by its short name")
        parser.add_argument("--dry-run", action="store_true", help="change nothing, whatever else is asked")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = _tenant(options["tenant"])
        repair = options["repair"] and not options["dry_run"]
        wrong, total = 0, state_check.everybody(tenant).count()
        console = Console(file=cast(IO[str], self.stdout), soft_wrap=True, markup=False, highlight=False)
        with Progress(console=console, transient=True, disable=not self.stdout.isatty()) as progress:
            bar = progress.add_task("People", total=total)
            for found in state_check.check(tenant, repair=repair):
                for one in found:
                    console.print(_sentence(one))  # above the bar, not into it
                wrong += len(found)
                progress.update(bar, advance=BATCH)
        self.stdout.write(f"{total} people looked at, {wrong} {'put right' if repair else 'wrong'}")
        if wrong and not repair:
            raise CommandError("Run it with --repair to put them right.", returncode=WRONG)


def _tenant(name: str | None) -> Tenant | None:
    if name is None:
        return None
    found = Tenant.objects.filter(slug=name).first()
    if found is None:
        raise CommandError(f"There is no tenant with the short name {name!r}.", returncode=NO_SUCH_TENANT)
    return found


def _sentence(one: Difference) -> str:
    return f"{one.person.pk}: the row says {_words(one.stated)}; it should say {_words(one.expected)}"


def _words(state: State) -> str:
    kinds = ", ".join(str(each.name).lower() for each in state.factors) or "nothing"
    codes = "no codes" if state.codes_left is None else f"{state.codes_left} codes left"
    return f"{kinds}, {codes}, enrolled {state.mfa_enrolled_at or 'never'}"
