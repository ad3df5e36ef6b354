"""Enrolling again after a reset: the mailed link, or an access pass that an administrator read out.

The link's token stands in the path of one request, which answers with a cookie and a redirect. From then on only the
browser has it: signing in keeps `next` in the session, and so the token would stand in the table (security 87).
"""

import re

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.errors import LinkInvalid
from accounts.flows import access_passes, admissions, enrolment_links
from accounts.flows.access_passes import WrongPass
from accounts.forms import LONGEST_CODE, AccessPassForm
from accounts.gates import GatedRequest
from accounts.views.base import Page, next_url, with_next

_TOKEN = re.compile(r"[0-9A-Za-z_-]{43}", re.ASCII)
_KEPT_FOR = 60 * 60  # seconds


class GuardedView(Page):
    """What is needed beside the password, and the field for an access pass."""

    def get(self, request: GatedRequest) -> HttpResponseBase:
        if admissions.is_admitted(self.me, request.session):
            return redirect(with_next("mfa_enrol", self.next))
        return self.ask(AccessPassForm())

    def post(self, request: GatedRequest) -> HttpResponseBase:
        form = AccessPassForm(request.POST)
        try:
            access_passes.redeem(self.me, request.session, request.POST.get("code", "")[: LONGEST_CODE + 1])
        except WrongPass as refusal:
            if form.is_valid():
                form.add_error("code", str(refusal))
            return self.ask(form)
        request.session.cycle_key()
        return redirect(with_next("mfa_enrol", next_url(request)))

    def ask(self, form: AccessPassForm) -> HttpResponse:
        """The page, with the refusal at its field."""
        has_mailbox = self.me.emailaddress_set.filter(verified=True).exists()
        return self.show("mfa/enrolment_guarded.html", form=form, has_mailbox=has_mailbox, tenant=self.me.tenant.name)


class SendLinkView(Page):
    """Another link to the person's verified addresses."""

    http_method_names = ["post", "options"]

    def post(self, request: GatedRequest) -> HttpResponseBase:
        enrolment_links.send_again(self.me)
        messages.success(request, _("A new link is on its way. It can take a few minutes; earlier links are void."))
        return redirect(with_next("mfa_enrolment_guarded", next_url(request)))


class OpenLinkView(Page):
    """The address in the mail: hands the token to the browser, and goes on where somebody is signed in."""

    def get(self, request: GatedRequest, token: str) -> HttpResponseBase:
        if not _TOKEN.fullmatch(token):
            return self.show("mfa/enrolment_link_invalid.html", code=404)
        response = redirect("mfa_enrolment_link")
        response.set_cookie(
            settings.ENROLMENT_LINK_COOKIE_NAME,
            token,
            max_age=_KEPT_FOR,
            secure=settings.SITE_IS_HTTPS,
            httponly=True,
            samesite="Lax",
        )
        return response


class UseLinkView(Page):
    """One button, so that nothing that only looks at links in mail uses it up."""

    def get(self, request: GatedRequest) -> HttpResponseBase:
        if not enrolment_links.is_good(self.me, self.token):
            return self.invalid()
        return self.show("mfa/enrolment_link.html")

    def post(self, request: GatedRequest) -> HttpResponseBase:
        try:
            enrolment_links.use(self.me, request.session, self.token)
        except LinkInvalid:
            return self.invalid()
        request.session.cycle_key()
        return _forgotten(redirect("mfa_enrol"))

    @property
    def token(self) -> str:
        """What the browser was handed; empty where it was not, or where it is no token."""
        token = self.request.COOKIES.get(settings.ENROLMENT_LINK_COOKIE_NAME, "")
        return token if _TOKEN.fullmatch(token) else ""

    def invalid(self) -> HttpResponseBase:
        """The same for used, old and replaced links, and for somebody else's."""
        can_ask = self.me.enrolment_guarded_at is not None
        return _forgotten(self.show("mfa/enrolment_link_invalid.html", code=404, can_ask=can_ask))


def _forgotten(response: HttpResponseBase) -> HttpResponseBase:
    response.delete_cookie(settings.ENROLMENT_LINK_COOKIE_NAME, samesite="Lax")
    return response
