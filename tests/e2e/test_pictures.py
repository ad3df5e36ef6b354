"""The pictures of README.md, taken of the real pages.

    GATEHOUSE_PICTURES=1 pytest tests/e2e/test_pictures.py

puts them into docs/pictures/. Without it they are taken all the same, and thrown away: a page that cannot be
shown any more fails here before it is missing there. Clock, names, secrets and codes are always the same.
"""

import hashlib
import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from accounts.authenticators import recovery_codes, totp
from accounts.models import Tenant, User
from policies.flows import drafts
from tests.e2e.album import LARGEST, Album
from tests.e2e.people import add_key
from tests.e2e.walk import LOGIN, choose, confirm_app, give_code, heading, sign_in
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    next_code,
    password_proof,
    proof_of,
)
from tests.harness.codes import Clock

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
NAMES = {
    *("sign-in", "second-factor", "enrolment", "authenticator-app", "recovery-codes"),
    *("security", "security-dark", "security-phone", "people", "policy", "policy-edited", "policy-tried"),
}
MORNING = datetime(2027, 3, 15, 9, 30, tzinfo=UTC)
DESK = {"viewport": {"width": 1000, "height": 640}, "device_scale_factor": 1.5}
CARD = {"viewport": {"width": 760, "height": 560}, "device_scale_factor": 1.25}
CONSOLE = {"viewport": {"width": 1440, "height": 880}}
TELEPHONE = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2}
THROWAWAY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # known to everybody: the secret in most manuals
WINDOWS_HELLO = bytes.fromhex("08987058cadc4b81b6e130de50dcbe96")
YUBIKEY_5_NFC = bytes.fromhex("2fc0579f811347eab116bb5a8db9202a")


@pytest.fixture
def album() -> Album:
    """Into the documentation when asked to."""
    return Album(PICTURES if os.environ.get("GATEHOUSE_PICTURES") == "1" else None)


@pytest.fixture(autouse=True)
def same_every_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """One morning, one secret, one set of codes."""
    clock.forward(MORNING - clock.now())
    monkeypatch.setattr(totp, "new_secret", lambda: THROWAWAY)
    codes = map(example_code, itertools.count(1))
    monkeypatch.setattr(recovery_codes, "new_code", lambda: next(codes))


@pytest.fixture
def acme() -> Tenant:
    return TenantFactory(
        name="Acme Health",
        slug="acme",
        rules={
            "passkey_login": True,
            "enforcement": "required",
            "contact": "Acme service card, extension 4357",
        },
    )


@pytest.fixture
def dana(acme: Tenant) -> User:
    return UserFactory(tenant=acme, email="dana@acme.example", name="Dana Example")


@pytest.fixture
def card(new_context: Callable[..., BrowserContext]) -> Page:
    """A window for the pages that are one card in the middle."""
    return new_context(**CARD).new_page()


def example_code(number: int) -> str:
    """A recovery code that looks like one and is nobody's."""
    symbols = [recovery_codes.ALPHABET[byte % 31] for byte in hashlib.sha256(b"example %d" % number).digest()]
    groups = [symbols[i : i + recovery_codes.GROUP] for i in range(0, recovery_codes.LENGTH, recovery_codes.GROUP)]
    return "-".join(map("".join, groups))


def test_sign_in(card: Page, album: Album, acme):
    card.goto(LOGIN)
    heading(card, "Sign in")
    album.take(card, "sign-in")


def test_second_factor(card: Page, album: Album, dana):
    enrol_totp(dana)
    enrol_recovery_codes(dana)
    sign_in(card, dana)
    heading(card, "Verify it’s you")
    album.take(card, "second-factor")


