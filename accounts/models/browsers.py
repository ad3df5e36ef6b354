"""Browsers that somebody signed in with: known, so that a new one is told of, and perhaps trusted for a time."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Browser(models.Model):
    """One browser of one person, recognised by a random token in its cookie, of which a digest is kept.

    Several people of one browser have a row each, with the same digest. Trust holds only while both versions are what
    they were when it was given: any change of the person's factors, password or role, and any publish of the policy,
    ends it at once. `trusted_footing` notices those that went past the flows (`flows.browsers`). How long it lasts the
    policy says.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="browsers", verbose_name=_("person")
    )
    digest = models.CharField(max_length=64, db_index=True)
    agent = models.CharField(_("browser"), max_length=300, blank=True)
    ip = models.GenericIPAddressField(_("IP address"), null=True)
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now, db_index=True)
    trusted_at = models.DateTimeField(_("trusted since"), null=True)
    trusted_security_version = models.PositiveIntegerField(null=True, editable=False)
    trusted_policy_version = models.PositiveIntegerField(null=True, editable=False)
    trusted_footing = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        verbose_name = _("browser")
        verbose_name_plural = _("browsers")
        ordering = ["-last_seen_at"]
        constraints = [models.UniqueConstraint(fields=["person", "digest"], name="one_row_a_browser")]

    def __str__(self) -> str:
        return f"browser {self.pk}"
