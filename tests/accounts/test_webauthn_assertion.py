"""Proving keys and passkeys: WebAuthn L3 §7.2, one promise of the security model at a time."""

import uuid
from typing import Any

import pytest
from fido2.utils import websafe_decode, websafe_encode

from accounts.authenticators import webauthn, webauthn_errors
from accounts.models import Binding, Ceremony, WebAuthnCredential
from tests.accounts.webauthn_scene import Scene, make_person
from tests.soft_authenticator import SoftKey, sign, synced_passkey, u2f_key

pytestmark = pytest.mark.django_db
Purpose = webauthn.Purpose


def refused_as(error: type[webauthn_errors.WebAuthnError], scene: Scene, **how: Any) -> Any:
    """An assertion played with `how` is refused as `error`; its ceremony is used up, nothing else changes."""
    before = Binding.objects.values().get(person=scene.person)
    answer = scene.key.get(scene.request(), how.pop("origin", scene.origin), **how)
    with pytest.raises(error) as refusal:
        scene.verify(answer)
    assert refusal.value.code == error.code != webauthn_errors.WebAuthnError.code
    assert not Ceremony.objects.filter(consumed_at=None).exists()
    assert Binding.objects.values().get(person=scene.person) == before
    return refusal.value


def enrolled(**knobs: Any) -> Scene:
    scene = Scene(key=SoftKey(**knobs))
    scene.enrol()
    return scene


def test_a_key_proves_and_its_use_is_kept():
    scene = enrolled(sign_count=4)
    assert Binding.objects.get().last_counter == 4
    assertion = scene.verify(scene.key.get(scene.request(), scene.origin))
    assert (assertion.user_verified, assertion.new_counter, assertion.backed_up) == (True, 5, False)
    assert Binding.objects.get().last_used_at is None  # verifying alone changes nothing
    binding = webauthn.accept(assertion)
    assert binding.last_counter == 5
    assert binding.last_used_at is not None
    assert scene.prove().last_counter == 6


def test_options_name_the_persons_own_live_keys(settings):
    settings.WEBAUTHN_RP_ID = "sign-in.example.com"
    scene, other = enrolled(), enrolled()
    removed = Scene(person=scene.person)
    Binding.objects.filter(pk=removed.enrol().pk).update(unbound_at="2026-01-01T00:00Z")
    locked = Scene(person=scene.person)
    Binding.objects.filter(pk=locked.enrol().pk).update(locked_at="2026-01-01T00:00Z")
    options = scene.request()["publicKey"]
    (allowed,) = options["allowCredentials"]
    assert websafe_decode(allowed["id"]) in scene.key.credentials.keys() - other.key.credentials.keys()
    assert allowed["transports"] == ["usb"]
    assert options["rpId"] == "sign-in.example.com"
    assert options["userVerification"] == "discouraged"
    assert options["timeout"] == 60_000


def test_without_a_key_there_is_nothing_to_ask_for():
    with pytest.raises(webauthn_errors.NoCredentials):
        Scene().request()
    assert not Ceremony.objects.exists()


@pytest.mark.parametrize("purpose", [Purpose.ENROL, Purpose.PASSKEY])
def test_a_persons_keys_are_asked_for_as_second_factor_or_to_reauthenticate_only(purpose):
    with pytest.raises(ValueError, match=str(purpose)):
        enrolled().request(purpose)


@pytest.mark.security(31)
@pytest.mark.parametrize("kind", ["webauthn.create", "payment.get", "webauthn.GET", ""])
def test_an_assertion_of_the_wrong_type_is_refused(kind):
    refused_as(webauthn_errors.WrongType, enrolled(), client_data={"type": kind})


@pytest.mark.security(31)
def test_an_assertion_with_another_challenge_is_refused():
    scene = enrolled()
    answer = scene.key.get(scene.request(), scene.origin, client_data={"challenge": "A" * 43})
    with pytest.raises(webauthn_errors.CeremonyClosed):
        scene.verify(answer)


@pytest.mark.security(31)
def test_an_assertion_for_another_relying_party_is_refused():
    scene = enrolled()
    scene.key.rp_id = "evil.example"
    refusal = refused_as(webauthn_errors.WrongRelyingParty, scene)
    assert refusal.binding == Binding.objects.get()


