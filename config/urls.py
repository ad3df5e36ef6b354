"""Every address of the site. A view without a mark is gated (see `accounts.gates`)."""

from django.contrib import admin
from django.urls import include, path
from django.views.i18n import set_language

from accounts.gates import public
from accounts.urls import account_patterns, mfa_patterns
from accounts.views.help import HelpSentView, HelpView, LostView
from accounts.views.people import HomeView
from config import views
from policies.views.snooze import SnoozeView

urlpatterns = [
    path("", HomeView.as_view(), name="home"),
    path("grace/snooze/", SnoozeView.as_view(), name="policies_snooze"),
    path("help/", public(HelpView.as_view()), name="help"),
    path("help/lost/", public(LostView.as_view()), name="help_lost"),
    path("help/lost/sent/", public(HelpSentView.as_view()), name="help_sent"),
    path("healthz", public(views.healthz), name="healthz"),
    path("readyz", public(views.readyz), name="readyz"),
    path("i18n/setlang/", public(set_language), name="set_language"),
    path("accounts/2fa/", include(mfa_patterns)),
    path("accounts/", include(account_patterns)),
    path("admin/", admin.site.urls),
]

handler400 = "config.views.bad_request"
handler403 = "config.views.permission_denied"
handler404 = "config.views.page_not_found"
handler500 = "config.views.server_error"
