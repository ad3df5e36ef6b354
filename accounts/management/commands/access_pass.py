"""`manage.py access_pass`: issue an access pass for somebody who has no method, and print it once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from accounts.errors import AccountsError
from accounts.flows import access_passes
from accounts.flows.interventions import Act, Wanted
from accounts.management import acting
from accounts.models import Intervention, User
from audit.management.answering import AnsweringCommand


class Command(AnsweringCommand):
    """The same flow and the same rules as on the pages; for an administrator's account it can only ask."""

    help = (
        "Issue an access pass for somebody who has no method: twelve characters to read to them, good once and for a\n"
        "while. Beside their password it lets them set up a method, and do nothing else. It stands alone on standard\n"
        "output, once; everything else is said on standard error. For an administrator it is asked for: a second\n"
        "administrator has to agree, and then whoever asked has it shown in the administration.\n\n"
        "Examples:\n"
        "  manage.py access_pass dana@acme.example --as ada@acme.example \\\n"
        "      --reason 'The mailbox is gone, too.' --verified-how video --minutes 30\n"
        "  ... --dry-run                    say what it takes, and change nothing\n\n"
        "Exit codes: 0 done, or asked for; 1 refused; 2 no such person or administrator."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acting.add_arguments(parser)
        parser.add_argument(
            "--minutes",
            type=int,
            default=access_passes.MINUTES,
            help=f"how long it is good: {access_passes.SHORTEST} to {access_passes.LONGEST}, "
            f"{access_passes.MINUTES} unless said",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        minutes = options["minutes"]
        act = acting.act(options, lambda one: Wanted(kind=Act.ACCESS_PASS, person=one, minutes=minutes))
        actor = acting.administrator(options["acting"])
        if act is None:
            person = acting.person_of(actor, options["email"])
            self.stdout.write(f"would issue: an access pass, good for {minutes} minutes; earlier ones end")
            self.stdout.write(f"what it takes: {acting.demands(person, Act.ACCESS_PASS, timezone.now())}")
            return
        self.stderr.write(acting.outcome(act))
        if act.state == Intervention.State.DONE:
            self.stdout.write(_characters(act, actor))


def _characters(act: Intervention, actor: User) -> str:
    """The pass that was just issued. Raises CommandError where it cannot be shown."""
    try:
        held = access_passes.newest_of(act.person)
        if held is None:
            raise access_passes.PassGone
        return access_passes.show_to_command(held, actor=actor)
    except AccountsError as refusal:
        raise CommandError(str(refusal), returncode=acting.REFUSED) from refusal
