"""A software WebAuthn authenticator and its browser: `cryptography`, fido2's CBOR and COSE, nothing of ours.

It behaves by default; every knob that makes it misbehave is an attribute (for the authenticator) or an
argument of `create` and `get` (for the browser).
"""

import datetime
import json
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID
from fido2 import cbor
from fido2.cose import CoseKey
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import AuthenticatorData

FLAG = AuthenticatorData.FLAG
ES256, EDDSA, RS256, RS1 = -7, -8, -257, -65535
ABSENT = object()  # as a value in `client_data`: leave the member out


@dataclass
class Credential:
    """What the authenticator keeps of one credential."""

    rp_id: str
    private_key: Any
    user_handle: bytes


@dataclass
class SoftKey:
    """One authenticator. `counts=False` keeps the signature counter where it is, as synced passkeys do."""

    alg: int = ES256
    user_present: bool = True
    user_verified: bool = True
    resident: bool = True
    backup_eligible: bool = False
    backed_up: bool = False
    aaguid: bytes = bytes(16)
    sign_count: int = 0
    counts: bool = True
    transports: Any = field(default_factory=lambda: ["usb"])
    attestation: str = "none"  # or "fido-u2f", or "packed"
    attestation_key: Any = None  # a fresh P-256 key without one; packed: without one, and without x5c, by itself
    x5c: list[bytes] | None = None  # the certificates of that key, DER; a self-made one without them (not packed)
    certificates: int = 1
    obedient: bool = True  # refuses algorithms that were not offered and credentials that are excluded
    credential_id_length: int = 32
    rp_id: str | None = None  # sign for another relying party than the options name
    extensions: dict[str, Any] | None = None
    credentials: dict[bytes, Credential] = field(default_factory=dict)

    def create(
        self,
        options: dict[str, Any],
        origin: str,
        *,
        client_data: dict[str, Any] | None = None,
        statement: dict[str, Any] | None = None,
        public_key: dict[int, Any] | None = None,
        credential_id: bytes | None = None,
        **extra: Any,
    ) -> dict[str, Any]:
        """The RegistrationResponseJSON for creation options; `extra` lands beside its top-level members."""
        asked = options.get("publicKey", options)
        if self.obedient:
            self._obey(asked)
        rp_id = self.rp_id or asked["rp"]["id"]
        credential_id, key = credential_id or os.urandom(self.credential_id_length), self._new_key()
        self.credentials[credential_id] = Credential(rp_id, key, websafe_decode(asked["user"]["id"]))
        cose = public_key or CoseKey.for_alg(self.alg).from_cryptography_key(key.public_key())
        attested = self.aaguid + len(credential_id).to_bytes(2) + credential_id + cbor.encode(cose)
        data = self._authenticator_data(rp_id, FLAG.AT, attested)
        collected = _client_data("webauthn.create", asked["challenge"], origin, client_data)
        if statement is None:
            statement = self._statement(data, sha256(collected), credential_id, cose)
        attestation = cbor.encode({"fmt": self.attestation, "attStmt": statement, "authData": data})
        return {
            "id": websafe_encode(credential_id),
            "rawId": websafe_encode(credential_id),
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": {"credProps": {"rk": self.resident}},
            "response": {
                "clientDataJSON": websafe_encode(collected),
                "attestationObject": websafe_encode(attestation),
                "authenticatorData": websafe_encode(data),
                "publicKeyAlgorithm": self.alg,
                "transports": self.transports,
            },
            **extra,
        }

    def get(
        self,
        options: dict[str, Any],
        origin: str,
        *,
        client_data: dict[str, Any] | None = None,
        user_handle: Any = ABSENT,
        credential_id: bytes | None = None,
        **extra: Any,
    ) -> dict[str, Any]:
        """The AuthenticationResponseJSON for request options, with the first credential that they allow."""
        asked = options.get("publicKey", options)
        allowed = [websafe_decode(found["id"]) for found in asked.get("allowCredentials", [])]
        chosen = credential_id or next(found for found in allowed or self.credentials if found in self.credentials)
        credential = self.credentials[chosen]
        if self.counts:
            self.sign_count += 1
        data = self._authenticator_data(self.rp_id or asked["rpId"], FLAG(0), b"")
        collected = _client_data("webauthn.get", asked["challenge"], origin, client_data)
        if user_handle is ABSENT:
            user_handle = credential.user_handle if self.resident else None
        return {
            "id": websafe_encode(chosen),
            "rawId": websafe_encode(chosen),
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": websafe_encode(collected),
                "authenticatorData": websafe_encode(data),
                "signature": websafe_encode(sign(self.alg, credential.private_key, data + sha256(collected))),
                "userHandle": None if user_handle is None else websafe_encode(user_handle),
            },
            **extra,
        }

    def _obey(self, asked: dict[str, Any]) -> None:
        if all(offered["alg"] != self.alg for offered in asked["pubKeyCredParams"]):
            raise ValueError("NotSupportedError: algorithm not offered")
        if any(websafe_decode(known["id"]) in self.credentials for known in asked.get("excludeCredentials", [])):
            raise ValueError("InvalidStateError: already registered")

    def _flags(self) -> AuthenticatorData.FLAG:
        flags = FLAG(0)
        for knob, flag in (
            (self.user_present, FLAG.UP),
            (self.user_verified, FLAG.UV),
            (self.backup_eligible, FLAG.BE),
            (self.backed_up, FLAG.BS),
            (self.extensions is not None, FLAG.ED),
        ):
            flags |= flag if knob else FLAG(0)
        return flags

    def _authenticator_data(self, rp_id: str, flags: AuthenticatorData.FLAG, attested: bytes) -> bytes:
        extensions = b"" if self.extensions is None else cbor.encode(self.extensions)
        head = sha256(rp_id.encode()) + bytes([self._flags() | flags]) + self.sign_count.to_bytes(4)
        return head + attested + extensions

    def _new_key(self) -> Any:
        if self.alg == ES256:
            return ec.generate_private_key(ec.SECP256R1())
        if self.alg == EDDSA:
            return ed25519.Ed25519PrivateKey.generate()
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def _statement(self, data: bytes, digest: bytes, credential_id: bytes, cose: Any) -> dict[str, Any]:
        if self.attestation == "packed":
            return self._packed(data + digest, credential_id)
        if self.attestation != "fido-u2f":
            return {}
        signer = self.attestation_key or ec.generate_private_key(ec.SECP256R1())
        message = b"\0" + data[:32] + digest + credential_id + b"\x04" + cose[-2] + cose[-3]
        signature = signer.sign(message, ec.ECDSA(hashes.SHA256()))
        return {"x5c": self.x5c or [certificate_of(signer)] * self.certificates, "sig": signature}

    def _packed(self, message: bytes, credential_id: bytes) -> dict[str, Any]:
        if not self.x5c:  # by itself; a list that is empty is sent as it is
            own = {"alg": self.alg, "sig": sign(self.alg, self.credentials[credential_id].private_key, message)}
            return own if self.x5c is None else own | {"x5c": []}
        alg = _algorithm_of(self.attestation_key)
        return {"alg": alg, "sig": sign(alg, self.attestation_key, message), "x5c": self.x5c}


