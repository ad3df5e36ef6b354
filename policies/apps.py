"""The policies room: what is demanded of whom, and the gate that enforces it."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PoliciesConfig(AppConfig):
    name = "policies"
    verbose_name = _("Enforcement")

    def ready(self) -> None:
        from policies import checks  # noqa: F401  (registration happens on import)
