"""Mailed links with which a person whom an administrator added sets their own first password."""

import uuid

from django.db import models
from django.utils import timezone


class Invitation(models.Model):
    """Good once and for a while; only a digest of the token in the link is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="invitations")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"invitation {self.pk}"
