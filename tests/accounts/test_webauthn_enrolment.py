"""Registering keys and passkeys: WebAuthn L3 §7.1, one promise of the security model at a time."""

import json
import uuid
from typing import Any

import pytest
from django.db import transaction
from fido2.utils import websafe_decode, websafe_encode

from accounts.authenticators import webauthn, webauthn_errors
from accounts.authenticators.aaguids import PRODUCTS, product_name
from accounts.models import Binding, Ceremony, WebAuthnCredential
from tests.accounts.webauthn_scene import Scene, make_person, make_tenant
from tests.soft_authenticator import ABSENT, EDDSA, ES256, RS1, RS256, SoftKey, synced_passkey, u2f_key

pytestmark = pytest.mark.django_db

YUBIKEY_5_NFC = uuid.UUID("2fc0579f-8113-47ea-b116-bb5a8db9202a")


def refused_as(error: type[webauthn_errors.WebAuthnError], scene: Scene, **how: Any) -> None:
    """A registration played with `how` is refused as `error`, and its ceremony is used up."""
    options = scene.creation(passwordless=how.pop("passwordless", False))
    answer = scene.key.create(options, how.pop("origin", scene.origin), **how)
    with pytest.raises(error) as refusal:
        scene.complete(answer)
    assert refusal.value.code == error.code != webauthn_errors.WebAuthnError.code
    assert str(refusal.value) == str(error.message) != ""
    assert Ceremony.objects.get().consumed_at is not None
    assert not WebAuthnCredential.objects.exists()


def test_options_for_a_second_factor_suit_touch_only_keys(settings):
    settings.WEBAUTHN_RP_ID, settings.WEBAUTHN_RP_NAME = "sign-in.example.com", "Example Sign-in"
    scene = Scene(person=make_person(name="Ada Example"))
    options = scene.creation()["publicKey"]
    assert options["rp"] == {"id": "sign-in.example.com", "name": "Example Sign-in"}
    assert options["user"]["name"] == scene.person.email
    assert options["user"]["displayName"] == "Ada Example"
    assert options["authenticatorSelection"] == {
        "residentKey": "discouraged",
        "requireResidentKey": False,
        "userVerification": "discouraged",
    }
    assert options["attestation"] == "none"
    assert options["extensions"] == {"credProps": True}
    assert options["excludeCredentials"] == []
    assert json.loads(json.dumps(options)) == options


def test_options_for_a_passkey_demand_a_verified_user_and_a_discoverable_credential(settings):  # security 35
    settings.WEBAUTHN_USER_VERIFICATION = "discouraged"
    selection = Scene().creation(passwordless=True)["publicKey"]["authenticatorSelection"]
    assert selection == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }


@pytest.mark.security(37)
def test_a_challenge_has_256_bits_a_timeout_and_five_minutes_at_most(settings):
    settings.WEBAUTHN_TIMEOUT = 60_000
    scene = Scene()
    challenges = {scene.creation()["publicKey"]["challenge"] for _ in range(20)}
    assert len(challenges) == 20
    assert all(len(websafe_decode(challenge)) == 32 for challenge in challenges)
    assert scene.creation()["publicKey"]["timeout"] == 60_000
    settings.WEBAUTHN_TIMEOUT = 3_600_000
    assert scene.creation()["publicKey"]["timeout"] == 300_000


@pytest.mark.security(44)
def test_the_user_handle_is_64_random_bytes_that_say_nothing():
    one, other = Scene(), Scene()
    handle = websafe_decode(one.creation()["publicKey"]["user"]["id"])
    assert len(handle) == 64
    assert handle == bytes(one.person.webauthn_handle) != bytes(other.person.webauthn_handle)
    assert one.person.pk.bytes not in handle and one.person.email.encode() not in handle


