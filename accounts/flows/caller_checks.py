"""Two people on the telephone make sure of each other: two codes of a minute, each read to the other.

The codes belong to one check, which names a support ticket. The person enters the agent's code first, and only then
sees their own: whoever calls pretending to be an agent has none to read, and hears none. A code is an HMAC over the
check, its side and the minute (as RFC 6238 makes its steps), so that neither is stored.
"""

import hmac
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_tasks import task

from accounts import notices
from accounts.errors import AccountsError, NotAllowed
from accounts.flows import people, throttles
from accounts.models import CallerCheck, User
from accounts.words import one_line
from audit.kinds import Kind
from audit.log import Outcome, record, unit_of_work

STEP: Final = timedelta(seconds=60)
LASTS: Final = timedelta(minutes=10)
COUNTS_FOR: Final = timedelta(minutes=30)
TRIES: Final = 5
DIGITS: Final = 6
STARTS = throttles.Limit("caller-check", 6, timedelta(hours=1), timedelta(minutes=15))


class Side(StrEnum):
    """Whose code it is: they read it out, the other enters it."""

    AGENT = "agent"
    PERSON = "person"


class TicketMissing(AccountsError):
    """A check that belongs to no support ticket."""

    code = "ticket_missing"
    message = _("Name the support ticket that the call is about.")


class WrongCallerCode(AccountsError):
    """Not the other side's code of this minute."""

    code = "wrong_caller_code"
    message = _("That is not the code. Ask for the one that is shown now. If it is wrong again, end the call.")


class CheckOver(AccountsError):
    """The check ended, was passed, or is not this person's to answer."""

    code = "caller_check_over"
    message = _("This check is over. Start a new one.")


def start(person: User, *, actor: User, ticket: str) -> CallerCheck:
    """Begin a check of a call with this person about a ticket; one that was open for them ends.

    Raises NotAllowed, TicketMissing, UnreadableWords, or TooManyRequests: nobody is called without end.
    """
    _require_agent(actor, person)
    ticket = one_line(ticket)
    if not ticket:
        raise TicketMissing
    throttles.count_recorded((STARTS, str(person.pk)), about=person)
    return _start(person, actor=actor, ticket=ticket)


@unit_of_work
def _start(person: User, *, actor: User, ticket: str) -> CallerCheck:
    locked, now = people.lock(person), timezone.now()
    _live(now).filter(person=locked).update(ended_at=now)
    check = CallerCheck.objects.create(
        person=locked,
        tenant=locked.tenant,
        ticket=ticket,
        agent_id=actor.pk,
        agent_label=str(actor),
        started_at=now,
        expires_at=now + LASTS,
    )
    record(Kind.CALLER_CHECK_STARTED, actor=actor, target=locked, **_about(check))
    return check


def may_check(actor: User, person: User) -> bool:
    """Whether this administrator may check a call with this person."""
    return actor.pk != person.pk and people.manages(actor, person)


