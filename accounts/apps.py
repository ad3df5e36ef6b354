"""The accounts room: who someone is, and what they have proved."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People")

    def ready(self) -> None:
        from accounts import checks, notices, receivers  # noqa: F401  (registration happens on import)
        from accounts.flows import addresses, enrolment_links, intervention_states, new_passwords

        for flow in (addresses, enrolment_links, intervention_states, new_passwords):
            notices.made_as_it_goes_out(flow.MAIL, flow.fresh)
