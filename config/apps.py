"""The config room as applications: the admin behind the gate, and the site's template tags and checks."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class GatehouseAdminConfig(AdminConfig):
    """Django's admin with our own site, which has no password form."""

    default_site = "config.admin.GatehouseAdminSite"


class SiteConfig(AppConfig):
    """The template tags of every page (`config.templatetags`)."""

    name = "config"
    verbose_name = _("Site")
