"""Mail that is owed to people, as rows: who gets what, how far it came, and what the mail server said."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from accounts.models.people import User


class OwedMail(models.Model):
    """One mail to one address, and what became of it; the row is also the queue (`accounts.outbox`).

    What is `QUEUED` and due is sent by whichever worker claims it. `HANDED` is written just before the mail server
    gets the text, so that a worker which dies after that never sends it again: what became of it then is `UNSURE`.

    `disowned_at`: its reader said that it was not them (`flows.disowning`). Whoever is told so hears its `name`.
    """

    name: Any  # a column, or what every mail of this kind is called
    person: "models.ForeignKey[Any, User]"

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        CLAIMED = "claimed", _("being sent")
        HANDED = "handed", _("being handed over")
        SENT = "sent", _("sent")
        UNSURE = "unsure", _("perhaps sent")
        SPARED = "spared", _("not needed any more")
        FAILED = "failed", _("given up")

    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField(_("next attempt"), default=timezone.now)
    claimed_until = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(_("asked for"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True)
    trouble = models.CharField(_("trouble"), max_length=200, blank=True)
    disowned_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True


OPEN: Final = (OwedMail.State.QUEUED, OwedMail.State.CLAIMED, OwedMail.State.HANDED)
"""The states of a mail of which it is not known yet what becomes of it."""


def is_lapsed(now: datetime) -> models.Q:
    """Mail whose worker did not come back within its time."""
    return models.Q(claimed_until__lt=now)


class Notice(OwedMail):
    """A notice of what happened to an account, to one of its owner's addresses (`accounts.notices`).

    `name` says which; `facts` is what it tells: numbers, texts and times as JSON has them, never a secret.
    """

    person = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="notices", verbose_name=_("person")
    )
    address = models.EmailField(_("mail address"), max_length=254)
    name = models.CharField(max_length=80)
    facts = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-queued_at", "-pk"]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(state__in=OPEN), name="notices_open"),
            models.Index(fields=["-queued_at", "-id"], name="notices_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.name} to {self.person_id}"
