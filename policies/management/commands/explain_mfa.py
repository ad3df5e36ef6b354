"""`manage.py explain_mfa`: why somebody would be stopped or let in, or was."""

import json
import textwrap
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn
from uuid import UUID

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.gates import Explanation
from accounts.models import User
from accounts.models.people import normalise_address
from audit.management.answering import AnsweringCommand
from policies import document as documents
from policies import explanations, facts, kept, receipts, sentences
from policies.document import DocumentError
from policies.engine import decide
from policies.explanations import Reader
from policies.flows import drafts, publish
from policies.models import MFAPolicy, PolicyVersion
from policies.rollout import simulation
from policies.rollout.simulation import Ending
from policies.sentences import Words
from policies.terms import Decision, Rules

WIDTH: Final = 80  # columns
NOT_FOUND: Final = 1
UNREADABLE: Final = 2  # as argparse says of an option


class Command(AnsweringCommand):
    """Explains one person's next sign-in, or a past one, by the policy in force or by another. Reads only."""

    help = """\
Why is this person stopped or let in? Without --at: what would happen at the
next sign-in of somebody who knows the password and has at hand all that is
set up. With --at: what was decided at the sign-in at that time or the last
one before it, on the facts of that sign-in. Changes nothing.
"""
    examples = """\
examples:
  manage.py explain_mfa dana@acme.example
  manage.py explain_mfa dana@acme.example --at 2030-03-01T09:30
  manage.py explain_mfa dana@acme.example --policy draft
  manage.py explain_mfa dana@acme.example --policy 7 --at 2030-03-01
  manage.py explain_mfa dana@acme.example --policy stricter.json --json

exit status: 0 explained; 1 no such person, draft or version, or no sign-in of
that time is kept; 2 a time or a document that cannot be read.
"""

    def create_parser(self, *arguments: Any, **options: Any) -> Any:
        """Django's, with the line breaks of help and examples kept."""
        parser = super().create_parser(*arguments, epilog=self.examples, **options)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("person", help="mail address or id")
        parser.add_argument(
            "--at", metavar="TIME", help="ISO 8601; without an offset in the time zone of the person's tenant"
        )
        parser.add_argument(
            "--policy",
            metavar="DRAFT",
            help="judge by this instead: “draft”, the number of a version, or a file with a policy as JSON",
        )
        parser.add_argument("--json", action="store_true", help="the receipt for programs: codes beside sentences")

    def handle(self, *args: Any, person: str, at: str | None, policy: str | None, **options: Any) -> None:
        who = _person(person)
        rules, by = (None, "") if policy is None else _rules(who, policy)
        answer = _next(who, rules, by) if at is None else _past(who, _moment(at, who), rules, by)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(who, answer), ensure_ascii=False, indent=2))
        else:
            for line in _as_text(who, answer):
                self.stdout.write(printable(line))


@dataclass(frozen=True, slots=True)
class Answer:
    """A receipt with its explanation. `ending`: of a sign-in that has not happened. `by`: what else judged it."""

    decision: Decision
    explanation: Explanation
    ending: Ending | None = None
    by: str = ""


def _person(text: str) -> User:
    people = User.objects.select_related("tenant")
    try:
        found = people.filter(pk=UUID(text)).first()
    except ValueError:
        found = people.filter(email=normalise_address(text)).first()
    return found or _stop(_("There is nobody with the mail address or id “%(text)s”.") % {"text": text}, NOT_FOUND)


def _moment(text: str, person: User) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        _stop(_("“%(text)s” is no time in ISO 8601, such as 2030-03-01T09:30.") % {"text": text}, UNREADABLE)
    return at if at.tzinfo else timezone.make_aware(at, person.tenant.zone)


def _rules(person: User, text: str) -> tuple[Rules, str]:
    """The rules of the tenant's draft, of one of its versions, or of a document in a file, and which of these it is."""
    policy = MFAPolicy.objects.filter(tenant=person.tenant_id).first()
    if policy is None:
        _stop(_("The tenant has no policy."), NOT_FOUND)
    if text.isdecimal():
        version = PolicyVersion.objects.select_related("policy").filter(policy=policy, number=text).first()
        found = version or _stop(_("There is no version %(text)s.") % {"text": text}, NOT_FOUND)
        return facts.rules_from(found), _("Judged by version %(text)s of the policy.") % {"text": text}
    if text == "draft":
        draft = drafts.draft_of(policy) or _stop(_("There is no draft."), NOT_FOUND)
        rules = publish.rules_if_published(policy, draft.document, enabled=draft.enabled, now=timezone.now())
        return rules, _("Judged by the draft, as if it were published now.")
    version = publish.version_in_force(policy)
    enabled = version is None or version.enabled
    rules = publish.rules_if_published(policy, _document(text), enabled=enabled, now=timezone.now())
    return rules, _("Judged by the file “%(path)s”, as if it were published now.") % {"path": text}


