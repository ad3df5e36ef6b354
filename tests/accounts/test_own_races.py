"""What people do at once with their browsers, sessions and codes, on PostgreSQL."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.flows import browsers, drills, own_sessions, people, sign_in
from accounts.models import Binding, Browser, RecoveryCode, Session, User
from audit.log import unit_of_work
from audit.models import AuditEvent
from tests.accounts.test_verification import in_parallel
from tests.factories import (
    PASSWORD,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    next_code,
    password_proof,
    proof_of,
    session_of,
)
from tests.harness.codes import Clock
from tests.policies.trusted_scene import Owner, new_browser, token_of

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
LOGIN, SECOND = reverse("account_login"), reverse("mfa_authenticate")


def again(person: User) -> User:
    """As another request would read the person."""
    return User.objects.select_related("tenant").get(pk=person.pk)


@pytest.mark.security(61, 67)
def test_trust_and_a_change_at_once_leave_no_trust(clock: Clock) -> None:
    owner = Owner(clock)
    owner.sign_in()
    browser = owner.browser()
    for _ in range(10):
        session = session_of(owner.person, password_proof(), proof_of(live_binding(owner.person)))
        session.change(browser=browser.pk)
        as_read = again(owner.person)

        def race(number: int, session: Any = session, as_read: User = as_read) -> None:
            if number:
                browsers.trust(as_read, session)
            else:
                with unit_of_work():
                    people.raise_security_version(people.lock(as_read))

        assert set(in_parallel(2, race)) <= {"", "CannotTrust"}
        browser.refresh_from_db()
        assert not browsers.is_trusted(browser, again(owner.person))


def test_many_sign_ins_at_once_in_one_browser_leave_one_row(clock: Clock) -> None:
    token = token_of(Owner(clock).sign_in(new_browser()))
    person = UserFactory(tenant=TenantFactory())

    def race(number: int) -> None:
        session = session_of(again(person))
        with unit_of_work():
            sign_in.complete(again(person), session, token=token)

    assert set(in_parallel(20, race)) == {""}
    assert Browser.objects.filter(person=person).count() == 1


def test_ending_the_same_trust_twice_at_once_is_recorded_once(clock: Clock) -> None:
    owner = Owner(clock)
    owner.sign_in(trust=True)
    browser = owner.browser()
    assert set(in_parallel(10, lambda _: browsers.stop_trusting(again(owner.person), [browser.pk]))) == {""}
    assert owner.kinds().count("browser:trust_ended") == 1


def test_two_who_end_all_others_at_once_record_each_end_once() -> None:
    person = UserFactory(tenant=TenantFactory())
    for _ in range(5):
        client_of(person)
    mine = session_of(person)
    assert set(in_parallel(6, lambda _: own_sessions.end_others(again(person), mine))) == {""}
    assert not Session.objects.filter(person=person, ended_at=None).exists()
    assert AuditEvent.objects.filter(kind="session:ended", target_id=str(person.pk)).count() == 5


@pytest.mark.security(11, 26)
def test_forty_wrong_codes_at_once_are_no_more_guesses_than_the_limit() -> None:
    person = UserFactory(tenant=TenantFactory())
    enrol_totp(person)
    codes = enrol_recovery_codes(person)
    mine = session_of(person)
    outcomes = in_parallel(40, lambda _: drills.check_code(again(person), mine, "wrong-wrong-wrong"))
    assert outcomes.count("WrongRecoveryCode") == live_binding(person, "recovery_code").failures == 5
    assert outcomes.count("Paused") == 35
    assert in_parallel(2, lambda _: drills.check_code(again(person), mine, codes[0])) == ["Paused"] * 2


def half_way(person: User) -> str:
    """The cookie of a sign-in that waits for its second factor."""
    client = Client()
    client.post(LOGIN, {"login": person.email, "password": PASSWORD})
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


def completed_by(key: str, **code: str) -> int:
    """The status of a second factor that somebody gives in the session of this cookie."""
    client = Client(raise_request_exception=False)
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    return client.post(SECOND, code).status_code


@pytest.mark.security(59, 63)
def test_a_sign_in_that_two_complete_at_once_becomes_one_session() -> None:
    """With a code each, so that no code is used twice: whoever is second finds no session, and changes nothing."""
    person = UserFactory(tenant=TenantFactory())
    secret, codes = enrol_totp(person), enrol_recovery_codes(person)
    for code in codes[:5]:
        key, answers = half_way(person), [0, 0]
        given = ({"method": "totp", "code": next_code(secret)}, {"method": "recovery_code", "code": code})
        Binding.objects.filter(person=person).update(last_counter=0)

        def race(number: int, key: str = key, given: Any = given, answers: Any = answers) -> None:
            answers[number] = completed_by(key, **given[number])

        before = completed(person)
        assert set(in_parallel(2, race)) == {""}
        assert 302 in answers and set(answers) <= {302, 400}
        assert completed(person) - before == 1
        assert Session.objects.filter(person=person, ended_at=None).count() == completed(person)
        spent = RecoveryCode.objects.filter(binding__person=person).exclude(used_at=None).count()
        assert spent == AuditEvent.objects.filter(kind="recovery_codes:used", target_id=str(person.pk)).count()
        assert accepted(person) == completed(person)  # the loser's code is not used up by what never was


@pytest.mark.security(11, 59)
def test_one_code_that_is_sent_many_times_at_once_opens_one_session() -> None:
    person = UserFactory(tenant=TenantFactory())
    secret = enrol_totp(person)
    keys, code = [half_way(person) for _ in range(8)], next_code(secret)
    answers: list[int] = []
    assert set(in_parallel(8, lambda n: answers.append(completed_by(keys[n], method="totp", code=code)))) == {""}
    assert (answers.count(302), completed(person), accepted(person)) == (1, 1, 1)
    assert Session.objects.filter(person=person, ended_at=None).count() == 1


@pytest.mark.security(60, 61)
def test_a_sign_in_and_a_change_of_factors_at_once_never_wait_for_each_other_in_a_ring() -> None:
    """Both take the person's row first, then the authenticator's; the database would end one of them otherwise."""
    person = UserFactory(tenant=TenantFactory())
    secret = enrol_totp(person)
    for _ in range(10):
        key = half_way(person)
        Binding.objects.filter(person=person).update(last_counter=0)
        answers: list[int] = []

        def race(number: int, key: str = key, answers: Any = answers) -> None:
            if number:
                answers.append(completed_by(key, method="totp", code=next_code(secret)))
                return
            with unit_of_work():
                locked = people.lock(person)
                Binding.objects.filter(person=person).update(checked_at=None)
                people.raise_security_version(locked)

        assert set(in_parallel(2, race)) == {""}
        assert answers == [302]  # to the site, or back to the sign-in whose footing changed
        grants = Session.objects.filter(person=person).exclude(grant_security_version=None)
        assert again(person).security_version not in grants.values_list("grant_security_version", flat=True)


def completed(person: User) -> int:
    return AuditEvent.objects.filter(kind="sign_in:completed", target_id=str(person.pk)).count()


def accepted(person: User) -> int:
    return AuditEvent.objects.filter(kind="second_factor:accepted", target_id=str(person.pk)).count()
