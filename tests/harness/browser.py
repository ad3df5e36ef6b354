"""A real Chromium: how it is started, the authenticators plugged into it, and what it complains of."""

import re
import shutil
from collections.abc import Iterable
from typing import Any, Self

from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import BrowserContext, CDPSession, ConsoleMessage, Page, WebError

from tests.harness.servers import NotInstalled

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
AXE = AXE_FILE_PATH.read_text(encoding="utf-8")
WIDTHS = (390, 1280)  # CSS pixels: a telephone, a desk
SCHEMES = ("light", "dark")
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  const {violatedDirective, blockedURI, sourceFile, lineNumber} = event;
  console.error(`CSP violation: ${violatedDirective} ${blockedURI} ${sourceFile}:${lineNumber}`);
});
"""
REFUSED_STATUS = re.compile(r"Failed to load resource: the server responded with a status of [45]\d\d")


def find_chromium() -> str:
    """The browser of the Debian package; raises NotInstalled without one."""
    found = shutil.which("chromium")
    if found is None:
        raise NotInstalled("chromium")
    return found


class Complaints:
    """What the pages of a context said went wrong: every console error, uncaught exception and CSP violation.

    A refusal's own status (403, 429 …) is no complaint. `forgive` takes the one that a test provokes.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._forgiven: list[str] = []

    def listen(self, context: BrowserContext) -> None:
        """Hear every page of this context, present and future."""
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", self._on_console)
        context.on("weberror", self._on_exception)

    def forgive(self, pattern: str) -> None:
        """Do not count complaints that match this regular expression."""
        self._forgiven.append(pattern)

    @property
    def open(self) -> list[str]:
        """What was heard and not forgiven."""
        return [line for line in self.heard if not any(re.search(p, line) for p in self._forgiven)]

    def _on_console(self, message: ConsoleMessage) -> None:
        violates = "Content Security Policy" in message.text or "TrustedHTML" in message.text
        if (message.type == "error" and not REFUSED_STATUS.match(message.text)) or violates:
            page = message.page.url if message.page else ""
            self.heard.append(f"{page}: {message.text}")

    def _on_exception(self, error: WebError) -> None:
        self.heard.append(f"{error.page.url if error.page else ''}: {error.error}")


class VirtualAuthenticator:
    """A security key or passkey provider plugged into the page's browser, by the DevTools protocol.

    `SecurityKey` is touch-only, `Passkey` verifies its user. One page may have several; `unplug` removes one.
    """

    options: dict[str, Any] = {}

    def __init__(self, page: Page, **changes: Any) -> None:
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.session.send("WebAuthn.enable")
        given = {"automaticPresenceSimulation": True, **self.options, **changes}
        self.id: str = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": given})["authenticatorId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    @property
    def credentials(self) -> list[dict[str, Any]]:
        """What it holds, with credentialId, rpId, signCount (userHandle for resident ones)."""
        return list(self._send("getCredentials")["credentials"])

    def touch(self, *, simulated: bool) -> None:
        """Whether somebody touches it at once; without, a ceremony waits until it is cancelled."""
        self._send("setAutomaticPresenceSimulation", enabled=simulated)

    def verify_user(self, *, succeeds: bool) -> None:
        """What the next user verification (PIN, finger, face) says."""
        self._send("setUserVerified", isUserVerified=succeeds)

    def clear(self) -> None:
        """Forget every credential, as after a factory reset."""
        self._send("clearCredentials")

    def add(self, credential: dict[str, Any]) -> None:
        """Put a credential in, as `credentials` gave it; a clone of another key is made so."""
        self._send("addCredential", credential=credential)

    def unplug(self) -> None:
        """Take it out of the browser."""
        self._send("removeVirtualAuthenticator")

    def _send(self, command: str, **arguments: Any) -> dict[str, Any]:
        return dict(self.session.send(f"WebAuthn.{command}", {"authenticatorId": self.id, **arguments}))


class SecurityKey(VirtualAuthenticator):
    """A touch-only second factor: no user verification, nothing resident."""

    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": False,
        "hasUserVerification": False,
        "isUserVerified": False,
    }


class U2FKey(VirtualAuthenticator):
    """A key from before FIDO2: U2F only, `fido-u2f` attestation."""

    options = {"protocol": "u2f", "transport": "usb"}


class Passkey(VirtualAuthenticator):
    """A discoverable credential with user verification, as telephones and laptops hold it."""

    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }


def accessibility_violations(
    page: Page, *, widths: Iterable[int] = WIDTHS, schemes: Iterable[str] = SCHEMES
) -> list[str]:
    """What axe finds on the page as it stands, in every scheme at every width; the page keeps its state.

    Each entry reads "dark 390: colour-contrast .button …". An empty list is the only good answer.
    """
    was = page.viewport_size
    found = []
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            found += [f"{scheme} {width}: {violation}" for violation in _axe(page)]
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                found.append(f"{scheme} {width}: the page scrolls sideways")
    page.emulate_media(color_scheme="null", reduced_motion="null")
    if was is not None:
        page.set_viewport_size(was)
    return found


def assert_accessible(page: Page) -> None:
    """Fail with the list when `accessibility_violations` finds any."""
    violations = accessibility_violations(page)
    assert not violations, f"{page.url}\n" + "\n".join(violations)


def _axe(page: Page) -> list[str]:
    """Once a document, the script; it takes longer to load than to run."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    violations = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations)")
    return [
        f"{violation['id']} {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for violation in violations
        for node in violation["nodes"]
    ]
