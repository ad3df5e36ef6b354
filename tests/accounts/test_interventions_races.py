"""Administrators, the person and the worker at once: one of them is first, and the rest find it settled."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import cancelling
from accounts.flows import carrying_out, interventions
from accounts.flows.interventions import Act, Wanted
from accounts.models import EnrolmentLink, Intervention, Session, User
from audit.models import AuditEvent
from tests.accounts.acts_scene import WORD, ask, fresh, settled_administrator
from tests.accounts.test_verification import in_parallel
from tests.factories import TenantFactory, UserFactory, enrol_totp, session_of

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.security(55, 61),
    pytest.mark.django_db(transaction=True),
]
State = Intervention.State
TURNS = 5


@pytest.fixture
def asker() -> User:
    return settled_administrator(tenant=TenantFactory())


def boss_of(asker: User) -> User:
    boss = settled_administrator(tenant=asker.tenant)
    enrol_totp(boss)
    return boss


def settled_as(act: Intervention, *states: str) -> str:
    act.refresh_from_db()
    assert act.state in states
    ends = ("intervention:cancelled", "intervention:declined", "intervention:lapsed", "mfa:reset")
    ended = AuditEvent.objects.filter(kind__in=ends, payload__intervention=str(act.pk))
    assert ended.count() == (0 if act.is_open else 1)
    return act.state


def test_of_many_administrators_who_ask_for_the_same_one_is_first(asker):
    others = [settled_administrator(tenant=asker.tenant) for _ in range(3)]
    sessions = [(one, fresh(one)) for one in (asker, *others)]
    for _turn in range(TURNS):
        wanted = Wanted(kind=Act.RESET, person=boss_of(asker))

        def work(number: int, wanted: Wanted = wanted) -> None:
            actor, session = sessions[number]
            interventions.ask(wanted, actor=actor, session=session, word=WORD)

        assert sorted(in_parallel(4, work)) == ["", *["AskedAlready"] * 3]
        assert Intervention.objects.filter(person=wanted.person).count() == 1


def test_two_who_reset_an_ordinary_person_leave_one_link_and_no_factor(asker):
    second = settled_administrator(tenant=asker.tenant)
    sessions = [(one, fresh(one)) for one in (asker, second)]
    for _turn in range(TURNS):
        person = UserFactory(tenant=asker.tenant)
        enrol_totp(person)
        wanted = Wanted(kind=Act.RESET, person=person)

        def work(number: int, wanted: Wanted = wanted) -> None:
            actor, session = sessions[number]
            interventions.ask(wanted, actor=actor, session=session, word=WORD)

        assert in_parallel(2, work) == ["", ""]
        assert not person.bindings.filter(unbound_at=None).exists()
        assert EnrolmentLink.objects.filter(person=person, used_at=None).count() == 1


def test_many_who_agree_at_once_agree_once(asker):
    deciders = [settled_administrator(tenant=asker.tenant) for _ in range(3)]
    sessions = [(one, fresh(one)) for one in deciders]
    act = ask(boss_of(asker), asker)

    def work(number: int) -> None:
        actor, session = sessions[number]
        interventions.approve(act, actor=actor, session=session)

    assert sorted(in_parallel(3, work)) == ["", "NotOpen", "NotOpen"]
    assert AuditEvent.objects.filter(kind="intervention:approved").count() == 1


def test_agreeing_and_cancelling_at_once_never_does_what_was_cancelled(asker):
    second = settled_administrator(tenant=asker.tenant)
    session = fresh(second)
    for _turn in range(TURNS):
        act = ask(boss_of(asker), asker)

        def work(number: int, act: Intervention = act) -> None:
            if number:
                interventions.approve(act, actor=second, session=session)
            else:
                interventions.cancel_by_link(cancelling.token_of(act.pk))

        outcomes = in_parallel(2, work)
        assert settled_as(act, State.CANCELLED) == State.CANCELLED
        assert set(outcomes) <= {"", "NotOpen"}
        assert act.person.bindings.filter(unbound_at=None).exists()


def test_carrying_out_and_cancelling_at_once_end_in_one_of_the_two(asker):
    second = settled_administrator(tenant=asker.tenant)
    session = fresh(second)
    for _turn in range(TURNS):
        act = interventions.approve(ask(boss_of(asker), asker), actor=second, session=session)
        long_ago = timezone.now() - timedelta(hours=25)
        Intervention.objects.filter(pk=act.pk).update(requested_at=long_ago, not_before=timezone.now())

        def work(number: int, act: Intervention = act) -> None:
            if number:
                carrying_out.settle(act)
            else:
                interventions.cancel_by_link(cancelling.token_of(act.pk))

        outcomes = in_parallel(2, work)
        state = settled_as(act, State.CANCELLED, State.DONE)
        assert ("LinkInvalid" in outcomes) == (state == State.DONE)
        assert act.person.bindings.filter(unbound_at=None).exists() == (state == State.CANCELLED)


def test_many_workers_carry_it_out_once(asker):
    person = UserFactory(tenant=asker.tenant)
    enrol_totp(person)
    act = ask(person, asker)  # done; a copy that is due stands for one that many workers find
    Intervention.objects.filter(pk=act.pk).update(state=State.WAITING, finished_at=None)
    before = AuditEvent.objects.filter(kind="mfa:reset").count()
    assert in_parallel(4, lambda number: carrying_out.settle(act)) == [""] * 4
    assert AuditEvent.objects.filter(kind="mfa:reset").count() == before + 1


def test_carrying_out_races_an_enrolment_and_leaves_one_state_or_the_other(asker):
    from accounts.authenticators import totp
    from accounts.flows import enrolment

    for _turn in range(TURNS):
        person = UserFactory(tenant=asker.tenant)
        mine = session_of(person)
        secret = enrolment.begin_totp(person, mine)
        code = totp.code_at(secret, totp.step_at(timezone.now()))
        wanted, session = Wanted(kind=Act.RESET, person=person), fresh(asker)

        def work(number: int, person=person, mine=mine, code=code, wanted=wanted, session=session) -> None:
            if number:
                enrolment.confirm_totp(User.objects.get(pk=person.pk), mine, code)
            else:
                interventions.ask(wanted, actor=asker, session=session, word=WORD)

        in_parallel(2, work)
        person.refresh_from_db()
        bound = person.bindings.filter(unbound_at=None).exists()
        assert bound == (person.mfa_enrolled_at is not None)
        alive = Session.objects.filter(public_id=mine.row.public_id, ended_at=None).exists()
        assert not (bound and not alive)
