"""The canonical form of an event and the hash chain over it: standard library only, for any verifier.

`hash = SHA-256(previous hash ‖ canonical form)`, `mac = HMAC-SHA-256(key, hash)`. Personal values enter the
canonical form as salted digests alone. Those of readable copies are computed, by whoever asks, and stand nowhere; where
a copy and its salt are erased, the digest is left in their place, and the chain is whole. In form 1, that of the first
events, every digest stands beside its copy from the beginning.
"""

import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from audit.errors import NotCanonical

FORM = 2  # version of the canonical form; every row says which one it was hashed in
BESIDE_COPIES = 1  # the form whose digests all are stored
GENESIS = "0" * 64  # the hash before the first event of a chain
PLATFORM = UUID(int=0)  # the chain of what belongs to no tenant
LARGEST_INTEGER = 2**53 - 1  # beyond it other languages' JSON readers round (RFC 8785)
PERSONAL_COLUMNS = ("actor_label", "target_label", "ip", "user_agent")
PAYLOAD = "payload."  # prefix of a personal payload field's name among the digests

_HASH = re.compile("[0-9a-f]{64}")
_TEXTS = ("kind", "outcome", "actor_id", "target_type", "target_id", "request_id", *PERSONAL_COLUMNS)

to_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class Event(Protocol):
    """What is hashed of an event: an `AuditEvent`, a pending entry, or a line of an export."""

    id: UUID
    form: int
    chain: UUID
    sequence: int
    tenant_id: UUID | None
    kind: str
    at: datetime
    outcome: str
    actor_id: str
    target_type: str
    target_id: str
    request_id: str
    actor_label: str
    target_label: str
    ip: str
    user_agent: str
    payload: dict[str, Any]
    digests: dict[str, str]
    salts: dict[str, str]


class SealedEvent(Event, Protocol):
    """An event with its place in the chain."""

    prev_hash: str
    hash: str
    mac: str
    key_id: str


class Fault(StrEnum):
    """What is wrong with an event, in the order in which it is looked for."""

    OUT_OF_SEQUENCE = "out_of_sequence"  # removed, inserted or swapped
    NOT_LINKED = "not_linked"  # does not continue the event before it
    NOT_CANONICAL = "not_canonical"  # holds what recording never writes
    EDITED = "edited"  # does not fit its hash
    UNKNOWN_KEY = "unknown_key"
    FORGED = "forged"  # hashed by somebody without the key
    COPY_EDITED = "copy_edited"  # a readable personal copy does not fit a digest that stands beside it


def canonical(event: Event) -> bytes:
    """The bytes that are hashed: JSON, keys in code point order, no spaces, UTF-8, NFC. Raises NotCanonical."""
    if not _is_shaped(event):
        raise NotCanonical("a value of another type than recording writes")
    if event.form not in (BESIDE_COPIES, FORM):
        raise NotCanonical(f"form {event.form!r} is not known")
    digests = digests_of(event)
    return _encode(
        {
            "actor_id": event.actor_id,
            "at": f"{_in_utc(event.at):%Y-%m-%dT%H:%M:%S.%f}Z",
            "chain": str(event.chain),
            "digests": digests,
            "form": event.form,
            "id": str(event.id),
            "kind": event.kind,
            "outcome": event.outcome,
            "payload": {n: v for n, v in event.payload.items() if PAYLOAD + n not in digests},
            "request_id": event.request_id,
            "sequence": event.sequence,
            "target_id": event.target_id,
            "target_type": event.target_type,
            "tenant_id": event.tenant_id and str(event.tenant_id),
        }
    )


def digests_of(event: Event) -> dict[str, str]:
    """What stands in the canonical form for each personal value, by name: erased or readable. Raises NotCanonical."""
    if event.form == BESIDE_COPIES:
        return event.digests
    return _digests_of_copies(event) | event.digests


def digest_of(salt: str, name: str, value: Any) -> str:
    """The salted digest (hex) that stands for a personal value in the canonical form. Raises NotCanonical."""
    try:
        return hashlib.sha256(f"{salt}\0{name}\0".encode() + _encode(value)).hexdigest()
    except UnicodeEncodeError as error:
        raise NotCanonical("a lone surrogate") from error


