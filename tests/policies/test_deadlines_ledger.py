"""More time for people: who gives it to whom, how far, and what the ledger says of it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.errors import NotAllowed, NotFresh, UnreadableWords
from accounts.flows import people, reset
from accounts.models import Tenant, User
from audit.kinds import Kind
from policies import demands, facts
from policies.errors import ReasonMissing
from policies.flows import deadlines
from policies.flows.deadlines import LeftOut, NotAhead
from policies.models import DeadlineExtension
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_totp,
    password_proof,
    publish_rules,
    session_of,
    verified_client,
)
from tests.policies.admin_scene import events, last_event, root, stale_client

pytestmark = [pytest.mark.django_db, pytest.mark.security(62)]

DAY = timedelta(days=1)


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(rules={"new_grace_days": 7})


@pytest.fixture
def session(administrator: User) -> Any:
    return verified_client(administrator).session


@pytest.fixture
def person(tenant: Tenant) -> User:
    """Somebody new, who signed in for the first time just now and has a week."""
    person = UserFactory(tenant=tenant)
    person.first_sign_in_at = timezone.now()
    person.save(update_fields=["first_sign_in_at"])
    return person


def deadline_of(person: User) -> datetime | None:
    found = facts.situation(User.objects.get(pk=person.pk), owned=())
    return None if found.rules is None else demands.deadline_of(found.rules, found.facts)


def in_days(days: int) -> datetime:
    return timezone.now() + days * DAY


def test_more_time_is_a_row_of_the_ledger_an_event_and_a_new_deadline(person, administrator, session):
    before, until = deadline_of(person), in_days(30)
    [found] = deadlines.extend([person], until, actor=administrator, session=session, reason=" On leave. ")
    assert (found.before, found.after, found.left_out) == (before, until, None)
    assert deadline_of(person) == until
    row = DeadlineExtension.objects.get()
    assert (row.tenant_id, row.person_id, row.person_label) == (person.tenant_id, person.pk, person.email)
    assert (row.before, row.until, row.reason) == (before, until, "On leave.")
    assert (row.actor_id, row.actor_label) == (administrator.pk, administrator.email)
    assert list(deadlines.ledger_of(person, seen_by=administrator)) == [row]
    event = last_event(Kind.DEADLINE_SET)
    assert (event.actor_id, event.target_id, event.tenant_id) == (
        str(administrator.pk),
        str(person.pk),
        person.tenant_id,
    )
    assert event.payload["reason"] == "On leave."
    assert datetime.fromisoformat(event.payload["deadline"]) == until


def test_under_a_floor_without_extensions_nobody_gets_one_and_those_given_end_at_once(
    person, administrator, session, settings
):
    before, until = deadline_of(person), in_days(30)
    deadlines.extend([person], until, actor=administrator, session=session, reason="On leave.")
    settings.MFA_POLICY_FLOOR = '{"extensions": false}'
    assert deadline_of(person) == before
    [found] = deadlines.extend([person], in_days(60), actor=administrator, session=session, reason="On leave.")
    assert (found.after, found.left_out) == (before, LeftOut.FLOOR)
    assert DeadlineExtension.objects.count() == 1


def test_a_reason_stays_on_one_line_and_hides_nothing(person, administrator, session):
    deadlines.extend([person], in_days(30), actor=administrator, session=session, reason="On\r\nleave.")
    assert DeadlineExtension.objects.get().reason == "On leave."
    with pytest.raises(UnreadableWords):
        deadlines.extend([person], in_days(40), actor=administrator, session=session, reason="On \u202eleave.")


def test_rows_of_the_ledger_are_only_ever_added(person, administrator, session):
    deadlines.extend([person], 9 * DAY, actor=administrator, session=session, reason="On leave.")
    row = DeadlineExtension.objects.get()
    row.reason = "Something else."
    with pytest.raises(TypeError):
        row.save()


def test_who_was_stopped_is_let_in_at_once_and_who_is_in_sees_the_new_day(person, administrator, session, clock):
    browser = client_of(person)
    assert browser.get("/").status_code == 200
    deadlines.extend([person], in_days(20), actor=administrator, session=session, reason="On leave.")
    assert browser.get("/").context["gate"].days_left == 20
    clock.forward(21 * DAY)
    late = client_of(person)
    assert late.get("/").url.startswith(reverse("mfa_enrol"))
    again = verified_client(administrator).session
    deadlines.extend([person], 3 * DAY, actor=administrator, session=again, reason="Still on leave.")
    assert late.get("/").status_code == 200


def test_days_are_counted_from_what_is_left_and_a_date_ends_where_the_people_are(person, administrator, session):
    left = deadline_of(person)
    assert left is not None
    deadlines.extend([person], 2 * DAY, actor=administrator, session=session, reason="On leave.")
    assert deadline_of(person) == left + 2 * DAY
    Tenant.objects.filter(pk=person.tenant_id).update(time_zone="Asia/Tokyo")
    day: date = (timezone.now() + 20 * DAY).date()
    deadlines.extend([person], day, actor=administrator, session=session, reason="On leave.")
    assert deadline_of(person) == datetime(day.year, day.month, day.day, 14, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "until",
    [
        -DAY,
        timedelta(0),
        91 * DAY,
        timedelta.max,
        datetime(2020, 1, 1, tzinfo=UTC),
        date(2020, 1, 1),
        date(9999, 12, 31),
    ],
    ids=["back", "none", "many", "all-days", "past", "past-day", "far"],
)
def test_a_deadline_lies_ahead_and_not_too_far(person, administrator, session, until):
    with pytest.raises(NotAhead):
        deadlines.extend([person], until, actor=administrator, session=session, reason="On leave.")
    with pytest.raises(NotAhead):
        deadlines.extend([person], in_days(91), actor=administrator, session=session, reason="On leave.")
    assert not DeadlineExtension.objects.exists()


def test_a_ledger_of_small_steps_reaches_no_further(person, administrator, session):
    deadlines.extend([person], in_days(89), actor=administrator, session=session, reason="On leave.")
    held = deadline_of(person)
    [found] = deadlines.extend([person], 9 * DAY, actor=administrator, session=session, reason="On leave.")
    assert (found.left_out, found.after, deadline_of(person)) == (LeftOut.TOO_FAR, held, held)


def test_nothing_is_ever_shortened(person, administrator, session):
    deadlines.extend([person], in_days(30), actor=administrator, session=session, reason="On leave.")
    held = deadline_of(person)
    [found] = deadlines.extend([person], in_days(29), actor=administrator, session=session, reason="Back already.")
    assert found.left_out is LeftOut.LONG_ENOUGH
    assert deadline_of(person) == held
    assert DeadlineExtension.objects.count() == events(Kind.DEADLINE_SET) == 1


def test_a_policy_that_gives_less_takes_no_extension_away(person, administrator, session, tenant):
    until = in_days(30)
    deadlines.extend([person], until, actor=administrator, session=session, reason="On leave.")
    publish_rules(tenant, new_grace_days=0)
    assert deadline_of(person) == until


@pytest.mark.parametrize("reason", ["", " \t\n"])
def test_more_time_needs_a_reason(person, administrator, session, reason):
    with pytest.raises(ReasonMissing):
        deadlines.extend([person], in_days(30), actor=administrator, session=session, reason=reason)
    assert not DeadlineExtension.objects.exists()


@pytest.mark.security(51)
def test_more_time_needs_a_fresh_factor(person, administrator):
    for stale in (stale_client(administrator).session, session_of(administrator, password_proof())):
        with pytest.raises(NotFresh):
            deadlines.extend([person], in_days(30), actor=administrator, session=stale, reason="On leave.")
    assert not DeadlineExtension.objects.exists()


@pytest.mark.security(84)
def test_only_who_answers_for_all_of_them_gives_time_to_any(person, administrator, session):
    stranger = UserFactory(tenant=TenantFactory())
    with pytest.raises(NotAllowed):
        deadlines.extend([person, stranger], in_days(30), actor=administrator, session=session, reason="On leave.")
    assert not DeadlineExtension.objects.exists()
    event = last_event(Kind.DEADLINE_REFUSED)
    assert (event.target_id, event.outcome, event.payload["code"]) == (str(stranger.pk), "refused", "not_allowed")
    colleague = UserFactory(tenant=person.tenant)
    with pytest.raises(NotAllowed):
        deadlines.extend([person], in_days(30), actor=colleague, session=session, reason="On leave.")


def test_a_platform_administrator_gives_time_to_anybody(person):
    boss = root()
    browser = verified_client(boss)
    [found] = deadlines.extend([person], in_days(30), actor=boss, session=browser.session, reason="On leave.")
    assert found.left_out is None


def administrator_of(tenant: Tenant, actor: User) -> User:
    return AdministratorFactory(tenant=tenant)


def one_who_was_reset(tenant: Tenant, actor: User) -> User:
    found = UserFactory(tenant=tenant)
    reset.close_grace(found)
    return found


def one_who_is_enrolled(tenant: Tenant, actor: User) -> User:
    found = UserFactory(tenant=tenant)
    enrol_totp(found)
    return found


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (administrator_of, LeftOut.ADMINISTRATOR),
        (one_who_was_reset, LeftOut.CLOSED),
        (one_who_is_enrolled, LeftOut.ENROLLED),
    ],
    ids=["administrator", "reset", "enrolled"],
)
def test_who_is_left_out_and_why_while_the_others_get_it(person, administrator, session, made, why):
    other = made(person.tenant, administrator)
    before = deadline_of(other)
    found = deadlines.extend([person, other], in_days(30), actor=administrator, session=session, reason="On leave.")
    assert {one.person.pk: one.left_out for one in found} == {person.pk: None, other.pk: why}
    assert deadline_of(other) == before
    assert [row.person_id for row in DeadlineExtension.objects.all()] == [person.pk]


@pytest.mark.parametrize("rules", [{"enforcement": "optional"}, {"scope": "administrators"}], ids=["optional", "scope"])
def test_where_nothing_is_demanded_there_is_no_deadline_to_move(person, administrator, session, tenant, rules):
    if "scope" in rules:
        scope = {"everyone": False, "roles": ["administrator"], "groups": [], "staff": False, "sources": []}
        rules = {"scope": scope}
    publish_rules(tenant, **rules)
    [found] = deadlines.extend([person], in_days(30), actor=administrator, session=session, reason="On leave.")
    assert found.left_out is LeftOut.NOT_DEMANDED


def test_whoever_is_excluded_for_a_time_may_get_more_for_afterwards(person, administrator, session, tenant):
    entry = {"kind": "person", "value": str(person.pk), "reason": "Abroad.", "until": in_days(3).isoformat()}
    publish_rules(tenant, excludes=[entry])
    [found] = deadlines.extend([person], in_days(10), actor=administrator, session=session, reason="Still abroad.")
    assert found.left_out is None


def test_an_extension_is_lost_by_becoming_an_administrator_and_not_regained(person, administrator, session):
    deadlines.extend([person], in_days(30), actor=administrator, session=session, reason="On leave.")
    people.change(person, actor=administrator, role="administrator")
    assert deadline_of(person) is None
    people.change(person, actor=administrator, role="user")
    after = deadline_of(person)
    assert after is None or after <= timezone.now()


def test_looking_changes_nothing_and_costs_the_same_for_many(person, administrator):
    crowd = [person, *[UserFactory(tenant=person.tenant) for _ in range(5)]]
    with CaptureQueriesContext(connection) as one:
        deadlines.prospects(User.objects.select_related("tenant").filter(pk=person.pk), in_days(30))
    with CaptureQueriesContext(connection) as many:
        found = deadlines.prospects(
            User.objects.select_related("tenant").filter(pk__in=[p.pk for p in crowd]), in_days(30)
        )
    assert len(many) == len(one)
    assert len(found) == 6
    assert not DeadlineExtension.objects.exists()
    assert deadline_of(person) == person.first_sign_in_at + 7 * DAY


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_extensions_at_once_take_turns_and_the_longer_one_holds(person, administrator):
    others = [UserFactory(tenant=person.tenant) for _ in range(3)]
    sessions = [verified_client(administrator).session for _ in range(2)]
    spans, barrier = (in_days(20), in_days(40)), threading.Barrier(2)

    def give(number: int) -> None:
        order = [person, *others] if number else [*reversed(others), person]
        barrier.wait()
        try:
            deadlines.extend(order, spans[number], actor=administrator, session=sessions[number], reason="On leave.")
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as executor:
        list(executor.map(give, range(2)))
    for one in (person, *others):
        assert deadline_of(one) == spans[1]
        rows = DeadlineExtension.objects.filter(person_id=one.pk).order_by("id")
        assert [row.until for row in rows] in ([spans[1]], list(spans))
        assert [row.before for row in rows][1:] in ([], [spans[0]])
