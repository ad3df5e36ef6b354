"""What every page of this room shares: where to go next, and how a refusal becomes a page."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View

from accounts.errors import AccountsError, EnrolmentGuarded, NotFresh, SecretsUnavailable, TooManyRequests
from accounts.gates import GatedRequest, standing_of
from accounts.models import User

RETRY_AFTER = 60  # seconds: keys are put right by people


def next_url(request: HttpRequest, default: str = "") -> str:
    """Where the person wanted to go: a path on this host from `next`, else the default. Other hosts are ignored."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if wanted and url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return default


def with_next(name: str, wanted: str, *args: Any) -> str:
    """The URL of a named page that leads on to `wanted`."""
    url = reverse(name, args=args)
    return f"{url}?{urlencode({'next': wanted})}" if wanted else url


class Page(View):
    """A page whose flow may refuse: the one place where a refusal becomes HTML.

    Never cached (seeds and codes are shown on some). What a form can show, a view catches itself.
    """

    request: GatedRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = super().dispatch(request, *args, **kwargs)
        except AccountsError as refusal:
            response = refused(self.request, refusal)
        add_never_cache_headers(response)
        return response

    @property
    def next(self) -> str:
        return next_url(self.request)

    @property
    def me(self) -> User:
        """The signed-in person; the gate has seen to it that there is one."""
        return self.request.user

    def show(self, template: str, *, code: int = 200, **context: Any) -> HttpResponse:
        """Render a page with `next` kept."""
        return render(self.request, template, {"next": self.next, **context}, status=code)


def come_back_later(page: HttpResponse) -> HttpResponse:
    """This page as one that says that something here is out of order (503)."""
    page.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    page["Retry-After"] = str(RETRY_AFTER)
    return page


def refused(request: HttpRequest, refusal: AccountsError) -> HttpResponse:
    """The page for a refusal: prove that it is you, come back later, or be told why on the overview."""
    if isinstance(refusal, EnrolmentGuarded):
        return redirect(with_next("mfa_enrolment_guarded", next_url(request)))
    if isinstance(refusal, NotFresh):
        return redirect(with_next("mfa_reauthenticate", request.get_full_path()))
    if isinstance(refusal, SecretsUnavailable):
        return come_back_later(render(request, "503.html", {"message": refusal.message}))
    if isinstance(refusal, TooManyRequests):
        return render(request, "429.html", {"message": refusal.message, "until": refusal.until}, status=429)
    messages.error(request, str(refusal))
    return redirect(with_next("mfa_enrol", next_url(request)) if standing_of(request).enrol else "mfa_index")
