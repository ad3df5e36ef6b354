"""Codes: accepted once ever, counted per authenticator, paused and locked in the database."""

import json
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import close_old_connections, connection
from django.utils import timezone

from accounts.assurance import Method
from accounts.authenticators import totp
from accounts.errors import (
    CodeAlreadyUsed,
    Locked,
    NotEnrolled,
    Paused,
    SecretsUnavailable,
    Unreadable,
    WrongCode,
    WrongRecoveryCode,
)
from accounts.flows import keys, verification
from accounts.models import Binding, Ceremony, RecoveryCode
from audit.models import AuditEvent
from tests.accounts.webauthn_pages import ORIGIN, enrol_key
from tests.factories import UserFactory, enrol_recovery_codes, enrol_totp, live_binding, next_code, session_of
from tests.soft_authenticator import SoftKey

pytestmark = pytest.mark.django_db


def kinds() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("kind", flat=True))


def check(person, code, method=Method.TOTP):
    return verification.check_code(person, method, code)


@pytest.mark.security(1, 2)
def test_a_code_is_accepted_once_and_never_again():
    person = UserFactory()
    code = next_code(enrol_totp(person))
    proof = check(person, code)
    assert (proof.method, proof.binding) == (Method.TOTP, live_binding(person).pk)
    with pytest.raises(CodeAlreadyUsed):
        check(person, code)
    assert kinds()[-2:] == ["second_factor:accepted", "second_factor:failed"]


@pytest.mark.security(3)
def test_the_code_that_confirmed_enrolment_is_burnt():
    person = UserFactory()
    secret = enrol_totp(person)
    with pytest.raises(CodeAlreadyUsed):
        check(person, totp.code_at(secret, live_binding(person).last_counter))


@pytest.mark.security(2)
def test_an_older_step_is_refused_after_a_newer_one():
    person = UserFactory()
    secret = enrol_totp(person)
    Binding.objects.update(last_counter=0)
    now = totp.step_at(timezone.now())
    check(person, totp.code_at(secret, now))
    with pytest.raises(CodeAlreadyUsed):
        check(person, totp.code_at(secret, now - 1))


@pytest.mark.security(4)
@pytest.mark.parametrize("drift", [-2, 2, 3, -10])
def test_codes_outside_one_step_either_side_are_wrong(drift):
    person = UserFactory()
    secret = enrol_totp(person)
    Binding.objects.update(last_counter=0)
    with pytest.raises(WrongCode):
        check(person, totp.code_at(secret, totp.step_at(timezone.now()) + drift))


@pytest.mark.security(22)
@pytest.mark.parametrize(
    "entered",
    [
        "",
        "12345",
        "1234567",
        "\u0661\u0662\u0663\u0664\u0665\u0666",  # Arabic-Indic digits
        "\uff11\uff12\uff13\uff14\uff15\uff16",  # full-width digits
        "12\x003456",
        "abcdef",
        "9" * 65,
        "1234567890",
        "\ud800",
    ],
)
def test_what_cannot_be_a_code_gets_the_ordinary_answer(entered):
    person = UserFactory()
    enrol_totp(person)
    with pytest.raises(WrongCode):
        check(person, entered)
    assert live_binding(person).failures == 1


def test_spaces_and_dashes_are_dropped():
    person = UserFactory()
    code = next_code(enrol_totp(person))
    check(person, f"{code[:3]} {code[3:]}")


@pytest.mark.security(24)
def test_the_fifth_failure_pauses_this_authenticator_and_the_wait_grows(clock):
    person = UserFactory()
    secret = enrol_totp(person)
    codes = enrol_recovery_codes(person)
    for _ in range(5):
        with pytest.raises(WrongCode):
            check(person, "000000")
    with pytest.raises(Paused):
        check(person, next_code(secret))
    check(person, codes[0], Method.RECOVERY_CODE)  # the others stay usable
    clock.forward(timedelta(seconds=31))
    with pytest.raises(WrongCode):
        check(person, "000000")
    clock.forward(timedelta(seconds=31))
    with pytest.raises(Paused):
        check(person, next_code(secret))
    assert "second_factor:throttled" in kinds()


@pytest.mark.security(23)
def test_after_a_hundred_failures_in_a_row_it_is_locked_until_bound_anew(settings):
    person = UserFactory()
    secret = enrol_totp(person)
    Binding.objects.update(failures=99)
    with pytest.raises(WrongCode):
        check(person, "000000")
    Binding.objects.update(paused_until=None)
    with pytest.raises(Locked):
        check(person, next_code(secret))
    assert "authenticator:locked" in kinds()


@pytest.mark.security(23)
def test_a_success_resets_only_ones_own_counter():
    one, other = UserFactory(), UserFactory()
    secret = enrol_totp(one)
    enrol_totp(other)
    Binding.objects.update(failures=3)
    check(one, next_code(secret))
    assert live_binding(one).failures == 0
    assert live_binding(other).failures == 3


@pytest.mark.parametrize(("failures", "seconds"), [(4, None), (5, 30), (6, 60), (7, 120), (12, 3600), (90, 3600)])
def test_how_long_a_pause_is(failures, seconds):
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert verification.pause_after(failures) == expected


