"""The audit room: what happened, as an append-only record that shows tampering."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = _("Evidence")

    def ready(self) -> None:
        from audit import checks, triggers  # noqa: F401  (checks register on import)

        post_migrate.connect(triggers.install_after_migrate, sender=self)
