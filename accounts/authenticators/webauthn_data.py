"""The structures of WebAuthn, read from what the browser sent: client data, authenticator data, the answers.

Reading only: nothing here is trusted yet, and whatever is not named here is dropped.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fido2.webauthn import AuthenticatorData as Layout

from accounts.authenticators.webauthn_errors import CredentialIdTooLong, MalformedAnswer
from accounts.authenticators.webauthn_wire import (
    CBOR_LIMIT,
    decode_base64url,
    parse_cbor,
    parse_json,
    take_cbor,
)

CREDENTIAL_ID_LIMIT: Final = 1023  # bytes, WebAuthn L3 §7.1 step 25
CLIENT_DATA_LIMIT: Final = 4096  # bytes
SIGNATURE_LIMIT: Final = 1024
TRANSPORTS: Final = ("usb", "nfc", "ble", "smart-card", "hybrid", "internal")  # WebAuthn L3 §5.8.4
_FIXED: Final = 37  # bytes of authenticator data before anything optional


@dataclass(frozen=True, slots=True)
class ClientData:
    """What the browser says it did (WebAuthn L3 §5.8.1). `digest` is SHA-256 of the bytes it signed over."""

    type: str
    challenge: bytes
    origin: str
    embedded: bool
    digest: bytes

    @classmethod
    def parse(cls, raw: bytes) -> "ClientData":
        """Read `clientDataJSON`; any `topOrigin`, or `crossOrigin` that is not false, makes it embedded."""
        fields = _mapping(parse_json(_text(raw)))
        return cls(
            type=_string(fields.get("type")),
            challenge=decode_base64url(fields.get("challenge")),
            origin=_string(fields.get("origin")),
            embedded=fields.get("crossOrigin", False) is not False or "topOrigin" in fields,
            digest=hashlib.sha256(raw).digest(),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A browser's answer whose client data could be read; everything else still waits to be."""

    fields: Mapping[object, object]
    response: Mapping[object, object]
    client_data: ClientData


@dataclass(frozen=True, slots=True)
class AttestedCredential:
    """A new credential as the authenticator describes it (WebAuthn L3 §6.5.1); `public_key` is a COSE_Key."""

    aaguid: UUID
    credential_id: bytes
    public_key: Mapping[object, object]


@dataclass(frozen=True, slots=True)
class AuthenticatorData:
    """What the authenticator says (WebAuthn L3 §6.1); `raw` are the bytes it signed."""

    raw: bytes
    rp_id_hash: bytes
    flags: Layout.FLAG
    sign_count: int
    credential: AttestedCredential | None

    @classmethod
    def parse(cls, raw: bytes) -> "AuthenticatorData":
        """Read authenticator data to its last byte; extensions are checked for shape and dropped."""
        if not _FIXED <= len(raw) <= CBOR_LIMIT:
            raise MalformedAnswer
        flags, credential, at = Layout.FLAG(raw[32]), None, _FIXED
        if flags & Layout.FLAG.AT:
            credential, at = _attested(raw, at)
        if flags & Layout.FLAG.ED:
            extensions, at = take_cbor(raw, at)
            _mapping(extensions)
        if at != len(raw):
            raise MalformedAnswer
        return cls(raw, raw[:32], flags, int.from_bytes(raw[33:37]), credential)

    @property
    def user_present(self) -> bool:
        return bool(self.flags & Layout.FLAG.UP)

    @property
    def user_verified(self) -> bool:
        return bool(self.flags & Layout.FLAG.UV)

    @property
    def backup_eligible(self) -> bool:
        return bool(self.flags & Layout.FLAG.BE)

    @property
    def backed_up(self) -> bool:
        return bool(self.flags & Layout.FLAG.BS)


@dataclass(frozen=True, slots=True)
class Registration:
    """The answer to an enrolment. `discoverable` is what credProps says: true, false, or nothing."""

    authenticator_data: AuthenticatorData
    credential: AttestedCredential
    statement_format: str
    statement: Mapping[object, object]
    transports: tuple[str, ...]
    discoverable: bool | None


