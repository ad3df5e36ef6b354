"""Secrets at rest: sealed under the site's key ring, and bound to the row and the owner they belong to.

A ciphertext is `<key id>$<Fernet token>`. The key id is the first eight hex digits of the SHA-256 of the
key's 32 bytes, so the right key is picked without trial and a query can count what hangs on which key. The
plaintext inside the token starts with its context (kind, row, owner): a ciphertext that somebody copies to
another row does not open there. `docs/adr/0001-ciphertexts-carry-key-id-and-context.md` says why.

`settings.MFA_ENCRYPTION_KEYS` holds Fernet keys; the first seals, all of them open. Bare Fernet tokens and
the plaintext of stock allauth open only while `settings.MFA_ADOPT_FOREIGN_SECRETS` is on, because they are
bound to nobody: whoever can write to the table could plant one.
"""

import hashlib
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from accounts import fernet_tokens

KEY_BYTES: Final = 32
KEY_ID_LENGTH: Final = 8  # hex digits of a key's id
KEY_ID: Final = re.compile(rf"[0-9a-f]{{{KEY_ID_LENGTH}}}")
ID_BYTES: Final = 16  # of a row or an owner, a UUID
FRAME_VERSION: Final = b"\x01"
BARE_FERNET_START: Final = "gAAAA"  # Fernet's version byte and the leading zeros of its time
# Base32 seeds, hex seeds and recovery codes, all that stock allauth keeps; no ciphertext of ours is so short.
FOREIGN_SECRET: Final = re.compile(r"[A-Za-z0-9 -]{6,128}")

# Keys that stand in somebody's documentation: the SHA-256 of their 32 bytes, or as much as is known of them.
PUBLISHED_DIGESTS: Final = frozenset(
    {
        "cbeb362f1fa69a6691db592f4529cf6bea1ce089eb132a3350c9081279ff8f34",  # test vectors of the Fernet spec
        "3990442a9e73e2e289f7c0c4f1c9dc85d3d54268f208748631ecb46b1ef9f3df",  # Airflow's documentation
        "5ca278330d08b9ce5bb4e0c8755263873be3b92f5db329c5562d445b3e022232",  # a common Airflow compose file
        "813d2c8fa8a4a4fc5a6b88cf7fa8b35a7d6bc7f56a6f340ea30f1b2726932c72",  # the default of an Airflow chart
    }
)
PUBLISHED_STARTS: Final = ("s098x330",)

# Base64 in the one spelling that Fernet writes (RFC 4648 §5): padded, with nothing in the bits that are over (§3.5).
SPELLING: Final = re.compile(r"[A-Za-z0-9_-]*(?:[A-Za-z0-9_-]|[AEIMQUYcgkosw048]=|[AQgw]==)")


class Reason(StrEnum):
    """Why a stored secret does not open; the values are stable and stand in audit events."""

    UNKNOWN_KEY = "unknown_key"  # sealed under a key that is not configured
    TAMPERED = "tampered"  # changed, cut short, or sealed under another key than it says
    WRONG_CONTEXT = "wrong_context"  # sealed for another kind, row or owner
    MALFORMED = "malformed"  # not a ciphertext at all
    FOREIGN = "foreign"  # a bare token or plaintext, while adopting is off


class UnreadableSecret(Exception):
    """A stored secret does not open. Carries a reason and at most a key id, never what was stored."""

    def __init__(self, reason: Reason, key_id: str = "") -> None:
        super().__init__(reason, key_id)
        self.reason = reason
        self.key_id = key_id

    def __str__(self) -> str:
        return f"a stored secret does not open: {self.reason}"


class MisconfiguredKeys(ImproperlyConfigured):
    """`MFA_ENCRYPTION_KEYS` is no key ring. Names the position of the bad entry, never its value."""


