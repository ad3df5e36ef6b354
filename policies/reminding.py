"""The rows of reminders: each is a mail that is owed to somebody, and what became of it."""

from datetime import datetime
from typing import Final

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant, User


class Reminder(models.Model):
    """One reminder of one person on one day of their tenant: that it is unique decides who is mailed only once.

    It is also the queue: what is `QUEUED` and due is sent by whichever worker claims it. `HANDED` is written just
    before the mail server gets the text, so that a worker which dies after that never sends it again: what became
    of it then is `UNSURE`. `day` is moved when a reminder is sent on a later day than it was asked for.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        CLAIMED = "claimed", _("being sent")
        HANDED = "handed", _("being handed over")
        SENT = "sent", _("sent")
        UNSURE = "unsure", _("perhaps sent")
        SPARED = "spared", _("not needed any more")
        FAILED = "failed", _("given up")

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="reminders", verbose_name=_("person"))
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="reminders", verbose_name=_("tenant"))
    day = models.DateField(_("day"))
    overdue_too = models.BooleanField(default=False)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField(_("next attempt"), default=timezone.now)
    claimed_until = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(_("asked for"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True)
    trouble = models.CharField(_("trouble"), max_length=200, blank=True)
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
        return f"{self.person_id} on {self.day:%Y-%m-%d}"


OPEN: Final = (Reminder.State.QUEUED, Reminder.State.CLAIMED, Reminder.State.HANDED)
REACHED: Final = (*OPEN, Reminder.State.SENT, Reminder.State.UNSURE)
"""The states after which nobody is to be reminded again just now."""


def is_lapsed(now: datetime) -> models.Q:
    """Reminders whose worker did not come back within its time."""
    return models.Q(claimed_until__lt=now)
