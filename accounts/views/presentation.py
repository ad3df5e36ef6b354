"""Words and addresses for what pages list: methods, factors, choices. No decisions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.assurance import Method
from accounts.authenticators.aaguids import product_name
from accounts.authenticators.webauthn_ceremonies import UserVerification
from accounts.authenticators.webauthn_demands import KeyDemands
from accounts.flows.methods import Option
from accounts.models import Binding

_Row = tuple[Method, str | Promise, str | Promise, str, str]  # method, title, description, URL name, query

LABELS: dict[Method, str | Promise] = {
    Method.WEBAUTHN: _("Passkey or security key"),
    Method.TOTP: _("Authenticator app"),
    Method.RECOVERY_CODE: _("Recovery code"),
    Method.PASSWORD: _("Password"),
}
HINTS: dict[Method, str | Promise] = {
    Method.WEBAUTHN: _("Face, fingerprint, PIN or a USB key"),
    Method.TOTP: _("A 6-digit code from your app"),
    Method.RECOVERY_CODE: _("One of the codes you saved"),
}


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """One way to prove it is you, on the second-factor pages."""

    method: Method
    url: str
    label: str | Promise
    hint: str | Promise
    is_current: bool
    usable: bool


@dataclass(frozen=True, slots=True)
class EnrolmentChoice:
    """One kind of factor to set up. `symbol` is the name of its icon."""

    method: Method
    symbol: str
    title: str | Promise
    description: str | Promise
    url: str
    recommended: bool


@dataclass(frozen=True, slots=True)
class Factor:
    """One authenticator on the security overview."""

    kind: str
    name: str
    product: str
    added: datetime
    last_used: datetime | None
    is_preferred: bool
    locked: bool
    paused_until: datetime | None
    can_remove: bool
    accepted: bool = True
    passwordless: bool = False
    why_not: str | Promise = ""
    edit_url: str = ""
    remove_url: str = ""
    replace_url: str = ""


def method_choices(offered: list[Option], current: Method | None, wanted: str) -> list[MethodChoice]:
    """The methods to switch between, `next` kept."""
    return [
        MethodChoice(
            method=option.method,
            url="?" + urlencode({"method": option.method.value, **({"next": wanted} if wanted else {})}),
            label=LABELS[option.method],
            hint=HINTS[option.method],
            is_current=option.method is current,
            usable=option.usable,
        )
        for option in offered
    ]


def enrolment_choices(allowed: tuple[Method, ...], wanted: str, *, passkeys: bool) -> list[EnrolmentChoice]:
    """What may be set up, preferred first; the first is recommended."""
    query = urlencode({"next": wanted}) if wanted else ""
    rows = [row for method in allowed for row in _enrolment_rows(method, passkeys=passkeys)]
    return [
        EnrolmentChoice(
            method=method,
            symbol="passkey" if extra else method.value,
            title=title,
            description=description,
            recommended=index == 0,
            url=_join(reverse(name), extra, query),
        )
        for index, (method, title, description, name, extra) in enumerate(rows)
    ]


def factor(binding: Binding, *, preferred: bool, can_remove: bool, accepted: bool, now: datetime) -> Factor:
    """One live authenticator as the overview shows it; `accepted`: the organisation still takes it for enough."""
    credential = getattr(binding, "credential", None)
    is_key, is_app = binding.kind == Binding.Kind.WEBAUTHN, binding.kind == Binding.Kind.TOTP
    return Factor(
        kind=binding.kind,
        name=str(binding),
        product=product_name(credential.aaguid) if credential else "",
        added=binding.bound_at,
        last_used=binding.last_used_at,
        is_preferred=preferred,
        locked=binding.locked_at is not None,
        paused_until=binding.paused_until if binding.paused_until and binding.paused_until > now else None,
        can_remove=can_remove,
        accepted=accepted,
        passwordless=bool(credential and credential.passwordless),
        why_not="" if can_remove else _("Your organisation needs you to keep it; you can add another one first."),
        edit_url=reverse("mfa_edit_webauthn", args=[binding.pk]) if is_key else "",
        remove_url=reverse("mfa_remove_webauthn", args=[binding.pk]) if is_key else reverse("mfa_deactivate_totp"),
        replace_url=reverse("mfa_replace_totp") if is_app else "",
    )


def key_demands(asked: KeyDemands, *, passkey: bool) -> list[str | Promise]:
    """What a new key or passkey has to be, in sentences, but for models that can be named; empty where any will do."""
    return [
        sentence
        for holds, sentence in [
            (
                asked.verification is UserVerification.REQUIRED and not passkey,
                _("It has to ask for your fingerprint, face or PIN. A key without a PIN can be given one."),
            ),
            (not asked.synced, _("It has to stay on one device: a passkey that is copied to others will not do.")),
            (
                asked.attested,
                _("It has to prove who made it. If your browser asks, let this site see the make and model."),
            ),
            (
                bool(asked.allowed) and not products(asked.allowed),
                _("Only certain models will do. Ask your administrator which."),
            ),
            (bool(asked.denied) and not asked.allowed, _("Some models are not accepted.")),
        ]
        if holds
    ]


def products(aaguids: Iterable[UUID]) -> list[str]:
    """The names of the models that have one, each once, in alphabetical order."""
    return sorted({name for name in map(product_name, aaguids) if name})


def _enrolment_rows(method: Method, *, passkeys: bool) -> Sequence[_Row]:
    key = (
        method,
        _("Security key"),
        _("A small USB or NFC device that you tap, or this device’s own screen lock."),
        "mfa_add_webauthn",
        "",
    )
    passkey = (
        method,
        _("Passkey"),
        _("Use your face, fingerprint or screen lock. It cannot be phished, and signs you in without a password."),
        "mfa_add_webauthn",
        "passkey=1",
    )
    app = (
        method,
        _("Authenticator app"),
        _("A 6-digit code from 1Password, Google or Microsoft Authenticator, or any other app."),
        "mfa_activate_totp",
        "",
    )
    return {Method.WEBAUTHN: [passkey, key] if passkeys else [key], Method.TOTP: [app]}.get(method, [])


def _join(url: str, *queries: str) -> str:
    query = "&".join(part for part in queries if part)
    return f"{url}?{query}" if query else url