@dataclass(frozen=True, slots=True)
class Context:
    """Where a secret belongs: `kind` names table and field (ASCII, ≤ 255), `row` and `owner` are our ids."""

    kind: str
    row: UUID
    owner: UUID

    def frame(self) -> bytes:
        """What precedes the secret inside the token; no context's frame is the start of another's."""
        [frame] = frames_of(self.kind, self.row.bytes, self.owner.bytes)
        return frame


def frames_of(kind: str, rows: bytes, owners: bytes) -> list[bytes]:
    """The frames of many contexts of one kind: ids of 16 bytes each, one after the other."""
    name = kind.encode("ascii")
    start = FRAME_VERSION + len(name).to_bytes(1) + name
    return [start + rows[at : at + ID_BYTES] + owners[at : at + ID_BYTES] for at in range(0, len(rows), ID_BYTES)]


def framed(text: str, frame: bytes) -> bytes:
    """What goes into a token: the frame, and the secret behind it."""
    return frame + text.encode("utf-8", "surrogatepass")


class KeyRing:
    """An ordered set of keys, the first of which seals. Raises MisconfiguredKeys if there is no such set.

    A key that was published, or that no random generator made, cannot be the first: whoever knows it could
    forge and read every secret. It may still open what an older site sealed under it.
    """

    __slots__ = ("_fernets", "_primary", "primary_id")

    @sensitive_variables()
    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise MisconfiguredKeys("MFA_ENCRYPTION_KEYS is empty")
        if is_public(keys[0]):
            raise MisconfiguredKeys("In MFA_ENCRYPTION_KEYS, entry 1 is a key that others know")
        raws = [_required_bytes(key, position) for position, key in enumerate(keys, start=1)]
        unique = dict.fromkeys(raws)
        self._fernets = {key_id(raw): Fernet(urlsafe_b64encode(raw)) for raw in unique}
        if len(self._fernets) < len(unique):
            raise MisconfiguredKeys("In MFA_ENCRYPTION_KEYS, two keys have the same id")
        self._primary = raws[0]
        self.primary_id = key_id(self._primary)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.ids)})"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the primary first."""
        return tuple(self._fernets)

    @sensitive_variables()
    def seal(self, text: str, context: Context) -> str:
        """Encrypt `text` under the primary key, to be opened in the same context only."""
        token = self._fernets[self.primary_id].encrypt(framed(text, context.frame()))
        return f"{self.primary_id}${token.decode('ascii')}"

    @sensitive_variables()
    def unseal(self, ciphertext: str, context: Context, *, adopt_foreign: bool = False) -> str:
        """The text sealed in this context, whichever key it is under. Raises UnreadableSecret."""
        if isinstance(ciphertext, str) and ciphertext and "$" not in ciphertext:
            return self.adopt(ciphertext, allowed=adopt_foreign)
        frame = context.frame()
        return self.opened(ciphertext, frame)[len(frame) :].decode("utf-8", "surrogatepass")

    def sealed(self, secrets: Sequence[bytes]) -> list[str]:
        """`seal` of very many, each with the frame of its context in front (`framed`).

        As with `opened`, whoever calls it is a `sensitive_variables` function, which hides what the frames below it
        hold as well.
        """
        return [f"{self.primary_id}${token}" for token in fernet_tokens.sealed(self._primary, secrets)]

    def opened(self, ciphertext: str, frame: bytes) -> bytes:
        """What is inside a ciphertext, the frame of its context included. Raises UnreadableSecret."""
        if not isinstance(ciphertext, str):
            raise UnreadableSecret(Reason.MALFORMED)
        stated_id, _separator, token = ciphertext.partition("$")
        fernet = self._fernets.get(stated_id)
        if fernet is None:
            raise _unknown(stated_id)
        secret = _decrypt(fernet, token)
        if secret is None:
            raise UnreadableSecret(Reason.TAMPERED, stated_id)
        if not secret.startswith(frame):
            raise UnreadableSecret(Reason.WRONG_CONTEXT, stated_id)
        return secret

    @sensitive_variables()
    def adopt(self, stored: str, *, allowed: bool) -> str:
        """What a site before ours stored: a Fernet token without key id (found by trial), or plaintext.

        Raises UnreadableSecret, always unless it is `allowed`.
        """
        if not allowed:
            raise UnreadableSecret(Reason.FOREIGN)
        if stored.startswith(BARE_FERNET_START):
            # No generator: the locals of one would stand in an error report.
            opened = [_decrypt(fernet, stored) for fernet in self._fernets.values()]
            found = next((secret for secret in opened if secret is not None), None)
            if found is None:
                raise UnreadableSecret(Reason.TAMPERED)
            stored = found.decode("ascii", "replace")  # a token of ours without its key id fails below
        if not FOREIGN_SECRET.fullmatch(stored) or any(own.startswith(stored) for own in self._fernets):
            raise UnreadableSecret(Reason.MALFORMED)
        return stored