def code_of(check: CallerCheck, side: Side, now: datetime) -> str:
    """The code of one side in the minute of `now`: six digits."""
    return _code_in(check, side, int(now.timestamp() // STEP.total_seconds()))


def seconds_left(now: datetime) -> int:
    """How long the code of this minute is still shown, in whole seconds, at least one."""
    return int(STEP.total_seconds() - now.timestamp() % STEP.total_seconds()) or 1


def open_for(person: User) -> CallerCheck | None:
    """The check that waits for this person, if there is one."""
    return _live(timezone.now()).filter(person=person).first()


def passed_lately(actor: User, person: User) -> CallerCheck | None:
    """The newest check in which this agent recognised this person, within the last half hour."""
    since = timezone.now() - COUNTS_FOR
    return CallerCheck.objects.filter(agent_id=actor.pk, person=person, person_proved_at__gt=since).first()


def recognise_agent(check: CallerCheck, person: User, entered: str) -> None:
    """The person enters what the caller read out. Raises CheckOver or WrongCallerCode (counted and recorded)."""
    _answer(check, Q(person=person), entered, said_by=Side.AGENT, actor=person)


def recognise_person(check: CallerCheck, actor: User, entered: str) -> None:
    """The agent enters what the person read out, and knows whom they talk to.

    Raises NotAllowed for who is no administrator of the person any more, CheckOver or WrongCallerCode.
    """
    _require_agent(User.objects.select_related("tenant").get(pk=actor.pk), check.person)
    _answer(check, Q(agent_id=actor.pk), entered, said_by=Side.PERSON, actor=actor)


def mail_codes(check: CallerCheck, *, actor: User) -> None:
    """Mail both codes to every verified address of the person, for who cannot sign in. Raises CheckOver, NotAllowed."""
    _require_agent(actor, check.person)
    if not _live(timezone.now()).filter(pk=check.pk, agent_id=actor.pk).exists():
        raise CheckOver
    notices.when_committed(deliver.enqueue, str(check.pk))


@task()
def deliver(check_id: str) -> int:
    """Mail the codes of the minute in which it goes out; the queue holds the check's id alone."""
    now = timezone.now()
    check = _live(now).select_related("person__tenant").filter(pk=UUID(check_id)).first()
    if check is None:
        return 0
    addresses = check.person.emailaddress_set.filter(verified=True).values_list("email", flat=True)
    for address in addresses:
        codes = {f"{side}_code": code_of(check, side, timezone.now()) for side in Side}
        notices.mail("caller_check", address, check.person, ticket=check.ticket, caller=check.agent_label, **codes)
    CallerCheck.objects.filter(pk=check.pk).update(mailed_at=timezone.now())
    return len(addresses)


def _answer(check: CallerCheck, mine: Q, entered: str, *, said_by: Side, actor: User) -> None:
    refusal = _answered(check, mine, entered, said_by=said_by, actor=actor)
    if refusal is not None:
        raise refusal


@unit_of_work
def _answered(check: CallerCheck, mine: Q, entered: str, *, said_by: Side, actor: User) -> AccountsError | None:
    """One try, counted before it is looked at, with the row held: parallel tries take turns."""
    now = timezone.now()
    held = _live(now).filter(mine).select_for_update(of=("self",)).select_related("person__tenant")
    found = held.filter(pk=check.pk).first()
    if found is None:
        return CheckOver()
    if not _is_right(found, said_by, entered, now):
        return _failed(found, now, said_by=said_by, actor=actor)
    if said_by is Side.AGENT:
        CallerCheck.objects.filter(pk=found.pk).update(agent_proved_at=now)
        return None
    CallerCheck.objects.filter(pk=found.pk).update(person_proved_at=now, ended_at=now)
    channel = "mail" if found.agent_proved_at is None else "page"
    record(Kind.CALLER_CHECK_PASSED, actor=actor, target=found.person, channel=channel, **_about(found))
    return None


def _failed(check: CallerCheck, now: datetime, *, said_by: Side, actor: User) -> AccountsError:
    is_last = check.failures + 1 >= TRIES
    CallerCheck.objects.filter(pk=check.pk).update(failures=F("failures") + 1, ended_at=now if is_last else None)
    record(
        Kind.CALLER_CHECK_FAILED,
        actor=actor,
        target=check.person,
        outcome=Outcome.REFUSED,
        side=said_by.value,
        failures=check.failures + 1,
        **_about(check),
    )
    return WrongCallerCode()


def _is_right(check: CallerCheck, side: Side, entered: str, now: datetime) -> bool:
    """Whether this is the code of this minute or of the one before, however it is spaced."""
    said = "".join(entered.split()) if len(entered) <= 2 * DIGITS else ""
    if not (len(said) == DIGITS and said.isascii() and said.isdigit()):
        return False
    return any([hmac.compare_digest(said, code_of(check, side, moment)) for moment in (now, now - STEP)])


def _code_in(check: CallerCheck, side: Side, step: int) -> str:
    key = sha256(f"accounts.caller_checks\0{settings.SECRET_KEY}".encode()).digest()
    text = b"\0".join([check.pk.bytes, bytes(check.salt), side.encode(), str(step).encode()])
    number = int.from_bytes(hmac.digest(key, text, "sha256")[:8])
    return f"{number % 10**DIGITS:0{DIGITS}}"


def _live(now: datetime) -> QuerySet[CallerCheck]:
    return CallerCheck.objects.filter(ended_at=None, expires_at__gt=now, failures__lt=TRIES)


def _require_agent(actor: User, person: User) -> None:
    if not may_check(actor, person):
        raise NotAllowed


def _about(check: CallerCheck) -> dict[str, Any]:
    return {"caller_check": str(check.pk), "ticket": check.ticket}
