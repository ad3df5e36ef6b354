"""The second factor: at sign-in, when a signed-in session must step up, and before sensitive actions."""

from abc import ABC, abstractmethod
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from accounts import browser_cookie, canary
from accounts.assurance import Method, Proof
from accounts.errors import AccountsError, NotEnrolled, Paused, SecretsUnavailable
from accounts.flows import browsers, keys, methods, sign_in, verification
from accounts.flows.browsers import CannotTrust
from accounts.flows.occasions import Occasion
from accounts.forms import LONGEST_CODE, CodeForm, CredentialForm, PasswordForm, RecoveryCodeForm
from accounts.gates import Explanation, GatedRequest
from accounts.models import Ceremony, User
from accounts.policy import policy
from accounts.views.base import Page, come_back_later, next_url, with_next
from accounts.views.presentation import method_choices
from audit.kinds import Kind
from audit.log import record

_FORMS: dict[Method, type[Form]] = {
    Method.WEBAUTHN: CredentialForm,
    Method.TOTP: CodeForm,
    Method.RECOVERY_CODE: RecoveryCodeForm,
    Method.PASSWORD: PasswordForm,
}


class FactorPage(Page, ABC):
    """A page that asks for one of the person's factors and does something with the proof."""

    template_name: str
    purpose: Ceremony.Purpose
    person: User

    def get(self, request: GatedRequest) -> HttpResponse:
        return self.ask()

    def post(self, request: GatedRequest) -> HttpResponseBase:
        if "cancel" in request.POST:
            return self.cancel()
        try:
            return self.answered(self.posted())
        except (NotEnrolled, SecretsUnavailable):
            raise
        except AccountsError as refusal:
            return self.ask(refusal)

    def answered(self, method: Method | None) -> HttpResponseBase:
        """What a right factor leads to. Raises what the flow refuses a wrong one with."""
        return self.proved(self.check(method))

    @cached_property
    def offered(self) -> list[methods.Option]:
        """The person's methods that would do here, keys first."""
        return methods.options(self.person)

    def posted(self) -> Method | None:
        """The method that a form says it is for; the flow knows whether the person has it."""
        stated = self.request.POST.get("method", "")
        return Method(stated) if stated in _FORMS and stated != Method.PASSWORD else self.current()

    def current(self) -> Method | None:
        """The method in use: the one asked for if the person has it, else the first usable, else the first."""
        asked = self.request.GET.get("method") or self.request.POST.get("method")
        offered = self.offered
        found = [option for option in offered if option.method == asked] or [o for o in offered if o.usable]
        return next((option.method for option in found or offered), None)

    def check(self, method: Method | None) -> Proof:
        """The proof that this POST gives. Raises what the flow refuses with."""
        if method is None:
            raise NotEnrolled
        posted, session = self.request.POST, self.request.session
        if method is Method.WEBAUTHN:
            return keys.check(self.person, session, posted.get("credential", ""), purpose=self.purpose)
        return verification.check_code(self.person, method, self.code, occasion=self.occasion)

    @property
    def occasion(self) -> Occasion:
        """Where and for what this page asks."""
        return Occasion(self.request.session, self.purpose)

    @property
    def code(self) -> str:
        """The code that was typed; what is longer than any is not looked at."""
        return self.request.POST.get("code", "")[:LONGEST_CODE]

    def ask(self, refusal: AccountsError | None = None) -> HttpResponse:
        """The page, with the refusal at its field."""
        if refusal is not None:
            vars(self).pop("offered", None)  # the try may have paused a method
        method, offered = self.current(), self.offered
        context: dict[str, Any] = {
            "person": self.person,
            "method": method,
            "methods": method_choices(offered, method, self.next),
            "form": _form(method, self.request, refusal),
            "throttle": next((o for o in offered if o.method == method and not o.usable), None),
            "issuer": self.person.tenant.issuer,
            "help_url": reverse("help"),
            **self.extra(),
        }
        if method is Method.WEBAUTHN:
            context["request_options"] = keys.begin(self.person, self.request.session, purpose=self.purpose)
        if self.lacks_the_app():
            return come_back_later(self.show(self.template_name, fault=SecretsUnavailable.message, **context))
        return self.show(self.template_name, code=429 if isinstance(refusal, Paused) else 200, **context)

    def lacks_the_app(self) -> bool:
        """Whether the person has an app whose codes this site cannot check, because its key is wrong."""
        return not canary.is_healthy() and any(one.kind == Method.TOTP for one in methods.live(self.person))

    def extra(self) -> dict[str, Any]:
        """What this page shows beside the factor."""
        return {}

    @abstractmethod
    def cancel(self) -> HttpResponseBase:
        """What “cancel” does here."""

    @abstractmethod
    def proved(self, proof: Proof) -> HttpResponseBase:
        """What a right factor leads to."""


def _form(method: Method | None, request: HttpRequest, refusal: AccountsError | None) -> Form | None:
    if method is None:
        return None
    form_class = _FORMS[method]
    if refusal is None:
        return form_class()
    form = form_class(request.POST)
    if form.is_valid():
        form.add_error(None if method is Method.WEBAUTHN else next(iter(form.fields)), str(refusal))
    return form


