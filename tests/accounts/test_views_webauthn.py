"""The pages for keys and passkeys: where one lands, what is said, and what is recorded."""

import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.authenticators import webauthn
from accounts.flows import keys, throttles
from accounts.models import Binding, Ceremony, Session, User, WebAuthnCredential
from audit.models import AuditEvent
from tests.accounts.webauthn_pages import (
    ORIGIN,
    YUBIKEY_5_NFC,
    enrol_key,
    event,
    fresh_client,
    options_of,
    sign_in,
    text_of,
    with_key,
)
from tests.factories import (
    TenantFactory,
    UserFactory,
    client_of,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    publish_rules,
    session_of,
)
from tests.soft_authenticator import SoftKey, synced_passkey, u2f_key

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def the_sites_origin(settings) -> None:
    settings.WEBAUTHN_ORIGINS = [ORIGIN]


def test_the_first_key_is_enrolled_from_the_page_and_recovery_codes_follow(django_capture_on_commit_callbacks):
    person = UserFactory()
    client, key = client_of(person), SoftKey(aaguid=YUBIKEY_5_NFC)
    page = client.get(reverse("mfa_add_webauthn"))
    assert (page.status_code, page["Cache-Control"]) == (200, "max-age=0, no-cache, no-store, must-revalidate, private")
    answer = json.dumps(key.create(options_of(page), ORIGIN))
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(reverse("mfa_add_webauthn"), {"credential": answer, "name": ""})
    assert response.templates[0].name == "mfa/recovery_codes/show.html"
    assert len(response.context["codes"]) == 10
    binding = live_binding(person, "webauthn")
    assert binding.name == "YubiKey 5 NFC"
    assert binding.authenticator.data == {"name": "YubiKey 5 NFC"}
    assert binding.credential.credential_id not in (None, b"")
    recorded = event("authenticator:added")
    assert (recorded.target_id, recorded.outcome) == (str(person.pk), "ok")
    assert (recorded.payload["aaguid"], recorded.payload["passwordless"]) == (str(binding.credential.aaguid), False)
    person.refresh_from_db()
    assert person.mfa_enrolled_at == binding.bound_at
    assert [message.to for message in mail.outbox][:1] == [[person.email]]
    assert client.get(reverse("home")).status_code == 200


def test_forced_enrolment_leads_on_to_where_the_person_wanted_to_go():
    person, key = UserFactory(tenant=TenantFactory(rules={"allowed": ["webauthn"]})), SoftKey()
    client = client_of(person)
    stopped = client.get("/")
    assert stopped["Location"].startswith(reverse("mfa_enrol"))
    url = reverse("mfa_add_webauthn") + "?next=/help/"
    answer = json.dumps(key.create(options_of(client.get(url)), ORIGIN))
    response = client.post(url, {"credential": answer, "name": "Blue key"})
    assert (response.status_code, response["Location"]) == (302, "/help/")
    assert str(live_binding(person, "webauthn")) == "Blue key"


def test_the_key_enrolled_in_this_session_counts_as_its_second_factor():
    person = UserFactory(tenant=TenantFactory(rules={"strength": {"user": "phishing_resistant"}}))
    client, key = client_of(person), u2f_key()
    answer = json.dumps(key.create(options_of(client.get(reverse("mfa_add_webauthn"))), ORIGIN))
    client.post(reverse("mfa_add_webauthn"), {"credential": answer, "name": "Old key"})
    assert client.get(reverse("home")).status_code == 200
    assert live_binding(person, "webauthn").credential.attestation == "fido-u2f"


@pytest.mark.security(31, 47)
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda key, options: key.create(options, "https://evil.example"), "webauthn_wrong_origin"),
        (lambda key, options: {"not": "an answer"}, "webauthn_malformed"),
        (lambda key, options: "[" * 900, "webauthn_malformed"),
        (lambda key, options: key.create(options, ORIGIN, client_data={"challenge": "AAAA"}), "webauthn_expired"),
    ],
)
def test_a_refused_registration_says_why_and_offers_a_new_ceremony(spoil, code):
    person, key = UserFactory(), SoftKey()
    client = client_of(person)
    options = options_of(client.get(reverse("mfa_add_webauthn")))
    response = client.post(reverse("mfa_add_webauthn"), {"credential": json.dumps(spoil(key, options)), "name": "Mine"})
    assert response.status_code == 200
    assert response.context["form"].non_field_errors()
    assert 'value="Mine"' in text_of(response)
    assert options_of(response)["publicKey"]["challenge"] != options["publicKey"]["challenge"]
    refused = event("authenticator:refused")
    assert (refused.outcome, refused.payload["reason"]) == ("refused", code)
    assert not Binding.objects.filter(person=person).exists()


