"""Attestation: who vouches for a key, up to a root of this site (WebAuthn L3 §7.1 steps 21 to 24, §8.2, §8.6)."""

import datetime
import uuid
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.utils import timezone
from fido2 import cbor
from fido2.utils import websafe_decode, websafe_encode

from accounts.authenticators import webauthn, webauthn_chain, webauthn_errors, webauthn_roots
from accounts.authenticators.webauthn_demands import KeyDemands
from accounts.models import Ceremony, WebAuthnCredential
from tests.accounts.webauthn_scene import Scene
from tests.attestation_authority import (
    DAY,
    MAKER,
    MODEL,
    Maker,
    attested_key,
    certify,
    common_name,
    der,
    leaf_name,
    new_key,
    pin,
    with_leaf,
)
from tests.soft_authenticator import EDDSA, RS256, SoftKey

pytestmark = [pytest.mark.django_db, pytest.mark.security(41)]

DEMANDING = KeyDemands(attested=True)
OTHER_KEYS = {
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
OTHER_MAKER = Maker()  # of the same name


@pytest.fixture(autouse=True)
def roots(settings: Any, tmp_path: Path) -> Path:
    """The directory of roots, with that of MAKER in it."""
    settings.WEBAUTHN_ATTESTATION_ROOTS = str(tmp_path)
    MAKER.pin(tmp_path)
    return tmp_path


def enrolled(key: SoftKey, demands: KeyDemands = DEMANDING, **how: Any) -> webauthn.NewCredential:
    """The key's registration, verified, and judged by these demands."""
    scene = Scene(key=key, demands=demands)
    return scene.complete(key.create(scene.creation(), scene.origin, **how))


def refused(
    key: SoftKey, error: type[webauthn_errors.WebAuthnError], demands: KeyDemands = DEMANDING, **how: Any
) -> None:
    """The key's registration is refused as exactly this error, and its ceremony is used up."""
    with pytest.raises(error) as refusal:
        enrolled(key, demands, **how)
    assert type(refusal.value) is error
    assert not Ceremony.objects.filter(consumed_at=None).exists()
    assert not WebAuthnCredential.objects.exists()


def test_a_key_whose_maker_vouches_for_it_is_attested_and_its_model_known():
    scene = Scene(key=with_leaf(), demands=DEMANDING)
    options = scene.creation()["publicKey"]
    assert options["attestation"] == "direct"
    credential = scene.enrol().credential
    assert (credential.attestation, credential.attested, credential.aaguid) == ("packed", True, MODEL)


def test_attestation_is_asked_for_only_where_it_is_demanded():
    assert Scene(demands=KeyDemands(allowed=frozenset({MODEL}))).creation()["publicKey"]["attestation"] == "none"
    new = enrolled(SoftKey(aaguid=MODEL.bytes), KeyDemands())
    assert (new.attestation, new.attested) == ("none", False)


def test_what_comes_unasked_counts_if_it_leads_to_a_root():
    assert enrolled(with_leaf(), KeyDemands()).attested
    other = enrolled(with_leaf(OTHER_MAKER), KeyDemands())
    assert (other.attestation, other.attested) == ("packed", False)


def test_a_u2f_key_is_attested_by_its_one_certificate_and_has_no_model():
    new = enrolled(attested_key(fmt="fido-u2f", user_verified=False))
    assert (new.attestation, new.attested, new.aaguid) == ("fido-u2f", True, uuid.UUID(int=0))
    refused(
        attested_key(fmt="fido-u2f"),
        webauthn_errors.ModelNotAllowed,
        KeyDemands(attested=True, allowed=frozenset({MODEL})),
    )


@pytest.mark.parametrize("alg", [-7, EDDSA, RS256])
def test_a_key_that_vouches_for_itself_is_kept_as_unattested(alg):
    new = enrolled(SoftKey(alg=alg, aaguid=MODEL.bytes, attestation="packed"), KeyDemands())
    assert (new.attestation, new.attested) == ("packed", False)
    refused(SoftKey(alg=alg, aaguid=MODEL.bytes, attestation="packed"), webauthn_errors.NotAttested)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_the_attestation_key_may_be_of_another_kind(kind):
    signer = OTHER_KEYS[kind]
    assert enrolled(attested_key(MAKER.leaf(signer), signer=signer)).attested


def test_an_empty_list_of_certificates_is_no_self_attestation():
    refused(SoftKey(attestation="packed", x5c=[]), webauthn_errors.AttestationRefused, KeyDemands())


def test_a_key_that_says_nothing_is_refused_where_attestation_is_demanded():
    refused(SoftKey(aaguid=MODEL.bytes), webauthn_errors.NotAttested)


@pytest.mark.parametrize("fmt", ["tpm", "android-key", "android-safetynet", "apple", "compound", "", "PACKED"])
def test_formats_that_are_not_verified_are_refused_by_name(fmt):
    statement = {"alg": -7, "sig": b"x", "x5c": der(MAKER.root)}
    for demands in (DEMANDING, KeyDemands()):
        refused(with_leaf_of(fmt), webauthn_errors.AttestationUnsupported, demands, statement=statement)


def with_leaf_of(fmt: str) -> SoftKey:
    key = with_leaf()
    key.attestation = fmt
    return key


@pytest.mark.parametrize(
    "knobs",
    [
        {"ca": True},
        {"ca": None},
        {"subject": leaf_name("Something Else")},
        {"subject": leaf_name(unit="")},
        {"subject": leaf_name(country="")},
        {"subject": leaf_name(organisation="")},
        {"subject": leaf_name(name="")},
        {"aaguid": uuid.uuid5(MODEL, "another").bytes},
        {"aaguid_critical": True},
    ],
    ids=lambda knobs: next(iter(knobs)),
)
def test_a_leaf_that_is_no_attestation_certificate_is_refused_asked_or_not(knobs):
    for demands in (DEMANDING, KeyDemands()):
        refused(with_leaf(**knobs), webauthn_errors.AttestationRefused, demands)


def test_the_model_need_not_be_in_the_certificate():
    assert enrolled(with_leaf(aaguid=None)).aaguid == MODEL


def test_another_makers_leaf_and_one_that_signs_itself_are_untrusted():
    refused(with_leaf(OTHER_MAKER), webauthn_errors.AttestationUntrusted)
    signer = new_key()
    selfmade = MAKER.leaf(signer, issuer=leaf_name(), signer=signer)
    refused(attested_key(selfmade, signer=signer), webauthn_errors.AttestationUntrusted)


@pytest.mark.parametrize("fmt", ["packed", "fido-u2f"])
def test_an_expired_leaf_and_one_of_tomorrow_are_untrusted(fmt, clock):
    now, signer = timezone.now(), new_key()
    over = MAKER.leaf(signer, ends=now - DAY)
    early = MAKER.leaf(signer, began=now + DAY)
    for leaf in (over, early):
        refused(attested_key(leaf, signer=signer, fmt=fmt), webauthn_errors.AttestationUntrusted)
    clock.forward(datetime.timedelta(days=2))
    assert enrolled(attested_key(early, signer=signer, fmt=fmt)).attested


def test_a_ca_is_nobodys_attestation_certificate():
    key = attested_key(MAKER.root, signer=MAKER.key, fmt="fido-u2f")
    refused(key, webauthn_errors.AttestationUntrusted)


def test_an_expired_root_vouches_for_nothing(roots):
    pin(roots, MAKER.rooted(ends=timezone.now() - DAY), name=f"{MAKER.name}.pem")
    refused(with_leaf(), webauthn_errors.AttestationUntrusted)


def test_a_leaf_that_is_pinned_itself_is_trusted_and_vouches_for_no_other(roots):
    signer, other = new_key(), new_key()
    leaf = OTHER_MAKER.leaf(signer)
    pin(roots, leaf)
    assert enrolled(attested_key(leaf, signer=signer)).attested
    issued = OTHER_MAKER.leaf(other, issuer=leaf_name(), signer=signer)
    refused(attested_key(issued, leaf, signer=other), webauthn_errors.AttestationUntrusted)
    refused(attested_key(issued, signer=other), webauthn_errors.AttestationUntrusted)


def chain_through(maker: Maker = MAKER, leaf: dict[str, Any] | None = None, **knobs: Any) -> SoftKey:
    """A key whose leaf an intermediate of this maker issued."""
    signer, issuing = new_key(), new_key()
    middle = maker.intermediate(issuing, **knobs)
    made = maker.leaf(signer, **{"issuer": middle.subject, "signer": issuing, **(leaf or {})})
    return attested_key(made, middle, signer=signer)


def usage(**knobs: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: knobs.get(name, False) for name in names})


