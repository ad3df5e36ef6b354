"""Public keys and attestation statements: what is let in, and what is not."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fido2 import cbor
from fido2.cose import ES256, ES384, RS256, CoseKey
from fido2.utils import websafe_decode

from accounts.authenticators import webauthn_errors, webauthn_keys
from tests.accounts.webauthn_scene import Scene
from tests.soft_authenticator import SoftKey, certificate_of, u2f_key

GOOD_EC = dict(ES256.from_cryptography_key(ec.generate_private_key(ec.SECP256R1()).public_key()))
GOOD_OKP = {1: 1, 3: -8, -1: 6, -2: bytes(range(32))}
GOOD_RSA = dict(
    RS256.from_cryptography_key(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())
)
SMALL_RSA = {**GOOD_RSA, -1: GOOD_RSA[-1][:128]}
P384 = dict(ES384.from_cryptography_key(ec.generate_private_key(ec.SECP384R1()).public_key()))


@pytest.mark.parametrize("key", [GOOD_EC, GOOD_OKP, GOOD_RSA])
def test_sound_keys_are_kept_with_their_known_parameters_only(key):  # security 46
    kept, algorithm = webauthn_keys.accept_public_key({**key, 4: [2], "spare": b"x" * 4000})
    assert cbor.decode(kept) == key
    assert algorithm == key[3]


@pytest.mark.security(40)
@pytest.mark.parametrize(
    "key",
    [
        {},
        {1: 2},
        {**GOOD_EC, 3: -65535},
        {**GOOD_EC, 3: -9},
        {**GOOD_EC, 3: -35},
        {**GOOD_EC, 3: 0},
        {**GOOD_EC, 3: "ES256"},
        {**GOOD_EC, 3: [-7]},
        {**GOOD_EC, 3: -257},
        {**GOOD_RSA, 3: -7},
        {**GOOD_OKP, 3: -7},
        P384,
        {**P384, 3: -7},
        {**GOOD_EC, 1: 1},
        {**GOOD_EC, -1: 2},
        {**GOOD_EC, -2: bytes(31)},
        {**GOOD_EC, -2: bytes(32), -3: bytes(32)},  # not on the curve
        {**GOOD_EC, -2: b"\xff" * 32},
        {**GOOD_EC, -3: True},
        {**GOOD_EC, -3: 7},
        {**GOOD_OKP, -1: 7},
        {**GOOD_OKP, 1: 2},
        {**GOOD_OKP, -2: bytes(57)},
        SMALL_RSA,
        {**GOOD_RSA, 1: 2},
        {**GOOD_RSA, -2: b"\x03"},
        {**GOOD_RSA, -2: 65537},
        {**GOOD_RSA, -1: b"\xff" * 513},
        {**GOOD_RSA, -1: b"\x00" * 100 + b"\xff" * 156},
        {**GOOD_RSA, -1: b"\xff" * 255 + b"\xfe"},  # even
        {**GOOD_RSA, -1: None},
    ],
)
def test_unsound_and_unoffered_keys_are_refused(key):
    with pytest.raises(webauthn_errors.AlgorithmRefused):
        webauthn_keys.accept_public_key(key)


@pytest.mark.django_db
@pytest.mark.security(40)
def test_an_unsound_key_is_refused_at_registration():
    scene = Scene()
    broken = {**GOOD_EC, -2: bytes(32), -3: bytes(32)}
    with pytest.raises(webauthn_errors.AlgorithmRefused):
        scene.complete(scene.key.create(scene.creation(), scene.origin, public_key=broken))


def test_a_kept_key_that_is_no_key_is_malformed_rather_than_a_crash():
    with pytest.raises(webauthn_errors.MalformedAnswer):
        webauthn_keys.verify_signature(cbor.encode([1]), b"message", b"signature")


def statement_refused(key: SoftKey, statement: dict[str, Any]) -> None:
    scene = Scene(key=key)
    with pytest.raises(webauthn_errors.AttestationRefused):
        scene.complete(scene.key.create(scene.creation(), scene.origin, statement=statement))


@pytest.mark.django_db
@pytest.mark.security(41)
@pytest.mark.parametrize("fmt", ["packed", "tpm", "android-key", "android-safetynet", "apple", "NONE", ""])
def test_statements_nobody_asked_for_are_refused(fmt):
    statement_refused(SoftKey(attestation=fmt), {})
    statement_refused(SoftKey(attestation=fmt), {"alg": -7, "sig": b"x"})


@pytest.mark.django_db
@pytest.mark.security(41)
def test_a_statement_of_the_format_none_must_be_empty():
    statement_refused(SoftKey(), {"sig": b"x"})


def certificate(curve: Any = None) -> bytes:
    return certificate_of(ec.generate_private_key(curve or ec.SECP256R1()))


@pytest.mark.django_db
@pytest.mark.security(41)
@pytest.mark.parametrize(
    "statement",
    [
        {},
        {"sig": b"x"},
        {"x5c": [certificate()]},
        {"x5c": [certificate()], "sig": b"x"},
        {"x5c": [certificate()], "sig": "text"},
        {"x5c": [certificate()], "sig": b""},
        {"x5c": [], "sig": b"x"},
        {"x5c": certificate(), "sig": b"x"},
        {"x5c": [certificate(), certificate()], "sig": b"x"},
        {"x5c": ["text"], "sig": b"x"},
        {"x5c": [b""], "sig": b"x"},
        {"x5c": [b"\x30\x00"], "sig": b"x"},
        {"x5c": [certificate()[:-20]], "sig": b"x"},
        {"x5c": [certificate(ec.SECP384R1())], "sig": b"x"},
        {"x5c": [certificate_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))], "sig": b"x"},
    ],
)
def test_a_u2f_statement_that_does_not_hold_together_is_refused(statement):
    statement_refused(u2f_key(), statement)


@pytest.mark.django_db
@pytest.mark.security(41)
@pytest.mark.parametrize("knobs", [{"certificates": 2}, {"attestation_key": ec.generate_private_key(ec.SECP384R1())}])
def test_a_u2f_statement_has_one_certificate_for_a_key_on_p256(knobs):
    scene = Scene(key=u2f_key(**knobs))  # the signature itself is right
    with pytest.raises(webauthn_errors.AttestationRefused):
        scene.complete(scene.key.create(scene.creation(), scene.origin))


@pytest.mark.django_db
@pytest.mark.security(41)
def test_a_u2f_statement_covers_this_registration_only():
    scene = Scene(key=u2f_key())
    options = scene.creation()
    first = scene.key.create(options, scene.origin)
    statement = cbor.decode(_raw(first))["attStmt"]
    scene.key.credentials.clear()
    with pytest.raises(webauthn_errors.AttestationRefused):
        scene.complete(scene.key.create(scene.creation(), scene.origin, statement=statement))


@pytest.mark.django_db
@pytest.mark.security(41)
def test_a_u2f_statement_does_not_vouch_for_a_product_or_another_algorithm():
    for key in (u2f_key(aaguid=b"y" * 16), u2f_key(alg=-8)):
        scene = Scene(key=key)
        cose = None if key.alg == -7 else {**GOOD_OKP, -3: bytes(32)}
        with pytest.raises(webauthn_errors.AttestationRefused):
            scene.complete(scene.key.create(scene.creation(), scene.origin, public_key=cose))


def _raw(answer: dict[str, Any]) -> bytes:
    return websafe_decode(answer["response"]["attestationObject"])


@pytest.mark.parametrize("alg", webauthn_keys.ALGORITHMS)
def test_every_offered_algorithm_is_one_that_fido2_can_check(alg):
    assert CoseKey.for_alg(alg).ALGORITHM == alg