def test_an_empty_answer_is_told_so():
    client = client_of(UserFactory())
    response = client.post(reverse("mfa_add_webauthn"), {"credential": ""})
    assert response.status_code == 200
    assert response.context["form"].errors["credential"]
    assert not AuditEvent.objects.filter(kind__startswith="authenticator").exists()


@pytest.mark.security(42)
def test_a_key_registered_by_somebody_else_is_refused_and_nothing_is_left_behind():
    owner, thief, key = UserFactory(), UserFactory(), SoftKey()
    enrol_key(owner, key)
    (taken,) = key.credentials
    client = client_of(thief)
    options = options_of(client.get(reverse("mfa_add_webauthn")))
    forged = SoftKey()
    answer = forged.create(options, ORIGIN, credential_id=taken)
    response = client.post(reverse("mfa_add_webauthn"), {"credential": json.dumps(answer), "name": "x"})
    assert "registered already" in text_of(response)
    assert event("authenticator:refused").payload["reason"] == "webauthn_taken"
    assert not Binding.objects.filter(person=thief).exists()
    assert not thief.authenticator_set.exists()
    assert WebAuthnCredential.objects.count() == 1


def test_a_double_submit_enrols_once():
    person, key = UserFactory(), SoftKey()
    client = client_of(person)
    posted = {
        "credential": json.dumps(key.create(options_of(client.get(reverse("mfa_add_webauthn"))), ORIGIN)),
        "name": "Blue key",
    }
    client.post(reverse("mfa_add_webauthn"), posted)
    again = client.post(reverse("mfa_add_webauthn"), posted)
    assert "no longer open" in text_of(again)
    assert Binding.objects.filter(person=person, kind="webauthn").count() == 1


@pytest.mark.security(61)
def test_an_enrolment_that_a_reset_overtook_is_refused(monkeypatch):
    person, key = UserFactory(), SoftKey()
    client = client_of(person)
    answer = json.dumps(key.create(options_of(client.get(reverse("mfa_add_webauthn"))), ORIGIN))
    verify = webauthn.complete_enrolment

    def overtaken(*args: Any, **kwargs: Any) -> webauthn.NewCredential:
        new = verify(*args, **kwargs)
        User.objects.filter(pk=person.pk).update(security_version=99)
        return new

    monkeypatch.setattr(webauthn, "complete_enrolment", overtaken)
    client.post(reverse("mfa_add_webauthn"), {"credential": answer, "name": "Blue key"})
    assert not Binding.objects.filter(person=person).exists()


@pytest.mark.security(51)
def test_who_owns_a_factor_adds_a_key_only_after_proving_it():
    person = UserFactory()
    enrol_totp(person)
    binding = live_binding(person)
    Binding.objects.filter(pk=binding.pk).update(bound_at=timezone.now() - timedelta(days=1))
    old = client_of(person, password_proof(), proof_of(binding, at=timezone.now() - timedelta(minutes=6)))
    response = old.get(reverse("mfa_add_webauthn"))
    assert response["Location"] == "/accounts/2fa/reauthenticate/?next=%2Faccounts%2F2fa%2Fwebauthn%2Fadd%2F"
    assert not Ceremony.objects.exists()
    binding.refresh_from_db()
    assert client_of(person, password_proof(), proof_of(binding)).get(reverse("mfa_add_webauthn")).status_code == 200


def test_a_method_the_policy_forbids_is_not_offered():
    person = UserFactory(tenant=TenantFactory(rules={"allowed": ["totp"]}))
    response = client_of(person).get(reverse("mfa_add_webauthn"))
    assert (response.status_code, response["Location"]) == (302, reverse("mfa_enrol"))
    assert not Ceremony.objects.exists()