def link(previous: str, form: bytes) -> str:
    """The hash (hex) of an event whose canonical form is `form`, after the event hashed `previous`."""
    return hashlib.sha256(bytes.fromhex(previous) + form).hexdigest()


def authenticate(key: bytes, digest: str) -> str:
    """The MAC (hex) of an event's hash: whoever lacks the key can break the chain, but not continue it."""
    return hmac.digest(key, bytes.fromhex(digest), "sha256").hex()


def key_id(key: bytes) -> str:
    """The name under which rows remember a key: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:8]


def personal_copies(event: Event) -> dict[str, Any]:
    """The readable personal values of an event, by the names their digests have."""
    copies = {name: value for name in PERSONAL_COLUMNS if (value := getattr(event, name))}
    for name, value in event.payload.items():
        if PAYLOAD + name in event.salts or PAYLOAD + name in event.digests:
            copies[PAYLOAD + name] = value
    return copies


def fault_of(event: SealedEvent, sequence: int, previous: str, keys: Mapping[str, bytes] | None) -> Fault | None:
    """What is wrong with the event that should be number `sequence` after the one hashed `previous`.

    `keys` are the HMAC keys by their ids; without them seals are not looked at. None if nothing is wrong.
    """
    if event.sequence != sequence:
        return Fault.OUT_OF_SEQUENCE
    if event.prev_hash != previous or not is_hash(previous):
        return Fault.NOT_LINKED
    try:
        if event.hash != link(previous, canonical(event)):
            return Fault.EDITED
        return (_seal_fault(event, keys) if keys is not None else None) or _copy_fault(event)
    except NotCanonical:
        return Fault.NOT_CANONICAL


def is_hash(value: Any) -> bool:
    """Whether it is a hash as rows spell it: 64 digits, in hex."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _is_shaped(event: Event) -> bool:
    """Whether everything is of its type: a table or a file may hold anything."""
    if not all([isinstance(getattr(event, name), str) for name in _TEXTS]):
        return False
    if type(event.form) is not int or type(event.sequence) is not int or not isinstance(event.at, datetime):
        return False
    if not all([isinstance(each, UUID) for each in (event.id, event.chain, event.tenant_id or event.chain)]):
        return False
    if not isinstance(event.payload, dict):
        return False
    return all(
        isinstance(each, dict) and all(isinstance(text, str) for text in each.values())
        for each in (event.salts, event.digests)
    )


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise NotCanonical("a moment of no year") from error


def _seal_fault(event: SealedEvent, keys: Mapping[str, bytes]) -> Fault | None:
    key = keys.get(event.key_id) if isinstance(event.key_id, str) else None
    if key is None:
        return Fault.UNKNOWN_KEY
    return None if event.mac == authenticate(key, event.hash) else Fault.FORGED


def _copy_fault(event: Event) -> Fault | None:
    """Every copy has its salt; where the salt is gone, the copy must have been erased too, and a digest be left."""
    copies = personal_copies(event).keys()
    beside = {name: event.digests[name] for name in copies & event.digests.keys()}
    meant = _digests_of_copies(event) if event.form == BESIDE_COPIES else {}
    return None if copies == event.salts.keys() and beside == meant else Fault.COPY_EDITED


def _digests_of_copies(event: Event) -> dict[str, str]:
    copies, salts = personal_copies(event), event.salts
    return {name: digest_of(salts[name], name, value) for name, value in copies.items() if name in salts}


def _encode(value: Any) -> bytes:
    try:
        _require_exact(value)
        text = to_json(value)
    except RecursionError as error:
        raise NotCanonical("a value in too many others") from error
    if text.isascii():
        return text.encode()
    # A quotation mark composes with nothing, so the whole is in NFC exactly when every string in it is.
    if not unicodedata.is_normalized("NFC", text):
        raise NotCanonical("text that is not in NFC")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a lone surrogate") from error


def _require_exact(value: Any) -> None:
    """Refuse what JSON readers disagree about: floats, large integers, keys that are not text."""
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise NotCanonical("an integer beyond 2^53")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotCanonical("a key that is not text")
            _require_exact(item)
    elif isinstance(value, list):
        for item in value:
            _require_exact(item)
    else:
        raise NotCanonical(f"a value of type {type(value).__name__}")