def _document(path: str) -> dict[str, Any]:
    try:
        document = documents.upgraded(json.loads(Path(path).read_text(encoding="utf-8")))
        documents.validate(document)
    except DocumentError as error:
        sentences_of = [f"{field}: {sentence}" for field, sentence in error.errors.items()]
        _stop("\n".join([_("This policy cannot be read:"), *sentences_of]), UNREADABLE)
    except (OSError, ValueError) as error:
        _stop(_("The file “%(path)s” cannot be read: %(why)s.") % {"path": path, "why": error}, UNREADABLE)
    return dict(document)


def _next(person: User, rules: Rules | None, by: str) -> Answer:
    """The next sign-in, under the rules in force or under these."""
    found = facts.situation(person)
    judged_by = rules or found.rules
    forecast = simulation.sign_in(judged_by, found.facts, timezone.now())
    words = sentences.ENDINGS[forecast.ending]
    return _answer(person, forecast.decision, judged_by, words, ending=forecast.ending, by=by)


def _past(person: User, at: datetime, rules: Rules | None, by: str) -> Answer:
    """The last sign-in until then, as it was decided, or as these rules would have decided it."""
    row = kept.sign_ins_of(person).filter(at__lte=at).first()
    if row is None:
        when = {"when": explanations.moment(at, person.tenant.zone), "zone": person.tenant.zone.key}
        _stop(_("No sign-in of this person at %(when)s (%(zone)s) or before is kept.") % when, NOT_FOUND)
    decision = kept.decision_of(row)
    if decision is None:
        _stop(_("A newer version of this site wrote this. It can be explained there."), UNREADABLE)
    if rules is None:
        return _answer(person, decision, kept.rules_of(row), None)
    anew = decide(rules, decision.facts, decision.at)
    return _answer(person, anew, rules, sentences.WOULD_BE[anew.outcome], by=by)


def _answer(person: User, decision: Decision, rules: Rules | None, words: Words | None, **about: Any) -> Answer:
    reader = Reader(person.tenant.zone, person.get_short_name(), explanations.names_of(decision.facts))
    return Answer(decision, explanations.explained(decision, reader, rules, outcome=words), **about)


def _stop(message: str, status: int) -> NoReturn:
    raise CommandError(message, returncode=status)


def _as_text(person: User, answer: Answer) -> Iterator[str]:
    said, zone = answer.explanation, person.tenant.zone
    yield from _wrapped(f"{person.get_full_name()} <{person.email}>, {person.tenant.name}")
    if answer.ending is not None:
        yield from _wrapped(_("Supposed is somebody who knows the password and has at hand all that is set up."))
    else:
        when = {"when": explanations.moment(answer.decision.at, zone), "zone": zone.key}
        yield from _wrapped(_("Sign-in of %(when)s (%(zone)s)") % when)
    yield ""
    yield from _wrapped(said.outcome)
    for reason in said.reasons:
        yield from _wrapped(str(reason), "  - ", "    ")
    for sentence in (said.deadline, said.way_out):
        yield from _wrapped(sentence)
    yield ""
    yield _("Decided on:")
    for label, words in said.facts:
        yield from _wrapped(f"{label}: {words}", "  ", "      ")
    yield ""
    yield from _wrapped(answer.by or said.version)
    if said.contact:
        yield from _wrapped(_("Whom people are told to ask: %(contact)s") % {"contact": said.contact})


def _wrapped(text: str, first: str = "", others: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=others)


def printable(line: str) -> str:
    """Without what could move a terminal's cursor or turn a line around: names are people's own."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)


def _as_json(person: User, answer: Answer) -> dict[str, Any]:
    """Codes for programs beside the sentences for people. No secret is in either."""
    decision, said = answer.decision, answer.explanation
    return {
        "person": str(person.pk),
        "email": person.email,
        "tenant": person.tenant.slug,
        "at": decision.at.isoformat(),
        "outcome": decision.outcome.value,
        "ending": None if answer.ending is None else answer.ending.value,
        "reasons": [reason.value for reason in decision.reasons],
        "satisfied_by": [method.value for method in decision.satisfied_by],
        "deadline": None if decision.deadline is None else decision.deadline.isoformat(),
        "judged_by": answer.by or said.version,
        "valid_until": None if decision.valid_until is None else decision.valid_until.isoformat(),
        "policy_version": None if answer.by else decision.policy_version,
        "facts": receipts.stored(decision.facts),
        "explanation": {
            "outcome": said.outcome,
            "reasons": [str(reason) for reason in said.reasons],
            "facts": [[label, words] for label, words in said.facts],
            "deadline": said.deadline,
            "way_out": said.way_out,
            "contact": said.contact,
        },
    }