def test_a_passkey_is_added_where_the_policy_lets_people_sign_in_with_one():
    person = UserFactory(tenant=TenantFactory(rules={"passkey_login": True}))
    client, url = client_of(person), reverse("mfa_add_webauthn") + "?passkey=1"
    page = client.get(url)
    assert options_of(page)["publicKey"]["authenticatorSelection"]["userVerification"] == "required"
    answer = json.dumps(synced_passkey().create(options_of(page), ORIGIN))
    client.post(url, {"credential": answer, "name": "My phone"})
    credential = live_binding(person, "webauthn").credential
    assert (credential.passwordless, credential.user_verified, credential.backed_up) == (True, True, True)


def test_a_passkey_is_refused_where_the_policy_does_not_want_it():
    person = UserFactory()
    response = client_of(person).get(reverse("mfa_add_webauthn") + "?passkey=1")
    assert (response.status_code, response["Location"]) == (302, reverse("mfa_enrol"))
    assert not Ceremony.objects.exists()


@pytest.mark.parametrize(("passkey", "rules"), [("", {"allowed": ["totp"]}), ("?passkey=1", {"passkey_login": False})])
def test_a_policy_that_changed_while_the_browser_asked_is_obeyed(passkey, rules):
    person, key = UserFactory(tenant=TenantFactory(rules={"passkey_login": True})), SoftKey()
    client, url = client_of(person), reverse("mfa_add_webauthn") + passkey
    answer = json.dumps(key.create(options_of(client.get(url)), ORIGIN))
    publish_rules(person.tenant, **rules)
    response = client.post(url, {"credential": answer, "name": "x"})
    assert (response.status_code, response["Location"]) == (302, reverse("mfa_enrol"))
    assert not Binding.objects.filter(person=person).exists()


@pytest.mark.parametrize("verified", [True, False])
def test_what_the_new_key_verified_is_what_the_session_proved(verified):
    person, key = UserFactory(), SoftKey(user_verified=verified)
    session = session_of(person)
    options = keys.begin_adding(person, session, passwordless=False)
    proof = keys.add(person, session, json.dumps(key.create(options, ORIGIN)))
    assert proof.user_verified is verified
    assert session.proofs_of(person)[-1] == proof


@pytest.mark.security(48)
def test_the_address_of_the_answer_does_not_make_a_key_a_passkey():
    person, key = UserFactory(tenant=TenantFactory(rules={"passkey_login": True})), SoftKey()
    client, url = client_of(person), reverse("mfa_add_webauthn")
    answer = json.dumps(key.create(options_of(client.get(url)), ORIGIN))
    client.post(url + "?passkey=1", {"credential": answer, "name": "x", "passwordless": "on"})
    assert live_binding(person, "webauthn").credential.passwordless is False


def test_names_are_kept_on_one_line_and_say_what_they_show():
    person, key = UserFactory(), SoftKey()
    client = client_of(person)
    options = options_of(client.get(reverse("mfa_add_webauthn")))
    posted = {"credential": json.dumps(key.create(options, ORIGIN)), "name": "Blue\r\n  key\t\u200d<b>"}
    client.post(reverse("mfa_add_webauthn"), posted)
    assert live_binding(person, "webauthn").name == "Blue key \u200d<b>"
    listed = client.get(reverse("mfa_list_webauthn"))
    assert "&lt;b&gt;" in text_of(listed) and "<b>" not in text_of(listed).replace("<bdi>", "")


@pytest.mark.parametrize("name", ["\u202egnp.exe", "a\x07b", "a\u2066b", "\u200b", "x" * 101, "  ", ""])
def test_names_that_hide_or_reorder_are_refused(name):
    person, binding = with_key(SoftKey())
    response = fresh_client(person, binding).post(reverse("mfa_edit_webauthn", args=[binding.pk]), {"name": name})
    assert response.status_code == 200
    assert response.context["form"].errors["name"]
    binding.refresh_from_db()
    assert binding.name == "Blue key"


def test_a_key_is_renamed_and_the_record_says_from_what_to_what():
    person, binding = with_key(SoftKey())
    client, url = fresh_client(person, binding), reverse("mfa_edit_webauthn", args=[binding.pk])
    assert 'value="Blue key"' in text_of(client.get(url))
    response = client.post(url, {"name": "Red key"}, follow=True)
    assert response.redirect_chain == [(reverse("mfa_index"), 302)]
    binding.refresh_from_db()
    assert binding.name == "Red key"
    renamed = event("authenticator:renamed")
    assert renamed.target_id == str(person.pk)
    assert (renamed.payload["before"], renamed.payload["after"]) == ("Blue key", "Red key")
    client.post(url, {"name": "Red key"})
    assert AuditEvent.objects.filter(kind="authenticator:renamed").count() == 1


