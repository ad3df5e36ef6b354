"""“Remind me tomorrow”: the button of the banner that is shown in grace."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.gates import GatedRequest
from accounts.views.base import Page, next_url
from policies.flows import snoozes


class SnoozeView(Page):
    """Put the banner off, and go back to the page it was on. Whoever has enrolled meanwhile has nothing to put off."""

    http_method_names = ["post"]

    def post(self, request: GatedRequest) -> HttpResponse:
        if request.gate.grace:
            snoozes.snooze(self.me)
            messages.info(request, _("We remind you again tomorrow. The date stays as it is."))
        return redirect(next_url(request, reverse("home")))
