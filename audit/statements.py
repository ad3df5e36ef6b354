"""Checkpoints as signed statements (Ed25519, RFC 8032): standard library and `cryptography` only, for any verifier.

A statement names the head of every chain at one moment, and the statement before it by its SHA-256. Whoever has a
public key and a statement knows what the record was, whatever became of the database.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.errors import CheckpointUnsound, KeyMalformed, NoSuchKey

FORM: Final = 1
NONE: Final = "0" * 64  # the digest before the first
PURPOSE: Final = b"gatehouse audit checkpoint\0"  # so that no signature serves for anything else
PATTERN: Final = "checkpoint-*.json"

Heads = Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private key, and the id under which statements name it: 8 hex digits of its public key's SHA-256."""

    id: str
    public: str
    private: Ed25519PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Statement:
    """One checkpoint. `heads` are number and hash of the newest event, by chain."""

    number: int
    at: str
    previous: str
    key_id: str
    heads: Heads
    digest: str


def new_key() -> str:
    """A private key, as `AUDIT_CHECKPOINT_KEY` holds it."""
    return base64.urlsafe_b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def signing_key(text: str) -> SigningKey:
    """The private key in `text`, 32 bytes in base64. Raises KeyMalformed."""
    private = Ed25519PrivateKey.from_private_bytes(_bytes_of(text))
    public = private.public_key().public_bytes_raw()
    return SigningKey(_id_of(public), base64.urlsafe_b64encode(public).decode(), private)


def public_keys(texts: Iterable[str]) -> dict[str, Ed25519PublicKey]:
    """Every public key by its id. Raises KeyMalformed."""
    raw = [_bytes_of(text) for text in texts]
    return {_id_of(each): Ed25519PublicKey.from_public_bytes(each) for each in raw}


def sign(key: SigningKey, *, number: int, at: str, previous: str, heads: Heads) -> str:
    """The checkpoint as one line of JSON."""
    body = {"at": at, "form": FORM, "heads": heads, "key_id": key.id, "number": number, "previous": previous}
    signature = base64.urlsafe_b64encode(key.private.sign(PURPOSE + _encode(body))).decode()
    return _encode({"signature": signature, "statement": body}).decode()


def digest_of(text: str) -> str:
    """How the next statement names this one."""
    return hashlib.sha256(text.strip().encode()).hexdigest()


def read(text: str, keys: Mapping[str, Ed25519PublicKey]) -> Statement:
    """A statement whose signature is right. Raises CheckpointUnsound."""
    try:
        document = json.loads(text)
        body = document["statement"]
        heads = {str(chain): (int(number), str(digest)) for chain, (number, digest) in body["heads"].items()}
        found = Statement(body["number"], body["at"], body["previous"], body["key_id"], heads, digest_of(text))
        if body["form"] != FORM:
            raise CheckpointUnsound("it is of a form that is not known")
        if found.key_id not in keys:
            raise NoSuchKey(f"there is no public key {found.key_id}")
        keys[found.key_id].verify(base64.urlsafe_b64decode(document["signature"]), PURPOSE + _encode(body))
    except InvalidSignature as error:
        raise CheckpointUnsound("its signature is wrong") from error
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointUnsound("it is no checkpoint") from error
    return found


def read_all(directory: Path, keys: Mapping[str, Ed25519PublicKey]) -> Iterator[Statement]:
    """The checkpoints of a directory, oldest first, each one's predecessor among them.

    Raises CheckpointUnsound for the first that is not signed, or follows one that is missing; OSError.
    """
    known: set[str] = {NONE}
    for path in sorted(directory.glob(PATTERN)):
        try:
            found = read(path.read_text(encoding="utf-8"), keys)
        except (CheckpointUnsound, UnicodeDecodeError) as error:
            told = NoSuchKey if isinstance(error, NoSuchKey) else CheckpointUnsound
            raise told(f"{path.name}: {error}") from error
        if found.previous not in known:
            raise CheckpointUnsound(f"{path.name}: the checkpoint before it is missing")
        known.add(found.digest)
        yield found


class Reading:
    """The checkpoints of a directory one after the other, as `read_all` finds them, counted; none is held."""

    def __init__(self, directory: Path, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self._found = read_all(directory, keys)
        self.count = 0
        self.last_at = ""

    def __iter__(self) -> Iterator[Statement]:
        for each in self._found:
            self.count += 1
            self.last_at = each.at
            yield each


def _bytes_of(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyMalformed("not URL-safe base64") from error
    if len(raw) != 32:
        raise KeyMalformed(f"{len(raw)} bytes instead of 32")
    return raw


def _id_of(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:8]


def _encode(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