class SecondFactorView(FactorPage):
    """Asked after the password, and of a signed-in session whose second factor the policy no longer accepts."""

    template_name = "mfa/authenticate.html"
    purpose = Ceremony.Purpose.SECOND_FACTOR

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.stage = None
        if request.user.is_authenticated:
            if not self.request.gate.step_up:
                return redirect(next_url(request, "home"))
            self.person = self.me
        else:
            self.stage = sign_in.pending(request)
            if self.stage is None:
                return redirect(with_next("account_login", next_url(request)))
            self.person = self.stage.login.user
        return super().dispatch(request, *args, **kwargs)

    @cached_property
    def offered(self) -> list[methods.Option]:
        """Only what would do: where a key is demanded, an app is not offered beside it.

        Recovery codes may do for a locked app even where the policy does not list them.
        """
        enough = self.why.satisfied_by if self.why else ()
        found = [option for option in methods.all_options(self.person) if option.method in enough]
        return found or methods.options(self.person)

    @cached_property
    def why(self) -> Explanation | None:
        """As the gate judged this request; of a sign-in that has shown a password alone, nothing but what is asked."""
        if (explain := self.request.gate.explain) is not None:
            return explain()
        return policy().explanation(self.person, self.request.session, with_facts=False)

    def answered(self, method: Method | None) -> HttpResponseBase:
        """At sign-in a code and the session that it leads to are one unit of work."""
        if self.stage is None or method not in (Method.TOTP, Method.RECOVERY_CODE):
            return super().answered(method)
        return verification.with_code(self.person, method, self.code, self.proved, occasion=self.occasion)

    def extra(self) -> dict[str, Any]:
        return {"cancel_url": reverse("mfa_authenticate"), "why": self.why, "trusted_until": self.trusted_until()}

    def trusted_until(self) -> date | None:
        """The last day of this browser's trust, were it from now on; None where the policy would not honour it.

        Never by a recovery code: it is for the day on which everything else is gone.
        """
        if self.why is None or self.current() in (None, Method.RECOVERY_CODE):
            return None
        days = self.why.trusted_browser_days
        return (timezone.now() + timedelta(days=days)).astimezone(self.person.tenant.zone).date() if days else None

    def cancel(self) -> HttpResponseBase:
        """Back to sign in, the destination kept."""
        wanted = self.next or (self.stage.login.redirect_url if self.stage else "") or ""
        if self.stage is None:
            sign_in.sign_out(self.request)
        else:
            sign_in.abandon(self.request, self.person, reason="cancelled")
        return redirect(with_next("account_login", wanted))

    def proved(self, proof: Proof) -> HttpResponseBase:
        """Keep the proof; finish the sign-in, or go on where the step-up began under a new session key."""
        session = self.request.session
        session.prove(self.person, proof)
        if proof.method is Method.RECOVERY_CODE:
            session.change(replacement_open=True)
        if self.stage is not None:
            response: HttpResponseBase = self.stage.exit()
        else:
            session.cycle_key()
            response = redirect(next_url(self.request, "home"))
        if "trust" in self.request.POST and self.request.user == self.person:
            self.trust(response)
        return response

    def trust(self, response: HttpResponseBase) -> None:
        """Trust this browser from now on; where the policy has come to see it otherwise, say so and go on."""
        try:
            browser_cookie.give(response, browsers.trust(self.person, self.request.session))
        except CannotTrust as refusal:
            messages.warning(self.request, str(refusal))


class ReauthenticateView(FactorPage):
    """“Confirm it's you” before a sensitive action: by a factor, or by the password where there is none."""

    template_name = "mfa/reauthenticate.html"
    purpose = Ceremony.Purpose.REAUTHENTICATE

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.person = self.me
        return super().dispatch(request, *args, **kwargs)

    @cached_property
    def offered(self) -> list[methods.Option]:
        """Only what makes the session fresh: the best the person has, nothing enrolled a minute ago."""
        refreshing = self.why.satisfied_by if self.why else ()
        return [option for option in methods.options(self.person) if option.method in refreshing]

    @cached_property
    def why(self) -> Explanation | None:
        """What the policy asks for before a sensitive change."""
        return policy().confirmation(self.person, self.request.session)

    def current(self) -> Method | None:
        """The password only where there is no factor at all."""
        return super().current() or (None if methods.live(self.person) else Method.PASSWORD)

    def extra(self) -> dict[str, Any]:
        return {"bare": self.current() is Method.PASSWORD, "why": self.why}

    def check(self, method: Method | None) -> Proof:
        if method is Method.PASSWORD:
            return sign_in.check_password(self.request, self.person, self.request.POST.get("password", ""))
        return super().check(method)

    def cancel(self) -> HttpResponseBase:
        return redirect("mfa_index")

    def proved(self, proof: Proof) -> HttpResponseBase:
        """Keep the proof under a new session key, and go on."""
        session = self.request.session
        session.prove(self.person, proof)
        session.cycle_key()
        record(
            Kind.REAUTHENTICATION_ACCEPTED,
            actor=self.person,
            target=self.person,
            session=str(session.row.public_id),
            authenticator=None if proof.binding is None else str(proof.binding),
            method=proof.method,
        )
        return redirect(next_url(self.request, "mfa_index"))
