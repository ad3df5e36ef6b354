"""The config room as applications: the admin behind the gate, and the site's template tags and checks."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.signals import user_logged_in
from django.utils.translation import gettext_lazy as _


class GatehouseAdminConfig(AdminConfig):
    """Django's admin with our own site, which has no password form."""

    default_site = "config.admin.GatehouseAdminSite"


class SiteConfig(AppConfig):
    """The template tags of every page (`config.templatetags`), and what has to come after every other application."""

    name = "config"
    verbose_name = _("Site")

    def ready(self) -> None:
        """Django's own note of the last sign-in would be one more statement: `flows.sign_in.complete` writes it.

        Ours is ready before Django's accounts are, which make that note.
        """
        user_logged_in.disconnect(dispatch_uid="update_last_login")
