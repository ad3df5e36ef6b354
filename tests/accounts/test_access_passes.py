"""Access passes: shown once to who asked, kept under a slow hash, good once, for a while, and for enrolling alone."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from accounts.assurance import Method, Strength, strength_of
from accounts.authenticators import access_passes as passes
from accounts.errors import NotAllowed, NotFresh, TooManyRequests
from accounts.flows import access_passes, admissions, enrolment
from accounts.flows.access_passes import PassGone, SomethingEnrolled, WrongLifetime, WrongPass
from accounts.models import AccessPass, User
from tests.accounts.admission_scene import act, events, fresh, guard, issued, shown
from tests.accounts.test_verification import in_parallel
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, enrol_totp, session_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor() -> User:
    return AdministratorFactory(tenant=TenantFactory())


@pytest.fixture
def person(actor: User) -> User:
    person = UserFactory(tenant=actor.tenant)
    guard(person, actor)
    return person


@pytest.mark.security(54, 55)
def test_a_pass_beside_the_password_lets_somebody_enrol(person, actor):
    from accounts.authenticators import totp

    session, code = session_of(person), shown(person, actor)
    access_passes.redeem(person, session, code)
    assert strength_of(session.proofs_of(person)) is Strength.SINGLE_FACTOR
    secret = enrolment.begin_totp(person, session)
    enrolment.confirm_totp(person, session, totp.code_at(secret, totp.step_at(timezone.now())))
    person.refresh_from_db()
    assert person.enrolment_guarded_at is None
    assert Method.ACCESS_PASS not in {proof.method for proof in session.proofs_of(person)}


def test_it_is_recorded_from_issue_to_use(person, actor):
    session, code = session_of(person), shown(person, actor)
    with pytest.raises(WrongPass):
        access_passes.redeem(person, session, passes.new_pass())
    access_passes.redeem(person, session, code)
    (made,), (seen,), (refused,), (used,) = (
        events(f"access_pass:{what}") for what in ("issued", "shown", "refused", "used")
    )
    assert {e.payload["access_pass"] for e in (made, seen, refused, used)} == {str(AccessPass.objects.get().pk)}
    assert {e.payload["intervention"] for e in (made, seen, used)} == {str(AccessPass.objects.get().intervention_id)}
    assert (made.actor_id, seen.actor_id, used.actor_id) == (str(actor.pk), str(actor.pk), str(person.pk))
    assert {e.target_id for e in (made, seen, refused, used)} == {str(person.pk)}
    assert (refused.payload["reason"], refused.payload["failures"]) == ("wrong_access_pass", 1)


def test_the_person_is_told_by_mail_without_the_pass(person, actor, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        code = shown(person, actor)
    (notice,) = [message for message in mail.outbox if "access pass" in message.subject.lower()]
    assert notice.to == [person.email]
    assert code not in notice.body and code.replace("-", "") not in notice.body


@pytest.mark.security(9, 87)
def test_the_characters_stand_in_no_table(person, actor):
    from django.apps import apps

    code = shown(person, actor)
    session = session_of(person)
    access_passes.redeem(person, session, code)
    session.save()
    for model in apps.get_models():
        for row in model._default_manager.values():
            assert code not in str(row) and code.replace("-", "") not in str(row), model
    assert AccessPass.objects.get().hashed.split("$")[0] in ("argon2", "md5")  # the tests' own hasher is quick


def test_it_is_good_for_nothing_before_it_is_shown(person, actor):
    issued(person, actor)
    for entered in ("", passes.new_pass()):
        with pytest.raises(WrongPass):
            access_passes.redeem(person, session_of(person), entered)


def test_it_is_shown_once_to_whoever_asked_who_just_proved_a_factor(person, actor):
    held = issued(person, actor)
    colleague = AdministratorFactory(tenant=actor.tenant)
    with pytest.raises(NotFresh):
        access_passes.show(held, actor=actor, session=session_of(actor))
    with pytest.raises(NotAllowed):
        access_passes.show(held, actor=colleague, session=fresh(colleague))
    assert access_passes.show(held, actor=actor, session=fresh(actor))
    with pytest.raises(PassGone):
        access_passes.show(held, actor=actor, session=fresh(actor))


@pytest.mark.security(84)
def test_who_stopped_being_administrator_is_shown_nothing(person, actor):
    held, session = issued(person, actor), fresh(actor)
    User.objects.filter(pk=actor.pk).update(role="user")
    with pytest.raises(NotAllowed):
        access_passes.show(held, actor=actor, session=session)


def test_it_has_to_be_shown_within_a_day(person, actor):
    held = issued(person, actor)
    with time_machine.travel(timezone.now() + timedelta(hours=24, minutes=1), tick=False):
        session = fresh(User.objects.get(pk=actor.pk))
        with pytest.raises((PassGone, NotFresh)):
            access_passes.show(held, actor=actor, session=session)
    assert AccessPass.objects.get().hashed == ""


def test_on_the_command_line_it_is_shown_to_who_asked_there(person, actor):
    held = access_passes.issue(act(person, actor, by_command=True))
    assert access_passes.show_to_command(held, actor=actor)
    with pytest.raises(NotAllowed):
        access_passes.show_to_command(issued(person, actor), actor=actor)


@pytest.mark.security(54, 55)
def test_who_was_made_administrator_meanwhile_needs_a_second_one(person, actor):
    """What was done on one word for a colleague is not enough for who holds rights now."""
    held = issued(person, actor)
    User.objects.filter(pk=person.pk).update(role="administrator")
    with pytest.raises(PassGone):
        access_passes.show(held, actor=actor, session=fresh(actor))
    User.objects.filter(pk=person.pk).update(role="user")
    ready = access_passes.show(held, actor=actor, session=fresh(actor))
    User.objects.filter(pk=person.pk).update(role="administrator")
    with pytest.raises(WrongPass):
        access_passes.redeem(person, session_of(person), ready)


def test_nobody_issues_one_for_themselves(actor):
    with pytest.raises(NotAllowed):
        access_passes.issue(act(actor, actor))
    assert not AccessPass.objects.exists()


@pytest.mark.security(49, 53)
def test_it_is_never_a_way_past_a_method(actor):
    owner = UserFactory(tenant=actor.tenant)
    enrol_totp(owner)
    with pytest.raises(SomethingEnrolled):
        access_passes.issue(act(owner, actor))
    newcomer = UserFactory(tenant=actor.tenant)
    held = issued(newcomer, actor)
    User.objects.filter(pk=newcomer.pk).update(enrolment_guarded_at=None)
    newcomer.refresh_from_db()
    enrol_totp(newcomer)
    with pytest.raises(SomethingEnrolled):
        access_passes.show(held, actor=actor, session=fresh(actor))


def test_for_somebody_who_was_not_reset_it_guards_enrolment_too(actor):
    newcomer = UserFactory(tenant=actor.tenant)
    version = newcomer.security_version
    issued(newcomer, actor)
    newcomer.refresh_from_db()
    assert newcomer.enrolment_guarded_at is not None
    assert newcomer.security_version > version


@pytest.mark.parametrize(("minutes", "lasts"), [(None, 60), (10, 10), (24 * 60, 24 * 60)])
def test_it_is_good_for_as_long_as_was_said(person, actor, minutes, lasts):
    code = shown(person, actor, minutes=minutes)
    with (
        time_machine.travel(timezone.now() + timedelta(minutes=lasts, seconds=1), tick=False),
        pytest.raises(WrongPass),
    ):
        access_passes.redeem(person, session_of(person), code)
    with time_machine.travel(timezone.now() + timedelta(minutes=lasts, seconds=-5), tick=False):
        access_passes.redeem(person, session_of(person), code)


@pytest.mark.parametrize("minutes", [0, 1, 9, 24 * 60 + 1])
def test_no_longer_than_a_day_and_no_shorter_than_ten_minutes(person, actor, minutes):
    with pytest.raises(WrongLifetime):
        access_passes.issue(act(person, actor, minutes=minutes))


@pytest.mark.parametrize("spelt", [str.upper, lambda code: code.replace("-", ""), lambda code: code.replace("-", " ")])
def test_capitals_spaces_and_dashes_do_not_matter(person, actor, spelt):
    access_passes.redeem(person, session_of(person), spelt(shown(person, actor)))


WRONG = ["", "abcd", "0000-0000-0000", "iiii-llll-oooo", "٢٣٤٥-٢٣٤٥-٢٣٤٥", "\x00" * 12, "\ud800" * 12, "a" * 10_000]


@pytest.mark.security(22)
@pytest.mark.parametrize("entered", WRONG)
def test_what_is_no_pass_is_refused_and_counted(person, actor, entered):
    shown(person, actor)
    session = session_of(person)
    with pytest.raises(WrongPass):
        access_passes.redeem(person, session, entered)
    assert AccessPass.objects.get().failures == 1
    assert not admissions.is_admitted(person, session)


def test_five_wrong_tries_end_it(person, actor):
    code = shown(person, actor)
    for _ in range(5):
        with pytest.raises(WrongPass):
            access_passes.redeem(person, session_of(person), passes.new_pass())
    with pytest.raises(WrongPass):
        access_passes.redeem(person, session_of(person), code)
    assert events("access_pass:revoked")[0].payload["reason"] == "too_many_tries"
    assert events("access_pass:refused")[-1].payload["reason"] == "no_pass"


def test_it_works_once(person, actor):
    code = shown(person, actor)
    access_passes.redeem(person, session_of(person), code)
    again = session_of(person)
    with pytest.raises(WrongPass):
        access_passes.redeem(person, again, code)
    assert not admissions.is_admitted(person, again)


@pytest.mark.security(84)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["a colleague's", "another tenant's"])
def test_somebody_elses_is_not_mine_and_stays_good(person, actor, elsewhere):
    code = shown(person, actor)
    other = UserFactory(tenant=TenantFactory() if elsewhere else actor.tenant)
    guard(other, AdministratorFactory(tenant=other.tenant))
    with pytest.raises(WrongPass):
        access_passes.redeem(other, session_of(other), code)
    access_passes.redeem(person, session_of(person), code)


def test_another_one_ends_the_one_before(person, actor):
    first = shown(person, actor)
    second = shown(person, actor)
    with pytest.raises(WrongPass):
        access_passes.redeem(person, session_of(person), first)
    access_passes.redeem(person, session_of(person), second)
    assert events("access_pass:revoked")[0].payload["reason"] == "replaced"


def test_a_reset_ends_it(person, actor):
    code = shown(person, actor)
    guard(person, actor)
    with pytest.raises(WrongPass):
        access_passes.redeem(person, session_of(person), code)
    assert events("access_pass:revoked")[0].payload["reason"] == "reset"


def test_an_administrator_of_the_person_revokes_it(person, actor):
    code, held = shown(person, actor), AccessPass.objects.get()
    with pytest.raises(NotAllowed):
        access_passes.revoke(held, actor=AdministratorFactory(tenant=TenantFactory()))
    colleague = AdministratorFactory(tenant=actor.tenant)
    access_passes.revoke(held, actor=colleague)
    access_passes.revoke(held, actor=colleague)
    with pytest.raises(WrongPass):
        access_passes.redeem(person, session_of(person), code)
    (revoked,) = events("access_pass:revoked")
    assert (revoked.actor_id, revoked.payload["reason"]) == (str(colleague.pk), "by_administrator")


def test_one_that_runs_out_unused_is_noted_once(person, actor):
    shown(person, actor)
    assert access_passes.lapse(timezone.now()) == 0
    with time_machine.travel(timezone.now() + timedelta(minutes=61), tick=False):
        assert access_passes.lapse(timezone.now()) == 1
        assert access_passes.lapse(timezone.now()) == 0
    assert events("access_pass:lapsed")[0].target_id == str(person.pk)


def test_who_knows_the_password_does_not_try_without_end(person):
    for _ in range(20):
        with pytest.raises(WrongPass):
            access_passes.redeem(person, session_of(person), "")
    for _ in range(3):
        with pytest.raises(TooManyRequests):
            access_passes.redeem(person, session_of(person), "")
    (throttled,) = events("requests:throttled")
    assert (throttled.target_id, throttled.payload["scope"]) == (str(person.pk), "access-pass")


def test_passes_are_of_twelve_characters_and_never_the_same():
    made = {passes.new_pass() for _ in range(2_000)}
    assert len(made) == 2_000
    assert all(len(one) == 14 and passes.normalise(one) == one.replace("-", "") for one in made)


@pytest.mark.postgres
@pytest.mark.security(11)
@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_use_one_pass_once(monkeypatch):
    actor = AdministratorFactory(tenant=TenantFactory())
    person = UserFactory(tenant=actor.tenant)
    guard(person, actor)
    code = shown(person, actor)
    monkeypatch.setattr(access_passes, "ENTERED", access_passes.ENTERED.__class__("all", 100, timedelta(minutes=5)))
    sessions = [session_of(person) for _ in range(50)]
    outcomes = in_parallel(50, lambda n: access_passes.redeem(User.objects.get(pk=person.pk), sessions[n], code))
    assert outcomes.count("") == 1
    assert outcomes.count("WrongPass") == 49
    assert sum(admissions.is_admitted(person, session) for session in sessions) == 1


@pytest.mark.postgres
@pytest.mark.security(26)
@pytest.mark.django_db(transaction=True)
def test_forty_wrong_tries_at_once_are_five(monkeypatch):
    actor = AdministratorFactory(tenant=TenantFactory())
    person = UserFactory(tenant=actor.tenant)
    guard(person, actor)
    code = shown(person, actor)
    monkeypatch.setattr(access_passes, "ENTERED", access_passes.ENTERED.__class__("all", 100, timedelta(minutes=5)))
    wrong = passes.new_pass()
    in_parallel(40, lambda _: access_passes.redeem(User.objects.get(pk=person.pk), session_of(person), wrong))
    assert AccessPass.objects.get().failures == 5
    with pytest.raises(WrongPass):
        access_passes.redeem(person, session_of(person), code)


@pytest.mark.postgres
@pytest.mark.security(57)
@pytest.mark.django_db(transaction=True)
def test_a_pass_is_used_or_revoked_and_never_both():
    actor = AdministratorFactory(tenant=TenantFactory())
    for _ in range(6):
        person = UserFactory(tenant=actor.tenant)
        guard(person, actor)
        code, held = shown(person, actor), AccessPass.objects.get(person=person)
        session = session_of(person)

        def race(number, person=person, held=held, session=session, code=code):
            if number:
                access_passes.redeem(User.objects.get(pk=person.pk), session, code)
            else:
                access_passes.revoke(held, actor=actor)

        in_parallel(2, race)
        held.refresh_from_db()
        assert (held.used_at is None) != (held.revoked_at is None)
        assert admissions.is_admitted(person, session) == (held.used_at is not None)