@pytest.mark.security(51, 84)
@pytest.mark.parametrize("page", ["mfa_edit_webauthn", "mfa_remove_webauthn"])
def test_only_ones_own_live_keys_are_touched_and_only_when_fresh(page):
    person, binding = with_key(SoftKey())
    _, foreign = with_key(SoftKey())
    client = fresh_client(person, binding)
    for wrong in (foreign.pk, uuid.uuid4()):
        for response in (
            client.get(reverse(page, args=[wrong])),
            client.post(reverse(page, args=[wrong]), {"name": "x"}),
        ):
            assert (response.status_code, response["Location"]) == (302, reverse("mfa_index"))
    foreign.refresh_from_db()
    assert (foreign.name, foreign.unbound_at) == ("Blue key", None)
    stale = client_of(person, password_proof(), proof_of(binding, at=timezone.now() - timedelta(minutes=6)))
    url = reverse(page, args=[binding.pk])
    for response in (stale.get(url), stale.post(url, {"name": "x"})):
        assert response["Location"].startswith(reverse("mfa_reauthenticate"))
    binding.refresh_from_db()
    assert (binding.name, binding.unbound_at) == ("Blue key", None)


def test_a_key_is_removed_and_fails_at_its_next_use():
    key = SoftKey()
    person, binding = with_key(key)
    second = enrol_key(person, SoftKey(), name="Spare")
    client, url = fresh_client(person, binding), reverse("mfa_remove_webauthn", args=[binding.pk])
    assert "Blue key" in text_of(client.get(url))
    options = keys.begin(person, session := session_of(person), purpose=webauthn.Purpose.REAUTHENTICATE)
    response = client.post(url)
    assert (response.status_code, response["Location"]) == (302, reverse("mfa_index"))
    binding.refresh_from_db()
    assert binding.unbound_at is not None and binding.authenticator is None
    assert event("authenticator:removed").target_id == str(person.pk)
    assert Binding.objects.get(person=person, unbound_at=None) == second
    with pytest.raises(Exception, match="not registered"):
        keys.check(person, session, json.dumps(key.get(options, ORIGIN)), purpose=webauthn.Purpose.REAUTHENTICATE)


def test_the_last_key_stays_while_the_policy_requires_one():
    person, binding = with_key(SoftKey())
    client, url = fresh_client(person, binding), reverse("mfa_remove_webauthn", args=[binding.pk])
    for response in (client.get(url), client.post(url)):
        assert (response.status_code, response["Location"]) == (302, reverse("mfa_index"))
    assert "last method" in text_of(client.get(reverse("mfa_index")))
    binding.refresh_from_db()
    assert binding.unbound_at is None
    assert not AuditEvent.objects.filter(kind="authenticator:removed").exists()


def test_the_list_shows_what_each_key_is():
    person, binding = with_key(SoftKey(aaguid=YUBIKEY_5_NFC))
    page = text_of(fresh_client(person, binding).get(reverse("mfa_list_webauthn")))
    assert "Blue key" in page and "YubiKey 5 NFC" in page
    assert reverse("mfa_edit_webauthn", args=[binding.pk]) in page
    assert reverse("mfa_remove_webauthn", args=[binding.pk]) not in page  # the last one


@pytest.mark.parametrize("make", [SoftKey, u2f_key, lambda: SoftKey(user_verified=False, resident=False)])
def test_password_and_key_sign_in(make):
    key = make()
    person, binding = with_key(key)
    client = Client(HTTP_HOST="localhost")
    assert sign_in(client, person)["Location"] == reverse("mfa_authenticate")
    page = client.get(reverse("mfa_authenticate"))
    answer = json.dumps(key.get(options_of(page), ORIGIN))
    response = client.post(reverse("mfa_authenticate"), {"method": "webauthn", "credential": answer})
    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.get("/").status_code == 200
    accepted = event("second_factor:accepted")
    assert (accepted.payload["authenticator"], accepted.payload["method"]) == (str(binding.pk), "webauthn")
    assert accepted.payload["purpose"] == "second_factor"
    assert accepted.payload["user_verified"] is key.user_verified
    assert event("sign_in:completed").payload["strength"] == "phishing_resistant"
    binding.refresh_from_db()
    assert binding.last_used_at is not None and binding.last_counter == 1