@pytest.mark.security(31)
def test_an_assertion_without_a_touch_is_refused():
    scene = enrolled()
    scene.key.user_present = False
    refused_as(webauthn_errors.NotPresent, scene)


@pytest.mark.security(31)
@pytest.mark.parametrize("alg", [-7, -8, -257])
def test_a_bad_signature_is_refused(alg):
    scene = enrolled(alg=alg)
    for spoil in (_signature_of_another_key, _flipped_bit, _empty_signature, _changed_client_data):
        answer = scene.key.get(scene.request(), scene.origin)
        spoil(scene, answer["response"])
        with pytest.raises(webauthn_errors.BadSignature) as refusal:
            scene.verify(answer)
        assert refusal.value.binding == Binding.objects.get()


def _signature_of_another_key(scene: Scene, response: dict[str, Any]) -> None:
    other = SoftKey(alg=scene.key.alg)
    response["signature"] = websafe_encode(sign(other.alg, other._new_key(), b"something"))


def _flipped_bit(scene: Scene, response: dict[str, Any]) -> None:
    signature = bytearray(websafe_decode(response["signature"]))
    signature[-1] ^= 1
    response["signature"] = websafe_encode(bytes(signature))


def _empty_signature(scene: Scene, response: dict[str, Any]) -> None:
    response["signature"] = ""


def _changed_client_data(scene: Scene, response: dict[str, Any]) -> None:
    response["clientDataJSON"] = websafe_encode(websafe_decode(response["clientDataJSON"]) + b" ")


@pytest.mark.security(32)
@pytest.mark.parametrize("origin", ["https://localhost:8000", "http://localhost:8001", "http://a.localhost:8000"])
def test_an_assertion_from_another_origin_is_refused(origin, settings):
    settings.WEBAUTHN_ORIGINS = ["http://localhost:8000"]
    refused_as(webauthn_errors.WrongOrigin, enrolled(), origin=origin)


@pytest.mark.security(34)
@pytest.mark.parametrize("members", [{"crossOrigin": True}, {"topOrigin": "http://localhost:8000"}])
def test_an_assertion_inside_another_page_is_refused(members):
    refused_as(webauthn_errors.EmbeddedPage, enrolled(), client_data=members)


@pytest.mark.security(35)
def test_user_verification_is_required_where_the_ceremony_says_so(settings):
    scene = Scene(key=u2f_key())
    scene.enrol()
    assert not scene.verify(scene.key.get(scene.request(), scene.origin)).user_verified
    alone = scene.request(Purpose.REAUTHENTICATE, alone=True)
    assert alone["publicKey"]["userVerification"] == "required"
    with pytest.raises(webauthn_errors.NotVerified):
        scene.verify(scene.key.get(alone, scene.origin), Purpose.REAUTHENTICATE)
    settings.WEBAUTHN_USER_VERIFICATION = "required"
    refused_as(webauthn_errors.NotVerified, scene)


@pytest.mark.security(35)
def test_a_setting_relaxed_meanwhile_does_not_relax_a_ceremony(settings):
    scene = enrolled()
    settings.WEBAUTHN_USER_VERIFICATION = "required"
    options = scene.request()
    settings.WEBAUTHN_USER_VERIFICATION = "discouraged"
    scene.key.user_verified = False
    with pytest.raises(webauthn_errors.NotVerified):
        scene.verify(scene.key.get(options, scene.origin))


@pytest.mark.security(38)
def test_backed_up_but_not_eligible_is_refused_at_assertion():
    scene = enrolled()
    scene.key.backed_up = True
    refused_as(webauthn_errors.BackupStateInvalid, scene)


@pytest.mark.security(39)
@pytest.mark.parametrize("eligible", [True, False])
def test_a_change_of_backup_eligibility_is_refused(eligible):
    scene = enrolled(backup_eligible=eligible)
    scene.key.backup_eligible = not eligible
    refused_as(webauthn_errors.BackupEligibilityChanged, scene)


@pytest.mark.security(39)
def test_the_backup_state_follows_the_key():
    scene = enrolled(backup_eligible=True)
    for backed_up in (True, False):
        scene.key.backed_up = backed_up
        scene.prove()
        assert WebAuthnCredential.objects.get().backed_up is backed_up


