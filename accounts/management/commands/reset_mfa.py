"""`manage.py reset_mfa`: reset somebody's two-step verification, or remove one authenticator."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.utils import timezone

from accounts.flows import reset
from accounts.flows.interventions import Act, Wanted
from accounts.management import acting
from accounts.models import Binding, User
from audit.management.answering import AnsweringCommand


class Command(AnsweringCommand):
    """The same flow and the same rules as on the pages; an administrator's account it can only ask for."""

    help = (
        "Reset the two-step verification of somebody: their methods and recovery codes work no more, every session\n"
        "ends, and they are mailed a link with which, beside their password, they set up a new method. Or, with\n"
        "--authenticator, remove that one alone. For an administrator it is asked for, and a second administrator\n"
        "has to agree in the administration; nothing here agrees to anything.\n\n"
        "Examples:\n"
        "  manage.py reset_mfa dana@acme.example --as ada@acme.example \\\n"
        "      --reason 'The phone was stolen.' --verified-how video\n"
        "  manage.py reset_mfa dana@acme.example --as ada@acme.example \\\n"
        "      --reason 'Lost the blue key.' --verified-how in_person \\\n"
        "      --authenticator 3b1f0c9e-5d1c-4b55-9f6e-0c5a7d1e2f30\n"
        "  ... --dry-run                    say what it would remove and what it takes, and change nothing\n\n"
        "Exit codes: 0 done, or asked for; 1 refused; 2 no such person, administrator or authenticator."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acting.add_arguments(parser)
        parser.add_argument("--authenticator", metavar="ID", type=UUID, help="remove this one alone")

    def handle(self, *args: Any, **options: Any) -> None:
        asked: list[Wanted] = []

        def wanted(person: User) -> Wanted:
            asked.append(_wanted(person, options["authenticator"]))
            return asked[0]

        act = acting.act(options, wanted)
        if act is not None:
            self.stdout.write(acting.outcome(act))
            return
        (about,) = asked
        seen = reset.preview(about.person)
        removed = [str(about.binding)] if about.binding is not None else [str(one) for one in seen.removes]
        for thing in removed or ["nothing: no method is set up"]:
            self.stdout.write(f"would remove: {thing}")
        self.stdout.write(f"would end: {seen.sessions} sessions")
        self.stdout.write(f"what it takes: {acting.demands(about.person, about.kind, timezone.now())}")


def _wanted(person: User, authenticator: UUID | None) -> Wanted:
    if authenticator is None:
        return Wanted(kind=Act.RESET, person=person)
    binding = Binding.objects.filter(person=person, pk=authenticator, unbound_at=None).first()
    if binding is None:
        raise CommandError(f"{person} has no authenticator {authenticator} in use.", returncode=acting.NOT_FOUND)
    return Wanted(kind=Act.REMOVAL, person=person, binding=binding)
