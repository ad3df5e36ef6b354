"""The policies room: what is demanded of whom, and the gate that enforces it."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class PoliciesConfig(AppConfig):
    name = "policies"
    verbose_name = _("Enforcement")

    def ready(self) -> None:
        from accounts import expiry
        from policies import checks  # noqa: F401  (registration happens on import)
        from policies.flows import reminder_rounds, reminders, sign_ins, workers

        expiry.register("decided sign-ins", sign_ins.expired)
        expiry.register("reminders", reminders.expired)
        expiry.register("rounds of reminders", reminder_rounds.expired)
        expiry.register("dead workers", workers.expired)
        post_migrate.connect(make_default_tenant, sender=self)


def make_default_tenant(sender: Any, *, using: str, plan: Any = (), **kwargs: Any) -> None:
    """After migrating: the tenant of everybody who belongs to no other, with its enforcing policy."""
    from policies.flows import tenants

    tenants.ensure_default()
