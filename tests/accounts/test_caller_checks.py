"""Two people on the telephone make sure of each other: codes of a minute, each read to the other."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from accounts.errors import NotAllowed, TooManyRequests, UnreadableWords
from accounts.flows import caller_checks
from accounts.flows.caller_checks import CheckOver, Side, WrongCallerCode
from accounts.models import CallerCheck, User
from audit.models import AuditEvent
from tests.factories import AdministratorFactory, TenantFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> User:
    return AdministratorFactory(tenant=TenantFactory())


@pytest.fixture
def person(agent: User) -> User:
    return UserFactory(tenant=agent.tenant)


@pytest.fixture
def check(agent: User, person: User) -> CallerCheck:
    return caller_checks.start(person, actor=agent, ticket="T-1234")


def code(check: CallerCheck, side: Side) -> str:
    return caller_checks.code_of(check, side, timezone.now())


def events(kind: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(kind=kind))


def test_each_reads_a_code_to_the_other_and_both_are_known(check, agent, person):
    caller_checks.recognise_agent(check, person, code(check, Side.AGENT))
    caller_checks.recognise_person(check, agent, code(check, Side.PERSON))
    check.refresh_from_db()
    assert check.agent_proved_at and check.person_proved_at and check.ended_at
    (started,), (passed,) = events("caller_check:started"), events("caller_check:passed")
    assert started.payload["ticket"] == passed.payload["ticket"] == "T-1234"
    assert (passed.actor_id, passed.target_id, passed.payload["channel"]) == (str(agent.pk), str(person.pk), "page")
    assert caller_checks.passed_lately(agent, person) == check


def test_the_codes_are_of_six_digits_differ_and_change_every_minute(check):
    now = timezone.now()
    agents, persons = (caller_checks.code_of(check, side, now) for side in Side)
    assert len(agents) == len(persons) == 6 and (agents + persons).isdigit()
    later = {caller_checks.code_of(check, Side.AGENT, now + timedelta(minutes=n)) for n in range(50)}
    assert len(later) > 45
    other = CallerCheck(person=check.person, tenant=check.tenant, ticket="T-1234", expires_at=now)
    assert caller_checks.code_of(other, Side.AGENT, now) != agents or (
        caller_checks.code_of(other, Side.PERSON, now) != persons
    )


def test_no_code_is_in_the_table_or_the_record(check):
    stored = str(CallerCheck.objects.values().get()) + str([e.payload for e in events("caller_check:started")])
    for side in Side:
        assert code(check, side) not in stored


@pytest.mark.parametrize(("seconds", "is_good"), [(0, True), (59, True), (121, False)])
def test_a_code_is_good_for_its_minute_and_the_next(agent, person, seconds, is_good):
    with time_machine.travel("2030-01-01 12:00:00+00:00", tick=False) as clock:
        check = caller_checks.start(person, actor=agent, ticket="T-1")
        said = code(check, Side.PERSON)
        clock.shift(seconds)
        if is_good:
            caller_checks.recognise_person(check, agent, said)
        else:
            with pytest.raises(WrongCallerCode):
                caller_checks.recognise_person(check, agent, said)


@pytest.mark.parametrize("said", ["", "12345", "1234567", "١٢٣٤٥٦", "\x00", "9" * 10_000])
def test_what_is_no_code_is_refused_and_counted(check, agent, said):
    with pytest.raises(WrongCallerCode):
        caller_checks.recognise_person(check, agent, said)
    check.refresh_from_db()
    assert (check.failures, check.person_proved_at) == (1, None)
    assert events("caller_check:failed")


def test_spaces_between_the_digits_do_no_harm(check, agent):
    said = code(check, Side.PERSON)
    caller_checks.recognise_person(check, agent, f" {said[:3]} {said[3:]} ")


def test_one_side_s_code_does_not_do_for_the_other(check, agent, person):
    with pytest.raises(WrongCallerCode):
        caller_checks.recognise_person(check, agent, code(check, Side.AGENT))
    with pytest.raises(WrongCallerCode):
        caller_checks.recognise_agent(check, person, code(check, Side.PERSON))


def test_five_wrong_codes_of_either_side_end_it(check, agent, person):
    for _try in range(3):
        with pytest.raises(WrongCallerCode):
            caller_checks.recognise_agent(check, person, "000000")
    for _try in range(2):
        with pytest.raises(WrongCallerCode):
            caller_checks.recognise_person(check, agent, "000000")
    with pytest.raises(CheckOver):
        caller_checks.recognise_person(check, agent, code(check, Side.PERSON))
    check.refresh_from_db()
    assert check.ended_at is not None
    assert caller_checks.passed_lately(agent, person) is None


def test_a_check_ends_after_ten_minutes(check, agent, person):
    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=False), pytest.raises(CheckOver):
        caller_checks.recognise_person(check, agent, code(check, Side.PERSON))


def test_a_passed_check_counts_for_half_an_hour_and_for_who_made_it(check, agent, person):
    caller_checks.recognise_person(check, agent, code(check, Side.PERSON))
    colleague = AdministratorFactory(tenant=agent.tenant)
    assert caller_checks.passed_lately(agent, person) == check
    assert caller_checks.passed_lately(colleague, person) is None
    assert caller_checks.passed_lately(agent, UserFactory(tenant=agent.tenant)) is None
    with time_machine.travel(timezone.now() + timedelta(minutes=31), tick=False):
        assert caller_checks.passed_lately(agent, person) is None


def test_a_new_check_ends_the_one_before(check, agent, person):
    caller_checks.start(person, actor=agent, ticket="T-2")
    with pytest.raises(CheckOver):
        caller_checks.recognise_person(check, agent, code(check, Side.PERSON))
    assert caller_checks.open_for(person).ticket == "T-2"


def test_only_who_began_it_enters_the_person_s_code_and_only_the_person_the_agent_s(check, agent, person):
    colleague, stranger = AdministratorFactory(tenant=agent.tenant), UserFactory(tenant=agent.tenant)
    with pytest.raises(CheckOver):
        caller_checks.recognise_person(check, colleague, code(check, Side.PERSON))
    with pytest.raises(CheckOver):
        caller_checks.recognise_agent(check, stranger, code(check, Side.AGENT))


def test_who_stopped_being_administrator_recognises_nobody(check, agent, person):
    User.objects.filter(pk=agent.pk).update(role="user")
    with pytest.raises(NotAllowed):
        caller_checks.recognise_person(check, agent, code(check, Side.PERSON))


@pytest.mark.security(84)
@pytest.mark.parametrize("whom", ["self", "stranger", "root"])
def test_nobody_checks_themselves_strangers_or_superiors(agent, whom):
    person = {
        "self": agent,
        "stranger": UserFactory(tenant=TenantFactory()),
        "root": UserFactory(tenant=agent.tenant, is_superuser=True),
    }[whom]
    with pytest.raises(NotAllowed):
        caller_checks.start(person, actor=agent, ticket="T-1")
    assert not CallerCheck.objects.exists()


def test_a_ticket_is_needed_and_stays_on_one_line(agent, person):
    with pytest.raises(caller_checks.TicketMissing):
        caller_checks.start(person, actor=agent, ticket="  ")
    with pytest.raises(UnreadableWords):
        caller_checks.start(person, actor=agent, ticket="T\u202e1")


def test_a_person_is_not_called_without_end(agent, person):
    for number in range(6):
        caller_checks.start(person, actor=agent, ticket=f"T-{number}")
    for _ in range(2):
        with pytest.raises(TooManyRequests):
            caller_checks.start(person, actor=agent, ticket="T-7")
    throttled = AuditEvent.objects.get(kind="requests:throttled")
    assert (throttled.target_id, throttled.payload["scope"]) == (str(person.pk), "caller-check")


@pytest.mark.security(87)
def test_the_codes_are_mailed_to_every_verified_address_as_they_are_when_it_goes_out(
    check, agent, person, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        caller_checks.mail_codes(check, actor=agent)
    (message,) = [one for one in mail.outbox if one.to == [person.email]]
    assert all(code(check, side) in message.body for side in Side)
    assert "T-1234" in message.body and str(agent) in message.body
    check.refresh_from_db()
    assert check.mailed_at is not None
    caller_checks.recognise_person(check, agent, code(check, Side.PERSON))
    assert events("caller_check:passed")[0].payload["channel"] == "mail"


def test_no_code_is_mailed_of_a_check_that_is_over(check, agent, django_capture_on_commit_callbacks):
    CallerCheck.objects.update(ended_at=timezone.now())
    with pytest.raises(CheckOver), django_capture_on_commit_callbacks(execute=True):
        caller_checks.mail_codes(check, actor=agent)
    assert not mail.outbox