@pytest.mark.security(43)
def test_a_user_handle_must_be_the_persons_also_beside_a_password():
    scene, other = enrolled(), enrolled()
    foreign = bytes(other.person.webauthn_handle)
    for handle in (foreign, b"", b"x" * 64, str(scene.person.pk).encode()):
        refused_as(webauthn_errors.WrongPerson, scene, user_handle=handle)
    assert scene.verify(scene.key.get(scene.request(), scene.origin, user_handle=None))


@pytest.mark.security(43)
def test_another_persons_key_is_no_factor_of_mine():
    scene, other = enrolled(), enrolled()
    (credential_id,) = other.key.credentials
    answer = other.key.get(scene.request(), scene.origin, credential_id=credential_id, user_handle=None)
    with pytest.raises(webauthn_errors.UnknownCredential):
        scene.verify(answer)


@pytest.mark.parametrize("column", ["unbound_at", "locked_at"])
def test_a_removed_or_locked_key_proves_nothing(column):
    scene = enrolled()
    options, assertion = scene.request(), scene.verify(scene.key.get(scene.request(), scene.origin))
    Binding.objects.update(**{column: "2026-01-01T00:00Z"})
    with pytest.raises(webauthn_errors.UnknownCredential):
        scene.verify(scene.key.get(options, scene.origin))
    with pytest.raises(webauthn_errors.UnknownCredential):  # removed between verifying and accepting
        webauthn.accept(assertion)
    assert Binding.objects.get().last_used_at is None


@pytest.mark.security(45)
@pytest.mark.parametrize(("stored", "sent"), [(5, 5), (5, 4), (5, 0), (1, 1), (2**31, 1)])
def test_a_counter_that_does_not_go_up_is_refused_as_a_clone(stored, sent):
    scene = enrolled(sign_count=stored)
    scene.key.sign_count, scene.key.counts = sent, False
    assertion = scene.verify(scene.key.get(scene.request(), scene.origin))
    with pytest.raises(webauthn_errors.CloneSuspected) as refusal:
        webauthn.accept(assertion)
    assert refusal.value.binding == Binding.objects.get()
    assert (Binding.objects.get().last_counter, Binding.objects.get().last_used_at) == (stored, None)


@pytest.mark.security(45)
def test_synced_passkeys_whose_counter_stays_zero_work():
    scene = Scene(key=synced_passkey())
    scene.enrol(passwordless=True)
    for _ in range(3):
        assert scene.prove().last_counter == 0


@pytest.mark.security(45)
def test_a_counter_that_begins_late_and_skips_works():
    scene = enrolled(counts=False)
    for count in (0, 7, 4_000_000_000):
        scene.key.sign_count = count
        assert scene.prove().last_counter == count


@pytest.mark.security(45)
def test_an_assertion_is_accepted_once():
    scene = enrolled()
    assertion = scene.verify(scene.key.get(scene.request(), scene.origin))
    webauthn.accept(assertion)
    with pytest.raises(webauthn_errors.CloneSuspected):
        webauthn.accept(assertion)


def passkey_scene(**knobs: Any) -> Scene:
    scene = Scene(key=SoftKey(**knobs))
    scene.enrol(passwordless=True)
    return scene


def test_a_passkey_signs_in_by_itself():
    scene = passkey_scene()
    options = scene.passkey_request()["publicKey"]
    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    assertion = scene.verify_passkey(scene.key.get(options, scene.origin))
    assert assertion.user_verified
    assert webauthn.accept(assertion).person == scene.person


@pytest.mark.security(35)
def test_a_passkey_without_user_verification_does_not_sign_in():
    scene = passkey_scene()
    scene.key.user_verified = False
    with pytest.raises(webauthn_errors.NotVerified):
        scene.verify_passkey(scene.key.get(scene.passkey_request(), scene.origin))


@pytest.mark.security(43)
@pytest.mark.parametrize("handle", [None, b"", b"x" * 64])
def test_a_passkey_must_name_its_owner(handle):
    scene = passkey_scene()
    with pytest.raises(webauthn_errors.WrongPerson):
        scene.verify_passkey(scene.key.get(scene.passkey_request(), scene.origin, user_handle=handle))


