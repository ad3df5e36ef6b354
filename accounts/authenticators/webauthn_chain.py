"""Certificates that come with attestation statements: how they are read, and whether they lead to a pinned root.

The path is checked by hand, as RFC 5280 §6.1 has it for the little that occurs here: the verifier of `cryptography`
is for the Web's certificates, takes no leaf for a root, and refuses roots that makers of keys really have. Every
certificate must be in time, be signed with SHA-2 by a key of today's strength, and carry no critical extension but
the two that are looked at; every issuer must be a CA, within its path length.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from accounts.authenticators.webauthn_errors import AttestationRefused

LONGEST_CHAIN: Final = 5  # certificates; real ones have one to three
SMALLEST_RSA_KEY: Final = 2048  # bits
CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
CHECKED: Final = {x509.BasicConstraints.oid, x509.KeyUsage.oid}
UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def read_chain(found: object) -> tuple[x509.Certificate, ...]:
    """The certificates of an `x5c`, the leaf first: one at least. Raises AttestationRefused."""
    if not isinstance(found, list) or not 1 <= len(found) <= LONGEST_CHAIN:
        raise AttestationRefused
    return tuple(_read(raw) for raw in found)


def read_certificate(raw: bytes) -> x509.Certificate:
    """A DER certificate, read to its last part, which `cryptography` would otherwise put off. Raises UNREADABLE."""
    certificate = x509.load_der_x509_certificate(raw)
    _ = (
        certificate.public_key(),
        certificate.subject,
        certificate.issuer,
        certificate.extensions,
        certificate.signature_hash_algorithm,
    )
    return certificate


def leads_to_root(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: datetime) -> bool:
    """Whether this chain, its leaf first, ends at one of these roots at `now` (aware).

    A pinned certificate anywhere in the chain ends it, the leaf too; a CA is nobody's leaf.
    """
    constraints = _constraints(chain[0]) if chain else None
    if not chain or (constraints is not None and constraints.ca):
        return False
    for below, certificate in enumerate(chain):
        if not _is_sound(certificate, now) or (below and not _issued(certificate, chain[below - 1], below - 1, now)):
            break
        if certificate in roots or any(_issued(root, certificate, below, now) for root in roots):
            return True
    return False


def _read(raw: object) -> x509.Certificate:
    if not isinstance(raw, bytes):
        raise AttestationRefused
    try:
        return read_certificate(raw)
    except UNREADABLE as error:
        raise AttestationRefused from error


def _issued(issuer: x509.Certificate, certificate: x509.Certificate, below: int, now: datetime) -> bool:
    """Whether this CA signed that certificate, below which there are `below` more CAs."""
    if not _is_ca(issuer, below=below) or not _is_sound(issuer, now):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_sound(certificate: x509.Certificate, now: datetime) -> bool:
    unknown = [one for one in certificate.extensions if one.critical and one.oid not in CHECKED]
    return (
        certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        and isinstance(certificate.signature_hash_algorithm, HASHES)
        and _is_strong(certificate.public_key())
        and not unknown
    )


def _is_strong(key: object) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= SMALLEST_RSA_KEY
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, CURVES)
    return isinstance(key, ed25519.Ed25519PublicKey)


def _is_ca(certificate: x509.Certificate, *, below: int) -> bool:
    """Whether this is a certificate authority over a chain with `below` more of them between it and the leaf."""
    constraints = _constraints(certificate)
    if constraints is None or not constraints.ca:
        return False
    if constraints.path_length is not None and below > constraints.path_length:
        return False
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _constraints(certificate: x509.Certificate) -> x509.BasicConstraints | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return None