def current() -> KeyRing:
    """The ring that the settings describe, built once per value. Raises MisconfiguredKeys."""
    return _ring(tuple(settings.MFA_ENCRYPTION_KEYS))


@sensitive_variables()
def seal(text: str, context: Context) -> str:
    """Encrypt `text` under the primary key, to be opened in the same context only."""
    return current().seal(text, context)


@sensitive_variables()
def unseal(ciphertext: str, context: Context) -> str:
    """The text that was sealed in this context. Raises UnreadableSecret, whose reason says what to record."""
    return current().unseal(ciphertext, context, adopt_foreign=settings.MFA_ADOPT_FOREIGN_SECRETS)


def primary_key_id() -> str:
    """The id of the key that seals."""
    return current().primary_id


def key_id_of(ciphertext: str) -> str:
    """The key id that a ciphertext states, to be stored beside it; empty where it is none of ours."""
    stated_id, separator, _token = ciphertext.partition("$")
    return stated_id if separator and KEY_ID.fullmatch(stated_id) else ""


def key_bytes(key: str) -> bytes | None:
    """The 32 bytes of a Fernet key in either base64 alphabet, or None where it is not one."""
    try:
        raw = b64decode(key.strip().replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        return None
    return raw if len(raw) == KEY_BYTES else None


def key_id(raw: bytes) -> str:
    """The short name of a key, which may be shown and stored: it tells nothing about the key."""
    return hashlib.sha256(raw).hexdigest()[:KEY_ID_LENGTH]


def is_public(key: str) -> bool:
    """Whether others know the key: it was published, or it is no random bytes but a pattern or typed text."""
    if key.strip().startswith(PUBLISHED_STARTS):
        return True
    raw = key_bytes(key)
    if raw is None:
        return False
    steps = {(after - before) % 256 for before, after in pairwise(raw)}
    patterned = len(steps) == 1 or len(set(raw)) <= KEY_BYTES // 2
    typed = all(0x20 <= byte < 0x7F for byte in raw)  # 32 random bytes are: once in 10^13 keys
    return patterned or typed or hashlib.sha256(raw).hexdigest() in PUBLISHED_DIGESTS


@lru_cache(maxsize=4)
@sensitive_variables()
def _ring(keys: tuple[str, ...]) -> KeyRing:
    return KeyRing(keys)


def _required_bytes(key: str, position: int) -> bytes:
    raw = key_bytes(key)
    if raw is None:
        raise MisconfiguredKeys(f"In MFA_ENCRYPTION_KEYS, entry {position} is not a Fernet key")
    return raw


def _unknown(stated_id: str) -> UnreadableSecret:
    if KEY_ID.fullmatch(stated_id):
        return UnreadableSecret(Reason.UNKNOWN_KEY, stated_id)
    return UnreadableSecret(Reason.MALFORMED)


def _decrypt(fernet: Fernet, token: str) -> bytes | None:
    """The plaintext, or None. Strict about base64, where Fernet skips what it does not know."""
    try:
        return fernet.decrypt(token) if _is_spelled(token) else None
    except (InvalidToken, ValueError):
        return None


def _is_spelled(token: str) -> bool:
    return len(token) % 4 == 0 and SPELLING.fullmatch(token) is not None
