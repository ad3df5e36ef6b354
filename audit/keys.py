"""The keys that authenticate events: `AUDIT_HMAC_KEYS`, the first for new events, all for verifying."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings

from audit import chain
from audit.errors import KeyMalformed, KeyMissing

KEY_LENGTH = 32  # bytes


@dataclass(frozen=True, slots=True)
class Key:
    """One HMAC key and the id under which rows remember it."""

    id: str
    secret: bytes = field(repr=False)
    _begun: hmac.HMAC = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_begun", hmac.new(self.secret, digestmod="sha256"))

    def authenticate(self, digest: str) -> str:
        """What `chain.authenticate` makes of an event's hash, with the key worked in once."""
        mac = self._begun.copy()
        mac.update(bytes.fromhex(digest))
        return mac.hexdigest()


def parse(text: str) -> Key:
    """The key in `text`: exactly 32 bytes in padded base64, URL-safe or plain. Raises KeyMalformed."""
    try:
        secret = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyMalformed("not URL-safe base64") from error
    if len(secret) != KEY_LENGTH:
        raise KeyMalformed(f"{len(secret)} bytes instead of {KEY_LENGTH}")
    return Key(chain.key_id(secret), secret)


def primary() -> Key:
    """The key for new events. Raises KeyMissing and KeyMalformed."""
    keys = _ring(tuple(settings.AUDIT_HMAC_KEYS))
    if not keys:
        raise KeyMissing("AUDIT_HMAC_KEYS is empty, so nothing can be recorded.")
    return keys[0]


def by_id() -> Mapping[str, bytes]:
    """Every key by its id, for `chain.fault_of`. Raises KeyMalformed."""
    return {key.id: key.secret for key in _ring(tuple(settings.AUDIT_HMAC_KEYS))}


@lru_cache(maxsize=8)
def _ring(texts: tuple[str, ...]) -> tuple[Key, ...]:
    return tuple(map(parse, texts))
