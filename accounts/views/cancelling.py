"""Where “cancel it” in a mail leads: one button that puts an end to what was asked for about its reader's account."""

from http import HTTPStatus

from django.http import HttpResponse

from accounts.errors import LinkInvalid
from accounts.flows import interventions
from accounts.gates import GatedRequest
from accounts.views.base import Page


class CancelInterventionView(Page):
    """Needs no sign-in. Opening it changes nothing: programs open links in mail."""

    def get(self, request: GatedRequest, token: str) -> HttpResponse:
        try:
            act = interventions.by_link(token)
        except LinkInvalid:
            return self.gone()
        return self.show("account/intervention_cancel.html", act=act, zone=act.person.tenant.zone)

    def post(self, request: GatedRequest, token: str) -> HttpResponse:
        try:
            interventions.cancel_by_link(token)
        except LinkInvalid:
            return self.gone()
        return self.show("account/intervention_cancel.html", done=True)

    def gone(self) -> HttpResponse:
        return self.show("account/intervention_cancel.html", code=HTTPStatus.GONE, gone=True)
