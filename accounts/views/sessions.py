"""One's own sessions and browsers: looked at by GET, ended by POST alone."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.flows import browsers, own_sessions, sign_in
from accounts.gates import GatedRequest
from accounts.models import Browser
from accounts.views.base import Page
from accounts.views.places import browser_shown, session_shown


class SessionsView(Page):
    """Where the person is signed in."""

    def get(self, request: GatedRequest) -> HttpResponse:
        mine, trusted = request.session.row.public_id, browsers.trusted_until(self.me)
        shown = [
            session_shown(one, is_this=one.public_id == mine, in_trusted=one.browser in trusted)
            for one in own_sessions.live(self.me)
        ]
        return self.show("mfa/sessions.html", sessions=shown, others=any(not one.is_this for one in shown))


class EndSessionView(Page):
    """End one of one's sessions; ending this one is signing out."""

    def post(self, request: GatedRequest, public_id: uuid.UUID) -> HttpResponseBase:
        if public_id == request.session.row.public_id:
            sign_in.sign_out(request)
            return redirect("account_login")
        if not own_sessions.end_one(self.me, request.session, public_id):
            raise Http404
        messages.success(request, _("The session is ended. The next page it asks for is the sign-in."))
        return redirect("mfa_sessions")


class EndOtherSessionsView(Page):
    """End every session but this one."""

    def post(self, request: GatedRequest) -> HttpResponseBase:
        ended = own_sessions.end_others(self.me, request.session)
        words = ngettext("%(count)s other session is ended.", "%(count)s other sessions are ended.", ended)
        messages.success(request, words % {"count": ended})
        return redirect("mfa_sessions")


class BrowsersView(Page):
    """The browsers that the site knows, and which of them are trusted."""

    def get(self, request: GatedRequest) -> HttpResponse:
        mine, trusted = request.session.row.browser, browsers.trusted_until(self.me)
        shown = [
            browser_shown(one, trusted_until=trusted.get(one.pk), is_this=one.pk == mine)
            for one in browsers.known(self.me)
        ]
        return self.show("mfa/browsers.html", browsers=shown, trusted=len(trusted))


class StopTrustingView(Page):
    """End the trust in one browser of one's own, or in all of them."""

    def post(self, request: GatedRequest, browser_id: uuid.UUID | None = None) -> HttpResponseBase:
        mine = Browser.objects.filter(person=self.me)
        chosen = list((mine if browser_id is None else mine.filter(pk=browser_id)).values_list("pk", flat=True))
        if browser_id is not None and not chosen:
            raise Http404
        ended = browsers.stop_trusting(self.me, chosen)
        words = ngettext("%(count)s browser is trusted no more.", "%(count)s browsers are trusted no more.", ended)
        messages.success(request, words % {"count": ended})
        return redirect("mfa_browsers")
