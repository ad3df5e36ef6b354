"""The error report of a flow that breaks while it holds a secret shows nothing of it with DEBUG off (security 87).

Each flow is broken in the middle of real work. What its frames hold is read first, without any filter, so that a test
whose secret was nowhere fails; then the report that the site's settings make of the same failure is searched.
"""

import re
import secrets
import sys
from collections.abc import Callable, Iterator
from traceback import walk_tb
from types import TracebackType
from typing import Any, NamedTuple

import pytest
from django.conf import settings as site
from django.core.signals import got_request_exception
from django.db import IntegrityError
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.views import debug

from accounts.authenticators import access_passes, recovery_codes, totp
from accounts.authenticators.totp import code_at
from tests.accounts import admission_scene
from tests.canaries import Canaries
from tests.canary_walk import FIRST, SECOND, Walk
from tests.harness.codes import Clock

pytestmark = [pytest.mark.django_db, pytest.mark.security(87)]
FAULT = "a fault of ours"
MAKERS: tuple[tuple[Any, str, str], ...] = (
    (totp, "new_secret", "seed of an app"),
    (recovery_codes, "new_code", "recovery code"),
    (access_passes, "new_pass", "access pass"),
    (secrets, "token_urlsafe", "token"),
)


class Failure(NamedTuple):
    """What stood in the frames, and what the site's report says: as a page and as text."""

    held: str
    report: str


class Broken(NamedTuple):
    """A flow: the steps that lead to it, what is done while something is broken, what is broken, what frames hold."""

    steps: str
    act: Callable[[Walk], Any]
    breaks: str
    holds: str


def get(name: str) -> Callable[[Walk], Any]:
    return lambda walk: walk.client.get(reverse(name))


def post(name: str, **data: Any) -> Callable[[Walk], Any]:
    return lambda walk: walk.client.post(reverse(name), data)


def code_of(walk: Walk) -> str:
    """A good code, even where the site cannot make one any more."""
    return walk.known.note("code of an app", code_at(walk.secret, totp.step_at(timezone.now()) + 1))


def confirm_app(walk: Walk) -> None:
    walk.client.post(reverse("mfa_activate_totp"), {"code": code_of(walk)})


def give_app_code(walk: Walk, page: str = "mfa_authenticate") -> None:
    walk.client.post(reverse(page), {"method": "totp", "code": code_of(walk)})


def give_recovery_code(walk: Walk, page: str = "mfa_authenticate") -> None:
    walk.client.post(reverse(page), {"method": "recovery_code", "code": walk.codes[0]})


def print_codes(walk: Walk) -> None:
    walk.client.post(reverse("mfa_download_recovery_codes"), {"codes": walk.codes})


def change_password(walk: Walk) -> None:
    new = walk.password(SECOND)
    data = {"oldpassword": FIRST, "password1": new, "password2": new}
    walk.client.post(reverse("account_change_password"), data)


def open_link(walk: Walk) -> None:
    token = walk.known.note("enrolment link", admission_scene.token_in_mail())
    walk.client.get(reverse("accounts_enrolment_link", args=[token]))