@pytest.mark.security(36)
def test_a_wrong_key_at_sign_in_is_told_recorded_and_lets_nobody_in():
    key, strange = SoftKey(), SoftKey()
    person, _ = with_key(key)
    with_key(strange)
    client = Client(HTTP_HOST="localhost")
    sign_in(client, person)
    options = options_of(client.get(reverse("mfa_authenticate")))
    (foreign,) = strange.credentials
    answer = json.dumps(strange.get(options, ORIGIN, credential_id=foreign))
    response = client.post(reverse("mfa_authenticate"), {"method": "webauthn", "credential": answer})
    assert response.status_code == 200
    assert "not registered for you" in text_of(response)
    failed = event("second_factor:failed")
    assert (failed.target_id, failed.payload["reason"]) == (str(person.pk), "webauthn_unknown")
    assert client.get("/")["Location"].startswith(reverse("mfa_authenticate")) or "login" in client.get("/")["Location"]
    assert options_of(response)["publicKey"]["challenge"] != options["publicKey"]["challenge"]


@pytest.mark.security(45)
def test_a_copied_key_is_refused_recorded_as_an_alarm_and_the_counter_stays():
    key = SoftKey(sign_count=9)
    person, binding = with_key(key)
    client = Client(HTTP_HOST="localhost")
    sign_in(client, person)
    key.sign_count = 3
    answer = json.dumps(key.get(options_of(client.get(reverse("mfa_authenticate"))), ORIGIN))
    response = client.post(reverse("mfa_authenticate"), {"method": "webauthn", "credential": answer})
    assert "may have been copied" in text_of(response)
    assert event("second_factor:failed").payload["reason"] == "webauthn_clone_suspected"
    alarm = event("authenticator:cloned_suspected")
    assert (alarm.payload["stored"], alarm.payload["received"]) == (9, 4)
    assert alarm.payload["authenticator"] == str(binding.pk)
    binding.refresh_from_db()
    assert (binding.last_counter, binding.last_used_at) == (9, None)
    assert Ceremony.objects.exclude(consumed_at=None).count() == 2  # enrolment, and this one


@pytest.mark.security(24)
def test_wrong_answers_never_pause_a_key():
    key = SoftKey()
    person, binding = with_key(key)
    client = Client(HTTP_HOST="localhost")
    sign_in(client, person)
    for _ in range(7):
        client.post(reverse("mfa_authenticate"), {"method": "webauthn", "credential": "{}"})
    answer = json.dumps(key.get(options_of(client.get(reverse("mfa_authenticate"))), ORIGIN))
    assert client.post(reverse("mfa_authenticate"), {"method": "webauthn", "credential": answer}).status_code == 302
    binding.refresh_from_db()
    assert (binding.failures, binding.paused_until, binding.locked_at) == (0, None, None)


@pytest.mark.security(36)
def test_an_answer_given_to_another_page_is_refused():
    key = SoftKey()
    person, binding = with_key(key)
    client = fresh_client(person, binding)
    page = client.get(reverse("mfa_reauthenticate"))
    assert options_of(page)["publicKey"]["userVerification"] == "preferred"  # a password stands beside it
    answer = json.dumps(key.get(options_of(page), ORIGIN))
    pending = Client(HTTP_HOST="localhost")
    sign_in(pending, person)
    response = pending.post(reverse("mfa_authenticate"), {"method": "webauthn", "credential": answer})
    assert "no longer open" in text_of(response)
    assert event("second_factor:failed").payload["reason"] == "webauthn_expired"
    late = client.post(reverse("mfa_reauthenticate"), {"method": "webauthn", "credential": answer})
    assert "no longer open" in text_of(late)