@dataclass(frozen=True, slots=True)
class Signed:
    """The answer to an assertion."""

    credential_id: bytes
    authenticator_data: AuthenticatorData
    signature: bytes
    user_handle: bytes | None


def read_answer(answer: object) -> Answer:
    """The outer shell of an answer: a JSON text or what a JSON parser made of it. Raises MalformedAnswer."""
    fields = _mapping(parse_json(answer) if isinstance(answer, str) else answer)
    response = _mapping(fields.get("response"))
    client_data = ClientData.parse(decode_base64url(response.get("clientDataJSON"), limit=CLIENT_DATA_LIMIT))
    return Answer(fields, response, client_data)


def read_registration(answer: Answer) -> Registration:
    """The rest of an answer to `credentials.create`. Raises MalformedAnswer or CredentialIdTooLong."""
    credential_id = _credential_id(answer)
    raw = decode_base64url(answer.response.get("attestationObject"), limit=CBOR_LIMIT)
    attestation = _mapping(parse_cbor(raw))
    data = AuthenticatorData.parse(_bytes(attestation.get("authData")))
    if data.credential is None or data.credential.credential_id != credential_id:
        raise MalformedAnswer
    return Registration(
        authenticator_data=data,
        credential=data.credential,
        statement_format=_string(attestation.get("fmt")),
        statement=_mapping(attestation.get("attStmt")),
        transports=_transports(answer.response.get("transports")),
        discoverable=_discoverable(answer.fields.get("clientExtensionResults")),
    )


def read_signed(answer: Answer) -> Signed:
    """The rest of an answer to `credentials.get`. Raises MalformedAnswer or CredentialIdTooLong."""
    handle = answer.response.get("userHandle")
    return Signed(
        credential_id=_credential_id(answer),
        authenticator_data=AuthenticatorData.parse(
            decode_base64url(answer.response.get("authenticatorData"), limit=CBOR_LIMIT)
        ),
        signature=decode_base64url(answer.response.get("signature"), limit=SIGNATURE_LIMIT),
        user_handle=None if handle is None else decode_base64url(handle, limit=64),
    )


def _attested(raw: bytes, at: int) -> tuple[AttestedCredential, int]:
    """AAGUID, two bytes of length, credential id, COSE_Key."""
    if len(raw) < at + 18:
        raise MalformedAnswer
    start = at + 18
    end = start + int.from_bytes(raw[at + 16 : start])
    public_key, rest = take_cbor(raw, end)  # an id that is cut short leaves nothing here
    return AttestedCredential(UUID(bytes=raw[at : at + 16]), raw[start:end], _mapping(public_key)), rest


def _credential_id(answer: Answer) -> bytes:
    fields = answer.fields
    raw_id = decode_base64url(fields.get("rawId"))
    if not raw_id or fields.get("id") != fields.get("rawId") or fields.get("type") != "public-key":
        raise MalformedAnswer
    if len(raw_id) > CREDENTIAL_ID_LIMIT:
        raise CredentialIdTooLong
    return raw_id


def _transports(found: object) -> tuple[str, ...]:
    """The known names among those given; advisory, so anything else is dropped."""
    return tuple(name for name in TRANSPORTS if isinstance(found, list) and name in found)


def _discoverable(extensions: object) -> bool | None:
    """The `rk` of credProps, when it is there and a boolean (WebAuthn L3 §10.1.3)."""
    properties = extensions.get("credProps") if isinstance(extensions, Mapping) else None
    resident = properties.get("rk") if isinstance(properties, Mapping) else None
    return resident if isinstance(resident, bool) else None


def _mapping(value: object) -> Mapping[object, object]:
    if not isinstance(value, Mapping):
        raise MalformedAnswer
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise MalformedAnswer
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise MalformedAnswer
    return value


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedAnswer from error
