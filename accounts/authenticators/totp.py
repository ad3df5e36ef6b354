"""Time-based one-time passwords (RFC 6238 over RFC 4226): SHA-1, six digits, thirty seconds.

Pure functions of secret, code and time; the caller keeps the last accepted step. A code is good for its own
step and one on either side, so for at most 90 s: a documented deviation from a 30 s life.
"""

import base64
import hmac
import re
import secrets
import struct
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode

PERIOD = 30  # seconds
DIGITS = 6
TOLERANCE = 1  # steps
SECRET_BYTES = 20  # 160 bits, RFC 4226 R6
LEAST_BYTES = 10  # what other sites made and apps still show
_ENTERED = re.compile(r"[0-9 -]{6,9}", re.ASCII)


def new_secret() -> str:
    """160 random bits in base32, 32 characters without padding."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def tidy_secret(text: str) -> str:
    """A secret as `new_secret` writes it, of what other sites store: in lower case, in groups, padded.

    Raises ValueError for what is no base32, or fewer than 80 bits: no authenticator app was given that.
    """
    secret = text.upper().replace(" ", "").replace("-", "").rstrip("=")
    padded = secret + "=" * (-len(secret) % 8)
    if len(base64.b32decode(padded)) < LEAST_BYTES:
        raise ValueError("too short for the secret of an app")
    return padded


def normalise(entered: str) -> str | None:
    """The six digits of what somebody typed, spaces and dashes dropped; None when it cannot be a code."""
    if not _ENTERED.fullmatch(entered):
        return None
    digits = entered.replace(" ", "").replace("-", "")
    return digits if len(digits) == DIGITS else None


def step_at(moment: datetime) -> int:
    """The time step of an aware moment: whole periods since the epoch (RFC 6238 §4.2)."""
    return int(moment.timestamp()) // PERIOD


def code_at(secret: str, step: int) -> str:
    """The code of one step: dynamic truncation of HMAC-SHA-1 (RFC 4226 §5.3)."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The newest step within the tolerance whose code this is, or None. Compares every candidate."""
    current = step_at(now)
    found = None
    for step in range(current - TOLERANCE, current + TOLERANCE + 1):
        if hmac.compare_digest(code_at(secret, step), code):
            found = step
    return found


def provisioning_uri(secret: str, *, account: str, issuer: str) -> str:
    """The `otpauth://` link that authenticator apps read, label and issuer percent-encoded."""
    parameters = urlencode({"secret": secret, "issuer": issuer, "digits": DIGITS, "period": PERIOD}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer, safe='')}:{quote(account, safe='@')}?{parameters}"


def groups(secret: str) -> list[str]:
    """The secret in groups of four, as people type it."""
    return [secret[i : i + 4] for i in range(0, len(secret), 4)]


def qr_svg(uri: str) -> SafeString:
    """A QR code as inline SVG: one path, one mask (trying all eight costs half the page's time)."""
    code: Any = QRCode(error_correction=ERROR_CORRECT_M, border=2, mask_pattern=2)
    code.add_data(uri, optimize=0)
    matrix: list[list[bool]] = code.get_matrix()
    path = "".join(_runs(row, y) for y, row in enumerate(matrix))
    return format_html(
        '<svg role="img" aria-label="{}" viewBox="0 0 {} {}" shape-rendering="crispEdges">'
        '<path stroke="#000" d="{}"/></svg>',
        _("QR code for your authenticator app. If you cannot scan it, use the setup key."),
        len(matrix),
        len(matrix),
        path,
    )


def _runs(row: list[bool], y: int) -> str:
    """The dark runs of one row as path commands."""
    parts, x = [], 0
    while x < len(row):
        start = x
        while x < len(row) and row[x] == row[start]:
            x += 1
        if row[start]:
            parts.append(f"M{start} {y}.5h{x - start}")
    return "".join(parts)
