"""The accounts room: who someone is, and what they have proved."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People")

    def ready(self) -> None:
        from accounts import checks, notices, receivers  # noqa: F401  (registration happens on import)
        from accounts.flows import enrolment_links

        notices.made_as_it_goes_out(enrolment_links.MAIL, enrolment_links.fresh)
