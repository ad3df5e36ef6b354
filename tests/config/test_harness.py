"""The harness itself: it hears what a browser complains of, and leaves nothing out in silence."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Page

from tests.harness.browser import (
    Complaints,
    Passkey,
    SecurityKey,
    U2FKey,
    VirtualAuthenticator,
    accessibility_violations,
)
from tests.harness.codes import AuthenticatorApp, Clock

ROOT = Path(__file__).resolve().parents[2]
SECRET = "JBSWY3DPEHPK3PXP JBSWY3DPEHPK3PXP"
CREATE = """
async (resident) => {
  const credential = await navigator.credentials.create({publicKey: {
    rp: {id: "localhost", name: "Gatehouse"},
    user: {id: new Uint8Array([1]), name: "ada", displayName: "Ada"},
    challenge: new Uint8Array(16),
    pubKeyCredParams: [{type: "public-key", alg: -7}],
    authenticatorSelection: {userVerification: "discouraged", residentKey: resident},
  }});
  return credential.id;
}
"""
NOT_INHERITED = {"CI", "CACHE_URL", "DATABASE_URL", "GATEHOUSE_LACKS"}
UNREADABLE_IN_THE_DARK = """
<!doctype html><html lang="en"><title>Page</title>
<style>
  :root { color-scheme: light dark; }
  p { color: light-dark(#000, #111); background: light-dark(#fff, #000); }
  @media (min-width: 1000px) { main { width: 3000px; } }
</style>
<main><h1>Page</h1><p>Hard to read in the dark</p></main></html>
"""


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """One pytest run of its own, on SQLite and memory."""
    surroundings = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    command = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, env=surroundings | variables, capture_output=True, text=True, check=False)


def test_what_another_run_proves_is_counted_and_named() -> None:
    done = run("tests/config/test_health.py", "-k", "cache_goes or health_is_a_matter")
    assert done.returncode == 0, done.stdout
    assert "1 passed, " in done.stdout
    assert "1 left out of this run: marked redis, run on LocMemCache" in done.stdout


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_what_is_not_installed_is_skipped_by_name_and_fails_the_pipeline(ci: str, status: int) -> None:
    lacks = "redis=not installed: the Debian package redis-server"
    chosen = ["tests/config/test_health.py", "-k", "cache_goes or health_is_a_matter"]
    done = run(*chosen, CI=ci, GATEHOUSE_LACKS=lacks)
    assert "1 skipped: not installed: the Debian package redis-server" in done.stdout
    assert done.returncode == status, done.stdout


def test_a_test_without_a_mark_reaches_no_network() -> None:
    import socket

    with pytest.raises(RuntimeError), pytest.warns(UserWarning, match="tried to use socket"):
        socket.create_connection(("127.0.0.1", 9))


def test_an_app_never_gives_a_code_twice_and_nobody_waits() -> None:
    clock = Clock()
    try:
        app = AuthenticatorApp(SECRET, clock)
        began = clock.now()
        codes = [app.code() for _ in range(5)]
        assert len(set(codes)) == 5
        assert timedelta(seconds=60) < clock.now() - began < timedelta(seconds=150)
        assert pyotp.TOTP(app.secret).verify(codes[-1], valid_window=1)
        assert not pyotp.TOTP(app.secret).verify(app.stale_code(), valid_window=1)
        assert not pyotp.TOTP(app.secret).verify(app.wrong_code(), valid_window=1)
        assert app.same_code() == codes[-1]
    finally:
        clock.restore()


@pytest.mark.parametrize("kind", [SecurityKey, Passkey, U2FKey])
@pytest.mark.e2e
@pytest.mark.django_db(transaction=True)
def test_a_key_can_be_plugged_in_and_cloned(site: str, page: Page, kind: type[VirtualAuthenticator]) -> None:
    page.goto(f"{site}/help/")
    with kind(page) as key:
        page.evaluate(CREATE, "required" if kind is Passkey else "discouraged")
        (credential,) = key.credentials
        key.clear()
        assert key.credentials == []
        key.add(credential | {"rpId": "localhost"})
        assert len(key.credentials) == 1


@pytest.mark.e2e
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("script", "directive"),
    [
        ("() => { const image = new Image(); image.src = 'https://example.com/x.png'; }", "img-src"),
        ("() => { const style = document.createElement('style'); document.head.append(style); }", "style-src"),
        ("() => { try { document.body.innerHTML = '<b>x'; } catch {} }", "require-trusted-types-for"),
    ],
)
def test_a_violation_of_the_policy_is_heard(
    site: str, page: Page, complaints: Complaints, script: str, directive: str
) -> None:
    page.goto(f"{site}/help/")
    assert complaints.open == []
    page.evaluate(script)
    page.wait_for_timeout(200)
    assert any(directive in line for line in complaints.open)
    complaints.forgive(".")


@pytest.mark.e2e
@pytest.mark.django_db(transaction=True)
def test_an_uncaught_error_is_heard(site: str, page: Page, complaints: Complaints) -> None:
    page.goto(f"{site}/help/")
    page.evaluate("() => { setTimeout(() => { throw new Error('on purpose'); }); }")
    page.wait_for_timeout(200)
    assert any("on purpose" in line for line in complaints.open)
    complaints.forgive("on purpose")


@pytest.mark.e2e
def test_what_nobody_can_read_is_found_in_the_scheme_and_width_where_it_is(page: Page) -> None:
    page.set_content(UNREADABLE_IN_THE_DARK)
    found = accessibility_violations(page)
    assert any(line.startswith("dark 390: color-contrast p") for line in found)
    assert not any(line.startswith("light 390") for line in found)
    assert "light 1280: the page scrolls sideways" in found


@pytest.mark.e2e
@pytest.mark.django_db(transaction=True)
def test_the_live_server_is_the_site_with_its_headers(site: str, page: Page) -> None:
    asked = {path: page.request.get(site + path) for path in ("/help/", "/static/site.css")}
    assert {path: response.status for path, response in asked.items()} == dict.fromkeys(asked, 200)
    assert all("default-src 'none'" in response.headers["content-security-policy"] for response in asked.values())
    strange = page.request.get(f"{site}/help/?q=1", headers={"Content-Type": "text/plain; charset=rot13"})
    assert strange.status == 400
