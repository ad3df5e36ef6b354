"""Attestation statements: what a key's maker says of it, and whether that holds together (WebAuthn L3 §8).

Accepted are `none`, which says nothing; `packed`, by a certificate or by the key itself (which says no more than
`none`); and `fido-u2f`, which old keys cannot help sending. Everything else is refused: of what python-fido2 can
read, its verifier of `tpm` looks at neither the AAGUID nor the maker in the certificate, that of `apple` not at
whether the certificate is for this key, and for `android-key` it has none.

Whether the certificates lead to a root of this site is another question: `webauthn_roots.vouch_for`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fido2.attestation.base import InvalidData
from fido2.attestation.base import InvalidSignature as StatementNotSigned
from fido2.attestation.packed import PackedAttestation
from fido2.cose import ES256, RS256, EdDSA
from fido2.webauthn import AuthenticatorData as Layout

from accounts.authenticators.webauthn_chain import read_chain
from accounts.authenticators.webauthn_data import Registration
from accounts.authenticators.webauthn_errors import AttestationRefused, AttestationUnsupported

NO_AAGUID: Final = UUID(int=0)


class Format(StrEnum):
    """The statement formats that are accepted; the values are kept with the credential."""

    NONE = "none"
    PACKED = "packed"
    FIDO_U2F = "fido-u2f"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that holds together. `chain`: who vouches, leaf first; empty for `none` and self attestation."""

    format: Format
    chain: tuple[x509.Certificate, ...] = ()


def verify_statement(registration: Registration, client_data_hash: bytes) -> Statement:
    """The statement of a registration, if it holds together (§7.1 steps 21 and 22).

    Raises AttestationRefused, AttestationUnsupported for a format of another kind.
    """
    if registration.statement_format == Format.NONE and not registration.statement:
        return Statement(Format.NONE)
    if registration.statement_format == Format.PACKED:
        return Statement(Format.PACKED, _verify_packed(registration, client_data_hash))
    if registration.statement_format == Format.FIDO_U2F:
        return Statement(Format.FIDO_U2F, _verify_fido_u2f(registration, client_data_hash))
    raise AttestationRefused if registration.statement_format == Format.NONE else AttestationUnsupported


def _verify_packed(registration: Registration, client_data_hash: bytes) -> tuple[x509.Certificate, ...]:
    """§8.2 and, of the leaf, §8.2.1: by python-fido2, which is given nothing whose shape was not checked here.

    Its verifier falls over values of other types, takes an empty `x5c` for none, and leaves curves to chance.
    """
    statement = registration.statement
    chain = read_chain(statement["x5c"]) if "x5c" in statement else ()
    _octets(statement, "sig")
    if set(statement) - {"alg", "sig", "x5c"} or (chain and not _suits(statement.get("alg"), chain[0].public_key())):
        raise AttestationRefused
    data = Layout(registration.authenticator_data.raw)
    try:
        PackedAttestation().verify(statement, data, client_data_hash)
    except (InvalidData, StatementNotSigned) as error:
        raise AttestationRefused from error
    return chain


def _suits(algorithm: object, key: object) -> bool:
    """Whether a certificate's key is of the kind that its statement's algorithm is for."""
    if algorithm == ES256.ALGORITHM:
        return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if algorithm == RS256.ALGORITHM:
        return isinstance(key, rsa.RSAPublicKey)
    return algorithm == EdDSA.ALGORITHM and isinstance(key, ed25519.Ed25519PublicKey)


def _verify_fido_u2f(registration: Registration, client_data_hash: bytes) -> tuple[x509.Certificate, ...]:
    """§8.6: one certificate with a P-256 key, whose signature covers the new credential.

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
    chain = read_chain(registration.statement.get("x5c"))
    signer = chain[0].public_key()
    if len(chain) != 1 or not isinstance(signer, ec.EllipticCurvePublicKey) or not _suits(ES256.ALGORITHM, signer):
        raise AttestationRefused
    try:
        signer.verify(_octets(registration.statement, "sig"), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise AttestationRefused from error
    return chain


def _octets(found: Mapping[object, object], label: object) -> bytes:
    value = found.get(label)
    if not isinstance(value, bytes):
        raise AttestationRefused
    return value