def test_enrolment(card: Page, album: Album, dana):
    sign_in(card, dana)
    heading(card, "Set up two-step verification")
    album.take(card, "enrolment")
    choose(card, "Authenticator app")
    heading(card, "Connect your authenticator app")
    album.take(card, "authenticator-app")
    confirm_app(card, totp.code_at(THROWAWAY, totp.step_at(datetime.now(UTC))))
    heading(card, "Save your recovery codes")
    album.take(card, "recovery-codes")


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("security", DESK),
        ("security-dark", DESK | {"color_scheme": "dark"}),
        ("security-phone", TELEPHONE),
    ],
)
def test_security(new_context, album: Album, dana, clock: Clock, name, window):
    clock.forward(timedelta(days=-40))
    secret = enrol_totp(dana)
    enrol_recovery_codes(dana)
    add_key(dana, "Work laptop", resident=True, aaguid=WINDOWS_HELLO)
    add_key(dana, "Blue key", aaguid=YUBIKEY_5_NFC)
    clock.forward(timedelta(days=40))
    page = new_context(**window).new_page()
    sign_in(page, dana, "/accounts/2fa/")
    choose(page, "Authenticator app")
    give_code(page, next_code(secret))
    heading(page, "Security")
    album.take(page, name, whole=window is not TELEPHONE)


@pytest.fixture
def console(new_context: Callable[..., BrowserContext], acme: Tenant, signed_in, clock: Clock) -> Page:
    """The console of Acme's administrator, who proved a factor just now."""
    ada = AdministratorFactory(tenant=acme, email="ada@acme.example", name="Ada Example")
    enrol_totp(ada)
    proofs = password_proof(), proof_of(live_binding(ada))
    return signed_in(new_context(**CONSOLE), ada, *proofs).new_page()


def test_people_in_the_console(console: Page, album: Album, acme, dana, clock: Clock):
    clock.forward(timedelta(days=-40))
    enrol_totp(dana)
    enrol_recovery_codes(dana)
    add_key(dana, "Blue key")
    for name in ("Emil", "Farah", "Grace", "Hugo"):
        person = UserFactory(tenant=acme, email=f"{name.lower()}@acme.example", name=f"{name} Example")
        if name != "Grace":
            clock.forward(timedelta(days=5))
            enrol_totp(person)
    for days, person in enumerate(User.objects.exclude(name="Grace Example").order_by("name")):
        User.objects.filter(pk=person.pk).update(last_login=MORNING - timedelta(days=days, hours=3 * days))
    User.objects.filter(name="Hugo Example").update(is_active=False)
    clock.forward(MORNING - clock.now())
    console.goto("/admin/accounts/user/")
    heading(console, "People")
    album.take(console, "people", whole=False)


def test_the_policy_in_the_console(console: Page, album: Album, acme):
    for name in ("Bea", "Cem", "Dov", "Eva"):
        person = UserFactory(tenant=acme, email=f"{name.lower()}@acme.example", name=f"{name} Example")
        if name != "Cem":
            enrol_totp(person)
    ada = User.objects.get(email="ada@acme.example")
    draft = acme.policy.versions.get().document | {"enforcement": "always", "grace_days": 0}
    draft |= {"strength": {"user": "phishing_resistant"}}
    drafts.save(acme.policy, draft, enabled=True, actor=ada, revision=0)
    console.goto(f"/admin/policies/mfapolicy/{acme.policy.pk}/change/")
    heading(console, "Policy of Acme Health")
    album.take(console, "policy", whole=False)
    console.goto(f"/admin/policies/mfapolicy/{acme.policy.pk}/draft/")
    console.evaluate("document.querySelector('#with-what').scrollIntoView()")
    album.take(console, "policy-edited", whole=False)
    console.goto(f"/admin/policies/mfapolicy/{acme.policy.pk}/try/")
    console.get_by_role("button", name="Try it").click()
    expect(console.get_by_role("heading", name="3 people would be stopped who get in today")).to_be_visible()
    album.take(console, "policy-tried", whole=False)


def test_every_picture_is_small_enough_to_look_at_them_all_at_once():
    kept = {picture.stem: picture.stat().st_size for picture in PICTURES.glob("*.png")}
    assert NAMES <= kept.keys()
    assert max(kept.values()) <= LARGEST
