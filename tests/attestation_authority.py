"""A maker of keys with its certificate authority, made at run time: what vouches for the software authenticator.

Everything about a certificate that a test may want wrong is an argument.
"""

import datetime
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.soft_authenticator import SoftKey

AAGUID_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
BEGAN = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
ENDS = datetime.datetime(2124, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def leaf_name(unit: str = "Authenticator Attestation", **others: str) -> x509.Name:
    """The subject of an attestation certificate, WebAuthn L3 §8.2.1; `others` replace a part, empty leaves it out."""
    parts = {"country": "SE", "organisation": "Example Keys", "unit": unit, "name": "Example Key 1", **others}
    oids = {
        "country": NameOID.COUNTRY_NAME,
        "organisation": NameOID.ORGANIZATION_NAME,
        "unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "name": NameOID.COMMON_NAME,
    }
    return x509.Name([x509.NameAttribute(oids[part], value) for part, value in parts.items() if value])


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certify(
    subject: x509.Name,
    public_key: Any,
    *,
    issuer: x509.Name,
    signer: Any,
    ca: bool | None = False,
    path_length: int | None = None,
    aaguid: bytes | None = None,
    aaguid_critical: bool = False,
    usage: x509.KeyUsage | None = None,
    extension: x509.ExtensionType | None = None,
    began: datetime.datetime = BEGAN,
    ends: datetime.datetime = ENDS,
    algorithm: Any = None,
) -> x509.Certificate:
    """One certificate. `ca=None` leaves the basic constraints out; `extension` is added as a critical one."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(ends)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if aaguid is not None:
        value = x509.UnrecognizedExtension(AAGUID_EXTENSION, b"\x04\x10" + aaguid)
        builder = builder.add_extension(value, critical=aaguid_critical)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(signer, algorithm or hashes.SHA256())


@dataclass
class Maker:
    """A maker with a root; `leaf` certifies an attestation key, straight from the root or from `intermediate`."""

    name: str = "Example Keys Root"
    key: Any = field(default_factory=new_key)

    def __post_init__(self) -> None:
        self.subject = common_name(self.name)
        self.root = self.rooted()

    def rooted(self, **knobs: Any) -> x509.Certificate:
        """A root of this maker's name and key."""
        knobs = {"ca": True} | knobs
        return certify(self.subject, self.key.public_key(), issuer=self.subject, signer=self.key, **knobs)

    def intermediate(self, signer: Any, name: str = "Example Keys Issuing", **knobs: Any) -> x509.Certificate:
        """A CA below the root, whose key is `signer`."""
        knobs = {"ca": True} | knobs
        return certify(common_name(name), signer.public_key(), issuer=self.subject, signer=self.key, **knobs)

    def leaf(self, key: Any, *, subject: x509.Name | None = None, **knobs: Any) -> x509.Certificate:
        """An attestation certificate for `key`."""
        knobs = {"issuer": self.subject, "signer": self.key} | knobs
        return certify(subject or leaf_name(), key.public_key(), **knobs)

    def pin(self, directory: Path) -> None:
        """Put the root where a site looks for roots."""
        pin(directory, self.root, name=f"{self.name}.pem")


def pin(directory: Path, *certificates: x509.Certificate, name: str = "pinned.pem") -> None:
    """Write certificates into a directory of roots."""
    (directory / name).write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates))


def der(*certificates: x509.Certificate) -> list[bytes]:
    """An `x5c`."""
    return [one.public_bytes(serialization.Encoding.DER) for one in certificates]


MAKER = Maker()
MODEL = uuid.UUID("0bb43545-fd2c-4185-87dd-feb0b2916ace")


def attested_key(*chain: x509.Certificate, signer: Any = None, fmt: str = "packed", **knobs: Any) -> SoftKey:
    """A key with an attestation key and its certificates: a leaf of MAKER's unless the test brings others."""
    signer = signer or new_key()
    aaguid = MODEL.bytes if fmt == "packed" else bytes(16)
    chain = chain or (MAKER.leaf(signer, aaguid=MODEL.bytes),)
    return SoftKey(**{"aaguid": aaguid, "attestation": fmt, "attestation_key": signer, "x5c": der(*chain), **knobs})


def with_leaf(maker: Maker = MAKER, **knobs: Any) -> SoftKey:
    """A key whose certificate this maker made so."""
    signer = new_key()
    return attested_key(maker.leaf(signer, **{"aaguid": MODEL.bytes, **knobs}), signer=signer)