@pytest.mark.parametrize(
    "knobs", [{}, {"path_length": 0}, {"usage": usage(key_cert_sign=True)}], ids=["bare", "short", "signing"]
)
def test_a_chain_through_an_intermediate_leads_to_the_root(knobs):
    assert enrolled(chain_through(**knobs)).attested


def test_a_root_at_the_end_of_the_chain_and_a_pinned_intermediate_do_as_well(roots):
    signer, issuing = new_key(), new_key()
    assert enrolled(attested_key(MAKER.leaf(signer), MAKER.root, signer=signer)).attested
    middle = OTHER_MAKER.intermediate(issuing)
    leaf = OTHER_MAKER.leaf(signer, issuer=middle.subject, signer=issuing)
    refused(attested_key(leaf, middle, signer=signer), webauthn_errors.AttestationUntrusted)
    pin(roots, middle)
    assert enrolled(attested_key(leaf, middle, signer=signer)).attested
    assert enrolled(attested_key(leaf, signer=signer)).attested


@pytest.mark.parametrize(
    "knobs",
    [
        {"ca": False},
        {"ca": None},
        {"usage": usage(digital_signature=True)},
        {"ends": datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)},
        {"algorithm": hashes.SHA224()},
        {"extension": x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")])},
        {"leaf": {"issuer": common_name("somebody else")}},
        {"leaf": {"algorithm": hashes.SHA224()}},
        {"leaf": {"extension": x509.TLSFeature([x509.TLSFeatureType.status_request])}},
    ],
    ids=lambda knobs: "-".join([*knobs, *(knobs.get("leaf") or [])]),
)
def test_a_chain_with_one_unsound_part_is_untrusted(knobs):
    refused(chain_through(**knobs), webauthn_errors.AttestationUntrusted)


