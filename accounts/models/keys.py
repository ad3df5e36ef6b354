"""Which encryption keys this site has worked with, so that a wrong one is noticed before any user is."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class KeyCanary(models.Model):
    """A known text under one key of the ring: if it opens, that key is the right one (`accounts.canary`).

    Of a key that was retired (`retired_at`) the row stays, without a text: it must never seal again.
    """

    key_id = models.CharField(_("key id"), max_length=8, primary_key=True, editable=False)
    ciphertext = models.TextField(editable=False)
    created_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)
    retired_at = models.DateTimeField(_("retired"), null=True, editable=False)

    class Meta:
        app_label = "accounts"
        verbose_name = _("key canary")
        verbose_name_plural = _("key canaries")
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.key_id
