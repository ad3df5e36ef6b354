"""Setting up, replacing and removing an authenticator app."""

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from accounts.authenticators import totp
from accounts.errors import (
    AccountsError,
    AlreadyEnrolled,
    CodeAlreadyUsed,
    EnrolmentExpired,
    NotEnrolled,
    WrongCode,
)
from accounts.flows import enrolment, methods, removal
from accounts.forms import LONGEST_CODE, CodeForm
from accounts.gates import GatedRequest
from accounts.models import Binding
from accounts.views.base import Page, next_url
from accounts.views.recovery_codes import finish_enrolment


class ActivateTOTPView(Page):
    """Show the secret as QR code, key and link; bind the app whose code comes back."""

    replacing = False

    def get(self, request: GatedRequest) -> HttpResponseBase:
        owned = _live_totp(request)
        if self.replacing and owned is None:
            return redirect("mfa_activate_totp")
        if owned is not None and not self.replacing:
            raise AlreadyEnrolled
        return self.show_secret(CodeForm())

    def post(self, request: GatedRequest) -> HttpResponseBase:
        form = CodeForm(request.POST)
        first = self.me.mfa_enrolled_at is None
        try:
            enrolment.confirm_totp(
                self.me,
                request.session,
                request.POST.get("code", "")[: LONGEST_CODE + 1],
                replace=self.replacing,
            )
        except (WrongCode, CodeAlreadyUsed, EnrolmentExpired) as refusal:
            return self.show_secret(form, refusal)
        return finish_enrolment(request, first=first, wanted=next_url(request))

    def show_secret(self, form: CodeForm, refusal: AccountsError | None = None) -> HttpResponse:
        """The page with QR code, key, link and code field."""
        secret = enrolment.begin_totp(self.me, self.request.session)
        if refusal is not None and form.is_valid():
            form.add_error("code", str(refusal))
        issuer, account = self.me.tenant.issuer, self.me.email
        uri = totp.provisioning_uri(secret, account=account, issuer=issuer)
        return self.show(
            "mfa/totp/activate_form.html",
            form=form,
            totp_svg=totp.qr_svg(uri),
            totp_url=uri,
            secret_plain=secret,
            secret_groups=totp.groups(secret),
            issuer=issuer,
            account=account,
            replacing=self.replacing,
            steps=self.me.mfa_enrolled_at is None,
        )


class ReplaceTOTPView(ActivateTOTPView):
    """A new phone: the new app is proved before the old one goes."""

    replacing = True


class DeactivateTOTPView(Page):
    """Remove the authenticator app."""

    def get(self, request: GatedRequest) -> HttpResponse:
        if _live_totp(request) is None:
            raise NotEnrolled
        return self.show("mfa/totp/deactivate_form.html")

    def post(self, request: GatedRequest) -> HttpResponseBase:
        owned = _live_totp(request)
        if owned is None:
            raise NotEnrolled
        removal.remove(self.me, request.session, owned.pk)
        return redirect("mfa_index")


def _live_totp(request: GatedRequest) -> Binding | None:
    owned = methods.live(request.user)
    return next((binding for binding in owned if binding.kind == Binding.Kind.TOTP), None)