def _algorithm_of(key: Any) -> int:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ES256
    return EDDSA if isinstance(key, ed25519.Ed25519PrivateKey) else RS256


def sign(alg: int, key: Any, message: bytes) -> bytes:
    """A signature over a message, as this COSE algorithm makes it."""
    if alg == ES256:
        return key.sign(message, ec.ECDSA(hashes.SHA256()))
    if alg == EDDSA:
        return key.sign(message)
    return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def u2f_key(**knobs: Any) -> SoftKey:
    """An old key that knows U2F only: touch, no PIN, nothing discoverable, and its own kind of statement."""
    return SoftKey(user_verified=False, resident=False, attestation="fido-u2f", **knobs)


def synced_passkey(**knobs: Any) -> SoftKey:
    """A passkey that a provider copies between devices: backed up, and its counter always zero."""
    return SoftKey(backup_eligible=True, backed_up=True, counts=False, transports=["hybrid", "internal"], **knobs)


def certificate_of(signer: Any) -> bytes:
    """A self-made attestation certificate, DER."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Soft U2F")])
    now = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=3650))
    )
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _client_data(kind: str, challenge: str, origin: str, over: dict[str, Any] | None) -> bytes:
    members = {"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False, **(over or {})}
    return json.dumps({name: value for name, value in members.items() if value is not ABSENT}).encode()
