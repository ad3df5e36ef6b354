"""Sending the reminders that are queued: each claimed by one worker, retried while the mail server will not have it.

A worker may die at any moment. Before the server gets the text the reminder goes back to the queue when its claim
lapses, so nobody is missed; from then on it is never sent again, so nobody gets it twice.
"""

import smtplib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django_tasks import task

from accounts import notices
from accounts.models import User
from accounts.models.mail import is_lapsed
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies import calendars
from policies.models import Reminder
from policies.rollout import quiet
from policies.rollout.remindable import Spared, prospects

State = Reminder.State

AT_ONCE: Final = 100  # reminders of one task; then it queues the next, so that other mail gets its turn
CLAIM: Final = timedelta(minutes=10)
PATIENCE: Final = timedelta(hours=24)
REFUSED_FOR_GOOD: Final = 3  # attempts after which an answer of 500 and more is believed
SECONDS: Final = 30  # that a mail server may take to answer
WAITS: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))


class NotReached(Exception):
    """The mail server cannot be reached, or does not let us in: the rest need not be tried now."""


class Refused(Exception):
    """The server did not take the mail; `for_good` by its own word."""

    def __init__(self, said: str, *, for_good: bool) -> None:
        super().__init__(said)
        self.for_good = for_good


class Unsure(Exception):
    """The server got the text, and its answer did not come."""


def soon(tenant_id: UUID) -> None:
    """Have a worker send what is due in this tenant, once this commits."""
    notices.when_committed(send_due.enqueue, str(tenant_id))


def tenants_with_work(now: datetime) -> list[UUID]:
    """The tenants in which something is due, or was left by a worker that did not come back."""
    owed = Reminder.objects.filter(state=State.QUEUED, due_at__lte=now) | Reminder.objects.filter(
        is_lapsed(now), state__in=(State.CLAIMED, State.HANDED)
    )
    return list(owed.order_by("tenant_id").values_list("tenant_id", flat=True).distinct())


@task()
def send_due(tenant_id: str) -> int:
    """Send what is due in a tenant, one after the other; returns how many were sent."""
    take_up_again(UUID(tenant_id))
    sent = 0
    for _turn in range(AT_ONCE):
        claimed = claim(UUID(tenant_id))
        if claimed is None:
            return sent
        try:
            sent += send(claimed)
        except NotReached:
            return sent  # the periodic work tries again
    send_due.enqueue(tenant_id)
    return sent


def take_up_again(tenant_id: UUID) -> None:
    """Put back what a worker claimed and left; what it was handing over may have arrived, and stays."""
    now = timezone.now()
    left = Reminder.objects.filter(is_lapsed(now), tenant=tenant_id)
    left.filter(state=State.CLAIMED).update(state=State.QUEUED, claimed_until=None)
    for reminder in left.filter(state=State.HANDED).select_related("person__tenant"):
        _finish(reminder, State.UNSURE, trouble="the worker did not come back")


def claim(tenant_id: UUID) -> Reminder | None:
    """The next reminder that is due, for this worker alone; None if there is none."""
    due = Reminder.objects.filter(tenant=tenant_id, state=State.QUEUED).order_by("due_at", "pk")
    while (found := due.filter(due_at__lte=timezone.now()).first()) is not None:
        claimed = Reminder.objects.filter(pk=found.pk, state=State.QUEUED, due_at=found.due_at).update(
            state=State.CLAIMED, claimed_until=timezone.now() + CLAIM, attempts=found.attempts + 1
        )
        if claimed:
            return Reminder.objects.select_related("person__tenant", "campaign").get(pk=found.pk)
    return None


def send(reminder: Reminder) -> bool:
    """Send a claimed reminder, if the person still needs it; returns whether it was sent. Raises NotReached."""
    found = prospects([reminder.person], overdue_too=reminder.overdue_too)[0]
    address = _address_of(reminder.person)
    if found.spared is not None or not address:
        _finish(reminder, State.SPARED, trouble=(found.spared or Spared.NO_ADDRESS).value)
        return False
    if not _is_of_today(reminder) or _waits_for_morning(reminder):
        return False
    try:
        hand_over(message(reminder, found.deadline, address), lambda: _handed(reminder))
    except Unsure as trouble:
        return _finish(reminder, State.UNSURE, trouble=str(trouble))
    except Refused as trouble:
        _put_off(reminder, str(trouble), for_good=trouble.for_good)
        return False
    except NotReached as trouble:
        _put_off(reminder, str(trouble), for_good=False)
        raise
    return _finish(reminder, State.SENT)


