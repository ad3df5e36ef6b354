"""What the commands share that act on somebody's account: the same flow and rules as the pages.

`--as` names who acts and proves nothing: who has a shell is trusted with the machine. The record says so.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import Any, Final

from django.core.management.base import CommandError

from accounts.errors import AccountsError, NotAllowed
from accounts.flows import intervention_rules as rules
from accounts.flows import interventions
from accounts.flows.intervention_rules import Word
from accounts.flows.interventions import Wanted
from accounts.models import Intervention, User
from accounts.models.people import normalise_address

REFUSED: Final = 1
NOT_FOUND: Final = 2
State = Intervention.State


def add_arguments(parser: ArgumentParser) -> None:
    """Whom it is about, who acts, and on whose word."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.add_argument("email", metavar="EMAIL", help="mail address of the person it is about")
    parser.add_argument(
        "--as", dest="acting", metavar="ADMIN", required=True, help="mail address of the administrator who acts"
    )
    parser.add_argument("--reason", required=True, help="why; it becomes part of the record")
    parser.add_argument(
        "--verified-how",
        required=True,
        choices=[how for how in Intervention.VerifiedHow.values if how != Intervention.VerifiedHow.CALLER_CHECK],
        help="how you made sure who asked",
    )
    parser.add_argument("--ticket", default="", help="the support ticket, if there is one")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, and change nothing")


def act(options: dict[str, Any], wanted: Callable[[User], Wanted]) -> Intervention | None:
    """Ask for the act that `wanted` makes of the person; None in a dry run. Raises CommandError for what is refused."""
    actor, person = administrator(options["acting"]), options["email"]
    try:
        about = wanted(person_of(actor, person))
        word = Word(reason=options["reason"], verified_how=options["verified_how"], ticket=options["ticket"]).readable()
        if options["dry_run"]:
            if not rules.may_ask(actor, about.person):
                raise NotAllowed
            interventions.require_possible(about)
            return None
        return interventions.ask(about, actor=actor, session=None, word=word)
    except AccountsError as refusal:
        raise CommandError(str(refusal), returncode=REFUSED) from refusal


def administrator(email: str) -> User:
    """Who acts. Raises CommandError for who is none."""
    found = User.objects.select_related("tenant").filter(email=normalise_address(email), is_active=True).first()
    if found is None or not found.is_staff:
        raise CommandError(f"There is no active administrator with the mail address “{email}”.", returncode=NOT_FOUND)
    return found


def person_of(actor: User, email: str) -> User:
    """The person, if this administrator may know them. Raises CommandError, the same for who is another tenant's."""
    known = User.objects.select_related("tenant").filter(email=normalise_address(email))
    if not actor.is_superuser:
        known = known.filter(tenant=actor.tenant_id)
    found = known.first()
    if found is None:
        raise CommandError(f"There is nobody with the mail address “{email}”.", returncode=NOT_FOUND)
    return found


def demands(person: User, kind: str, now: Any) -> str:
    """What it would take, in a sentence."""
    found = rules.demands_on(person, kind, now)
    hours = int(found.wait.total_seconds() // 3600)
    agree = "a second administrator has to agree in the administration" if found.needs_approval else ""
    wait = f"it waits for {hours} h" if hours else ""
    return "; ".join(filter(None, (agree, wait))) or "it is done at once"


def outcome(act: Intervention) -> str:
    """What became of it, in a sentence."""
    match act.state:
        case State.DONE:
            return "Done. The person has been told by mail."
        case State.ASKED:
            return "Asked for. A second administrator has to agree in the administration; they have been told."
        case State.WAITING:
            return f"Asked for. It is done after {act.not_before:%Y-%m-%d %H:%M} UTC, unless the person cancels it."
        case _:
            return f"Not done: {act.trouble}."
