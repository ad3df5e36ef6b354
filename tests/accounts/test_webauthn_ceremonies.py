"""Ceremonies as rows: bound, expiring, used once, also under parallel use and when the answer is wrong."""

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection, transaction
from fido2.utils import websafe_decode

from accounts.authenticators import webauthn, webauthn_ceremonies, webauthn_errors
from accounts.authenticators.webauthn_ceremonies import Purpose, Scope, UserVerification
from accounts.models import Ceremony
from tests.accounts.webauthn_scene import Scene

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.mark.django_db
@pytest.mark.security(36, 37)
def test_a_ceremony_holds_all_that_its_answer_is_judged_by(clock):
    scene = Scene()
    options = scene.creation(passwordless=True)
    row = Ceremony.objects.get()
    assert bytes(row.challenge) == websafe_decode(options["publicKey"]["challenge"])
    assert (row.purpose, row.person, row.session_id) == (Purpose.ENROL, scene.person, scene.session_id)
    assert (row.tenant_id, row.user_verification) == (scene.person.tenant_id, "required")
    assert (row.passwordless, row.consumed_at) == (True, None)
    assert row.expires_at == NOW + timedelta(minutes=5)


@pytest.mark.django_db
@pytest.mark.security(37)
def test_a_challenge_ends_after_five_minutes(clock):
    scene = Scene()
    options = scene.creation()
    clock.shift(timedelta(minutes=4, seconds=59))
    assert scene.complete(scene.key.create(options, scene.origin))
    options = scene.creation()
    clock.shift(timedelta(minutes=5))
    scene.key.credentials.clear()
    with pytest.raises(webauthn_errors.CeremonyClosed):
        scene.complete(scene.key.create(options, scene.origin))


@pytest.mark.django_db
@pytest.mark.security(37)
def test_a_wrong_answer_uses_the_challenge_up():
    scene = Scene()
    options = scene.creation()
    for spoilt in ({"attestationObject": "AAAA"}, {"attestationObject": None}):
        wrong = scene.key.create(options, scene.origin)
        wrong["response"] |= spoilt
        with pytest.raises(webauthn_errors.WebAuthnError):
            scene.complete(wrong)
        right = scene.key.create(options, scene.origin)
        with pytest.raises(webauthn_errors.CeremonyClosed):
            scene.complete(right)
        options = scene.creation()


@pytest.mark.django_db(transaction=True)
@pytest.mark.security(37)
def test_using_up_survives_a_rolled_back_flow():
    scene = Scene()
    answer = scene.key.create(scene.creation(), scene.origin)
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        scene.complete(answer)
    assert Ceremony.objects.get().consumed_at is None  # refused to begin: a roll-back cannot revive a challenge
    assert scene.complete(answer)
    with pytest.raises(webauthn_errors.CeremonyClosed):
        scene.complete(answer)


@pytest.mark.django_db
def test_expired_ceremonies_are_purged_and_open_ones_stay(clock):
    scene = Scene()
    scene.creation()
    clock.shift(timedelta(minutes=3))
    scene.creation()
    clock.shift(timedelta(minutes=2))
    assert webauthn.purge_expired() == 1
    assert Ceremony.objects.get().expires_at == NOW + timedelta(minutes=8)
    assert webauthn.purge_expired() == 0


@pytest.mark.django_db
def test_a_ceremony_without_a_session_is_good_nowhere():
    challenge = webauthn_ceremonies.begin(Scope(Purpose.PASSKEY, uuid.uuid4()), UserVerification.REQUIRED)
    Ceremony.objects.update(session_id=None)
    with pytest.raises(webauthn_errors.CeremonyClosed):
        webauthn_ceremonies.take(challenge, Scope(Purpose.PASSKEY, uuid.uuid4()))


@pytest.mark.django_db
def test_an_unknown_word_for_user_verification_stops_at_once(settings):
    settings.WEBAUTHN_USER_VERIFICATION = "sometimes"
    with pytest.raises(ValueError, match="sometimes"):
        Scene().creation()


def race(ceremony_scene: Scene, answer: object, runners: int) -> list[str]:
    """The same answer from many threads at once: what each got."""
    barrier, got = threading.Barrier(runners), []

    def run() -> None:
        barrier.wait()
        try:
            ceremony_scene.verify(answer)
            got.append("won")
        except webauthn_errors.WebAuthnError as refusal:
            got.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


@pytest.mark.django_db(transaction=True)
@pytest.mark.security(37)
def test_of_two_answers_at_once_one_wins():
    scene = Scene()
    scene.enrol()
    got = race(scene, scene.key.get(scene.request(), scene.origin), runners=8)
    assert sorted(got) == ["webauthn_expired"] * 7 + ["won"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.security(37)
def test_of_fifty_answers_at_once_one_wins_on_postgresql():
    scene = Scene()
    scene.enrol()
    got = race(scene, scene.key.get(scene.request(), scene.origin), runners=50)
    assert sorted(got) == ["webauthn_expired"] * 49 + ["won"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.security(45)
def test_of_two_counters_at_once_one_is_accepted():
    scene = Scene()
    scene.enrol()
    assertions = []
    for _ in range(6):  # six copies of one key, all at the same count
        scene.key.sign_count = 10
        assertions.append(scene.verify(scene.key.get(scene.request(), scene.origin)))
    barrier, got = threading.Barrier(6), []

    def run(assertion: webauthn.Assertion) -> None:
        barrier.wait()
        try:
            webauthn.accept(assertion)
            got.append("won")
        except webauthn_errors.CloneSuspected:
            got.append("clone")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(assertion,)) for assertion in assertions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == ["clone"] * 5 + ["won"]
