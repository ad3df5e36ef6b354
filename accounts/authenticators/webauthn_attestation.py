"""Attestation statements: `none`, which says nothing, and `fido-u2f`, which old keys cannot help sending.

Attestation is not asked for, so no statement is trusted to say who made a key; but one that is there must
hold together. Everything else is refused.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256

from accounts.authenticators.webauthn_data import Registration
from accounts.authenticators.webauthn_errors import AttestationRefused

NO_AAGUID: Final = UUID(int=0)


class Format(StrEnum):
    """The statement formats that are accepted; the values are kept with the credential."""

    NONE = "none"
    FIDO_U2F = "fido-u2f"


def verify_statement(registration: Registration, client_data_hash: bytes) -> Format:
    """The format of a statement that holds together. Raises AttestationRefused."""
    if registration.statement_format == Format.NONE and not registration.statement:
        return Format.NONE
    if registration.statement_format == Format.FIDO_U2F:
        _verify_fido_u2f(registration, client_data_hash)
        return Format.FIDO_U2F
    raise AttestationRefused


def _verify_fido_u2f(registration: Registration, client_data_hash: bytes) -> None:
    """WebAuthn L3 §8.6: one certificate with a P-256 key, whose signature covers the new credential.

    The signature does not cover the AAGUID, so only the empty one is let stand.
    """
    credential, key = registration.credential, registration.credential.public_key
    if key.get(3) != ES256.ALGORITHM or credential.aaguid != NO_AAGUID:
        raise AttestationRefused
    message = b"".join(
        (
            b"\x00",
            registration.authenticator_data.rp_id_hash,
            client_data_hash,
            credential.credential_id,
            b"\x04",
            _octets(key, -2),
            _octets(key, -3),
        )
    )
    signer = _certified_key(registration.statement.get("x5c"))
    try:
        signer.verify(_octets(registration.statement, "sig"), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise AttestationRefused from error


def _certified_key(chain: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(chain, list) or len(chain) != 1 or not isinstance(chain[0], bytes):
        raise AttestationRefused
    try:
        key = x509.load_der_x509_certificate(chain[0]).public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise AttestationRefused from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise AttestationRefused
    return key


def _octets(found: Mapping[object, object], label: object) -> bytes:
    value = found.get(label)
    if not isinstance(value, bytes):
        raise AttestationRefused
    return value