def test_known_credentials_are_excluded_with_their_transports():
    scene = Scene()
    binding = scene.enrol()
    (excluded,) = scene.creation()["publicKey"]["excludeCredentials"]
    assert websafe_decode(excluded["id"]) == bytes(binding.credential.credential_id)
    assert excluded == {"type": "public-key", "id": excluded["id"], "transports": ["usb"]}
    with pytest.raises(ValueError, match="already registered"):
        scene.key.create(scene.creation(), scene.origin)
    Binding.objects.update(unbound_at="2026-01-01T00:00Z")
    assert scene.creation()["publicKey"]["excludeCredentials"] == []


@pytest.mark.parametrize("alg", [ES256, EDDSA, RS256])
def test_keys_of_every_offered_algorithm_are_enrolled_and_prove(alg):
    scene = Scene(key=SoftKey(alg=alg, aaguid=YUBIKEY_5_NFC.bytes))
    binding = scene.enrol()
    credential = WebAuthnCredential.objects.get()
    assert (credential.algorithm, credential.attestation) == (alg, "none")
    assert credential.aaguid == YUBIKEY_5_NFC
    assert scene.prove() == binding


def test_the_algorithms_are_offered_with_the_preferred_first():
    offered = Scene().creation()["publicKey"]["pubKeyCredParams"]
    assert offered == [{"type": "public-key", "alg": alg} for alg in (-7, -8, -257)]


def test_a_u2f_only_key_is_enrolled_by_its_own_statement_and_proves():
    scene = Scene(key=u2f_key())
    binding = scene.enrol()
    assert binding.credential.attestation == "fido-u2f"
    assert binding.credential.user_verified is False
    assert not scene.verify(scene.key.get(scene.request(), scene.origin)).user_verified


@pytest.mark.security(31)
@pytest.mark.parametrize(
    ("error", "how"),
    [
        (webauthn_errors.WrongType, {"client_data": {"type": "webauthn.get"}}),
        (webauthn_errors.WrongType, {"client_data": {"type": "payment.get"}}),
        (webauthn_errors.WrongType, {"client_data": {"type": "WEBAUTHN.CREATE"}}),
    ],
)
def test_a_registration_of_the_wrong_type_is_refused(error, how):
    refused_as(error, Scene(), **how)


@pytest.mark.security(31)
def test_a_registration_with_another_challenge_is_refused():
    scene = Scene()
    answer = scene.key.create(scene.creation(), scene.origin, client_data={"challenge": "A" * 43})
    with pytest.raises(webauthn_errors.CeremonyClosed):
        scene.complete(answer)


@pytest.mark.security(31)
def test_a_registration_for_another_relying_party_is_refused():
    refused_as(webauthn_errors.WrongRelyingParty, Scene(key=SoftKey(rp_id="evil.example")))


@pytest.mark.security(31)
def test_a_registration_without_a_touch_is_refused():
    refused_as(webauthn_errors.NotPresent, Scene(key=SoftKey(user_present=False)))


@pytest.mark.security(32)
@pytest.mark.parametrize(
    "origin",
    [
        "https://localhost:8000",
        "http://localhost",
        "http://localhost:8001",
        "http://evil.localhost:8000",
        "http://localhost:8000.evil.example",
        "http://localhost:8000/",
        "http://LOCALHOST:8000",
        "http://acme.localhost:8000",
        "android:apk-key-hash:AAAA",
        "",
    ],
)
def test_only_the_exact_origins_of_the_deployment_are_accepted(origin, settings):
    settings.WEBAUTHN_ORIGINS = ["http://localhost:8000"]
    refused_as(webauthn_errors.WrongOrigin, Scene(), origin=origin)


@pytest.mark.security(32)
def test_every_listed_origin_is_accepted(settings):
    settings.WEBAUTHN_ORIGINS = ["https://a.example.com", "https://b.example.com:8443"]
    scene = Scene()
    for origin in settings.WEBAUTHN_ORIGINS:
        scene.key = SoftKey()
        scene.complete(scene.key.create(scene.creation(), origin))


