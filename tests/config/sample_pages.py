"""What the views hand to each page, and the flows to each mail, made up: names with markup in them, every state."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from django import forms
from django.contrib.auth.models import AnonymousUser

from accounts.assurance import Method
from accounts.forms import CodeForm, CredentialForm, PasswordForm, RecoveryCodeForm, SavedForm
from accounts.gates import Explanation
from accounts.models import Browser, CallerCheck, Intervention, Role, Session, Tenant, User
from accounts.views.places import HappeningShown, browser_shown, session_shown

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
TENANT = Tenant(name="Müller & Söhne <b>", slug="mueller", time_zone="Europe/Berlin")
PERSON = User(name="Dana <i>Set", email="dana@acme.example", tenant=TENANT, role=Role.ADMINISTRATOR)
NOBODY = AnonymousUser()
CALL = CallerCheck(ticket="T-1 & <b>", agent_label="Ada <i>Admin")
ACT = Intervention(kind="reset", state="waiting", requested_at=NOW)

WHY = Explanation(
    outcome="Before you can go on, a method has to be set up.",
    reasons=("It is required.", "There is no grace."),
    facts=(("Role", "Administrator"), ("Security key “<b>”", "not accepted: its product is refused")),
    deadline="The time to set it up ended on 1 May 2030, 14:00 (Europe/Berlin).",
    way_out="This would do, once it is set up: WebAuthn.",
    version="Decided by version 7 of the policy.",
    contact="the <desk>",
)


class Add(CredentialForm):
    """What adding a key asks."""

    name = forms.CharField()
    passwordless = forms.BooleanField(required=False)


class Passwords(forms.Form):
    """A password twice, with rules."""

    password1 = forms.CharField(widget=forms.PasswordInput, help_text="At least twelve characters.")
    password2 = forms.CharField(widget=forms.PasswordInput)


class Address(forms.Form):
    """One mail address."""

    email = forms.EmailField()


class SignIn(forms.Form):
    """Address and password."""

    login = forms.EmailField()
    password = forms.CharField(widget=forms.PasswordInput)


class Coloured(forms.Form):
    """A choice shown as radio buttons."""

    colour = forms.ChoiceField(choices=[("r", "Red"), ("g", "Green")], widget=forms.RadioSelect, help_text="Either.")


def bag(**values: Any) -> SimpleNamespace:
    """Something with these attributes."""
    return SimpleNamespace(**values)


def proving(method: Method | None, form: forms.Form | None, **more: Any) -> dict[str, Any]:
    """A second-factor page that asks for this method."""
    offered = [Method.WEBAUTHN, Method.TOTP, Method.RECOVERY_CODE]
    methods = [bag(method=m, url=f"?method={m}", label=m, hint="how", is_current=m is method) for m in offered]
    return {
        "person": PERSON,
        "method": method,
        "methods": methods,
        "form": form,
        "throttle": None,
        "issuer": "Acme",
        "help_url": "/help/",
        "next": "/wanted/",
        "cancel_url": "/accounts/2fa/authenticate/",
        "request_options": {"challenge": "</script><b>"},
        **more,
    }


def a_factor(**changes: Any) -> SimpleNamespace:
    """One authenticator as the overview lists it."""
    values = {
        "kind": "totp",
        "name": "App <u>",
        "product": "",
        "added": NOW,
        "last_used": None,
        "is_preferred": True,
        "locked": False,
        "paused_until": None,
        "can_remove": True,
        "accepted": True,
        "why_not": "",
        "passwordless": False,
        "edit_url": "/edit/",
        "remove_url": "/remove/",
        "replace_url": "/replace/",
        "backed_up": True,
    }
    return bag(**values | changes)


FACTORS = [
    a_factor(),
    a_factor(kind="webauthn", passwordless=True),
    a_factor(locked=True, can_remove=False, why_not="No."),
    a_factor(paused_until=NOW),
    a_factor(accepted=False),
    a_factor(kind="webauthn", accepted=False),
]
TOTP = {
    "totp_svg": "",
    "totp_url": "otpauth://totp/x?a=1&b=2",
    "secret_plain": "AAAABBBB",
    "secret_groups": ["AAAA", "BBBB"],
    "issuer": "Acme",
    "account": "dana@acme.example",
    "form": CodeForm(),
}
SECURITY = {
    "status": {"protected": True, "policy_sentence": "It is required.", "last_sign_in": NOW},
    "factors": FACTORS,
    "recovery": {"left": 2, "total": 10, "url": "/new/"},
    "suggestion": "Add a key.",
    "add_url": "/add/",
    "can_turn_off": True,
    "replacement_open": True,
    "drill": [1],
    "can_drill": True,
}
SESSION = Session(agent="<b>Firefox/1 Linux", ip="192.0.2.7", signed_in_at=NOW, last_seen_at=NOW)
SESSIONS = [session_shown(SESSION, is_this=this, in_trusted=False) for this in (True, False)]
BROWSER = Browser(agent="<b>Firefox/1 Linux", ip="192.0.2.7", first_seen_at=NOW, last_seen_at=NOW)
HAPPENINGS = [
    HappeningShown(at=NOW, sentence="X <b>", is_warning=warns, browser="Firefox <b>", ip="192.0.2.7" * warns)
    for warns in (True, False)
]
BROWSERS = [browser_shown(BROWSER, trusted_until=until, is_this=until is None) for until in (NOW, None)]
CHOICES = [bag(method="totp", symbol="totp", title="App", description="Six digits", url="/x/", recommended=True)]
GRACE = {"gate": bag(grace=bag(deadline=NOW, days_left=1))}
CODES = {"codes": ["aaaa-bbbb", "cccc-dddd"], "person": PERSON, "created_at": NOW, "form": SavedForm()}

# What is shown: the template, who looks, and what the view hands over.
PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "sign in": (
        "account/login.html",
        NOBODY,
        {
            "form": SignIn(),
            "passkey_login_enabled": True,
            "passkey_url": "/p/",
            "signup_open": True,
            "signup_url": "/s/",
        },
    ),
    "sign up": ("account/signup.html", NOBODY, {"form": Passwords(), "login_url": "/l/"}),
    "sign-up closed": ("account/signup_closed.html", NOBODY, {}),
    "inactive": ("account/account_inactive.html", NOBODY, {}),
    "mail sent": ("account/verification_sent.html", NOBODY, {}),
    "confirm": (
        "account/email_confirm.html",
        NOBODY,
        {"confirmation": bag(key="k", email_address=bag(email="a@b.example")), "can_confirm": True},
    ),
    "confirm the first": (
        "account/email_confirm.html",
        NOBODY,
        {
            "confirmation": bag(key="k", email_address=bag(email="a@b.example")),
            "can_confirm": True,
            "form": PasswordForm(),
        },
    ),
    "confirm late": ("account/email_confirm.html", NOBODY, {"confirmation": None}),
    "addresses": (
        "account/email.html",
        PERSON,
        {
            "form": Address(),
            "can_add_email": True,
            "emailaddresses": [
                bag(email="a@b.example", verified=True, primary=True),
                bag(email="c@d.example", verified=False, primary=False),
            ],
        },
    ),
    "change password": ("account/password_change.html", PERSON, {"form": Passwords()}),
    "set password": ("account/password_set.html", PERSON, {"form": Passwords()}),
    "forgot": ("account/password_reset.html", NOBODY, {"form": Address()}),
    "forgot, sent": ("account/password_reset_done.html", NOBODY, {}),
    "reset": ("account/password_reset_from_key.html", NOBODY, {"form": Passwords(), "action_url": "/x/"}),
    "reset late": ("account/password_reset_from_key.html", NOBODY, {"token_fail": True}),
    "reset done": ("account/password_reset_from_key_done.html", NOBODY, {}),
    "sign out": ("account/logout.html", PERSON, {}),
    "allauth's own": ("account/request_login_code.html", NOBODY, {"form": Address(), "login_url": "/l/"}),
    "invited": ("accounts/invitation_accept.html", NOBODY, {"form": Passwords(), "person": PERSON}),
    "invited late": ("accounts/invitation_invalid.html", NOBODY, {}),
    "help": ("accounts/help.html", NOBODY, {"contact": "the desk", "person": None}),
    "help, pending": ("accounts/help.html", PERSON, {"contact": "", "person": PERSON}),
    "verify app": ("mfa/authenticate.html", NOBODY, proving(Method.TOTP, CodeForm())),
    "verify key": ("mfa/authenticate.html", NOBODY, proving(Method.WEBAUTHN, CredentialForm())),
    "verify code": ("mfa/authenticate.html", NOBODY, proving(Method.RECOVERY_CODE, RecoveryCodeForm())),
    "verify app, may trust": (
        "mfa/authenticate.html",
        NOBODY,
        proving(Method.TOTP, CodeForm(), trusted_until=NOW.date()),
    ),
    "verify key, may trust": (
        "mfa/authenticate.html",
        NOBODY,
        proving(Method.WEBAUTHN, CredentialForm(), trusted_until=NOW.date()),
    ),
    "verify paused": (
        "mfa/authenticate.html",
        NOBODY,
        proving(Method.TOTP, CodeForm(), throttle=bag(until=NOW, locked=False)),
    ),
    "verify locked": (
        "mfa/authenticate.html",
        NOBODY,
        proving(Method.TOTP, CodeForm(), throttle=bag(until=None, locked=True)),
    ),
    "confirm it's you": ("mfa/reauthenticate.html", PERSON, proving(Method.TOTP, CodeForm(), why=WHY)),
    "confirm by password": ("mfa/reauthenticate.html", PERSON, proving(Method.PASSWORD, PasswordForm(), methods=[])),
    "confirm by nothing": ("mfa/reauthenticate.html", PERSON, proving(None, None, methods=[])),
    "choose": (
        "mfa/enrol.html",
        PERSON,
        {
            "choices": CHOICES,
            "forced": True,
            "steps": True,
            "tenant": TENANT.name,
            "why": WHY,
        },
    ),
    "choose in grace": (
        "mfa/enrol.html",
        PERSON,
        {"choices": CHOICES, "deadline": NOW, "days_left": 9, "steps": True, "tenant": TENANT.name},
    ),
    "choose nothing": ("mfa/enrol.html", PERSON, {"choices": []}),
    "app": ("mfa/totp/activate_form.html", PERSON, {**TOTP, "steps": True}),
    "replace app": ("mfa/totp/activate_form.html", PERSON, {**TOTP, "replacing": True}),
    "remove app": ("mfa/totp/deactivate_form.html", PERSON, {}),
    "passkey": (
        "mfa/webauthn/add_form.html",
        PERSON,
        {"form": Add(), "passkey": True, "steps": True, "creation_options": {"challenge": "x"}},
    ),
    "key": (
        "mfa/webauthn/add_form.html",
        PERSON,
        {"form": Add(), "creation_options": {}, "demands": ["Not <b>these</b>."], "products": ["Solo"]},
    ),
    "rename key": ("mfa/webauthn/edit_form.html", PERSON, {"form": Address()}),
    "remove key": ("mfa/webauthn/authenticator_confirm_delete.html", PERSON, {"item": FACTORS[1]}),
    "keys": ("mfa/webauthn/authenticator_list.html", PERSON, {"items": FACTORS, "lacking": True}),
    "codes": ("mfa/recovery_codes/show.html", PERSON, {**CODES, "steps": True}),
    "codes left": ("mfa/recovery_codes/index.html", PERSON, {"unused_count": 1, "total": 10, "made_at": NOW}),
    "new codes": ("mfa/recovery_codes/generate.html", PERSON, {}),
    "security": ("mfa/index.html", PERSON, SECURITY),
    "security in grace": (
        "mfa/index.html",
        PERSON,
        {**SECURITY, "status": {}, "factors": [], "recovery": None, **GRACE},
    ),
    "caller check, none": ("mfa/caller_check.html", PERSON, {}),
    "caller check": ("mfa/caller_check.html", PERSON, {"check": CALL, "form": CodeForm()}),
    "caller check, known": ("mfa/caller_check.html", PERSON, {"check": CALL, "mine": "123456", "seconds": 41}),
    "not me": ("account/not_me.html", NOBODY, {"at": NOW, "zone": TENANT.zone}),
    "not me, done": ("account/not_me.html", NOBODY, {"done": True, "ended": 2}),
    "not me, gone": ("account/not_me.html", NOBODY, {"gone": True}),
    "sessions": ("mfa/sessions.html", PERSON, {"sessions": SESSIONS, "others": True}),
    "browsers": ("mfa/browsers.html", PERSON, {"browsers": BROWSERS, "trusted": 1}),
    "activity": ("mfa/activity.html", PERSON, {"happenings": HAPPENINGS}),
    "activity, none": ("mfa/activity.html", PERSON, {"happenings": []}),
    "drill by key": ("mfa/drill.html", PERSON, proving(Method.WEBAUTHN, CredentialForm(), due=[bag(name="x")])),
    "drill by code": ("mfa/drill.html", PERSON, proving(Method.RECOVERY_CODE, RecoveryCodeForm())),
    "drill, nothing": ("mfa/drill.html", PERSON, proving(None, None, methods=[])),
    "browsers, none": ("mfa/browsers.html", PERSON, {"browsers": [], "trusted": 0}),
    "cancel": ("account/intervention_cancel.html", NOBODY, {"act": ACT, "zone": TENANT.zone}),
    "cancel, done": ("account/intervention_cancel.html", NOBODY, {"done": True}),
    "cancel, gone": ("account/intervention_cancel.html", NOBODY, {"gone": True}),
    "turn off": ("mfa/turn_off.html", PERSON, {}),
    "home": ("home.html", PERSON, {"protected": True}),
    "home, bare": ("home.html", PERSON, {}),
    "denied": ("policies/denied.html", PERSON, {"why": WHY}),
    "too many": ("429.html", NOBODY, {"message": "Wait.", "until": NOW}),
    **{f"problem {n}": (f"{n}.html", NOBODY, {}) for n in ("400", "403", "403_csrf", "404", "429", "500", "503")},
}

TENANT_MAIL = {
    "person": PERSON,
    "tenant_name": TENANT.name,
    "at": NOW,
    "time_zone": "Europe/Berlin",
    "ip": "192.0.2.7",
    "agent": "Firefox",
    "what": "Blue key",
    "help_url": "https://id.example.com/help/",
    "link": "https://id.example.com/in?a=1&b=2",
    "until": NOW + timedelta(days=3),
    "deadline": NOW + timedelta(days=3),
    "days_left": 3,
    "url": "https://id.example.com/accounts/2fa/enrol/",
    "ticket": "T-1 & <b>",
    "sessions": 2,
    "act": "removal",
    "outcome": "declined",
    "not_before": NOW + timedelta(days=1),
    "to_agree": True,
    "is_last": True,
    "asked_by": "ada@acme.example",
    "before": "old@acme.example",
    "after": "new@acme.example",
    "caller": "Ada <i>Admin",
    "agent_code": "123456",
    "person_code": "654321",
    "excludes": [
        {"kind": kind, "whom": f"{kind} <b>", "reason": "On leave & <i>", "until": NOW}
        for kind in ("person", "group", "role", "source")
    ],
}
ALLAUTH_MAIL = {
    "user": PERSON,
    "email": "dana@acme.example",
    "timestamp": NOW,
    "current_site": bag(name="id.example.com"),
    "activate_url": "https://id.example.com/c?a=1&b=2",
    "signup_url": "https://id.example.com/s",
    "password_reset_url": "https://id.example.com/r?a=1&b=2",
    "from_email": "a@b.example",
    "to_email": "c@d.example",
    "deleted_email": "e@f.example",
}
