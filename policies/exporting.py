"""Exports of the record that are too large to wait for, as rows; the files lie in `AUDIT_EXPORT_DIR`."""

import uuid

from django.db import models
from django.utils import timezone

from accounts.models import Tenant
from audit.selections import Format


class RecordExport(models.Model):
    """One file of events, for one person, from being asked for until it expires.

    `asked` is the question (`policies.evidence.asked.Asked.kept`), which means the same events whenever it is read;
    `tenant` bounds it, None for every tenant. The file holds `events` up to the one called `reached`, in `size` bytes:
    whatever else stands in it is cut off by whoever goes on. It is over when `finished_at` says so; `stopped` is the
    code of why, where that was too early.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.CASCADE, related_name="record_exports")
    actor_id = models.UUIDField()
    asked = models.JSONField()
    format = models.CharField(max_length=10)
    name = models.CharField(max_length=60, unique=True)
    reached = models.UUIDField(null=True)
    events = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    stopped = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["-asked_at"]
        indexes = [models.Index(fields=["actor_id", "-asked_at"], name="record_exports_of_person")]

    def __str__(self) -> str:
        return f"{self.format} at {self.asked_at:%Y-%m-%d %H:%M}"

    @property
    def format_words(self) -> str:
        return Format(self.format).words

    @property
    def is_ready(self) -> bool:
        """Whether it is complete."""
        return self.finished_at is not None and not self.stopped
