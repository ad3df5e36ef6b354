"""What lets somebody enrol again after a reset, beside their password: a mailed link, or an access pass."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class EnrolmentLink(models.Model):
    """A mailed link, good once and for a day; only a digest of its token is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="enrolment_links")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"enrolment link {self.pk}"


class AccessPass(models.Model):
    """Twelve characters that an administrator reads out once; kept under a slow hash, good once and for a while.

    A person has one that is live: issuing another revokes it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="access_passes", verbose_name=_("person")
    )
    hashed = models.CharField(max_length=256, editable=False)
    intervention = models.OneToOneField(
        "accounts.Intervention", on_delete=models.SET_NULL, null=True, related_name="access_pass"
    )
    issued_at = models.DateTimeField(_("issued"), default=timezone.now)
    issued_by = models.UUIDField()
    issued_by_label = models.CharField(_("issued by"), max_length=254)
    expires_at = models.DateTimeField(_("good until"), db_index=True)
    failures = models.PositiveSmallIntegerField(_("wrong tries"), default=0)
    used_at = models.DateTimeField(_("used"), null=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True)

    class Meta:
        verbose_name = _("access pass")
        verbose_name_plural = _("access passes")
        ordering = ["-issued_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["person"],
                condition=models.Q(used_at=None, revoked_at=None),
                name="one_unused_access_pass",
            )
        ]

    def __str__(self) -> str:
        return f"access pass {self.pk}"
