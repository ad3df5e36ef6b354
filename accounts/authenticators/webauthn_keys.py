"""Public keys as COSE_Key: which are accepted, how they are kept, and the check of a signature.

python-fido2 takes the parameters of a key as they come and finds out at the first signature; here a key is
checked, to the last parameter, before it is kept.
"""

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fido2 import cbor
from fido2.cose import ES256, RS256, CoseKey, EdDSA

from accounts.authenticators.webauthn_errors import AlgorithmRefused, BadSignature, MalformedAnswer
from accounts.authenticators.webauthn_wire import parse_cbor

ALGORITHMS: Final = (ES256.ALGORITHM, EdDSA.ALGORITHM, RS256.ALGORITHM)  # -7, -8, -257: preferred first
RSA_BYTES: Final = range(256, 513)  # 2048 to 4096 bits
RSA_EXPONENT: Final = b"\x01\x00\x01"
_KTY, _ALG, _CRV, _X, _Y = 1, 3, -1, -2, -3  # labels of RFC 9052 §7.1 and RFC 9053 §7
_N, _E = -1, -2  # RFC 8230 §4
_KTY_OKP, _KTY_EC2, _KTY_RSA = 1, 2, 3
_P256, _ED25519 = 1, 6

Parameters = dict[int, int | bytes]


def accept_public_key(found: Mapping[object, object]) -> tuple[bytes, int]:
    """The COSE_Key to keep, with its known parameters only, and its algorithm.

    Raises AlgorithmRefused unless the algorithm was offered and every parameter is sound.
    """
    algorithm = found.get(_ALG)
    if not isinstance(algorithm, int) or algorithm not in _READERS:
        raise AlgorithmRefused
    try:
        key = _READERS[algorithm](found)
    except (ValueError, UnsupportedAlgorithm) as error:  # not a point on the curve, not a modulus
        raise AlgorithmRefused from error
    return cbor.encode(key), algorithm


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raise BadSignature unless this kept COSE_Key signed the message."""
    key = parse_cbor(public_key)
    if not isinstance(key, dict):
        raise MalformedAnswer
    try:
        CoseKey.parse(key).verify(message, signature)
    except (InvalidSignature, ValueError) as error:
        raise BadSignature from error


def _read_ec2(found: Mapping[object, object]) -> Parameters:
    x, y = _octets(found, _X, 32), _octets(found, _Y, 32)
    _require(found, kty=_KTY_EC2, crv=_P256)
    ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1()).public_key()
    return {_KTY: _KTY_EC2, _ALG: ES256.ALGORITHM, _CRV: _P256, _X: x, _Y: y}


def _read_okp(found: Mapping[object, object]) -> Parameters:
    x = _octets(found, _X, 32)
    _require(found, kty=_KTY_OKP, crv=_ED25519)
    ed25519.Ed25519PublicKey.from_public_bytes(x)
    return {_KTY: _KTY_OKP, _ALG: EdDSA.ALGORITHM, _CRV: _ED25519, _X: x}


def _read_rsa(found: Mapping[object, object]) -> Parameters:
    n, e = found.get(_N), found.get(_E)
    if found.get(_KTY) != _KTY_RSA or e != RSA_EXPONENT:
        raise AlgorithmRefused
    if not isinstance(n, bytes) or len(n) not in RSA_BYTES or n[0] < 0x80 or n[-1] % 2 == 0:
        raise AlgorithmRefused
    rsa.RSAPublicNumbers(int.from_bytes(RSA_EXPONENT), int.from_bytes(n)).public_key()
    return {_KTY: _KTY_RSA, _ALG: RS256.ALGORITHM, _N: n, _E: RSA_EXPONENT}


_READERS: Final[dict[int, Callable[[Mapping[object, object]], Parameters]]] = {
    ES256.ALGORITHM: _read_ec2,
    EdDSA.ALGORITHM: _read_okp,
    RS256.ALGORITHM: _read_rsa,
}


def _require(found: Mapping[object, object], *, kty: int, crv: int) -> None:
    if found.get(_KTY) != kty or found.get(_CRV) != crv:
        raise AlgorithmRefused


def _octets(found: Mapping[object, object], label: int, length: int) -> bytes:
    value = found.get(label)
    if not isinstance(value, bytes) or len(value) != length:
        raise AlgorithmRefused
    return value