@pytest.mark.security(9, 11)
def test_a_recovery_code_works_once_in_any_spelling():
    person = UserFactory()
    enrol_totp(person)
    codes = enrol_recovery_codes(person)
    check(person, codes[0].upper().replace("-", " "), Method.RECOVERY_CODE)
    with pytest.raises(WrongRecoveryCode):
        check(person, codes[0], Method.RECOVERY_CODE)
    assert "recovery_codes:used" in kinds()
    dump = str(list(RecoveryCode.objects.values()))
    assert not any(code.replace("-", "") in dump or code in dump for code in codes)


@pytest.mark.security(13)
def test_a_used_recovery_code_is_told_by_mail_with_how_many_are_left(django_capture_on_commit_callbacks):
    person = UserFactory()
    enrol_totp(person)
    codes = enrol_recovery_codes(person)
    with django_capture_on_commit_callbacks(execute=True):
        check(person, codes[0], Method.RECOVERY_CODE)
    assert "You have 9 codes left." in mail.outbox[-1].body
    assert codes[0] not in mail.outbox[-1].body


def test_somebody_elses_recovery_code_is_wrong():
    one, other = UserFactory(), UserFactory()
    for person in (one, other):
        enrol_totp(person)
    codes = enrol_recovery_codes(one)
    enrol_recovery_codes(other)
    with pytest.raises(WrongRecoveryCode):
        check(other, codes[0], Method.RECOVERY_CODE)
    assert RecoveryCode.objects.filter(used_at=None).count() == 20


def test_without_the_authenticator_there_is_nothing_to_check():
    with pytest.raises(NotEnrolled):
        check(UserFactory(), "123456")


@pytest.mark.security(85)
def test_a_copied_or_damaged_ciphertext_affects_nobody_else_and_is_recorded():
    one, other = UserFactory(), UserFactory()
    enrol_totp(one)
    secret = enrol_totp(other)
    mine, theirs = live_binding(one).authenticator, live_binding(other).authenticator
    mine.data = {"secret": theirs.data["secret"]}
    mine.save()
    with pytest.raises(Unreadable):
        check(one, next_code(secret))
    assert kinds()[-1] == "authenticator:unreadable"
    assert live_binding(one).failures == 0
    check(other, next_code(secret))


@pytest.mark.parametrize("kind", ["totp", "recovery_code", "webauthn"])
def test_factors_do_not_hang_on_the_key_that_signs(settings, kind):
    settings.WEBAUTHN_ORIGINS = [ORIGIN]
    person, key = UserFactory(), SoftKey()
    if kind == "webauthn":
        enrol_key(person, key)
    else:
        app = enrol_totp(person)
        codes = enrol_recovery_codes(person)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another one altogether, long enough to sign with", []
    if kind == "webauthn":
        session, purpose = session_of(person), Ceremony.Purpose.SECOND_FACTOR
        answer = key.get(keys.begin(person, session, purpose=purpose), ORIGIN)
        proof = keys.check(person, session, json.dumps(answer), purpose=purpose)
    else:
        proof = check(person, next_code(app) if kind == "totp" else codes[0], Method(kind))
    assert (proof.method, proof.binding) == (Method(kind), live_binding(person, kind).pk)
    assert kinds()[-1] == {"recovery_code": "recovery_codes:used"}.get(kind, "second_factor:accepted")


def test_a_wrong_encryption_key_refuses_and_changes_nothing(settings):
    from cryptography.fernet import Fernet

    person = UserFactory()
    secret = enrol_totp(person)
    settings.MFA_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(SecretsUnavailable):
        check(person, next_code(secret))
    assert live_binding(person).failures == 0


def in_parallel(count, work) -> list[str]:
    """Run `work(i)` in threads that start together; the names of what they raised, "" for success."""
    barrier, outcomes = threading.Barrier(count), []

    def run(number: int) -> None:
        close_old_connections()
        barrier.wait()
        try:
            work(number)
            outcomes.append("")
        except Exception as error:  # noqa: BLE001 (whatever it was is what the test looks at)
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.postgres
@pytest.mark.security(1, 11, 26)
@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_spend_one_recovery_code_once():
    person = UserFactory()
    enrol_totp(person)
    code = enrol_recovery_codes(person)[0]
    outcomes = in_parallel(50, lambda _: check(person, code, Method.RECOVERY_CODE))
    assert outcomes.count("") == 1
    assert set(outcomes) <= {"", "WrongRecoveryCode", "Paused"}


@pytest.mark.postgres
@pytest.mark.security(1)
@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_use_one_totp_code_once():
    person = UserFactory()
    code = next_code(enrol_totp(person))
    outcomes = in_parallel(50, lambda _: check(person, code))
    assert outcomes.count("") == 1


@pytest.mark.postgres
@pytest.mark.security(26)
@pytest.mark.django_db(transaction=True)
def test_forty_wrong_codes_at_once_are_five_guesses():
    person = UserFactory()
    enrol_totp(person)
    outcomes = in_parallel(40, lambda _: check(person, "000000"))
    assert outcomes.count("WrongCode") == 5
    assert outcomes.count("Paused") == 35
    assert live_binding(person).failures == 5
