"""Sending the reminders that are queued, as `accounts.outbox` sends whatever is owed."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django_tasks import task

from accounts import mailing, not_me_links, notices, outbox, queue
from accounts.models import User
from accounts.moments import zoned_moment
from audit.kinds import Kind
from policies import calendars
from policies.models import Reminder
from policies.rollout import quiet
from policies.rollout.remindable import Spared, prospects

State = Reminder.State


def _rows() -> "QuerySet[Reminder]":
    return Reminder.objects.select_related("person__tenant", "campaign")


OUTBOX: Final = outbox.Outbox(
    rows=_rows,
    pace=outbox.Pace(
        waits=tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60)), patience=timedelta(hours=24)
    ),
    kinds={
        State.SENT: Kind.REMINDER_SENT,
        State.UNSURE: Kind.REMINDER_UNSURE,
        State.FAILED: Kind.REMINDER_FAILED,
    },
)


def soon(tenant_id: UUID) -> None:
    """Have a worker send what is due in this tenant, once this commits."""
    notices.when_committed(queue.enqueue_once, send_due, str(tenant_id))


def tenants_with_work(now: datetime) -> list[UUID]:
    """The tenants in which something is due, or was left by a worker that did not come back."""
    return list(OUTBOX.owed(now).order_by("tenant_id").values_list("tenant_id", flat=True).distinct())


@task()
def send_due(tenant_id: str) -> int:
    """Send what is due in a tenant, one after the other; returns how many were sent."""
    sent, is_more_due = OUTBOX.send_due(_rows().filter(tenant=UUID(tenant_id)), send)
    if is_more_due:
        send_due.enqueue(tenant_id)
    return sent


def send(reminder: Reminder) -> bool:
    """Send a claimed reminder, if the person still needs it; returns whether it was sent. Raises NotReached."""
    found = prospects([reminder.person], overdue_too=reminder.overdue_too)[0]
    address = _address_of(reminder.person)
    if found.spared is not None or not address:
        return OUTBOX.finish(reminder, State.SPARED, trouble=(found.spared or Spared.NO_ADDRESS).value)
    if not _is_of_today(reminder) or _waits_for_morning(reminder):
        return False
    return OUTBOX.hand_over(reminder, message(reminder, found.deadline, address))


def message(reminder: Reminder, deadline: datetime | None, address: str) -> EmailMultiAlternatives:
    """The mail, with the deadline for the calendar. Its Message-ID is the same at every attempt."""
    person, now = reminder.person, timezone.now()
    url = settings.SITE_URL + reverse("mfa_enrol")
    over = deadline is None or deadline <= now
    days = 0 if deadline is None else -(-(deadline - now) // timedelta(days=1))  # as the banner counts them
    facts = {"deadline": deadline, "over": over, "days_left": days, "url": url}
    made = notices.message(reminder.name, address, person, not_me_url=not_me_links.url_of(reminder), **facts)
    mailing.mark(made, f"reminder-{reminder.pk}.{person.pk}")
    if deadline is not None and not over:
        with translation.override(person.language or settings.LANGUAGE_CODE):
            entry = calendars.deadline(
                uid=f"deadline.{person.pk}@{mailing.host()}",
                sequence=reminder.pk,
                at=deadline,
                made_at=now,
                summary=_("%(tenant)s: set up two-step verification") % {"tenant": person.tenant.name},
                description=_("Do it before %(moment)s: %(url)s")
                % {"moment": zoned_moment(_local(deadline, person)), "url": url},
                url=url,
            )
        made.attach("deadline.ics", entry.encode(), calendars.CONTENT_TYPE)
    return made


def _is_of_today(reminder: Reminder) -> bool:
    """Make the reminder one of the day on which it is sent; where the person has one of that day already, end it."""
    today = _local(timezone.now(), reminder.person).date()
    if reminder.day == today:
        return True
    try:
        with transaction.atomic():
            Reminder.objects.filter(pk=reminder.pk).update(day=today)
    except IntegrityError:
        return OUTBOX.finish(reminder, State.SPARED, trouble=Spared.LATELY.value)
    return True


def _waits_for_morning(reminder: Reminder) -> bool:
    """Whether it is quiet where the person is; then the reminder waits until it is not."""
    if reminder.campaign is None:
        return False
    now = timezone.now()
    awake = quiet.ends_at(reminder.campaign.quiet_from, reminder.campaign.quiet_until, now, reminder.person.tenant.zone)
    if awake is None:
        return False
    OUTBOX.held(reminder).update(state=State.QUEUED, claimed_until=None, due_at=awake, attempts=reminder.attempts - 1)
    return True


def _address_of(person: User) -> str:
    """Their primary verified address, else another verified one."""
    verified = person.emailaddress_set.filter(verified=True).order_by("-primary", "pk")
    return verified.values_list("email", flat=True).first() or ""


def _local(moment: datetime, person: User) -> datetime:
    return timezone.localtime(moment, person.tenant.zone)