APP, CODES = "accounts.authenticators.totp", "accounts.authenticators.recovery_codes"
PASSES, LINKS = "accounts.authenticators.access_passes", "accounts.flows.enrolment_links"
VERIFICATION, RECORD = "accounts.flows.verification", "audit.ledger.append"
HASHER = "django.contrib.auth.hashers.MD5PasswordHasher"
IN = "be_invited sign_in"
ENROLLED = f"{IN} enrol"
HALF_IN = f"{ENROLLED} sign_in"
BROKEN = [
    Broken("", Walk.be_invited, f"{HASHER}.encode", "password"),
    Broken("", Walk.be_invited, "accounts.flows.people.set_password", "invitation"),
    Broken("be_invited", lambda walk: walk.sign_in(FIRST), f"{HASHER}.verify", "password"),
    Broken("be_invited", Walk.mistype_the_password, f"{HASHER}.verify", "wrong password"),
    Broken(IN, get("mfa_activate_totp"), f"{APP}.qr_svg", "seed of an app"),
    Broken(IN, get("mfa_activate_totp"), "accounts.keyring.key_id_of", "seed of an app"),
    Broken(f"{IN} show_app", confirm_app, f"{APP}.matching_step", "seed of an app"),
    Broken(f"{IN} show_app", confirm_app, "accounts.flows.binding.bound", "seed of an app"),
    Broken(f"{IN} show_app", confirm_app, RECORD, "code of an app"),
    Broken(f"{IN} show_app", confirm_app, f"{CODES}.digest_of", "recovery code"),
    Broken(HALF_IN, give_app_code, f"{APP}.code_at", "seed of an app"),
    Broken(HALF_IN, give_app_code, f"{APP}.code_at", "code of an app"),
    Broken(HALF_IN, give_app_code, f"{VERIFICATION}._forgiven", "seed of an app"),
    Broken(HALF_IN, give_app_code, f"{VERIFICATION}._note_success", "code of an app"),
    Broken(HALF_IN, give_app_code, RECORD, "code of an app"),
    Broken(HALF_IN, give_recovery_code, f"{CODES}.digest_of", "recovery code"),
    Broken(HALF_IN, give_recovery_code, f"{VERIFICATION}._forgiven", "recovery code"),
    Broken(HALF_IN, give_recovery_code, RECORD, "recovery code"),
    Broken(ENROLLED, post("mfa_generate_recovery_codes"), "accounts.notices.send", "recovery code"),
    Broken(ENROLLED, post("mfa_generate_recovery_codes"), "accounts.views.recovery_codes.render", "recovery code"),
    Broken(ENROLLED, print_codes, "accounts.views.recovery_codes.record", "recovery code"),
    Broken(ENROLLED, lambda walk: give_recovery_code(walk, "mfa_drill"), f"{CODES}.digest_of", "recovery code"),
    Broken(ENROLLED, lambda walk: give_app_code(walk, "mfa_reauthenticate"), f"{APP}.code_at", "seed of an app"),
    Broken(IN, post("mfa_reauthenticate", method="password", password=FIRST), f"{HASHER}.verify", "password"),
    Broken(ENROLLED, change_password, f"{HASHER}.verify", "password"),
    Broken(ENROLLED, change_password, f"{HASHER}.encode", "password"),
    Broken("be_invited", Walk.forget_the_password, f"{HASHER}.encode", "password"),
    Broken("be_invited", Walk.forget_the_password, "accounts.views.account.UserTokenForm.is_valid", "password reset"),
    Broken(f"{ENROLLED} be_reset sign_in", open_link, "accounts.views.enrolment_guard.redirect", "enrolment link"),
    Broken(f"{ENROLLED} be_reset sign_in open_link", post("mfa_enrolment_link"), f"{LINKS}._digest", "enrolment link"),
    Broken(f"{ENROLLED} be_reset sign_in open_link", post("mfa_enrolment_link"), f"{LINKS}.record", "enrolment link"),
    Broken(f"{ENROLLED} be_reset sign_in", Walk.give_a_pass, f"{PASSES}.matches", "access pass"),
    Broken(f"{ENROLLED} be_reset sign_in", Walk.give_a_pass, "accounts.flows.access_passes._refuse", "wrong pass"),
]


class Detour(Walk):
    """The walk, whose steps need no argument."""

    def sign_in(self, password: str = FIRST) -> None:
        super().sign_in(password)

    def show_app(self) -> None:
        page = self.client.get(reverse("mfa_activate_totp")).content.decode()
        self.secret = re.findall(r'data-plain="([A-Z2-7]+)"', page)[0]

    def open_link(self) -> None:
        open_link(self)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Canaries:
    """The keys of the site, and whatever it makes up from now on."""
    known = Canaries()
    for name in ("MFA_ENCRYPTION_KEYS", "AUDIT_HMAC_KEYS"):
        for key in getattr(site, name):
            known.note(name, key)
    known.note("SECRET_KEY", site.SECRET_KEY)
    known.note("wrong pass", "WRONG-PASS-XX")

    def noting(make: Callable[..., str], name: str) -> Callable[..., str]:
        return lambda *args: known.note(name, make(*args))

    for module, function, name in MAKERS:
        monkeypatch.setattr(module, function, noting(getattr(module, function), name))
    return known


@pytest.fixture
def failures(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Failure]]:
    """Every failure that a request ended in."""
    settings.DEBUG = False
    monkeypatch.setattr(Client, "store_exc_info", lambda *args, **kwargs: None)  # a browser learns nothing of them
    found: list[Failure] = []

    def note(request: HttpRequest, **kwargs: Any) -> None:
        _kind, error, trace = sys.exc_info()
        assert error is not None and trace is not None
        found.append(Failure(variables(trace), report_of(request, error)))

    got_request_exception.connect(note)
    yield found
    got_request_exception.disconnect(note)


