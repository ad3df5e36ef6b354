"""Binding, replacing and removing an app: sealed, fresh, one wins, the last one stays."""

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts.assurance import Method
from accounts.authenticators import totp
from accounts.errors import (
    AlreadyEnrolled,
    CannotTurnOff,
    EnrolmentExpired,
    LastAuthenticator,
    MethodNotAllowed,
    NotEnrolled,
    NotFresh,
    WrongCode,
)
from accounts.flows import binding as bindings
from accounts.flows import enrolment, recovery, removal
from accounts.models import Binding, PendingEnrolment, User
from accounts.session_store import SessionStore
from audit.models import AuditEvent
from tests.factories import (
    TenantFactory,
    UserFactory,
    client_of,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    publish_rules,
    session_of,
)

pytestmark = pytest.mark.django_db


def code_for(secret: str, ahead: int = 0) -> str:
    return totp.code_at(secret, totp.step_at(timezone.now()) + ahead)


@pytest.mark.security(7, 85)
def test_the_secret_is_sealed_pending_and_bound(django_capture_on_commit_callbacks):
    person = UserFactory()
    session = session_of(person)
    secret = enrolment.begin_totp(person, session)
    assert secret not in str(PendingEnrolment.objects.values())
    with django_capture_on_commit_callbacks(execute=True):
        enrolment.confirm_totp(person, session, code_for(secret))
    binding = live_binding(person)
    assert secret not in str(binding.authenticator.data)
    assert binding.sealed_under
    assert not PendingEnrolment.objects.exists()
    person.refresh_from_db()
    assert (person.mfa_enrolled_at, person.security_version) == (binding.bound_at, 2)
    assert AuditEvent.objects.filter(kind="authenticator:added", target_id=str(person.pk)).exists()
    assert [message.to for message in mail.outbox] == [[person.email]]
    assert secret not in mail.outbox[0].body


def test_reloading_the_page_shows_the_same_secret_and_another_session_another():
    person = UserFactory()
    session = session_of(person)
    secret = enrolment.begin_totp(person, session)
    assert enrolment.begin_totp(person, session) == secret
    assert enrolment.begin_totp(person, session_of(person)) != secret


def test_a_wrong_code_keeps_the_secret_and_is_recorded():
    person = UserFactory()
    session = session_of(person)
    secret = enrolment.begin_totp(person, session)
    with pytest.raises(WrongCode):
        enrolment.confirm_totp(person, session, "000000")
    assert enrolment.begin_totp(person, session) == secret
    assert AuditEvent.objects.filter(kind="second_factor:failed").count() == 1


def test_a_set_up_expires(clock):
    person = UserFactory()
    session = session_of(person)
    secret = enrolment.begin_totp(person, session)
    PendingEnrolment.objects.update(expires_at=timezone.now())
    with pytest.raises(EnrolmentExpired):
        enrolment.confirm_totp(person, session, code_for(secret))


def test_of_two_tabs_that_enrol_one_wins_and_the_other_is_told():
    person = UserFactory()
    stale = User.objects.get(pk=person.pk)
    first, second = session_of(person), session_of(person)
    one, other = enrolment.begin_totp(person, first), enrolment.begin_totp(stale, second)
    enrolment.confirm_totp(person, first, code_for(one))
    with pytest.raises(AlreadyEnrolled):
        enrolment.confirm_totp(stale, second, code_for(other))
    assert Binding.objects.filter(person=person, unbound_at=None).count() == 1


@pytest.mark.security(61)
def test_an_enrolment_that_a_reset_overtook_is_refused():
    person = UserFactory()
    session = session_of(person)
    secret = enrolment.begin_totp(person, session)
    User.objects.filter(pk=person.pk).update(security_version=9)
    with pytest.raises(EnrolmentExpired):
        enrolment.confirm_totp(person, session, code_for(secret))


@pytest.mark.security(51)
def test_a_stale_password_does_not_enrol_even_the_first_factor(clock):
    person = UserFactory()
    session = session_of(person)
    clock.forward(timedelta(minutes=6))
    with pytest.raises(NotFresh):
        enrolment.begin_totp(person, session)


@pytest.mark.security(51)
def test_a_password_does_not_replace_a_factor():
    person = UserFactory()
    enrol_totp(person)
    with pytest.raises(NotFresh):
        enrolment.begin_totp(person, session_of(person))


def test_what_the_policy_does_not_allow_cannot_be_enrolled():
    person = UserFactory(tenant=TenantFactory(rules={"allowed": ["webauthn"]}))
    with pytest.raises(MethodNotAllowed):
        enrolment.begin_totp(person, session_of(person))


def test_the_new_app_is_proved_before_the_old_one_goes():
    person = UserFactory()
    enrol_totp(person)
    old = live_binding(person)
    session = session_of(person, password_proof(), proof_of(old))
    secret = enrolment.begin_totp(person, session)
    with pytest.raises(WrongCode):
        enrolment.confirm_totp(person, session, "000000", replace=True)
    assert live_binding(person) == old
    enrolment.confirm_totp(person, session, code_for(secret), replace=True)
    assert live_binding(person) != old
    old.refresh_from_db()
    assert (old.unbound_reason, old.authenticator) == ("replaced", None)
    assert AuditEvent.objects.filter(kind="authenticator:replaced").exists()


