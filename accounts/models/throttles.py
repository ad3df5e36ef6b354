"""Counters of failures and requests that survive restarts and are shared by every process."""

from django.db import models


class Throttle(models.Model):
    """How often something was tried in the current window, keyed by a digest (no address in clear)."""

    key = models.CharField(max_length=64, primary_key=True)  # SHA-256 of scope and subject
    count = models.PositiveIntegerField(default=0)
    window_ends_at = models.DateTimeField(db_index=True)
    level = models.PositiveSmallIntegerField(default=0)  # how many pauses in a row

    def __str__(self) -> str:
        return self.key[:12]
