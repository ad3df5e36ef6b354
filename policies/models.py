"""What each tenant demands: a policy, its numbered immutable versions."""

import uuid
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant


class MFAPolicy(models.Model):
    """The demand of one tenant. Changed only by `policies.flows.publish`, never by saving a form.

    `enabled` stands apart from the level in the document, so that off and on again restores the level.
    `enforced_since` is when the policy first demanded anything; it is set once, so that switching off and on
    never lengthens anybody's grace.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.SlugField(_("identifier"), max_length=80, unique=True, editable=False)
    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, related_name="policy", verbose_name=_("tenant"))
    enabled = models.BooleanField(_("enabled"), default=True)
    version = models.PositiveIntegerField(_("version"), default=0, editable=False)
    enforced_since = models.DateTimeField(_("enforced since"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("MFA policy")
        verbose_name_plural = _("MFA policies")
        ordering = ["tenant__name"]

    def __str__(self) -> str:
        return self.code


class PolicyVersion(models.Model):
    """One published state of a policy, for ever: number, schema, document, whether enabled, who and why."""

    policy = models.ForeignKey(MFAPolicy, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    schema = models.PositiveSmallIntegerField()
    document = models.JSONField()
    enabled = models.BooleanField()
    author_id = models.UUIDField(null=True)
    author_label = models.CharField(max_length=254)
    reason = models.CharField(max_length=500)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("policy version")
        verbose_name_plural = _("policy versions")
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["policy", "number"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.policy_id} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("A published version never changes; publish another one.")
        super().save(*args, **kwargs)