def test_a_replacement_is_used_up_before_the_session_is_saved():
    person = UserFactory()
    enrol_totp(person)
    enrol_recovery_codes(person)
    session = session_of(person, password_proof(), proof_of(live_binding(person, Binding.Kind.RECOVERY_CODE)))
    session.change(replacement_open=True)
    session.save()
    secret = enrolment.begin_totp(person, session)
    enrolment.confirm_totp(person, session, code_for(secret), replace=True)
    meanwhile = SessionStore(session.session_key)
    assert not bindings.may_replace(User.objects.get(pk=person.pk), meanwhile)


def test_a_sign_in_by_recovery_code_permits_one_replacement():
    person = UserFactory()
    enrol_totp(person)
    enrol_recovery_codes(person)
    session = session_of(person, password_proof(), proof_of(live_binding(person, "recovery_code")))
    session.change(replacement_open=True)
    secret = enrolment.begin_totp(person, session)
    enrolment.confirm_totp(person, session, code_for(secret), replace=True)
    assert not session.row.replacement_open


def test_the_permission_of_a_recovery_code_runs_out(clock):
    person = UserFactory()
    enrol_totp(person)
    enrol_recovery_codes(person)
    session = session_of(person, password_proof(), proof_of(live_binding(person, "recovery_code")))
    session.change(replacement_open=True)
    clock.forward(timedelta(minutes=31))
    with pytest.raises(NotFresh):
        enrolment.begin_totp(person, session)


def test_the_last_acceptable_factor_stays_while_the_policy_requires_one():
    person = UserFactory(tenant=TenantFactory())
    enrol_totp(person)
    binding = live_binding(person)
    session = session_of(person, password_proof(), proof_of(binding))
    with pytest.raises(LastAuthenticator):
        removal.remove(person, session, binding.pk)
    with pytest.raises(CannotTurnOff):
        removal.turn_off(person, session)


@pytest.mark.security(57, 58)
def test_where_the_policy_permits_a_factor_goes_and_its_record_stays():
    person = UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))
    enrol_totp(person)
    enrol_recovery_codes(person)
    binding = live_binding(person)
    session = session_of(person, password_proof(), proof_of(binding))
    removal.remove(person, session, binding.pk)
    binding.refresh_from_db()
    assert (binding.unbound_by, binding.unbound_reason) == (person.pk, "removed")
    assert not Binding.objects.filter(person=person, unbound_at=None).exists()  # codes alone recover nothing
    person.refresh_from_db()
    assert person.mfa_enrolled_at is None
    assert AuditEvent.objects.filter(kind="authenticator:removed").exists()


def test_nobody_removes_somebody_elses():
    tenant = TenantFactory(rules={"enforcement": "optional"})
    one, other = UserFactory(tenant=tenant), UserFactory(tenant=tenant)
    enrol_totp(one)
    enrol_totp(other)
    session = session_of(one, password_proof(), proof_of(live_binding(one)))
    with pytest.raises(NotEnrolled):
        removal.remove(one, session, live_binding(other).pk)


def test_turning_off_is_one_action_by_a_current_factor():
    person = UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))
    enrol_totp(person)
    with pytest.raises(NotFresh):
        removal.turn_off(person, session_of(person))
    other = client_of(person, password_proof(), proof_of(live_binding(person)))
    removal.turn_off(person, session_of(person, password_proof(), proof_of(live_binding(person))))
    assert other.get(reverse("home"))["Location"].startswith(reverse("account_login"))
    assert not Binding.objects.filter(person=person, unbound_at=None).exists()
    assert AuditEvent.objects.filter(kind="two_step:turned_off").exists()
    ended = AuditEvent.objects.get(kind="session:ended")
    assert (ended.target_id, ended.payload) == (str(person.pk), {"reason": "two_step_turned_off", "count": 1})


@pytest.mark.security(10)
def test_ten_codes_are_made_and_a_new_set_ends_the_old():
    person = UserFactory()
    enrol_totp(person)
    first = enrol_recovery_codes(person)
    assert len(set(first)) == 10
    session = session_of(person, password_proof(), proof_of(live_binding(person)))
    second = recovery.make(person, session)
    assert recovery.left(person) == 10
    assert not recovery.are_current(person, first)
    assert recovery.are_current(person, second)


def test_a_session_that_a_code_let_in_keeps_its_proof_when_it_makes_new_codes():
    person = UserFactory()
    enrol_totp(person)
    enrol_recovery_codes(person)
    held = live_binding(person, "recovery_code")
    recovery.make(person, session_of(person, password_proof(), proof_of(live_binding(person))))
    again = live_binding(person, "recovery_code")
    assert again.pk == held.pk
    assert again.bound_at > held.bound_at


def test_a_second_set_needs_a_fresh_factor_and_the_first_a_factor():
    person = UserFactory()
    with pytest.raises(NotEnrolled):
        recovery.make(person, session_of(person), first=True)
    enrol_totp(person)
    enrol_recovery_codes(person)
    with pytest.raises(NotFresh):
        recovery.make(person, session_of(person), first=True)


@pytest.mark.security(6)
def test_secrets_are_160_bits_and_never_repeat():
    secrets = {totp.new_secret() for _ in range(10_000)}
    assert len(secrets) == 10_000
    assert {len(secret) for secret in secrets} == {32}


def test_what_the_policy_takes_away_is_still_asked_for():
    tenant = TenantFactory()
    person = UserFactory(tenant=tenant)
    enrol_totp(person)
    publish_rules(tenant, allowed=["webauthn", "recovery_code"])
    from accounts.flows import methods

    assert [option.method for option in methods.options(person)] == [Method.TOTP]