def message(reminder: Reminder, deadline: datetime | None, address: str) -> EmailMultiAlternatives:
    """The mail, with the deadline for the calendar. Its Message-ID is the same at every attempt."""
    person, now = reminder.person, timezone.now()
    url = settings.SITE_URL + reverse("mfa_enrol")
    over = deadline is None or deadline <= now
    days = 0 if deadline is None else -(-(deadline - now) // timedelta(days=1))  # as the banner counts them
    made = notices.message("deadline_near", address, person, deadline=deadline, over=over, days_left=days, url=url)
    host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip(" >") or "localhost"
    made.extra_headers |= {
        "Message-ID": f"<reminder-{reminder.pk}.{person.pk}@{host}>",
        "Auto-Submitted": "auto-generated",
    }
    if deadline is not None and not over:
        with translation.override(person.language or settings.LANGUAGE_CODE):
            entry = calendars.deadline(
                uid=f"deadline.{person.pk}@{host}",
                sequence=reminder.pk,
                at=deadline,
                made_at=now,
                summary=_("%(tenant)s: set up two-step verification") % {"tenant": person.tenant.name},
                description=_("Do it before %(moment)s: %(url)s")
                % {"moment": date_format(_local(deadline, person), "j F Y, H:i (T)"), "url": url},
                url=url,
            )
        made.attach("deadline.ics", entry.encode(), calendars.CONTENT_TYPE)
    return made


def hand_over(mail: EmailMultiAlternatives, before_text: Callable[[], None]) -> None:
    """Give one mail to the server, saying so just before it gets the text. Raises NotReached, Refused or Unsure."""
    connection = get_connection(timeout=settings.EMAIL_TIMEOUT or SECONDS)
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as trouble:
        raise NotReached(_said(trouble)) from trouble
    told = _telling(connection, before_text)
    try:
        connection.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as trouble:
        code, words = next(iter(trouble.recipients.values()))
        raise Refused(f"{code} {_text(words)}", for_good=code >= 500) from trouble
    except smtplib.SMTPResponseException as trouble:
        raise Refused(_said(trouble), for_good=trouble.smtp_code >= 500) from trouble
    except (OSError, smtplib.SMTPException) as trouble:
        if told():
            raise Unsure(_said(trouble)) from trouble
        raise NotReached(_said(trouble)) from trouble
    finally:
        _hang_up(connection)


def _telling(connection: Any, before_text: Callable[[], None]) -> Callable[[], bool]:
    """Call `before_text` before the text goes out: of a connection to a server at its DATA, of any other at once."""
    told: list[bool] = []

    def tell() -> None:
        before_text()
        told.append(True)

    server = getattr(connection, "connection", None)
    if not isinstance(server, smtplib.SMTP):
        tell()
        return lambda: bool(told)
    data = server.data

    def tell_and_send(content: Any) -> Any:
        tell()
        return data(content)

    server.data = tell_and_send  # type: ignore[assignment, method-assign]
    return lambda: bool(told)


def _hang_up(connection: Any) -> None:
    try:
        connection.close()
    except (OSError, smtplib.SMTPException):
        return  # the server was gone already, and what became of the mail is known


def _handed(reminder: Reminder) -> None:
    """Write down that the text goes out now; a claim that lapsed meanwhile is another worker's. Raises Unsure then."""
    mine = Reminder.objects.filter(pk=reminder.pk, state=State.CLAIMED, attempts=reminder.attempts)
    if not mine.update(state=State.HANDED):
        raise smtplib.SMTPServerDisconnected("claimed by another worker")


def _is_of_today(reminder: Reminder) -> bool:
    """Make the reminder one of the day on which it is sent; where the person has one of that day already, end it."""
    today = _local(timezone.now(), reminder.person).date()
    if reminder.day == today:
        return True
    try:
        with transaction.atomic():
            Reminder.objects.filter(pk=reminder.pk).update(day=today)
    except IntegrityError:
        _finish(reminder, State.SPARED, trouble=Spared.LATELY.value)
        return False
    return True


def _waits_for_morning(reminder: Reminder) -> bool:
    """Whether it is quiet where the person is; then the reminder waits until it is not."""
    if reminder.campaign is None:
        return False
    now = timezone.now()
    awake = quiet.ends_at(reminder.campaign.quiet_from, reminder.campaign.quiet_until, now, reminder.person.tenant.zone)
    if awake is None:
        return False
    mine = Reminder.objects.filter(pk=reminder.pk, state=State.CLAIMED, attempts=reminder.attempts)
    mine.update(state=State.QUEUED, claimed_until=None, due_at=awake, attempts=reminder.attempts - 1)
    return True


def _put_off(reminder: Reminder, said: str, *, for_good: bool) -> None:
    """Try again later; give up where the server means it, and when a day is over."""
    now = timezone.now()
    if now - reminder.queued_at >= PATIENCE or (for_good and reminder.attempts >= REFUSED_FOR_GOOD):
        _finish(reminder, State.FAILED, trouble=said)
        return
    wait = WAITS[min(reminder.attempts, len(WAITS)) - 1]
    mine = Reminder.objects.filter(pk=reminder.pk, state__in=(State.CLAIMED, State.HANDED), attempts=reminder.attempts)
    mine.update(state=State.QUEUED, claimed_until=None, due_at=now + wait, trouble=said[:200])


_KINDS: Final = {
    State.SENT: Kind.REMINDER_SENT,
    State.UNSURE: Kind.REMINDER_UNSURE,
    State.FAILED: Kind.REMINDER_FAILED,
}


@unit_of_work
def _finish(reminder: Reminder, state: Reminder.State, *, trouble: str = "") -> bool:
    """Write down what became of a reminder; returns whether it was sent. What the server said is cut at 200 signs."""
    mine = Reminder.objects.filter(pk=reminder.pk, state__in=(State.CLAIMED, State.HANDED))
    if mine.update(state=state, claimed_until=None, finished_at=timezone.now(), trouble=trouble[:200]):
        if (kind := _KINDS.get(state)) is not None:
            record(kind, target=reminder.person, attempts=reminder.attempts, trouble=trouble[:200] or None)
        return state == State.SENT
    return False


def _address_of(person: User) -> str:
    """Their primary verified address, else another verified one."""
    verified = person.emailaddress_set.filter(verified=True).order_by("-primary", "pk")
    return verified.values_list("email", flat=True).first() or ""


def _local(moment: datetime, person: User) -> datetime:
    return timezone.localtime(moment, person.tenant.zone)


def _said(trouble: OSError | smtplib.SMTPException) -> str:
    if isinstance(trouble, smtplib.SMTPResponseException):
        return f"{trouble.smtp_code} {_text(trouble.smtp_error)}"
    return " ".join(str(trouble).split()) or type(trouble).__name__


def _text(words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
