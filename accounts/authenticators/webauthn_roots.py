"""The roots that attestation must lead to: PEM files in the directory that `WEBAUTHN_ATTESTATION_ROOTS` names.

They are read anew at each enrolment that has use for them, which is rare: what an operator adds or takes away
holds at once, on every machine that has it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.utils import timezone

from accounts.authenticators.webauthn_chain import UNREADABLE, leads_to_root, read_certificate

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Roots:
    """What could be read, and what is wrong with the rest (sentences for operators)."""

    certificates: tuple[x509.Certificate, ...] = ()
    faults: tuple[str, ...] = ()


def pinned() -> Roots:
    """The roots of this site; none without the setting, and then no key can be attested."""
    named = settings.WEBAUTHN_ATTESTATION_ROOTS
    if not named:
        return Roots()
    directory = Path(named)
    if not directory.is_dir():
        return Roots(faults=("it is no directory.",))
    files = sorted(directory.glob("*.pem"))
    if not files:
        return Roots(faults=("there is no file in it whose name ends in .pem.",))
    read = [_read(file) for file in files]
    return Roots(
        tuple(certificate for one in read for certificate in one.certificates),
        tuple(fault for one in read for fault in one.faults),
    )


def vouch_for(chain: Sequence[x509.Certificate]) -> bool:
    """Whether a chain of certificates leads to a root of this site now. What cannot be read vouches for nothing."""
    if not chain:
        return False
    roots = pinned()
    for fault in roots.faults:
        logger.error("WEBAUTHN_ATTESTATION_ROOTS: %s", fault)
    return leads_to_root(chain, roots.certificates, timezone.now())


def _read(file: Path) -> Roots:
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
        return Roots(tuple(read_certificate(one.public_bytes(Encoding.DER)) for one in found))
    except (OSError, *UNREADABLE):
        return Roots(faults=(f"{file.name} cannot be read as certificates in PEM.",))
