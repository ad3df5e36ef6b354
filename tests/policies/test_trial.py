"""Trying a policy: everybody and past sign-ins, in batches that cost the same; nothing written, nothing guessed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Binding, Role, Tenant, User
from policies import facts, receipts
from policies.flows import publish
from policies.models import DecidedSignIn, MFAPolicy
from policies.rollout import trial
from policies.rollout.simulation import Ending
from policies.rollout.trial import Replayed, ReplayTally, Tally, Trial
from policies.terms import Outcome, Rules
from tests.bench import crowd
from tests.factories import TenantFactory, UserFactory, enrol_totp, verified_client
from tests.policies.publishing_scene import document

pytestmark = pytest.mark.django_db

STRICT = {"strength": {"user": "phishing_resistant"}, "grace_days": 0}


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(rules={"grace_days": 0})


def rules_of(tenant: Tenant, **rules: Any) -> Rules:
    return publish.rules_if_published(tenant.policy, document(**rules), enabled=True, now=timezone.now())


def tried(tenant: Tenant, *, now: datetime | None = None, batch_size: int = 1000, **rules: Any) -> list[Trial]:
    now, wanted = now or timezone.now(), rules_of(tenant, **rules)
    return [one for batch in trial.people_tried(tenant.policy, wanted, now, batch_size=batch_size) for one in batch]


def replayed(tenant: Tenant, *, batch_size: int = 1000, days: int = 30, **rules: Any) -> list[Replayed]:
    wanted, now = rules_of(tenant, **rules), timezone.now()
    batches = trial.sign_ins_replayed(tenant.policy, wanted, now, days=days, batch_size=batch_size)
    return [one for batch in batches for one in batch]


@contextmanager
def reading_only() -> Iterator[None]:
    """A connection that refuses whatever is not a SELECT."""

    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        assert sql.startswith("SELECT"), sql
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        yield


class TestEverybody:
    def test_each_active_person_of_the_tenant_once_in_the_order_of_their_ids(self, tenant):
        crowd.gather(tenant, 25)
        crowd.gather(TenantFactory(), 3)
        User.objects.filter(tenant=tenant, email__startswith="crowd-7-").update(is_active=False)
        expected = list(User.objects.filter(tenant=tenant, is_active=True).order_by("pk"))
        for batch_size in (1, 8, 24, 25, 1000):
            assert [one.person for one in tried(tenant, batch_size=batch_size)] == expected
        assert trial.size(tenant.policy) == (24, 0)

    @pytest.mark.parametrize("people", [40, 400])
    def test_a_batch_costs_three_queries_whatever_its_size(self, tenant, people):
        crowd.gather(tenant, people)
        wanted, policy = rules_of(tenant), MFAPolicy.objects.get(tenant=tenant)
        with CaptureQueriesContext(connection) as captured, reading_only():
            batches = list(trial.people_tried(policy, wanted, timezone.now(), batch_size=people // 2 - 1))
        assert [len(batch) for batch in batches] == [people // 2 - 1, people // 2 - 1, 2]
        assert len(captured) == 2 + 3 * len(batches), "\n".join(query["sql"] for query in captured)
        assert not any("OFFSET" in query["sql"] for query in captured)

    def test_nothing_is_written(self, tenant):
        crowd.gather(tenant, 20)
        with reading_only():
            assert len(tried(tenant, **STRICT)) == 20

    def test_they_are_known_as_the_gate_knows_them(self, tenant):
        crowd.gather(tenant, 40)
        people = list(User.objects.filter(tenant=tenant).select_related("tenant"))
        known = facts.gather_many(people)
        for person in people:
            assert known[person.pk] == facts.situation(User.objects.get(pk=person.pk)).facts

    def test_both_sides_are_judged_at_one_moment(self, tenant):
        """A version that waits for its confirmation is what they are compared with until its time, and not after."""
        UserFactory(tenant=tenant)
        lenient = document(enforcement="optional")
        publish.publish(tenant.policy, lenient, actor=None, reason="x", until_confirmed=True)
        policy = MFAPolicy.objects.get(tenant=tenant)
        ends = policy.confirm_by
        for now, ending in [(ends - timedelta(seconds=1), Ending.PASSES), (ends, Ending.MUST_ENROL)]:
            (one,) = tried(tenant, now=now, enforcement="optional")
            assert (one.before.ending, one.after.ending) == (ending, Ending.PASSES)
            assert one.before.decision.at == one.after.decision.at == now

    def test_where_no_policy_is_in_force_nobody_gets_in_today(self):
        policy = MFAPolicy.objects.create(tenant=Tenant.objects.create(name="New", slug="new"), code="pol-new")
        UserFactory(tenant=policy.tenant)
        (one,) = tried(policy.tenant, enforcement="optional")
        assert (one.before.ending, one.after.ending) == (Ending.DENIED, Ending.PASSES)

    def test_what_somebody_owns_and_is_in_decides_for_each(self, tenant):
        owner, stranger = UserFactory(tenant=tenant), UserFactory(tenant=tenant)
        enrol_totp(owner)
        endings = {one.person: (one.before.ending, one.after.ending) for one in tried(tenant, **STRICT)}
        assert endings == {
            owner: (Ending.ASKED, Ending.MUST_ENROL),
            stranger: (Ending.MUST_ENROL, Ending.MUST_ENROL),
        }


class TestTheTally:
    def test_it_counts_what_was_tried(self, tenant):
        crowd.gather(tenant, 200)
        tally = Tally()
        for batch in trial.people_tried(tenant.policy, rules_of(tenant, **STRICT), timezone.now(), batch_size=64):
            tally.add(batch)
        assert tally.people == tally.before.total() == tally.after.total() == tally.moves.total() == 200
        assert tally.before == {Ending.ASKED: 130, Ending.MUST_ENROL: 60, Ending.DENIED: 10}
        assert tally.after[Ending.MUST_ENROL] > 100
        assert {role: counted.total() for role, counted in tally.by_role.items()} == {"user": 198, "administrator": 2}
        assert tally.changed == tally.moves[Ending.ASKED, Ending.MUST_ENROL] > trial.KEPT

    def test_it_holds_no_more_people_however_many_are_stopped(self, tenant):
        crowd.gather(tenant, 200)
        everybody = tried(tenant, **STRICT)
        tally = Tally()
        tally.add(everybody)
        assert tally.newly_stopped == [one for one in everybody if one.is_newly_stopped][: trial.KEPT]
        assert len(tally.newly_stopped) == trial.KEPT


@pytest.fixture
def person(tenant) -> User:
    """Somebody who signed in with an app."""
    person = UserFactory(tenant=tenant)
    verified_client(person).get("/")
    return person


def one_row(person: User) -> DecidedSignIn:
    return DecidedSignIn.objects.get(person_id=person.pk)


class TestPastSignIns:
    def test_each_is_judged_by_the_new_rules_on_its_own_facts(self, tenant, person):
        (one,) = replayed(tenant, **STRICT)
        assert (one.row.person_id, one.before, one.after.outcome) == (person.pk, Outcome.ALLOW, Outcome.ENROL)
        assert one.after.at == one.row.at
        assert one.has_changed and one.is_newly_stopped and not one.is_question

    @pytest.mark.security(86)
    def test_what_happened_since_moves_nothing(self, tenant, person, clock):
        before = [one.after for one in replayed(tenant, **STRICT)]
        Binding.objects.filter(person=person).update(unbound_at=timezone.now(), locked_at=timezone.now())
        User.objects.filter(pk=person.pk).update(role=Role.ADMINISTRATOR, is_active=False)
        Tenant.objects.filter(pk=tenant.pk).update(is_active=False)
        clock.forward(timedelta(days=3))
        assert [one.after for one in replayed(tenant, **STRICT)] == before
        User.objects.filter(pk=person.pk).delete()
        assert [one.after for one in replayed(tenant, **STRICT)] == before

    def test_each_at_its_own_time(self, tenant, person):
        """An exclude that has ended by now had not ended then."""
        row = one_row(person)
        until = (row.at + timedelta(milliseconds=1)).isoformat()
        exclude = {"kind": "person", "value": str(person.pk), "reason": "away", "until": until}
        DecidedSignIn.objects.filter(pk=row.pk).update(
            facts=row.facts | {"enrolled": [], "proofs": row.facts["proofs"][:1]}
        )
        for name, outcome in [(until, Outcome.ALLOW), (row.at.isoformat(), Outcome.ENROL)]:
            (one,) = replayed(tenant, excludes=[exclude | {"until": name}], grace_days=0)
            assert one.after.outcome is outcome

    @pytest.mark.parametrize(
        "change",
        [
            {"facts": {"schema": 99}},
            {"facts": {}},
            {"facts": []},
            {"facts": {"schema": 1, "person": "somebody"}},
            {"outcome": "maybe"},
        ],
        ids=["another schema", "nothing", "a list", "half", "an outcome that is none"],
    )
    def test_what_cannot_be_read_is_counted_and_not_guessed(self, tenant, person, change):
        DecidedSignIn.objects.update(**change)
        (one,) = replayed(tenant)
        assert (one.before, one.after, one.has_changed, one.is_newly_stopped) == (None, None, False, False)
        tally = ReplayTally()
        tally.add([one])
        assert (tally.unreadable, tally.sign_ins, tally.changed, tally.moves.total()) == (1, 0, 0, 0)

    def test_those_of_this_tenant_and_of_thirty_days(self, tenant, person):
        other = UserFactory(tenant=TenantFactory())
        verified_client(other).get("/")
        assert len(replayed(tenant)) == trial.size(tenant.policy)[1] == 1
        DecidedSignIn.objects.update(at=timezone.now() - timedelta(days=29, hours=23))
        assert len(replayed(tenant)) == 1
        assert len(replayed(tenant, days=7)) == 0
        DecidedSignIn.objects.update(at=timezone.now() - timedelta(days=30))
        assert len(replayed(tenant)) == trial.size(tenant.policy)[1] == 0

    def test_many_of_one_moment_come_once_each_in_constant_queries(self, tenant, person):
        row = one_row(person)
        copies = [
            DecidedSignIn(
                tenant=tenant,
                person_id=row.person_id,
                session=row.session,
                at=at,
                facts=row.facts,
                outcome=row.outcome,
                reasons=[],
            )
            for at in [row.at] * 6 + [row.at - timedelta(days=1)] * 4
        ]
        DecidedSignIn.objects.bulk_create(copies)
        for batch_size in (1, 3, 4, 11, 1000):
            found = [one.row.pk for one in replayed(tenant, batch_size=batch_size)]
            assert sorted(found) == sorted(DecidedSignIn.objects.values_list("pk", flat=True))
            assert len(found) == 11
        wanted, now = rules_of(tenant), timezone.now()
        with CaptureQueriesContext(connection) as captured, reading_only():
            assert len(list(trial.sign_ins_replayed(tenant.policy, wanted, now, batch_size=4))) == len(captured) == 3

    def test_the_tally_counts_questions_apart(self, tenant, person):
        row = one_row(person)
        question = receipts.stored(receipts.facts_from(row.facts | {"proofs": row.facts["proofs"][:1]}))
        DecidedSignIn.objects.create(
            tenant=tenant,
            person_id=person.pk,
            session=row.session,
            at=row.at,
            facts=question,
            outcome="step_up",
            reasons=["second_factor_owed"],
        )
        tally = ReplayTally()
        tally.add(replayed(tenant, **STRICT))
        assert (tally.sign_ins, tally.asked, tally.changed, tally.unreadable) == (1, 1, 1, 0)
        assert tally.moves == {(Outcome.STEP_UP, Outcome.STEP_UP): 1, (Outcome.ALLOW, Outcome.ENROL): 1}
        assert [one.row.pk for one in tally.newly_stopped] == [row.pk]
