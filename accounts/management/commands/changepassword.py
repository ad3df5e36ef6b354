"""`manage.py changepassword`: demand a new password of somebody, in the place of Django's command of that name.

Django's sets a password, past every rule and without a trace. Nobody sets secrets for others here.
"""

from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from accounts.flows.interventions import Act, Wanted
from accounts.management import acting
from audit.management.answering import AnsweringCommand


class Command(AnsweringCommand):
    """The same flow and the same rules as on the pages."""

    help = (
        "Demand a new password of somebody: the old one works no more, every session ends, and they are mailed a\n"
        "link with which they choose another. Nobody sets a password for somebody else. For an administrator it is\n"
        "asked for, and a second administrator has to agree in the administration.\n\n"
        "Examples:\n"
        "  manage.py changepassword dana@acme.example --as ada@acme.example \\\n"
        "      --reason 'It was read out on the telephone.' --verified-how call_back\n"
        "  ... --dry-run                    say what it takes, and change nothing\n\n"
        "Exit codes: 0 done, or asked for; 1 refused; 2 no such person or administrator."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acting.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        act = acting.act(options, lambda person: Wanted(kind=Act.PASSWORD, person=person))
        if act is not None:
            self.stdout.write(acting.outcome(act))
            return
        person = acting.person_of(acting.administrator(options["acting"]), options["email"])
        self.stdout.write("would make the password useless, end every session, and mail a link to choose another")
        self.stdout.write(f"what it takes: {acting.demands(person, Act.PASSWORD, timezone.now())}")
