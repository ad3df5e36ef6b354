"""allauth's account pages where ours must be stricter: sign in, sign out, addresses, password."""

from typing import Any

from allauth.account import views as allauth_views
from allauth.account.forms import UserTokenForm
from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic import FormView

from accounts.errors import EnrolmentGuarded, NotFresh, WrongPassword
from accounts.flows import admissions, password_reset, sign_in
from accounts.flows import binding as bindings
from accounts.forms import PasswordForm
from accounts.gates import GatedRequest
from accounts.views.base import Page, next_url, refused, with_next


class LoginView(allauth_views.LoginView):
    """Address and password, or a passkey. Neutral: no tenant is shown before somebody is known."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        if settings.MFA_PASSKEY_LOGIN_ENABLED:
            context |= {"passkey_login_enabled": True, "passkey_url": reverse("mfa_login_webauthn")}
        context["next"] = next_url(self.request)
        context["signup_open"] = settings.SIGNUP_OPEN
        return context


class LogoutView(Page):
    """Sign out: a signed-in session, or a sign-in that is half-way."""

    def get(self, request: GatedRequest) -> HttpResponseBase:
        return self.show("account/logout.html")

    def post(self, request: GatedRequest) -> HttpResponseBase:
        if request.user.is_authenticated:
            sign_in.sign_out(request)
        else:
            sign_in.abandon(request)
        return redirect(with_next("account_login", next_url(request)))


class FreshMixin:
    """Asks for a fresh factor before the page does anything (security 51)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            bindings.require_fresh(request.user, request.session)  # type: ignore[arg-type]
        except NotFresh as refusal:
            return refused(request, refusal)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return response


class EmailView(FreshMixin, allauth_views.EmailView):
    """Mail addresses: a new one is a way to be reached and to reset the password.

    Closed while enrolment is guarded: a link that lets somebody enrol is mailed to every verified address, and must
    not go to one that a password alone has added.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            admissions.require(request.user, request.session)  # type: ignore[arg-type]
        except EnrolmentGuarded as refusal:
            return refused(request, refusal)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def _action_primary(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """As allauth's, but an address that somebody else signs in with is a message, not a fault."""
        try:
            with transaction.atomic():
                return super()._action_primary(request, *args, **kwargs)
        except IntegrityError:
            messages.error(request, _("Somebody else signs in with this address. Ask your administrator for help."))
            return None


class ConfirmEmailView(allauth_views.ConfirmEmailView):
    """The mailed link that proves a mailbox.

    The first one makes somebody's account real, so it also wants the password of the account: else a stranger
    could sign up with a colleague's address, and the colleague would let them in by confirming it.
    """

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return {"form": PasswordForm() if self._is_first() else None, **context}

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        self.object = self.get_object()  # type: ignore[no-untyped-call]
        if self._is_first():
            form = PasswordForm(self.request.POST)
            try:
                sign_in.check_password(
                    self.request, self.object.email_address.user, self.request.POST.get("password", "")
                )
            except WrongPassword as refusal:
                if form.is_valid():
                    form.add_error("password", str(refusal))
                return self.render_to_response({**self.get_context_data(), "form": form})
        response: HttpResponse = super().post(*args, **kwargs)
        return response

    def _is_first(self) -> bool:
        """Whether nobody has proved a mailbox for this account yet."""
        return self.object is not None and self.object.email_address.user.joined_at is None

    def logout_other_user(self, confirmation: Any) -> None:
        """Nobody is signed out by a link, which anybody can send: whose mailbox it is says nothing of the session."""


class PasswordResetView(allauth_views.PasswordResetFromKeyView):
    """A new password by the mailed link, for whoever is signed in here."""

    def dispatch(self, request: HttpRequest, uidb36: str, key: str, **kwargs: Any) -> HttpResponseBase:
        """Without allauth's detour, which keeps the token in the session, where the database shows it (security 87).

        The page sends no `Referer` to other sites, and logs name routes, so the address may keep it.
        """
        self.key = key
        link = UserTokenForm(data={"uidb36": uidb36, "key": key})
        self.reset_user = link.reset_user if link.is_valid() else None
        if self.reset_user is None:
            password_reset.note_refused(getattr(link, "reset_user", None))
            return self.render_to_response(self.get_context_data(token_fail=True))
        return FormView.dispatch(self, request, uidb36, key, **kwargs)


class PasswordChangeView(FreshMixin, allauth_views.PasswordChangeView):
    """A new password, by somebody who just proved a factor and knows the old one."""
