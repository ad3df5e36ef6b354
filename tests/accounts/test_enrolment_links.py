"""The mailed link: made when it is mailed, good once and for a day, for one person, and kept nowhere."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import SESSION_KEY
from django.core import mail
from django.utils import timezone

from accounts import notices
from accounts.assurance import Method, Strength, strength_of
from accounts.errors import EnrolmentGuarded, LinkInvalid, TooManyRequests
from accounts.flows import admissions, enrolment, enrolment_links
from accounts.flows import binding as bindings
from accounts.models import EnrolmentLink, Notice, User
from audit.models import AuditEvent
from tests.accounts import acts_scene
from tests.accounts.admission_scene import events, fresh, guard, token_in_mail, tokens_in, tokens_in_mail
from tests.accounts.test_verification import in_parallel
from tests.conftest import LOOPBACK
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, session_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor() -> User:
    return AdministratorFactory(tenant=TenantFactory())


@pytest.fixture
def person(actor: User, django_capture_on_commit_callbacks) -> User:
    person = UserFactory(tenant=actor.tenant)
    with django_capture_on_commit_callbacks(execute=True):
        guard(person, actor)
    return person


@pytest.mark.security(55)
def test_after_a_reset_a_password_alone_does_not_enrol(person):
    session = session_of(person)
    with pytest.raises(EnrolmentGuarded):
        enrolment.begin_totp(person, session)


@pytest.mark.security(55)
def test_the_mailed_link_beside_the_password_does_and_lifts_the_guard(person, actor):
    from accounts.authenticators import totp

    session = session_of(person)
    enrolment_links.use(person, session, token_in_mail())
    assert strength_of(session.proofs_of(person)) is Strength.SINGLE_FACTOR
    secret = enrolment.begin_totp(person, session)
    enrolment.confirm_totp(person, session, totp.code_at(secret, totp.step_at(timezone.now())))
    person.refresh_from_db()
    assert person.enrolment_guarded_at is None
    assert {proof.method for proof in session.proofs_of(person)} == {Method.PASSWORD, Method.TOTP}
    (used,) = events("enrolment_link:used")
    assert (used.actor_id, used.target_id) == (str(person.pk), str(person.pk))
    assert used.payload["session"] == str(session.row.public_id)


def test_it_goes_to_every_verified_address_and_to_no_other(actor, django_capture_on_commit_callbacks):
    person = UserFactory(tenant=actor.tenant)
    person.emailaddress_set.create(email="second@example.com", verified=True)
    person.emailaddress_set.create(email="unproved@example.com", verified=False)
    with django_capture_on_commit_callbacks(execute=True):
        guard(person, actor)
    links = [message for message in mail.outbox if "/enrol/link/" in message.body]
    assert sorted(address for message in links for address in message.to) == sorted(
        [person.email, "second@example.com"]
    )
    assert events("enrolment_link:sent")[0].target_id == str(person.pk)


@pytest.mark.security(87)
def test_the_token_stands_in_no_table(person, actor):
    from django.apps import apps

    token = token_in_mail()
    enrolment_links.use(person, session_of(person), token)
    assert len(token) == 43
    for model in apps.get_models():
        for row in model._default_manager.values():
            assert token not in str(row), model


@pytest.mark.parametrize("hours", [0, 23.9, 24.1])
def test_it_is_good_for_a_day(person, hours):
    token = token_in_mail()
    with time_machine.travel(timezone.now() + timedelta(hours=hours), tick=False):
        assert enrolment_links.is_good(person, token) is (hours < 24)
        if hours < 24:
            enrolment_links.use(person, session_of(person), token)
        else:
            with pytest.raises(LinkInvalid):
                enrolment_links.use(person, session_of(person), token)
            assert events("enrolment_link:refused")[0].payload["reason"] == "link_invalid"


def test_it_works_once(person):
    token = token_in_mail()
    enrolment_links.use(person, session_of(person), token)
    again = session_of(person)
    with pytest.raises(LinkInvalid):
        enrolment_links.use(person, again, token)
    assert not admissions.is_admitted(person, again)


@pytest.mark.security(84)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["a colleague's", "another tenant's"])
def test_somebody_elses_is_not_mine_and_stays_good(person, actor, elsewhere, django_capture_on_commit_callbacks):
    token = token_in_mail()
    other = UserFactory(tenant=TenantFactory() if elsewhere else actor.tenant)
    guard(other, AdministratorFactory(tenant=other.tenant))
    session = session_of(other)
    with pytest.raises(LinkInvalid):
        enrolment_links.use(other, session, token)
    assert not admissions.is_admitted(other, session)
    enrolment_links.use(person, session_of(person), token)


@pytest.mark.parametrize("token", ["", "x" * 43, "\x00", "٣" * 43, "\ud800", "a" * 10_000])
def test_what_is_no_token_is_refused(person, token):
    session = session_of(person)
    with pytest.raises(LinkInvalid):
        enrolment_links.use(person, session, token)
    assert not admissions.is_admitted(person, session)


def test_a_newer_one_ends_those_before(person, django_capture_on_commit_callbacks):
    first = token_in_mail()
    with django_capture_on_commit_callbacks(execute=True):
        enrolment_links.send_again(person)
    second = token_in_mail()
    assert first != second
    assert not enrolment_links.is_good(person, first)
    assert enrolment_links.is_good(person, second)


def test_it_is_sent_again_three_times_an_hour_and_only_while_enrolment_is_guarded(person):
    for _ in range(3):
        enrolment_links.send_again(person)
    for _ in range(2):
        with pytest.raises(TooManyRequests):
            enrolment_links.send_again(person)
    throttled = AuditEvent.objects.get(kind="requests:throttled")
    assert (throttled.target_id, throttled.payload["scope"]) == (str(person.pk), "enrolment-link")
    free = UserFactory(tenant=person.tenant)
    enrolment_links.send_again(free)
    assert not EnrolmentLink.objects.filter(person=free).exists()


def test_what_it_proved_lasts_half_an_hour(person):
    session = session_of(person)
    enrolment_links.use(person, session, token_in_mail())
    for minutes, is_admitted in ((29, True), (31, False)):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes), tick=False):
            assert admissions.is_admitted(person, session) is is_admitted


@pytest.mark.security(61)
def test_another_reset_ends_what_was_proved_before(person, actor):
    session = session_of(person)
    enrolment_links.use(person, session, token_in_mail())
    guard(person, actor)
    assert not admissions.is_admitted(person, session)


@pytest.mark.security(51)
def test_a_stale_password_is_asked_for_again(person):
    from accounts.errors import NotFresh

    session = session_of(person)
    enrolment_links.use(person, session, token_in_mail())
    with time_machine.travel(timezone.now() + timedelta(minutes=6), tick=False), pytest.raises(NotFresh):
        bindings.require_may_bind(person, session, Method.TOTP)


def test_each_address_has_a_link_of_its_own_and_using_one_ends_the_others(actor, django_capture_on_commit_callbacks):
    person = UserFactory(tenant=actor.tenant)
    person.emailaddress_set.create(email="second@example.com", verified=True)
    with django_capture_on_commit_callbacks(execute=True):
        guard(person, actor)
    one, other = tokens_in_mail()
    assert one != other and enrolment_links.is_good(person, one) and enrolment_links.is_good(person, other)
    enrolment_links.use(person, session_of(person), one)
    assert not enrolment_links.is_good(person, other)


@pytest.mark.allow_hosts(LOOPBACK)
def test_while_the_mail_server_is_away_the_reset_stands_and_the_link_comes_later(
    sink, actor, clock, django_capture_on_commit_callbacks
):
    person = UserFactory(tenant=actor.tenant)
    sink.kept.refusals[person.email] = "450 4.2.0 try later"
    with django_capture_on_commit_callbacks(execute=True):
        guard(person, actor)
    assert person.enrolment_guarded_at is not None
    waiting = Notice.objects.get(name="enrolment_link")
    assert (waiting.state, waiting.attempts) == (Notice.State.QUEUED, 1)
    first = EnrolmentLink.objects.get(person=person).digest
    sink.kept.refusals.clear()
    clock.forward(timedelta(minutes=2))
    notices.deliver_due.call()
    assert EnrolmentLink.objects.get(person=person).digest != first
    assert enrolment_links.is_good(person, tokens_in(sink.kept.messages)[-1])


@pytest.mark.parametrize("over", ["used", "inactive", "old"])
def test_nothing_is_mailed_of_a_link_that_is_over(actor, over, clock):
    person = UserFactory(tenant=actor.tenant)
    guard(person, actor)  # nothing goes out yet
    if over == "used":
        admissions.void(person, reason="test")
    elif over == "inactive":
        User.objects.filter(pk=person.pk).update(is_active=False)
    else:
        clock.forward(timedelta(hours=25))
    notices.deliver_due.call()
    assert Notice.objects.get(name="enrolment_link").state == Notice.State.SPARED
    assert not tokens_in_mail()


@pytest.mark.postgres
@pytest.mark.security(11)
@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_use_one_link_once():
    actor = AdministratorFactory(tenant=TenantFactory())
    person = UserFactory(tenant=actor.tenant)
    guard(person, actor)
    token = token_in_mail()
    sessions = [session_of(person) for _ in range(50)]
    outcomes = in_parallel(50, lambda n: enrolment_links.use(User.objects.get(pk=person.pk), sessions[n], token))
    assert outcomes.count("") == 1
    assert outcomes.count("LinkInvalid") == 49
    assert sum(admissions.is_admitted(person, session) for session in sessions) == 1
    assert len(events("enrolment_link:used")) == 1


@pytest.mark.postgres
@pytest.mark.security(61)
@pytest.mark.django_db(transaction=True)
def test_a_reset_while_a_guarded_person_enrols_leaves_one_state_or_the_other():
    from accounts.authenticators import totp
    from accounts.models import Binding, Session

    actor = AdministratorFactory(tenant=TenantFactory())
    session = fresh(actor)
    for _ in range(5):
        person = UserFactory(tenant=actor.tenant)
        guard(person, actor)
        mine = session_of(person)
        enrolment_links.use(person, mine, token_in_mail())
        secret = enrolment.begin_totp(person, mine)
        mine[SESSION_KEY] = str(person.pk)
        mine.save()
        code = totp.code_at(secret, totp.step_at(timezone.now()))

        def race(number, person=person, mine=mine, code=code):
            if number:
                enrolment.confirm_totp(User.objects.get(pk=person.pk), mine, code)
            else:
                acts_scene.reset(person, actor=actor, session=session)

        in_parallel(2, race)
        person.refresh_from_db()
        assert not Binding.objects.filter(person=person, unbound_at=None).exists()
        assert person.enrolment_guarded_at is not None
        assert not Session.objects.filter(public_id=mine.row.public_id, ended_at=None).exists()
        assert EnrolmentLink.objects.filter(person=person, used_at=None).count() == 1