def variables(trace: TracebackType) -> str:
    """All that stands in the frames of a failure."""
    return "\n".join(repr(frame.f_locals) for frame, _line in walk_tb(trace))


def report_of(request: HttpRequest | None, error: BaseException) -> str:
    """What the site's settings make of a failure, as a page and as text."""
    reporter = debug.get_exception_reporter_class(request)(request, type(error), error, error.__traceback__)
    return reporter.get_traceback_html() + reporter.get_traceback_text()


def fail(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError(FAULT)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken.breaks}-{broken.holds}")
def test_no_flow_that_breaks_tells_its_secrets(
    broken: Broken,
    known: Canaries,
    failures: list[Failure],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
    clock: Clock,
) -> None:
    walk = Detour(known, django_capture_on_commit_callbacks, clock)
    for step in broken.steps.split():
        getattr(walk, step)()
    assert failures == []
    monkeypatch.setattr(broken.breaks, fail)
    broken.act(walk)
    assert failures
    assert broken.holds in {name for failure in failures for name in known.found(failure.held)}
    for failure in failures:
        assert FAULT in failure.report and "in fail" in failure.report
        assert known.found(failure.report) == []


def report_with(settings: Any, request: HttpRequest | None, error: Exception, *, debug_on: bool = False) -> str:
    settings.DEBUG = debug_on
    try:
        raise error
    except type(error) as raised:
        return report_of(request, raised)


def test_nothing_that_a_request_brings_is_told_but_how_it_came(settings: Any) -> None:
    known = Canaries()
    names = ["code", "password", "secret", "token", "recovery", "codes", "q"]
    told = {name: known.note(name, f"{name}-of-a-canary-{number}") for number, name in enumerate(names)}
    path = reverse("accounts_enrolment_link", args=[known.note("path", "t" * 43)])
    agent, proxy = "a browser", known.note("header", "Bearer-of-a-canary")
    request = RequestFactory(
        HTTP_USER_AGENT=agent, HTTP_X_FORWARDED_ACCESS=proxy, HTTP_REFERER=f"/?q={told['q']}"
    ).post(path, told, query_params=told, HTTP_HOST="localhost")
    request.COOKIES = {name: known.note("cookie", f"cookie-of-a-canary-{name}") for name in ("sessionid", "browser")}
    report = report_with(settings, request, RuntimeError(FAULT))
    assert known.found(report) == []
    for shown in (FAULT, agent, "POST", "/accounts/2fa/enrol/link/", *names):
        assert shown in report
    everything = report_with(settings, request, RuntimeError(FAULT), debug_on=True)
    assert set(known.found(everything)) >= {*names, "path", "header", "cookie"}


def test_a_path_that_leads_nowhere_is_not_told(settings: Any) -> None:
    request = RequestFactory(HTTP_HOST="localhost").get("/accounts/2fa/enrol/lnik/token-of-a-canary/")
    assert "token-of-a-canary" not in report_with(settings, request, RuntimeError(FAULT))


def test_settings_are_told_by_name_but_for_a_few(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "x", "LOCATION": "redis://:pass-of-a-canary@cache/0"}}
    report = report_with(settings, None, RuntimeError(FAULT))
    assert "pass-of-a-canary" not in report and "CACHES" in report
    assert "config.middleware.SecurityHeadersMiddleware" in report and "LANGUAGE_CODE" in report
    assert "pass-of-a-canary" in report_with(settings, None, RuntimeError(FAULT), debug_on=True)


def test_what_exceptions_say_is_told_as_the_log_tells_it(settings: Any) -> None:
    row = IntegrityError("duplicate key\nDETAIL:  Key (digest)=(row-of-a-canary) already exists.")
    error = RuntimeError("token=token-of-a-canary")
    error.__cause__ = row
    error.add_note("password=note-of-a-canary")
    report = report_with(settings, None, error)
    assert "of-a-canary" not in report
    assert "IntegrityError: duplicate key" in report and "RuntimeError" in report
    assert report_with(settings, None, error, debug_on=True).count("of-a-canary") > 3


def test_what_could_not_be_encoded_is_not_quoted(settings: Any) -> None:
    error = UnicodeEncodeError("ascii", "abc-xäqj-abc", 5, 6, "not in range")
    assert "äqj" not in report_with(settings, None, error)
    assert "äqj" in report_with(settings, None, error, debug_on=True)