@pytest.mark.security(48)
def test_a_second_factor_key_does_not_sign_in_by_itself():
    scene = enrolled(user_verified=True)
    assert WebAuthnCredential.objects.get().user_verified
    with pytest.raises(webauthn_errors.SecondFactorOnly) as refusal:
        scene.verify_passkey(scene.key.get(scene.passkey_request(), scene.origin))
    assert refusal.value.binding == Binding.objects.get()


@pytest.mark.security(48)
def test_a_passkey_enrolled_without_user_verification_does_not_sign_in():
    scene = passkey_scene()
    WebAuthnCredential.objects.update(user_verified=False)
    with pytest.raises(webauthn_errors.SecondFactorOnly):
        scene.verify_passkey(scene.key.get(scene.passkey_request(), scene.origin))


@pytest.mark.security(28)
def test_only_who_has_the_key_learns_that_an_account_is_off():
    scene = passkey_scene()
    scene.person.is_active = False
    scene.person.save()
    with pytest.raises(webauthn_errors.PersonInactive):
        scene.verify_passkey(scene.key.get(scene.passkey_request(), scene.origin))
    answer = scene.key.get(scene.passkey_request(), scene.origin)
    answer["response"]["signature"] = websafe_encode(b"guess")
    with pytest.raises(webauthn_errors.BadSignature):
        scene.verify_passkey(answer)


def test_an_unknown_passkey_is_refused():
    scene = passkey_scene()
    Binding.objects.all().delete()
    with pytest.raises(webauthn_errors.UnknownCredential) as refusal:
        scene.verify_passkey(scene.key.get(scene.passkey_request(), scene.origin))
    assert refusal.value.binding is None


@pytest.mark.security(36)
def test_a_passkey_challenge_is_no_second_factor_and_the_other_way_round():
    scene = passkey_scene()
    with pytest.raises(webauthn_errors.CeremonyClosed):
        scene.verify(scene.key.get(scene.passkey_request(), scene.origin))
    with pytest.raises(webauthn_errors.CeremonyClosed):
        scene.verify_passkey(scene.key.get(scene.request(), scene.origin))


@pytest.mark.security(36)
@pytest.mark.parametrize("begun", [Purpose.SECOND_FACTOR, Purpose.REAUTHENTICATE])
def test_a_challenge_is_good_for_its_purpose_only(begun):
    scene = enrolled()
    other = {Purpose.SECOND_FACTOR, Purpose.REAUTHENTICATE} - {begun}
    answer = scene.key.get(scene.request(begun), scene.origin)
    for purpose in (*other, begun):  # tried elsewhere first, it is used up at home too
        with pytest.raises(webauthn_errors.CeremonyClosed):
            scene.verify(answer, purpose)
    challenge = scene.request(begun)["publicKey"]["challenge"]
    with pytest.raises(webauthn_errors.CeremonyClosed):
        scene.complete(SoftKey().create(scene.creation(), scene.origin, client_data={"challenge": challenge}))


@pytest.mark.security(36)
def test_a_challenge_is_good_in_its_session_only():
    scene = enrolled()
    answer = scene.key.get(scene.request(), scene.origin)
    elsewhere = Scene(person=scene.person, key=scene.key, session_id=uuid.uuid4())
    with pytest.raises(webauthn_errors.CeremonyClosed):
        elsewhere.verify(answer)
    with pytest.raises(webauthn_errors.CeremonyClosed):  # and is used up
        scene.verify(answer)


@pytest.mark.security(36)
def test_a_challenge_is_good_for_its_person_only():
    scene = enrolled()
    other = Scene(person=make_person(), session_id=scene.session_id, key=scene.key)
    with pytest.raises(webauthn_errors.CeremonyClosed):
        other.verify(scene.key.get(scene.request(), scene.origin))


@pytest.mark.security(36)
def test_a_challenge_is_good_in_its_tenant_only():
    scene = enrolled()
    answer = scene.key.get(scene.request(), scene.origin)
    scene.person.tenant = make_person().tenant
    with pytest.raises(webauthn_errors.CeremonyClosed):
        scene.verify(answer)
