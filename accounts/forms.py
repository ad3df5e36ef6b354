"""Forms: they parse and bound what people type, and hold no rules."""

from typing import Any

from allauth.account import forms as allauth_forms
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.validators import MaxLengthValidator
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from accounts.errors import TooManyRequests
from accounts.flows import password_reset, sign_in, throttles
from accounts.models import User
from accounts.models.people import normalise_address
from audit.log import unit_of_work

LONGEST_CODE = 64  # characters, of either kind
LONGEST_ADDRESS = 254  # characters: the longest mail path of RFC 5321
LONGEST_PASSWORD = 1024  # characters; hashing more only helps who wants to keep us busy


class LoginForm(allauth_forms.LoginForm):
    """Address and password. A right pair starts a sign-in; the second factor is the next stage's business."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("Email")
        self.fields["login"].validators.append(MaxLengthValidator(LONGEST_ADDRESS))
        self.fields["password"].help_text = ""
        self.fields["password"].validators.append(MaxLengthValidator(LONGEST_PASSWORD))

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        with unit_of_work():
            if self.user.is_active:
                sign_in.start(request.session, self.user, sign_in.password_proof())  # type: ignore[arg-type]
            response: HttpResponse = super().login(request, redirect_url=redirect_url)
        return response


class SignupForm(allauth_forms.SignupForm):
    """Address, name and a password twice."""

    name = forms.CharField(
        label=_("Your name"), max_length=150, required=False, widget=forms.TextInput({"autocomplete": "name"})
    )

    field_order = ["email", "name", "password1", "password2"]

    def clean_email(self) -> str:
        """Normalised, and counted: whoever registers makes us send mail."""
        email = normalise_address(super().clean_email())
        _count_or_refuse(email, (throttles.SIGN_UP_BY_NETWORK, throttles.here()))
        return email

    def try_save(self, request: HttpRequest) -> Any:
        """A known address costs the work of a password too, and so does one that somebody else took meanwhile."""
        if self.account_already_exists:
            User().set_password(self.cleaned_data["password1"])
            return super().try_save(request)
        try:
            with transaction.atomic():
                return super().try_save(request)
        except IntegrityError:
            self.account_already_exists = True
            return super().try_save(request)


class ResetPasswordForm(allauth_forms.ResetPasswordForm):
    """The address a reset link is mailed to; the answer is the same whether or not somebody has it."""

    def clean_email(self) -> str:
        email = normalise_address(self.cleaned_data["email"])
        _count_or_refuse(email, (throttles.MAIL_BY_NETWORK, throttles.here()))
        return email

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email: str = self.cleaned_data["email"]
        password_reset.ask(email)
        return email


def _count_or_refuse(email: str, by_network: tuple[throttles.Limit, str]) -> None:
    """One mail to this address. Whose it is, is looked up for the record of a pause alone, be it anybody's or not."""
    owner = User.objects.select_related("tenant").filter(email=email)
    try:
        throttles.count_recorded(by_network, (throttles.MAIL_BY_ADDRESS, email), about=owner.first)
    except TooManyRequests as pause:
        raise forms.ValidationError(str(pause), code=pause.code) from pause


class CodeForm(forms.Form):
    """One field for a code of either kind. What is no code at all gets the ordinary answer, not a special one."""

    code = forms.CharField(
        label=_("Code"),
        max_length=LONGEST_CODE,
        strip=True,
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
        error_messages={"required": _("Enter the code.")},
    )


class RecoveryCodeForm(CodeForm):
    """As `CodeForm`, for a keyboard with letters."""

    code = forms.CharField(
        label=_("Recovery code"),
        max_length=LONGEST_CODE,
        strip=True,
        widget=forms.TextInput(
            {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
        error_messages={"required": _("Enter one of your recovery codes.")},
    )


class AccessPassForm(CodeForm):
    """As `CodeForm`, for what an administrator reads out."""

    code = forms.CharField(
        label=_("Access pass"),
        max_length=LONGEST_CODE,
        strip=True,
        widget=forms.TextInput({"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}),
        error_messages={"required": _("Enter the access pass.")},
    )


class HelpForm(forms.Form):
    """Whose administrators are to be told. Without an address where it is known who asks."""

    email = forms.EmailField(
        label=_("Email"),
        max_length=LONGEST_ADDRESS,
        widget=forms.EmailInput({"autocomplete": "username"}),
    )

    def __init__(self, *args: Any, person: User | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if person is not None:
            del self.fields["email"]


class CredentialForm(forms.Form):
    """What the browser's WebAuthn dialog answered, as JSON."""

    credential = forms.CharField(widget=forms.HiddenInput, max_length=64 * 1024)


class PasswordForm(forms.Form):
    """One's own password, again: only where there is no factor yet."""

    password = forms.CharField(
        label=_("Password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password", "autofocus": True}),
    )


class SavedForm(forms.Form):
    """“I have saved them”: required."""

    saved = forms.BooleanField(
        label=_("I have saved my recovery codes"),
        error_messages={"required": _("Please save your codes first, then tick this box.")},
    )


class NewPasswordForm(forms.Form):
    """A first password, twice."""

    password1 = forms.CharField(
        label=_("New password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    password2 = forms.CharField(
        label=_("New password, again"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, second = cleaned.get("password1"), cleaned.get("password2")
        if first and second and first != second:
            self.add_error("password2", _("The two passwords are not the same."))
        elif first:
            try:
                validate_password(first, self.person)
            except forms.ValidationError as error:
                self.add_error("password1", error)
        return cleaned