@pytest.mark.security(33)
def test_the_relying_party_is_a_setting(settings):
    settings.WEBAUTHN_RP_ID = "sign-in.example.com"
    scene = Scene()
    scene.enrol()
    assert scene.request()["publicKey"]["rpId"] == "sign-in.example.com"
    scene.prove()
    settings.WEBAUTHN_RP_ID = "other.example.com"
    scene.key.rp_id = "sign-in.example.com"
    with pytest.raises(webauthn_errors.WrongRelyingParty):
        scene.verify(scene.key.get(scene.request(), scene.origin))


@pytest.mark.security(34)
@pytest.mark.parametrize(
    "members",
    [
        {"crossOrigin": True},
        {"crossOrigin": True, "topOrigin": "http://localhost:8000"},
        {"topOrigin": "http://localhost:8000"},
        {"topOrigin": None},
        {"crossOrigin": "false"},
        {"crossOrigin": None},
        {"crossOrigin": 0},
    ],
)
def test_a_registration_inside_another_page_is_refused(members):
    refused_as(webauthn_errors.EmbeddedPage, Scene(), client_data=members)


def test_browsers_that_do_not_send_cross_origin_are_served():
    scene = Scene()
    assert scene.complete(scene.key.create(scene.creation(), scene.origin, client_data={"crossOrigin": ABSENT}))


@pytest.mark.security(35)
def test_a_passkey_is_not_enrolled_without_user_verification():
    refused_as(webauthn_errors.NotVerified, Scene(key=SoftKey(user_verified=False)), passwordless=True)


@pytest.mark.security(35)
def test_the_demand_for_user_verification_is_the_servers_own_record(settings):
    scene = Scene(key=SoftKey(user_verified=False))
    options = scene.creation(passwordless=True)
    settings.WEBAUTHN_USER_VERIFICATION = "discouraged"
    options["publicKey"]["authenticatorSelection"]["userVerification"] = "discouraged"
    with pytest.raises(webauthn_errors.NotVerified):
        scene.complete(scene.key.create(options, scene.origin))


def test_a_passkey_that_the_key_did_not_keep_is_refused():
    refused_as(webauthn_errors.NotDiscoverable, Scene(key=SoftKey(resident=False)), passwordless=True)


def test_a_second_factor_need_not_be_discoverable():
    assert not Scene(key=SoftKey(resident=False)).enrol().credential.passwordless


@pytest.mark.security(38)
def test_backed_up_but_not_eligible_is_refused_at_registration():
    refused_as(webauthn_errors.BackupStateInvalid, Scene(key=SoftKey(backed_up=True)))


@pytest.mark.security(39)
@pytest.mark.parametrize(
    ("key", "flags"),
    [
        (SoftKey(), (False, False)),
        (SoftKey(backup_eligible=True), (True, False)),
        (synced_passkey(), (True, True)),
    ],
)
def test_backup_flags_are_kept(key, flags):
    credential = Scene(key=key).enrol(passwordless=True).credential
    assert (credential.backup_eligible, credential.backed_up) == flags


@pytest.mark.security(40)
def test_an_algorithm_that_was_not_offered_is_refused():
    refused_as(webauthn_errors.AlgorithmRefused, Scene(key=SoftKey(alg=RS1, obedient=False)))


@pytest.mark.security(41)
def test_what_a_key_says_of_itself_is_kept_as_unattested():
    scene = Scene(key=SoftKey(aaguid=YUBIKEY_5_NFC.bytes))
    assert scene.enrol().credential.attestation == "none"


@pytest.mark.security(42)
def test_a_credential_id_of_1024_bytes_is_refused_and_one_of_1023_is_kept():
    refused_as(webauthn_errors.CredentialIdTooLong, Scene(key=SoftKey(credential_id_length=1024)))
    Ceremony.objects.all().delete()
    binding = Scene(key=SoftKey(credential_id_length=1023)).enrol()
    assert len(bytes(binding.credential.credential_id)) == 1023


