"""The rows of work behind the pages: which processes do it, and which kinds of it are due by themselves."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class PeriodicWork(models.Model):
    """One kind of work that is due again and again, and which process has it in hand.

    `leased_until`: no other takes it before. `holder` is drawn anew for each lease: who has it renews it while the
    work lasts, and who finds another there has lost it.
    """

    name = models.CharField(max_length=40, primary_key=True)
    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    holder = models.UUIDField(null=True)
    done_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class Worker(models.Model):
    """A process that does the tasks of the queue. It says so again and again; who falls silent has died.

    The row goes when the process ends in peace. `lost_at` is when another noticed that it did not.
    """

    id = models.CharField(max_length=64, primary_key=True)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    seen_at = models.DateTimeField(_("last seen"), default=timezone.now)
    lost_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.id