def test_a_chain_keeps_to_the_path_length_of_its_root(roots):
    shallow = Maker("Shallow Root")
    pin(roots, shallow.rooted(path_length=0))
    assert enrolled(with_leaf(shallow)).attested
    refused(chain_through(shallow), webauthn_errors.AttestationUntrusted)


def test_a_chain_in_the_wrong_order_is_untrusted():
    signer, one, two = new_key(), new_key(), new_key()
    upper = MAKER.intermediate(one, "Upper")
    lower = certify(common_name("Lower"), two.public_key(), issuer=upper.subject, signer=one, ca=True)
    leaf = MAKER.leaf(signer, issuer=lower.subject, signer=two)
    assert enrolled(attested_key(leaf, lower, upper, signer=signer)).attested
    refused(attested_key(leaf, upper, lower, signer=signer), webauthn_errors.AttestationUntrusted)


@pytest.mark.parametrize("length", [5, 6])
def test_a_chain_is_five_certificates_at_most(length):
    signer, issuing, issuer, chain = new_key(), MAKER.key, MAKER.subject, []
    for number in range(length - 1):
        key = new_key()
        made = certify(common_name(f"CA {number}"), key.public_key(), issuer=issuer, signer=issuing, ca=True)
        chain.insert(0, made)
        issuing, issuer = key, made.subject
    key = attested_key(MAKER.leaf(signer, issuer=issuer, signer=issuing), *chain, signer=signer)
    if length > 5:
        refused(key, webauthn_errors.AttestationRefused)
    else:
        assert enrolled(key).attested


