"""Where “this was not me” in a notice leads: a page with one button, for whoever got the mail."""

from http import HTTPStatus

from django.http import HttpResponse

from accounts.errors import LinkInvalid
from accounts.flows import disowning
from accounts.gates import GatedRequest
from accounts.views.base import Page


class NotMeView(Page):
    """Opening it changes nothing: programs open links in mail."""

    def get(self, request: GatedRequest, token: str) -> HttpResponse:
        try:
            notice = disowning.find(token)
        except LinkInvalid:
            return self.gone()
        return self.show("account/not_me.html", at=notice.queued_at, zone=notice.person.tenant.zone)

    def post(self, request: GatedRequest, token: str) -> HttpResponse:
        try:
            ended = disowning.disown(token)
        except LinkInvalid:
            return self.gone()
        return self.show("account/not_me.html", done=True, ended=ended)

    def gone(self) -> HttpResponse:
        return self.show("account/not_me.html", code=HTTPStatus.GONE, gone=True)