def test_a_key_confirms_that_it_is_you_and_leads_back():
    key = SoftKey()
    person, binding = with_key(key)
    stale = client_of(person, password_proof(), proof_of(binding, at=timezone.now() - timedelta(minutes=6)))
    url = reverse("mfa_edit_webauthn", args=[binding.pk])
    asked = stale.get(url)["Location"]
    answer = json.dumps(key.get(options_of(stale.get(asked)), ORIGIN))
    response = stale.post(asked, {"method": "webauthn", "credential": answer})
    assert (response.status_code, response["Location"]) == (302, url)
    assert stale.get(url).status_code == 200
    assert event("reauthentication:accepted").payload["method"] == "webauthn"


def passkey_person(key: SoftKey, **rules: Any) -> tuple[User, Binding]:
    person = UserFactory(tenant=TenantFactory(rules={"passkey_login": True, **rules}))
    return person, enrol_key(person, key, passwordless=True)


def passkey_options(client: Client) -> dict[str, Any]:
    response = client.get(reverse("mfa_login_webauthn"), HTTP_ACCEPT="application/json")
    assert response.status_code == 200
    return response.json()


def answer_passkey(client: Client, key: SoftKey, **how: Any) -> Any:
    answer = json.dumps(key.get(passkey_options(client), ORIGIN, **how))
    return client.post(reverse("mfa_login_webauthn"), {"credential": answer, "next": "/help/"})


def test_a_passkey_signs_in_without_a_password():
    key = synced_passkey()
    person, binding = passkey_person(key)
    client = Client(HTTP_HOST="localhost")
    before = passkey_options(client) and client.session.session_key
    response = answer_passkey(client, key)
    assert (response.status_code, response["Location"]) == (302, "/help/")
    assert client.get("/").status_code == 200
    assert client.session.session_key != before  # security 63
    completed = event("sign_in:completed")
    assert (completed.target_id, completed.payload["methods"]) == (str(person.pk), ["webauthn"])
    assert completed.payload["strength"] == "phishing_resistant"
    session = Session.objects.get(person=person, ended_at=None, signed_in_at__isnull=False)
    assert session.proofs[0]["binding"] == str(binding.pk) and session.proofs[0]["user_verified"] is True


@pytest.mark.security(32)
def test_the_destination_of_a_passkey_is_on_this_site():
    key = synced_passkey()
    passkey_person(key)
    client = Client(HTTP_HOST="localhost")
    answer = json.dumps(key.get(passkey_options(client), ORIGIN))
    posted = {"credential": answer, "next": "https://evil.example/"}
    assert client.post(reverse("mfa_login_webauthn"), posted)["Location"] == "/"


def refused_passkey(client: Client, response: Any, reason: str) -> None:
    assert (response.status_code, response["Location"]) == (302, reverse("account_login") + "?next=%2Fhelp%2F")
    assert event("sign_in:passkey_refused").payload["reason"] == reason
    assert event("sign_in:passkey_refused").outcome == "refused"
    assert client.get("/")["Location"].startswith(reverse("account_login"))
    assert not AuditEvent.objects.filter(kind="sign_in:completed").exists()


@pytest.mark.security(48)
def test_a_second_factor_key_does_not_sign_in_alone():
    key = SoftKey()
    with_key(key, passkey_login=True)
    client = Client(HTTP_HOST="localhost")
    refused_passkey(client, answer_passkey(client, key), "webauthn_second_factor_only")
    assert "Sign in with your address and password first" in text_of(client.get(reverse("account_login")))


@pytest.mark.security(35)
def test_a_passkey_without_its_users_face_or_pin_does_not_sign_in():
    key = SoftKey()
    passkey_person(key)
    key.user_verified = False
    client = Client(HTTP_HOST="localhost")
    refused_passkey(client, answer_passkey(client, key), "webauthn_not_verified")


def test_a_passkey_does_not_sign_in_where_the_policy_no_longer_lets_it():
    key = synced_passkey()
    person, binding = passkey_person(key)
    publish_rules(person.tenant, passkey_login=False)
    client = Client(HTTP_HOST="localhost")
    refused_passkey(client, answer_passkey(client, key), "method_not_allowed")
    assert event("sign_in:passkey_refused").payload["authenticator"] == str(binding.pk)


def test_nobody_signs_in_to_an_account_that_is_off():
    key = synced_passkey()
    person, _ = passkey_person(key)
    User.objects.filter(pk=person.pk).update(is_active=False)
    client = Client(HTTP_HOST="localhost")
    refused_passkey(client, answer_passkey(client, key), "webauthn_inactive")


