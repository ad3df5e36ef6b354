"""The policy's rules about keys: asked of a new one, and at once of those that people have already."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from fido2.utils import websafe_decode
from hypothesis import given
from hypothesis import strategies as st

from accounts.adapters import EncryptedMFAAdapter
from accounts.assurance import Method
from accounts.authenticators.webauthn_ceremonies import UserVerification
from accounts.authenticators.webauthn_demands import KeyDemands
from accounts.flows import keys
from accounts.models import Binding, User, WebAuthnCredential
from accounts.policy import policy
from policies import demands
from policies.models import MFAPolicy
from policies.terms import Enrolled, KeyRules, Rules
from policies.terms import UserVerification as Wanted
from tests.accounts.webauthn_pages import (
    ORIGIN,
    add,
    enrol_key,
    event,
    fresh_client,
    options_of,
    prove,
    sign_in,
    text_of,
    with_key,
)
from tests.attestation_authority import (
    DAY,
    MAKER,
    MODEL,
    Maker,
    attested_key,
    der,
    new_key,
    with_leaf,
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

OTHER_MODEL = uuid.UUID("2fc0579f-8113-47ea-b116-bb5a8db9202a")  # a YubiKey 5 NFC
VERIFYING = {"user_verification": "required"}
DEVICE_BOUND = {"synced_passkeys": False}
ATTESTING = {"attestation": "direct"}
LISTED = {"aaguids_allowed": [str(MODEL)]}
DENYING = {"aaguids_denied": [str(OTHER_MODEL)]}


@pytest.fixture(autouse=True)
def a_site_with_roots(settings: Any, tmp_path: Path) -> None:
    settings.WEBAUTHN_ORIGINS = [ORIGIN]
    settings.WEBAUTHN_ATTESTATION_ROOTS = str(tmp_path)
    MAKER.pin(tmp_path)


def plain(**knobs: Any) -> SoftKey:
    """A security key of the model that no list names but to refuse it."""
    return SoftKey(**{"aaguid": OTHER_MODEL.bytes, "resident": False, **knobs})


models = st.sampled_from([MODEL, OTHER_MODEL, uuid.UUID(int=0)])
some_models = st.frozensets(models, max_size=2)


@given(
    rules=st.builds(
        KeyRules,
        user_verification=st.sampled_from(Wanted),
        attested=st.booleans(),
        allowed=some_models,
        denied=some_models,
        synced=st.booleans(),
    ),
    verified=st.booleans(),
    aaguid=models,
    synced=st.booleans(),
    attested=st.booleans(),
)
def test_enrolment_and_the_engine_judge_a_key_alike(rules, verified, aaguid, synced, attested):
    stored = WebAuthnCredential(user_verified=verified, aaguid=aaguid, backup_eligible=synced, attested=attested)
    asked = KeyDemands(
        verification=UserVerification(rules.user_verification.value),
        attested=rules.attested,
        allowed=rules.allowed,
        denied=rules.denied,
        synced=rules.synced,
    )
    owned = Enrolled(
        Method.WEBAUTHN,
        uuid.UUID(int=1),
        timezone.now(),
        user_verified=verified,
        aaguid=aaguid,
        synced=synced,
        attested=attested,
    )
    assert asked.accepts(stored) is demands.is_accepted(Rules(version=1, keys=rules), owned)


def test_the_policy_says_what_a_key_has_to_be(settings):
    person = UserFactory(tenant=TenantFactory(rules={**VERIFYING, **DEVICE_BOUND, **ATTESTING, **LISTED, **DENYING}))
    assert policy().key_rules(person) == KeyDemands(
        verification=UserVerification.REQUIRED,
        attested=True,
        allowed=frozenset({MODEL}),
        denied=frozenset({OTHER_MODEL}),
        synced=False,
    )
    assert EncryptedMFAAdapter().key_rules(person) == KeyDemands(verification=UserVerification.DISCOURAGED)


@pytest.mark.parametrize(
    ("sites", "tenants", "asked"),
    [
        ("discouraged", "discouraged", "discouraged"),
        ("discouraged", "preferred", "preferred"),
        ("discouraged", "required", "required"),
        ("required", "discouraged", "required"),
        ("preferred", "discouraged", "preferred"),
    ],
)
def test_the_stricter_of_site_and_policy_asks_who_is_there(sites, tenants, asked, settings):
    settings.WEBAUTHN_USER_VERIFICATION = sites
    person = UserFactory(tenant=TenantFactory(rules={"user_verification": tenants}))
    client = client_of(person)
    selection = options_of(client.get(reverse("mfa_add_webauthn")))["publicKey"]["authenticatorSelection"]
    assert selection["userVerification"] == asked


def test_an_account_for_emergencies_meets_no_rule_but_having_a_key():
    person, _ = with_key(plain())
    publish_rules(person.tenant, **ATTESTING, **LISTED, break_glass=[str(person.pk)])
    assert policy().key_rules(person) == KeyDemands()


def test_without_a_policy_the_site_asks_what_it_asks():
    person = UserFactory(tenant=TenantFactory())
    MFAPolicy.objects.filter(tenant=person.tenant).delete()
    assert policy().key_rules(person) == EncryptedMFAAdapter().key_rules(person)


REFUSALS = {
    "not verified": (VERIFYING, plain(user_verified=False), "webauthn_not_verified", "did not check that it is you"),
    "synced": (DEVICE_BOUND, synced_passkey(), "webauthn_synced", "copied to other devices"),
    "no statement": (ATTESTING, plain(), "webauthn_not_attested", "prove who made them"),
    "self attestation": (
        ATTESTING,
        plain(attestation="packed"),
        "webauthn_not_attested",
        "prove who made them",
    ),
    "unknown maker": (ATTESTING, with_leaf(Maker()), "webauthn_untrusted", "does not know the maker"),
    "denied model": (DENYING, plain(), "webauthn_model_denied", "does not accept this model"),
    "another model": (LISTED, plain(), "webauthn_model_not_allowed", "certain models"),
    "u2f has no model": (LISTED, u2f_key(), "webauthn_model_not_allowed", "certain models"),
}


@pytest.mark.security(35, 39, 41)
@pytest.mark.parametrize(("rules", "key", "code", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_a_new_key_that_is_not_enough_is_refused_told_and_recorded(rules, key, code, sentence):
    person = UserFactory(tenant=TenantFactory(rules=rules))
    client = client_of(person)
    page = add(client, key)
    assert page.status_code == 200 and sentence in text_of(page)
    recorded = event("authenticator:refused")
    assert (recorded.target_id, recorded.outcome, recorded.payload["reason"]) == (str(person.pk), "refused", code)
    assert not Binding.objects.filter(person=person).exists()
    assert options_of(page)["publicKey"]["challenge"]  # another try, on the same page
    assert add(client, with_leaf()).templates[0].name == "mfa/recovery_codes/show.html"
    assert client.get(reverse("home")).status_code == 200


@pytest.mark.security(41)
def test_what_its_maker_vouched_for_is_recorded():
    person = UserFactory(tenant=TenantFactory(rules={**ATTESTING, **LISTED}))
    client = client_of(person)
    assert options_of(client.get(reverse("mfa_add_webauthn")))["publicKey"]["attestation"] == "direct"
    add(client, with_leaf())
    recorded = event("authenticator:added").payload
    assert (recorded["attestation"], recorded["attested"], recorded["aaguid"]) == ("packed", True, str(MODEL))
    assert live_binding(person, "webauthn").credential.attested


@pytest.mark.parametrize(("rules", "key", "code"), [one[:3] for one in REFUSALS.values()], ids=REFUSALS)
def test_a_key_is_judged_by_the_rules_of_the_moment_it_is_added(rules, key, code):
    person = UserFactory(tenant=TenantFactory())
    session = session_of(person)
    answer = json.dumps(key.create(keys.begin_adding(person, session, passwordless=False), ORIGIN))
    publish_rules(person.tenant, **rules)
    with pytest.raises(keys.WebAuthnError) as refusal:
        keys.add(person, session, answer)
    assert (refusal.value.code, event("authenticator:refused").payload["reason"]) == (code, code)


def test_rules_that_were_relaxed_meanwhile_let_a_key_in():
    person = UserFactory(tenant=TenantFactory(rules={**DENYING, **ATTESTING}))
    key, session = plain(), session_of(person)
    answer = json.dumps(key.create(keys.begin_adding(person, session, passwordless=False), ORIGIN))
    publish_rules(person.tenant)
    keys.add(person, session, answer)
    assert not live_binding(person, "webauthn").credential.attested


def forged() -> dict[str, tuple[SoftKey, dict[str, Any], str]]:
    """Keys that lie about who made them, what they send, and as what they are refused."""
    now, signer, leaf = timezone.now(), new_key(), MAKER.leaf(MAKER.key)
    selfmade = attested_key(MAKER.leaf(signer, issuer=leaf.subject, signer=signer), signer=signer)
    whole = {"alg": -7, "sig": b"s" * 70, "x5c": der(leaf)}
    return {
        "self-signed leaf": (selfmade, {}, "webauthn_untrusted"),
        "leaf of another authority": (with_leaf(Maker()), {}, "webauthn_untrusted"),
        "expired leaf": (with_leaf(ends=now - DAY), {}, "webauthn_untrusted"),
        "leaf that is an authority": (with_leaf(ca=True), {}, "webauthn_attestation"),
        "another model in the certificate": (with_leaf(aaguid=OTHER_MODEL.bytes), {}, "webauthn_attestation"),
        "signature over another challenge": (
            with_leaf(),
            {"client_data": {"spare": 1}, "statement": whole},
            "webauthn_attestation",
        ),
        "garbage for a certificate": (with_leaf(), {"statement": whole | {"x5c": [b"x"]}}, "webauthn_attestation"),
        "six certificates": (with_leaf(), {"statement": whole | {"x5c": der(leaf) * 6}}, "webauthn_attestation"),
        "a hundred certificates": (
            with_leaf(),
            {"statement": whole | {"x5c": der(leaf) * 100}},
            "webauthn_malformed",
        ),
        "a format that is not verified": (with_leaf(), {"fmt": "tpm"}, "webauthn_attestation_format"),
        "no statement": (SoftKey(aaguid=MODEL.bytes), {}, "webauthn_not_attested"),
        "statement where none is": (SoftKey(), {"statement": whole}, "webauthn_attestation"),
    }


@pytest.mark.security(41, 47)
@pytest.mark.parametrize("name", forged())
def test_no_forged_statement_passes_or_breaks_the_page(name):
    key, how, code = forged()[name]
    person = UserFactory(tenant=TenantFactory(rules=ATTESTING))
    key.attestation = how.pop("fmt", key.attestation)
    page = add(client_of(person), key, **how)
    assert page.status_code == 200
    assert event("authenticator:refused").payload["reason"] == code
    assert not WebAuthnCredential.objects.exists()


@pytest.mark.security(41, 47)
def test_an_answer_cut_short_is_refused_and_recorded():
    person = UserFactory(tenant=TenantFactory(rules=ATTESTING))
    client, key = client_of(person), with_leaf()
    answer = key.create(options_of(client.get(reverse("mfa_add_webauthn"))), ORIGIN)
    whole = answer["response"]["attestationObject"]
    answer["response"]["attestationObject"] = whole[: len(whole) // 2 // 4 * 4]
    page = client.post(reverse("mfa_add_webauthn"), {"credential": json.dumps(answer), "name": ""})
    assert page.status_code == 200
    assert event("authenticator:refused").payload["reason"] == "webauthn_malformed"


STRICTER = {
    "deny the model": (DENYING, plain()),
    "allow another model": (LISTED, plain()),
    "forbid synced passkeys": (DEVICE_BOUND, synced_passkey()),
    "demand attestation": (ATTESTING, plain()),
    "demand attestation of an old key": (ATTESTING, u2f_key()),
    "ask who is there": (VERIFYING, plain(user_verified=False)),
}


def refused_now(rules: dict[str, Any], key: SoftKey) -> tuple[User, Binding]:
    """Somebody who enrolled this key under lax rules; now these are in force."""
    person, binding = with_key(key)
    publish_rules(person.tenant, **rules)
    person.refresh_from_db()
    return person, binding


@pytest.mark.security(39, 41, 66)
@pytest.mark.parametrize(("rules", "key"), STRICTER.values(), ids=STRICTER)
def test_a_stricter_rule_is_judged_at_the_next_request_and_leads_to_a_better_key(rules, key):
    person, binding = with_key(key)
    client = fresh_client(person, binding)
    assert client.get(reverse("home")).status_code == 200
    publish_rules(person.tenant, **rules)
    assert client.get(reverse("home"))["Location"].startswith(reverse("mfa_enrol"))
    assert add(client, with_leaf()).status_code == 302
    assert client.get(reverse("home")).status_code == 200


@pytest.mark.parametrize(("rules", "key"), STRICTER.values(), ids=STRICTER)
def test_a_key_that_is_refused_now_still_leads_from_sign_in_to_a_better_one(rules, key):
    person, binding = refused_now(rules, key)
    client = Client(HTTP_HOST="localhost")
    assert sign_in(client, person)["Location"] == reverse("mfa_authenticate")
    asked = options_of(client.get(reverse("mfa_authenticate")))["publicKey"]
    assert [websafe_decode(one["id"]) for one in asked["allowCredentials"]] == [bytes(binding.credential.credential_id)]
    assert asked["userVerification"] == "preferred"
    prove(client, key)
    assert client.get(reverse("home"))["Location"].startswith(reverse("mfa_enrol"))
    assert event("second_factor:accepted").payload["authenticator"] == str(binding.pk)
    assert add(client, with_leaf()).status_code == 302
    assert client.get(reverse("home")).status_code == 200


@pytest.mark.parametrize(("rules", "key"), STRICTER.values(), ids=STRICTER)
def test_a_refused_key_steps_up_to_an_accepted_one(rules, key):
    person, refused = with_key(key)
    better = with_leaf()
    enrol_key(person, better)
    client = fresh_client(person, refused)
    assert client.get(reverse("home")).status_code == 200
    publish_rules(person.tenant, **rules)
    assert client.get(reverse("home"))["Location"].startswith(reverse("mfa_authenticate"))
    asked = options_of(client.get(reverse("mfa_authenticate")))["publicKey"]["allowCredentials"]
    (listed,) = [websafe_decode(one["id"]) for one in asked]
    assert listed in better.credentials
    assert prove(client, better)["Location"] == "/"
    assert client.get(reverse("home")).status_code == 200


def test_a_refused_key_steps_up_to_an_app():
    person = UserFactory(tenant=TenantFactory())
    enrol_totp(person)
    client = fresh_client(person, enrol_key(person, plain()))
    publish_rules(person.tenant, **DENYING)
    assert client.get(reverse("home"))["Location"].startswith(reverse("mfa_authenticate"))
    assert client.get(reverse("mfa_authenticate")).context["method"] == Method.TOTP


@pytest.mark.security(35)
def test_where_verification_is_required_a_touch_is_refused_in_words():
    key = plain()
    person, binding = with_key(key, **VERIFYING)
    client = Client(HTTP_HOST="localhost")
    sign_in(client, person)
    assert options_of(client.get(reverse("mfa_authenticate")))["publicKey"]["userVerification"] == "required"
    key.user_verified = False
    page = prove(client, key)
    assert page.status_code == 200 and "did not check that it is you" in text_of(page)
    failed = event("second_factor:failed").payload
    assert (failed["reason"], failed["authenticator"]) == ("webauthn_not_verified", str(binding.pk))
    key.user_verified = True
    assert prove(client, key)["Location"] == "/"


@pytest.mark.security(35)
def test_a_touch_asked_for_under_lax_rules_does_not_count_under_strict_ones():
    key = plain()
    person, _ = with_key(key)
    client = client_of(person, password_proof())
    client.get(reverse("home"))
    options = options_of(client.get(reverse("mfa_authenticate")))
    publish_rules(person.tenant, **VERIFYING)
    key.user_verified = False
    answer = json.dumps(key.get(options, ORIGIN))
    page = client.post(reverse("mfa_authenticate"), {"method": "webauthn", "credential": answer})
    assert page.status_code == 200 and "did not check that it is you" in text_of(page)
    assert event("second_factor:failed").payload["reason"] == "webauthn_not_verified"


@pytest.mark.security(35)
def test_a_key_that_was_given_a_pin_is_enough_from_the_next_proof_on():
    key = plain(user_verified=False)
    person, binding = refused_now(VERIFYING, key)
    client = Client(HTTP_HOST="localhost")
    sign_in(client, person)
    key.user_verified = True
    assert prove(client, key)["Location"] == "/"
    assert client.get(reverse("home")).status_code == 200
    binding.credential.refresh_from_db()
    assert binding.credential.user_verified


@pytest.mark.security(35, 48)
def test_a_proof_by_the_key_alone_makes_nothing_of_it():
    key = plain(user_verified=False)
    person, binding = with_key(key)
    session = session_of(person, proof_of(binding))
    key.user_verified = True
    options = keys.begin(person, session, purpose="reauthenticate")
    assert options["publicKey"]["userVerification"] == "required"
    keys.check(person, session, json.dumps(key.get(options, ORIGIN)), purpose="reauthenticate")
    binding.credential.refresh_from_db()
    assert not binding.credential.user_verified


def test_to_confirm_who_they_are_people_may_use_any_of_their_keys():
    person, refused = with_key(plain())
    accepted = enrol_key(person, with_leaf())
    publish_rules(person.tenant, **DENYING)
    asked = keys.begin(person, session_of(person), purpose="reauthenticate")["publicKey"]["allowCredentials"]
    owned = {bytes(one.credential.credential_id) for one in (refused, accepted)}
    assert {websafe_decode(one["id"]) for one in asked} == owned


@pytest.mark.parametrize(
    ("rules", "key", "passwordless", "excluded"),
    [
        ({}, plain(), False, True),
        (VERIFYING, plain(user_verified=False), False, False),
        (ATTESTING, plain(), False, False),
        (ATTESTING, plain(), True, True),  # a passkey would overwrite the old one before it is refused
        (ATTESTING, synced_passkey(), False, True),
        (ATTESTING, plain(transports=[]), False, True),
        (DENYING, plain(), False, True),
        (DEVICE_BOUND, plain(backup_eligible=True), False, True),
        (ATTESTING | DENYING, plain(), False, True),
    ],
    ids=lambda _: "",
)
def test_a_security_key_may_be_enrolled_again_where_that_can_help(rules, key, passwordless, excluded):
    person, binding = refused_now(rules | {"passkey_login": True}, key)
    session = session_of(person, password_proof(), proof_of(binding))
    options = keys.begin_adding(person, session, passwordless=passwordless)["publicKey"]
    assert bool(options["excludeCredentials"]) is excluded


def test_a_key_enrolled_again_with_its_makers_word_is_accepted():
    key = with_leaf()
    key.attestation = "none"
    person, binding = refused_now(ATTESTING, key)
    client = fresh_client(person, binding)
    assert client.get(reverse("home"))["Location"].startswith(reverse("mfa_enrol"))
    key.attestation = "packed"
    add(client, key)
    assert client.get(reverse("home")).status_code == 200


@pytest.mark.security(39)
def test_a_refused_passkey_signs_in_only_as_far_as_to_a_better_one():
    person = UserFactory(tenant=TenantFactory(rules={"passkey_login": True}))
    key = synced_passkey()
    enrol_key(person, key, passwordless=True)
    publish_rules(person.tenant, passkey_login=True, **DEVICE_BOUND)
    client = Client(HTTP_HOST="localhost")
    options = client.get(reverse("mfa_login_webauthn")).json()
    client.post(reverse("mfa_login_webauthn"), {"credential": json.dumps(key.get(options, ORIGIN))})
    assert client.get(reverse("home"))["Location"].startswith(reverse("mfa_enrol"))
    page = client.get(reverse("mfa_add_webauthn"))
    assert "stay on one device" in text_of(page)
    assert add(client, with_leaf()).status_code == 302
    assert client.get(reverse("home")).status_code == 200


@pytest.mark.parametrize("page", ["mfa_index", "mfa_list_webauthn"])
def test_the_list_says_which_keys_are_no_longer_enough(page):
    person, _ = with_key(plain())
    better = enrol_key(person, with_leaf(), name="Green key")
    client = fresh_client(person, better)
    assert "No longer enough" not in text_of(client.get(reverse(page)))
    publish_rules(person.tenant, **DENYING)
    text = text_of(client.get(reverse(page)))
    assert text.count("No longer enough") == 1
    assert text.index("Blue key") < text.index("no longer takes this key for enough") < text.index("Green key")
    assert "Add one that it accepts" not in text


@pytest.mark.parametrize("page", ["mfa_index", "mfa_list_webauthn"])
def test_the_list_asks_for_a_better_one_where_there_is_none(page):
    person, binding = with_key(plain())
    publish_rules(person.tenant, **DENYING, enforcement="optional")
    assert "Add one that it accepts" in text_of(fresh_client(person, binding).get(reverse(page)))


def test_the_list_says_which_method_is_no_longer_enough():
    person = UserFactory(tenant=TenantFactory())
    enrol_totp(person)
    binding = enrol_key(person, plain())
    publish_rules(person.tenant, allowed=["webauthn"])
    text = text_of(fresh_client(person, binding).get(reverse("mfa_index")))
    assert text.count("no longer takes this method for enough") == 1


def test_the_page_says_what_a_new_key_has_to_be():
    person = UserFactory(tenant=TenantFactory(rules={**VERIFYING, **DEVICE_BOUND, **ATTESTING, **LISTED}))
    text = text_of(client_of(person).get(reverse("mfa_add_webauthn")))
    for sentence in (
        "ask for your fingerprint",
        "stay on one device",
        "who made it",
        "Only certain models will do, among",
    ):
        assert sentence in text
    assert "Security Key NFC by Yubico" in text
    unnamed = UserFactory(tenant=TenantFactory(rules={"aaguids_allowed": [str(uuid.uuid4())]}))
    assert "Ask your administrator which" in text_of(client_of(unnamed).get(reverse("mfa_add_webauthn")))
    lax = text_of(client_of(UserFactory(tenant=TenantFactory())).get(reverse("mfa_add_webauthn")))
    assert "What your organisation accepts" not in lax
    denying = text_of(client_of(UserFactory(tenant=TenantFactory(rules=DENYING))).get(reverse("mfa_add_webauthn")))
    assert "Some models are not accepted" in denying


def checked() -> list[str]:
    found = run_checks(tags=["database"], databases=["default"])
    return [one.id for one in found if str(one.id).startswith("policies.")]


@pytest.mark.security(41)
def test_demanding_attestation_without_roots_is_a_warning_that_names_the_policy(settings):
    tenant = TenantFactory(rules=ATTESTING)
    assert checked() == []
    settings.WEBAUTHN_ATTESTATION_ROOTS = ""
    assert checked() == ["policies.W001"]
    (warning,) = [one for one in run_checks(tags=["database"], databases=["default"]) if one.id == "policies.W001"]
    assert tenant.policy.code in warning.msg and warning.hint
    assert run_checks(tags=["database"]) == []  # the database is not asked unless one says so
    publish_rules(tenant)
    assert checked() == []


def test_a_floor_that_cannot_be_read_is_another_checks_business(settings):
    TenantFactory(rules=ATTESTING)
    settings.WEBAUTHN_ATTESTATION_ROOTS, settings.MFA_POLICY_FLOOR = "", "{"
    assert checked() == []


def test_one_key_more_costs_no_query_more(django_assert_num_queries):
    person, _ = with_key(plain())
    session = session_of(person, password_proof())
    for _ in range(2):
        with django_assert_num_queries(3):  # rules, keys, and the ceremony
            keys.begin(person, session, purpose="second_factor")
        enrol_key(person, with_leaf())