def test_a_weak_key_is_untrusted(roots):
    weak = Maker("Weak Root", rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505
    strong = Maker("Strong Root", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    curve = Maker("Odd Root", ec.generate_private_key(ec.SECP256K1()))
    for maker in (weak, strong, curve):
        maker.pin(roots)
    assert enrolled(with_leaf(strong)).attested
    refused(with_leaf(weak), webauthn_errors.AttestationUntrusted)
    refused(with_leaf(curve), webauthn_errors.AttestationUntrusted)


def test_nothing_is_attested_without_roots(settings):
    settings.WEBAUTHN_ATTESTATION_ROOTS = ""
    refused(with_leaf(), webauthn_errors.AttestationUntrusted)


def test_an_empty_chain_vouches_for_nothing():
    assert not webauthn_roots.vouch_for(())
    assert not webauthn_chain.leads_to_root((), (MAKER.root,), timezone.now())


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "a_file"])
def test_roots_that_cannot_be_read_are_logged_and_vouch_for_nothing(damage, roots, settings, caplog):
    if damage == "missing":
        settings.WEBAUTHN_ATTESTATION_ROOTS = str(roots / "nowhere")
    if damage in ("empty", "a_file"):
        (roots / f"{MAKER.name}.pem").rename(roots / "root.txt")
    if damage == "a_file":
        settings.WEBAUTHN_ATTESTATION_ROOTS = str(roots / "root.txt")
    if damage == "garbage":
        (roots / f"{MAKER.name}.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    refused(with_leaf(), webauthn_errors.AttestationUntrusted)
    assert "WEBAUTHN_ATTESTATION_ROOTS" in caplog.text


def test_one_unreadable_file_does_not_hide_the_others(roots):
    (roots / "notes.pem").write_bytes(b"\xff")
    assert enrolled(with_leaf()).attested
    assert webauthn_roots.pinned().faults == ("notes.pem cannot be read as certificates in PEM.",)


def test_a_new_root_holds_at_once(roots):
    refused(with_leaf(OTHER_MAKER), webauthn_errors.AttestationUntrusted)
    pin(roots, OTHER_MAKER.root)
    assert enrolled(with_leaf(OTHER_MAKER)).attested


def test_a_statement_over_another_challenge_or_credential_is_refused():
    one, other = Scene(key=with_leaf(), demands=DEMANDING), Scene(key=with_leaf(), demands=DEMANDING)
    elsewhere = one.key.create(one.creation(), one.origin)
    earlier = one.key.create(one.creation(), one.origin, credential_id=b"c" * 32)
    for answer in (elsewhere, earlier):
        statement = cbor.decode(websafe_decode(answer["response"]["attestationObject"]))["attStmt"]
        other.key.x5c = statement["x5c"]
        new = other.key.create(other.creation(), other.origin, credential_id=b"c" * 32, statement=statement)
        with pytest.raises(webauthn_errors.AttestationRefused):
            other.complete(new)


def spoilt(**members: Any) -> dict[str, Any]:
    """A packed statement with some members changed; None leaves one out."""
    whole = {"alg": -7, "sig": b"s" * 70, "x5c": der(MAKER.leaf(MAKER.key)), **members}
    return {name: value for name, value in whole.items() if value is not None}


@pytest.mark.security(47)
@pytest.mark.parametrize(
    "statement",
    [
        {},
        spoilt(),
        spoilt(sig=None),
        spoilt(sig="text"),
        spoilt(sig=b""),
        spoilt(sig=7),
        spoilt(alg=None),
        spoilt(alg="ES256"),
        spoilt(alg=[]),
        spoilt(alg={}),
        spoilt(alg=True),
        spoilt(alg=-65535),
        spoilt(alg=-257),
        spoilt(alg=-8),
        spoilt(alg=2**63),
        spoilt(x5c=[]),
        spoilt(x5c={}),
        spoilt(x5c=b"bytes"),
        spoilt(x5c=7),
        spoilt(x5c=[7]),
        spoilt(x5c=["text"]),
        spoilt(x5c=[b""]),
        spoilt(x5c=[b"\x30\x00"]),
        spoilt(x5c=[b"\x30\x82\xff\xff"]),
        spoilt(x5c=[[]]),
        spoilt(x5c=[der(MAKER.root)[0][:-9]]),
        spoilt(x5c=[*der(MAKER.leaf(MAKER.key)), b"garbage"]),
        spoilt(x5c=[b"\x30\x00"] * 100),
        spoilt(x5c=der(MAKER.leaf(MAKER.key)) * 6),
        *[spoilt(x5c=der(MAKER.leaf(key))) for key in OTHER_KEYS.values()],
        spoilt(alg=-257, x5c=der(MAKER.leaf(OTHER_KEYS["rsa"]))),
        spoilt(alg=-8, x5c=der(MAKER.leaf(OTHER_KEYS["ed25519"]))),
        spoilt(ecdaaKeyId=b"x"),
        spoilt(ecdaaKeyId=b"x", x5c=None),
        spoilt(extra=1),
        spoilt(x5c=None),
        spoilt(x5c=None, alg=-257),
        spoilt(x5c=None, alg=None),
    ],
    ids=lambda _: "",
)
def test_a_packed_statement_of_any_other_shape_is_refused(statement):
    key = with_leaf()
    for demands in (DEMANDING, KeyDemands()):
        refused(key, webauthn_errors.AttestationRefused, demands, statement=statement)


@pytest.mark.security(47)
def test_a_hundred_certificates_and_cut_short_cbor_are_malformed():
    refused(with_leaf(), webauthn_errors.MalformedAnswer, statement=spoilt(x5c=der(MAKER.root) * 100))
    scene = Scene(key=with_leaf(), demands=DEMANDING)
    answer = scene.key.create(scene.creation(), scene.origin)
    whole = websafe_decode(answer["response"]["attestationObject"])
    for length in range(0, len(whole), 40):
        answer["response"]["attestationObject"] = websafe_encode(whole[:length])
        with pytest.raises((webauthn_errors.MalformedAnswer, webauthn_errors.CeremonyClosed)):
            scene.complete(answer)


@pytest.mark.security(47)
def test_a_certificate_with_any_byte_changed_gets_no_more_than_a_named_refusal():
    raw = der(MAKER.leaf(MAKER.key, aaguid=MODEL.bytes))[0]
    for at in range(0, len(raw), 3):
        damaged = raw[:at] + bytes([raw[at] ^ 0x41]) + raw[at + 1 :]
        key = SoftKey(attestation="packed", attestation_key=MAKER.key, x5c=[damaged], aaguid=MODEL.bytes)
        try:
            assert enrolled(key, KeyDemands()).attested is False
        except webauthn_errors.AttestationRefused:
            continue