@pytest.mark.security(36, 37)
def test_a_passkey_answer_is_good_once_and_in_its_own_browser():
    key = synced_passkey()
    passkey_person(key)
    client, thief = Client(HTTP_HOST="localhost"), Client(HTTP_HOST="localhost")
    posted = {"credential": json.dumps(key.get(passkey_options(client), ORIGIN)), "next": "/help/"}
    passkey_options(thief)
    refused_passkey(thief, thief.post(reverse("mfa_login_webauthn"), posted), "webauthn_expired")
    again = client.post(reverse("mfa_login_webauthn"), posted)
    assert again["Location"] == reverse("account_login") + "?next=%2Fhelp%2F"
    assert AuditEvent.objects.filter(kind="sign_in:passkey_refused").count() == 2


@pytest.mark.security(47, 89)
@pytest.mark.parametrize("credential", ["", "x", "[]", "{}", "null", '{"response":{}}', "[" * 9000, "9" * 9000])
def test_whatever_is_posted_as_a_passkey_is_refused_by_name(credential):
    client = Client(HTTP_HOST="localhost")
    passkey_options(client)
    response = client.post(reverse("mfa_login_webauthn"), {"credential": credential, "next": "/help/"})
    refused_passkey(client, response, "webauthn_malformed")


def test_who_is_signed_in_already_is_led_on():
    person, binding = with_key(SoftKey())
    response = fresh_client(person, binding).post(reverse("mfa_login_webauthn"), {"credential": "{}"})
    assert (response.status_code, response["Location"]) == (302, "/")


def test_asking_for_passkey_options_is_limited(monkeypatch):
    monkeypatch.setattr(keys, "OPTIONS_BY_NETWORK", replace(keys.OPTIONS_BY_NETWORK, count=3))
    client = Client(HTTP_HOST="localhost")
    statuses = [client.get(reverse("mfa_login_webauthn")).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert AuditEvent.objects.get(kind="requests:throttled").payload["scope"] == "passkey-options"
    assert Ceremony.objects.count() == 3


@pytest.mark.security(25)
def test_failed_passkeys_pause_a_network_and_right_ones_do_not(monkeypatch):
    monkeypatch.setattr(throttles, "PASSKEY_BY_NETWORK", replace(throttles.PASSKEY_BY_NETWORK, count=2))
    key = synced_passkey()
    _, binding = passkey_person(key)
    for _ in range(3):
        assert answer_passkey(Client(HTTP_HOST="localhost"), key)["Location"] == "/help/"
    client = Client(HTTP_HOST="localhost")
    posts = [client.post(reverse("mfa_login_webauthn"), {"credential": "{}"}).status_code for _ in range(3)]
    assert posts == [302, 302, 429]
    assert answer_passkey(client, key).status_code == 429
    throttled = AuditEvent.objects.filter(kind="sign_in:throttled")
    assert [found.payload["scope"] for found in throttled] == ["passkey-network"]  # once a pause
    binding.refresh_from_db()
    assert (binding.failures, binding.paused_until, binding.locked_at) == (0, None, None)


@pytest.mark.security(28)
def test_options_say_nothing_about_anybody():
    key = synced_passkey()
    passkey_person(key)
    options = passkey_options(Client(HTTP_HOST="localhost"))["publicKey"]
    assert options["allowCredentials"] == []
    assert set(options) == {"challenge", "timeout", "rpId", "allowCredentials", "userVerification"}


@pytest.mark.security(35)
def test_a_session_that_rests_on_a_passkey_alone_asks_it_to_verify_its_user_again():
    key = SoftKey()
    person, binding = passkey_person(key)
    client = client_of(person, proof_of(binding, user_verified=True, at=timezone.now() - timedelta(minutes=6)))
    page = client.get(reverse("mfa_reauthenticate"))
    assert options_of(page)["publicKey"]["userVerification"] == "required"
    key.user_verified = False
    answer = json.dumps(key.get(options_of(page), ORIGIN))
    response = client.post(reverse("mfa_reauthenticate"), {"method": "webauthn", "credential": answer})
    assert response.status_code == 200 and "did not check that it is you" in text_of(response)
    assert event("second_factor:failed").payload["reason"] == "webauthn_not_verified"
