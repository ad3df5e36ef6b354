"""What this room asks of the policy, with safe answers of its own.

`settings.MFA_ADAPTER` and `settings.ACCOUNT_ADAPTER` name subclasses in the policies room; nothing here
imports upwards.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import browser_cookie, notices
from accounts.assurance import Method
from accounts.authenticators.webauthn_ceremonies import UserVerification
from accounts.authenticators.webauthn_demands import KeyDemands
from accounts.errors import TooManyRequests
from accounts.flows import addresses, people, sign_in, throttles
from accounts.gates import Explanation
from accounts.models import Binding, User
from accounts.models.people import normalise_address
from audit.context import client_ip
from audit.log import joined_unit, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

LONGEST_ADDRESS = 254  # characters
_BROWSER = "browser_name"  # what the browser is called from this sign-in on, until the answer carries it

# What a policy calls a method, and what allauth calls it in MFA_SUPPORTED_TYPES.
SUPPORTED_TYPE = {Method.WEBAUTHN: "webauthn", Method.TOTP: "totp", Method.RECOVERY_CODE: "recovery_codes"}


# allauth's notices, and the ones of ours that take their place; another one would be a fault.
NOTICES = {
    "account/email/password_changed": "password_changed",
    "account/email/password_set": "password_changed",
    "account/email/password_reset": "password_changed",
    "account/email/email_changed": "address_changed",
    "account/email/email_deleted": "address_removed",
}


class EncryptedMFAAdapter(DefaultMFAAdapter):
    """Secrets under the key ring, and the questions about a person's factors with strict default answers."""

    def encrypt(self, text: str) -> str:
        """Refuse: a secret is sealed for one row and one owner (`accounts.keyring.seal`), which allauth cannot name."""
        raise TypeError("Secrets are sealed by the enrolment flow, not through allauth.")

    def decrypt(self, encrypted_text: str) -> str:
        """Refuse, for the same reason as `encrypt`."""
        raise TypeError("Secrets are opened by the verification flow, not through allauth.")

    def is_mfa_enabled(self, user: Any, types: Sequence[str] | None = None) -> bool:
        """Whether the person owns a live authenticator of these allauth types (any type when None)."""
        if user.is_anonymous:
            return False
        methods = [method for method, name in SUPPORTED_TYPE.items() if types is None or name in types]
        return Binding.objects.filter(person=user, unbound_at=None, kind__in=methods).exists()

    def get_totp_issuer(self) -> str:
        raise TypeError("The issuer is the tenant's: Tenant.issuer.")

    def can_delete_authenticator(self, authenticator: Any) -> bool:
        """allauth's hook: may its owner remove this authenticator?"""
        return self.may_remove(authenticator.user, authenticator.binding.pk)

    # What the policy is asked. Safe without one: everything the site supports, nothing taken away.

    def allowed_methods(self, person: User) -> tuple[Method, ...]:
        """The methods this person may enrol, preferred first: never more than the site supports."""
        return tuple(m for m, name in SUPPORTED_TYPE.items() if name in settings.MFA_SUPPORTED_TYPES)

    def may_remove(self, person: User, binding_id: uuid.UUID) -> bool:
        """Whether the owner may remove this authenticator without putting another in its place."""
        return False

    def may_turn_off(self, person: User) -> bool:
        """Whether the owner may do without two-step verification."""
        return False

    def is_fresh(self, person: User, session: "SessionStore") -> bool:
        """Whether this session proved enough, recently enough, for a sensitive action."""
        return False

    def confirmation(self, person: User, session: "SessionStore") -> Explanation | None:
        """Why this session is asked to confirm who it is, and by which methods; none of them where a password does."""
        return None

    def explanation(self, person: User, session: "SessionStore", *, with_facts: bool = True) -> Explanation | None:
        """How this session stands and why; `with_facts` only to who has shown more than a password."""
        return None

    def group_in_use(self, name: str) -> list[str]:
        """The tenants whose policy names this group of people."""
        return []

    def is_demanded(self, person: User) -> bool:
        """Whether a second factor is demanded of this person."""
        return True

    def end_of_grace(self, person: User) -> datetime | None:
        """The deadline this person takes along when they move, change roles or are deleted; None: they had none."""
        return None

    def key_rules(self, person: User) -> KeyDemands:
        """What a key or passkey of this person has to be, when it is enrolled and whenever it is used."""
        return KeyDemands(verification=UserVerification.of_second_factors())

    def passkey_login_allowed(self, person: User) -> bool:
        """Whether this person may sign in with a passkey and no password."""
        return False

    def trusted_browser_days(self, person: User) -> int:
        """For how many days a browser of this person would be trusted, were it from now on; 0: not at all."""
        return 0

    def is_let_in_by_proof(self, person: User, session: "SessionStore") -> bool:
        """Whether what this session proved is enough by itself, with no grace, exclude or trusted browser behind it."""
        return False

    def decided(self, person: User, session: "SessionStore") -> dict[str, Any]:
        """Decide on a session that was just signed in, and grant what is allowed; the decision as fields of its event.

        None of them where nobody decides. Within the caller's unit of work.
        """
        return {}

    def removable(self, person: User) -> frozenset[uuid.UUID]:
        """The authenticators that `may_remove` is true of."""
        return frozenset()

    def contact(self, person: User) -> str:
        """Whom this person asks for help; empty where the tenant has not said."""
        return ""


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in and sign-up through allauth, with our throttles, our record and our one way to a session."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.SIGNUP_OPEN)

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_ip(request)

    def is_ajax(self, request: HttpRequest) -> bool:
        """Never: allauth's pages answer as pages."""
        return False

    def clean_email(self, email: str) -> str:
        """Every form's addresses come through here: one spelling each, none longer than a mail path (RFC 5321)."""
        MaxLengthValidator(LONGEST_ADDRESS)(email)
        return normalise_address(email)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the guess before the password is looked at; a pause is recorded and told."""
        try:
            throttles.count(*_limits(credentials))
        except TooManyRequests as pause:
            if pause.is_new:
                sign_in.record_pause(str(credentials.get("email", "")), pause)
            raise self.validation_error("too_many_login_attempts") from pause

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        person = super().authenticate(request, **credentials)
        if person is not None:
            throttles.forgive(*_limits(credentials))
        return person

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        sign_in.record_failure(str(credentials.get("email", "")))

    def login(self, request: HttpRequest, user: Any) -> None:
        """The one place where a session comes to be somebody's (security 59).

        It is saved with what it is recorded by. Of two completions of one sign-in the second finds no session any more.
        """
        session = cast("SessionStore", request.session)
        try:
            with joined_unit():
                super().login(request, user)
                vars(request)[_BROWSER] = sign_in.complete(user, session, token=browser_cookie.token_in(request))
                session.save_new_key()
        except UpdateError as gone:
            raise SessionInterrupted("The session ended while somebody signed in.") from gone

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse:
        """The answer to a sign-in, which alone gives a browser its name; not before somebody is signed in."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        browser_cookie.give(response, vars(request)[_BROWSER])
        return response

    def logout(self, request: HttpRequest) -> None:
        sign_in.sign_out(request)

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> User:
        """Somebody signs themselves up: a member of the default tenant until their address is verified."""
        return people.sign_up(
            user,
            email=form.cleaned_data["email"],
            password=form.cleaned_data["password1"],
            name=form.cleaned_data.get("name", ""),
        )

    def confirm_email(self, request: HttpRequest, email_address: Any) -> bool:
        with unit_of_work():
            confirmed = super().confirm_email(request, email_address)
            if confirmed:
                people.address_verified(email_address)
                addresses.proved(email_address)
        return confirmed

    # What is mailed leads to the site as it is configured: a request's Host header may name another port.

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return site_link("account_confirm_email", key=emailconfirmation.key)

    def send_account_already_exists_mail(self, email: str) -> None:
        links = {"signup_url": site_link("account_signup"), "password_reset_url": site_link("account_reset_password")}
        self.send_mail("account/email/account_already_exists", email, links)

    def send_confirmation_mail(self, request: HttpRequest, emailconfirmation: Any, signup: bool) -> None:
        """Not sent when too many were asked for, from here or to this address; the page says the same."""
        address = normalise_address(emailconfirmation.email_address.email)
        try:
            if not signup:  # the form has counted that one
                limits = (throttles.MAIL_BY_NETWORK, throttles.here()), (throttles.MAIL_BY_ADDRESS, address)
                throttles.count_recorded(*limits, about=emailconfirmation.email_address.user)
        except TooManyRequests:
            return
        super().send_confirmation_mail(request, emailconfirmation, signup)

    def send_notification_mail(
        self, template_prefix: str, user: Any, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """allauth's notices become ours: to every verified address and one that is leaving (security 56)."""
        told = context or {}
        notices.send(
            NOTICES[template_prefix],
            user,
            what=told.get("deleted_email", ""),
            also=[address for name, address in told.items() if name in ("deleted_email", "from_email")],
            before=told.get("from_email", ""),
            after=told.get("to_email", ""),
        )

    def set_password(self, user: Any, password: str) -> None:
        people.set_password(user, password)


def site_link(name: str, **parts: str) -> str:
    """The absolute address of a named page, on the configured site."""
    return settings.SITE_URL + reverse(name, kwargs=parts)


def _limits(credentials: dict[str, Any]) -> tuple[tuple[throttles.Limit, str], ...]:
    network = throttles.here()
    return (
        (throttles.PASSWORD_BY_ACCOUNT, f"{network}|{credentials.get('email', '')}"),
        (throttles.PASSWORD_BY_NETWORK, network),
    )