@pytest.mark.security(42)
def test_a_registered_credential_is_refused_for_anybody_even_after_removal():
    scene, thief = Scene(), Scene()
    binding = scene.enrol()
    options = thief.creation()
    answer = scene.key.create(options, thief.origin)
    new = thief.complete(answer)
    stolen = webauthn.NewCredential(
        **{name: getattr(new, name) for name in new.__slots__ if name != "credential_id"},
        credential_id=bytes(binding.credential.credential_id),
    )
    for unbound_at in (None, "2026-01-01T00:00Z"):
        Binding.objects.filter(pk=binding.pk).update(unbound_at=unbound_at)
        with pytest.raises(webauthn_errors.CredentialTaken), transaction.atomic():
            webauthn.store(Binding.objects.create(person=thief.person, kind=Binding.Kind.WEBAUTHN), stolen)
    assert Binding.objects.get() == binding
    assert WebAuthnCredential.objects.get().binding == binding


@pytest.mark.security(46)
def test_only_validated_fields_are_kept_and_everything_else_is_dropped():
    canary = "canary-" + "x" * 2000
    key = SoftKey(transports=["usb", "nfc", "usb", "telepathy", canary, 7, None, ["usb"]], extensions={"x": canary})
    scene = Scene(key=key)
    answer = key.create(scene.creation(), scene.origin, spare={"deep": [canary]}, authenticatorAttachment=canary)
    answer["response"]["publicKey"] = canary
    answer["clientExtensionResults"] = {"credProps": {"rk": canary}, "prf": canary}
    new = scene.complete(answer)
    assert new.transports == ("usb", "nfc")
    assert "canary" not in repr(new)
    stored = sum(len(value) if isinstance(value, bytes) else len(repr(value)) for value in _values(new))
    assert stored < 4096


def _values(new: webauthn.NewCredential) -> list[object]:
    return [getattr(new, name) for name in new.__slots__]


@pytest.mark.parametrize("transports", [None, "usb", 7, {}, {"usb": True}, [[]], ["\ud800"]])
def test_transports_are_advice_and_never_fail_a_registration(transports):
    scene = Scene(key=SoftKey(transports=transports))
    assert scene.enrol().credential.transports == []
    assert "transports" not in scene.request()["publicKey"]["allowCredentials"][0]


def test_the_answer_may_be_text_or_parsed():
    scene = Scene()
    text = json.dumps(scene.key.create(scene.creation(), scene.origin))
    assert scene.complete(text)
    scene.key = SoftKey()
    assert scene.complete(scene.key.create(scene.creation(), scene.origin))


def test_the_id_outside_must_be_the_id_that_the_authenticator_attests():
    scene = Scene()
    answer = scene.key.create(scene.creation(), scene.origin)
    answer["id"] = answer["rawId"] = websafe_encode(b"another id")
    with pytest.raises(webauthn_errors.MalformedAnswer):
        scene.complete(answer)


@pytest.mark.security(36, 37)
def test_an_answer_completes_one_enrolment_only():
    scene = Scene()
    answer = scene.key.create(scene.creation(), scene.origin)
    scene.complete(answer)
    with pytest.raises(webauthn_errors.CeremonyClosed):
        scene.complete(answer)


@pytest.mark.security(36)
def test_a_person_moved_to_another_tenant_begins_again():
    scene = Scene()
    answer = scene.key.create(scene.creation(), scene.origin)
    scene.person.tenant = make_tenant()
    with pytest.raises(webauthn_errors.CeremonyClosed):
        scene.complete(answer)


def test_products_are_named_where_they_are_known():
    assert product_name(YUBIKEY_5_NFC) == "YubiKey 5 NFC"
    assert product_name(uuid.UUID(int=0)) == product_name(uuid.uuid4()) == ""
    assert len(PRODUCTS) == len(set(PRODUCTS)) > 60
    scene = Scene(key=SoftKey(aaguid=YUBIKEY_5_NFC.bytes))
    assert scene.complete(scene.key.create(scene.creation(), scene.origin)).product == "YubiKey 5 NFC"
