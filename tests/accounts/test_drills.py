"""Drills: what is tried is not used, what is wrong counts, and nothing is proved by it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.authenticators import totp, webauthn
from accounts.authenticators.webauthn_errors import CeremonyClosed
from accounts.errors import NotEnrolled, Paused, WrongRecoveryCode
from accounts.flows import drills, enrolment, keys, methods
from accounts.models import Binding, Ceremony, RecoveryCode, User
from accounts.policy import policy
from audit.models import AuditEvent
from policies import enforcement
from tests.accounts.webauthn_pages import ORIGIN, enrol_key, fresh_client, options_of
from tests.factories import (
    TenantFactory,
    UserFactory,
    client_of,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    session_of,
    verified_client,
)
from tests.policies.publishing_scene import session_in
from tests.soft_authenticator import SoftKey

pytestmark = pytest.mark.django_db

DRILL, SECOND, INDEX = reverse("mfa_drill"), reverse("mfa_authenticate"), reverse("mfa_index")
CODES = Binding.Kind.RECOVERY_CODE
Purpose = Ceremony.Purpose


@pytest.fixture(autouse=True)
def the_sites_origin(settings: Any) -> None:
    settings.WEBAUTHN_ORIGINS = [ORIGIN]


@pytest.fixture
def person() -> User:
    return UserFactory(tenant=TenantFactory())


@pytest.fixture
def codes(person: User) -> list[str]:
    enrol_totp(person)
    return enrol_recovery_codes(person)


def kinds(person: User) -> list[str]:
    found = AuditEvent.objects.filter(target_id=str(person.pk)).order_by("id")
    return list(found.values_list("kind", flat=True))


def give(client: Client, code: str) -> Any:
    return client.post(DRILL, {"method": "recovery_code", "code": code})


def touch(client: Client, key: SoftKey) -> Any:
    options = options_of(client.get(DRILL, {"method": "webauthn"}))
    return client.post(DRILL, {"method": "webauthn", "credential": json.dumps(key.get(options, ORIGIN))})


# -- codes -----------------------------------------------------------------------------------------------------


@pytest.mark.security(12)
def test_a_code_that_works_stays_unused(person: User, codes: list[str]) -> None:
    client = verified_client(person)
    assert give(client, codes[0])["Location"] == INDEX
    assert give(client, codes[0].replace("-", " ").upper())["Location"] == INDEX
    assert RecoveryCode.objects.filter(used_at=None).count() == len(codes)
    assert kinds(person)[-2:] == ["drill:passed"] * 2
    held = live_binding(person, CODES)
    assert (held.checked_at is not None, held.last_used_at) == (True, None)
    assert "recovery_codes:used" not in kinds(person)


def test_a_used_code_and_another_persons_do_not_work(person: User, codes: list[str]) -> None:
    RecoveryCode.objects.filter(binding__person=person).update(used_at=timezone.now())
    other = UserFactory(tenant=person.tenant)
    enrol_totp(other)
    client = verified_client(person)
    for code in (codes[0], enrol_recovery_codes(other)[0]):
        assert give(client, code).status_code == 200
    assert live_binding(person, CODES).failures == 2
    assert live_binding(other, CODES).failures == 0


@pytest.mark.security(23, 24)
def test_wrong_codes_count_as_they_do_at_sign_in(person: User, codes: list[str]) -> None:
    client = verified_client(person)
    for number in range(1, 6):
        page = give(client, "wrong-wrong-wrong")
        assert live_binding(person, CODES).failures == number
    assert page.status_code == 200
    assert kinds(person).count("second_factor:failed") == 5
    assert give(client, codes[0]).status_code == 429
    assert kinds(person)[-1] == "second_factor:throttled"
    with pytest.raises(Paused):
        drills.check_code(person, session_of(person), codes[0])
    waiting = Client()
    waiting.post(reverse("account_login"), {"login": person.email, "password": "a long enough pass phrase"})
    assert waiting.post(SECOND, {"method": "recovery_code", "code": codes[0]}).status_code == 429


def test_a_right_one_forgives_nothing(person: User, codes: list[str]) -> None:
    client = verified_client(person)
    for _ in range(3):
        give(client, "wrong-wrong-wrong")
    give(client, codes[0])
    assert live_binding(person, CODES).failures == 3


@pytest.mark.parametrize("entered", ["", "\0", "ü" * 40, "a" * 5000, "٠١٢٣٤٥", "' OR 1=1"])
def test_what_is_no_code_is_refused_and_breaks_nothing(person: User, codes: list[str], entered: str) -> None:
    with pytest.raises(WrongRecoveryCode):
        drills.check_code(person, session_of(person), entered)


def test_without_codes_there_is_nothing_to_try(person: User) -> None:
    client = verified_client(person)
    page = client.get(DRILL).content.decode()
    assert "There is nothing to check." in page
    with pytest.raises(NotEnrolled):
        drills.check_code(person, session_of(person), "abcd")
    assert client.post(DRILL, {"method": "totp", "code": "123456"}).status_code == 302
    assert "drill:passed" not in kinds(person)


# -- keys ------------------------------------------------------------------------------------------------------


def test_a_key_shows_that_it_works_and_is_not_used(person: User) -> None:
    key = SoftKey()
    binding = enrol_key(person, key)
    client = fresh_client(person, binding)
    counted = binding.last_counter
    assert touch(client, key)["Location"] == INDEX
    binding.refresh_from_db()
    assert (binding.checked_at is not None, binding.last_used_at) == (True, None)
    assert binding.last_counter > counted
    assert kinds(person)[-1] == "drill:passed"


def test_a_strange_key_is_refused_and_recorded(person: User) -> None:
    key, strange = SoftKey(), SoftKey()
    client = fresh_client(person, enrol_key(person, key))
    other = UserFactory(tenant=person.tenant)
    enrol_key(other, strange)
    options = options_of(client.get(DRILL, {"method": "webauthn"}))
    answer = strange.get(options, ORIGIN, credential_id=next(iter(strange.credentials)))
    page = client.post(DRILL, {"method": "webauthn", "credential": json.dumps(answer)})
    assert page.status_code == 200
    assert kinds(person)[-1] == "second_factor:failed"
    assert AuditEvent.objects.filter(kind="second_factor:failed").latest("id").payload["purpose"] == "drill"


@pytest.mark.security(36)
@pytest.mark.parametrize("wanted", [Purpose.SECOND_FACTOR, Purpose.REAUTHENTICATE])
def test_the_challenge_of_a_drill_is_good_for_nothing_else(person: User, wanted: Purpose) -> None:
    key = SoftKey()
    binding = enrol_key(person, key)
    session = session_of(person, password_proof(), proof_of(binding))
    answer = json.dumps(key.get(keys.begin(person, session, purpose=Purpose.DRILL), ORIGIN))
    with pytest.raises(CeremonyClosed):
        keys.check(person, session, answer, purpose=wanted)
    answer = json.dumps(key.get(keys.begin(person, session, purpose=wanted), ORIGIN))
    with pytest.raises(CeremonyClosed):
        drills.check_key(person, session, answer)


def test_a_passkey_challenge_cannot_be_begun_as_a_second_factor(person: User) -> None:
    enrol_key(person, SoftKey())
    with pytest.raises(ValueError, match="passkey"):
        webauthn.begin_assertion(
            person,
            session_id=session_of(person).row.public_id,
            purpose=Purpose.PASSKEY,
            demands=policy().key_rules(person),
        )


# -- nothing is proved -----------------------------------------------------------------------------------------


@pytest.mark.security(51)
def test_a_drill_makes_the_session_neither_fresh_nor_stronger(person: User, clock: Any) -> None:
    key = SoftKey()
    binding = enrol_key(person, key)
    enrol_totp_beside(person, binding)
    codes = enrol_recovery_codes(person)
    client = fresh_client(person, binding)
    clock.forward(timedelta(minutes=6))
    before = session_in(client)
    assert client.get(reverse("account_change_password"))["Location"].startswith(reverse("mfa_reauthenticate"))
    touch(client, key)
    give(client, codes[0])
    after = session_in(client)
    assert (after.row.proofs, after.row.strength) == (before.row.proofs, before.row.strength)
    assert not policy().is_fresh(person, after)
    assert client.get(reverse("account_change_password"))["Location"].startswith(reverse("mfa_reauthenticate"))
    assert not after.row.replacement_open


def enrol_totp_beside(person: User, binding: Binding) -> None:
    session = session_of(person, password_proof(), proof_of(binding))
    secret = enrolment.begin_totp(person, session)
    enrolment.confirm_totp(person, session, totp.code_at(secret, totp.step_at(timezone.now())))
    person.refresh_from_db()


def test_a_session_on_a_password_alone_gets_nowhere_near_a_drill(person: User, codes: list[str]) -> None:
    client = client_of(person)
    assert client.get(DRILL)["Location"].startswith(SECOND)
    assert give(client, codes[0])["Location"].startswith(SECOND)
    assert "drill:passed" not in kinds(person)
    assert enforcement.judge(session_in(client), person).decision.outcome == "step_up"


# -- when it is due --------------------------------------------------------------------------------------------


def test_it_is_due_when_nothing_was_seen_of_it_for_half_a_year(person: User, codes: list[str], clock: Any) -> None:
    clock.forward(timedelta(days=179))
    assert drills.due(methods.live(person), timezone.now()) == []
    clock.forward(timedelta(days=1, minutes=1))
    assert [one.kind for one in drills.due(methods.live(person), timezone.now())] == [CODES]
    drills.check_code(person, session_of(person), codes[0])
    assert drills.due(methods.live(person), timezone.now()) == []


def test_using_it_counts_too_and_an_app_is_never_asked_for(person: User, codes: list[str], settings: Any) -> None:
    long_ago = timezone.now() - timedelta(days=300)
    Binding.objects.filter(person=person).update(bound_at=long_ago)
    assert [one.kind for one in drills.due(methods.live(person), timezone.now())] == [CODES]
    Binding.objects.filter(person=person, kind=CODES).update(last_used_at=timezone.now())
    assert drills.due(methods.live(person), timezone.now()) == []
    Binding.objects.filter(person=person, kind=CODES).update(last_used_at=None, locked_at=timezone.now())
    assert drills.due(methods.live(person), timezone.now()) == []
    Binding.objects.filter(person=person, kind=CODES).update(locked_at=None)
    settings.MFA_DRILL_DAYS = 0
    assert drills.due(methods.live(person), timezone.now()) == []


def test_the_overview_asks_and_no_other_page_does(person: User, codes: list[str]) -> None:
    Binding.objects.filter(person=person, kind=CODES).update(bound_at=timezone.now() - timedelta(days=200))
    client = verified_client(person)
    assert "Does it still work?" in client.get(INDEX).content.decode()
    for name in ("home", "account_logout", "mfa_sessions", "mfa_activity"):
        assert "Does it still work?" not in client.get(reverse(name)).content.decode()
    give(client, codes[0])
    assert "Does it still work?" not in client.get(INDEX).content.decode()


# -- the overview ----------------------------------------------------------------------------------------------


def test_the_overview_costs_the_same_however_much_one_owns(person: User, codes: list[str]) -> None:
    client = verified_client(person)
    client.get(INDEX)
    with CaptureQueriesContext(connection) as before:
        client.get(INDEX)
    app = live_binding(person)
    for number in range(4):
        session = session_of(person, password_proof(), proof_of(app))
        options = keys.begin_adding(person, session, passwordless=False)
        keys.add(person, session, json.dumps(SoftKey().create(options, ORIGIN)), name=f"Key {number}")
        person.refresh_from_db()
    Binding.objects.filter(person=person).update(bound_at=timezone.now() - timedelta(days=1))
    client = client_of(person, password_proof(), *map(proof_of, Binding.objects.filter(person=person, unbound_at=None)))
    client.get(INDEX)
    with CaptureQueriesContext(connection) as after:
        page = client.get(INDEX)
    assert len(page.context["factors"]) == 5
    assert len(after) <= len(before) + 1  # what is asked of keys
    for name in ("mfa_sessions", "mfa_browsers", "mfa_activity", "mfa_drill"):
        assert reverse(name) in page.content.decode()
