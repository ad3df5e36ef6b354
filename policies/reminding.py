"""The rows of reminders, and of the campaigns that ask for them."""

import uuid
from datetime import date, time
from typing import Final

from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant, User
from accounts.models.mail import OPEN, OwedMail

DAYS_BEFORE: Final = (14, 7, 3, 1, 0)


def usual_days() -> list[int]:
    """How many days before a deadline people are reminded, unless somebody chooses others."""
    return list(DAYS_BEFORE)


class Campaign(models.Model):
    """Reminders of a tenant's people `days` before their own deadline, outside the quiet hours of its time zone.

    `day`, `reached` and `is_done` say how far it came on its last day: all with an id up to `reached`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="campaigns", verbose_name=_("tenant"))
    days = models.JSONField(_("days before the deadline"), default=usual_days)
    quiet_from = models.TimeField(_("quiet from"), default=time(20))
    quiet_until = models.TimeField(_("quiet until"), default=time(8))
    day = models.DateField(_("last day"), null=True, editable=False)
    reached = models.UUIDField(null=True, editable=False)
    is_done = models.BooleanField(default=False, editable=False)
    started_at = models.DateTimeField(_("started"), default=timezone.now, editable=False)
    ended_at = models.DateTimeField(_("ended"), null=True, editable=False)
    actor_id = models.UUIDField(null=True, editable=False)
    actor_label = models.CharField(_("started by"), max_length=254, blank=True, editable=False)

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        ordering = ["-started_at"]

    def __str__(self) -> str:
        day = date_format(timezone.localtime(self.started_at, self.tenant.zone), "DATE_FORMAT")
        return gettext("Campaign of %(tenant)s since %(day)s") % {"tenant": self.tenant, "day": day}

    @property
    def is_running(self) -> bool:
        return self.ended_at is None

    def is_done_on(self, today: date) -> bool:
        """Whether everybody was gone through on this day of the tenant's."""
        return self.is_done and self.day == today


class ReminderRound(models.Model):
    """One asking for reminders from a list of the MFA status: of everybody in it, or of those who were chosen.

    `reached` is the key of the person up to whom everybody was gone through, so that it goes on there; `gone_through`,
    `queued` and `spared` (a number for each reason) count what came of it. It is over when `finished_at` says so;
    `stopped` is the code of why, where that was too early.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="reminder_rounds")
    which = models.CharField(max_length=20)
    search = models.CharField(max_length=150, blank=True)
    role = models.CharField(max_length=20, blank=True)
    of_everybody = models.BooleanField()
    people = models.PositiveIntegerField()
    reached = models.UUIDField(null=True)
    gone_through = models.PositiveIntegerField(default=0)
    queued = models.PositiveIntegerField(default=0)
    spared = models.JSONField(default=dict)
    asked_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    stopped = models.CharField(max_length=40, blank=True)
    actor_id = models.UUIDField()
    actor_label = models.CharField(max_length=254)

    class Meta:
        verbose_name = _("round of reminders")
        verbose_name_plural = _("rounds of reminders")
        ordering = ["-asked_at"]
        indexes = [models.Index(fields=["tenant", "-asked_at"], name="rounds_of_tenant")]

    def __str__(self) -> str:
        return f"{self.which} of {self.tenant_id} at {self.asked_at:%Y-%m-%d %H:%M}"


class Reminder(OwedMail):
    """One reminder of one person on one day of their tenant: that it is unique decides who is mailed only once.

    `day` is moved when a reminder is sent on a later day than it was asked for.
    """

    name = "deadline_near"
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="reminders", verbose_name=_("person"))
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="reminders", verbose_name=_("tenant"))
    day = models.DateField(_("day"))
    campaign = models.ForeignKey(Campaign, on_delete=models.SET_NULL, null=True, related_name="reminders")
    round = models.ForeignKey(ReminderRound, on_delete=models.SET_NULL, null=True, related_name="reminders")
    overdue_too = models.BooleanField(default=False)
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(_("asked for by"), max_length=254, blank=True)

    class Meta:
        verbose_name = _("reminder")
        verbose_name_plural = _("reminders")
        ordering = ["-queued_at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["person", "day"], name="one_reminder_a_day")]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=["queued", "claimed", "handed"]),
                name="reminders_open",
            ),
            models.Index(fields=["tenant", "-queued_at"], name="reminders_of_tenant"),
        ]

    def __str__(self) -> str:
        return gettext("Reminder of %(person)s on %(day)s") % {
            "person": self.person,
            "day": date_format(self.day, "DATE_FORMAT"),
        }


REACHED: Final = (*OPEN, Reminder.State.SENT, Reminder.State.UNSURE)
"""The states after which nobody is to be reminded again just now."""
