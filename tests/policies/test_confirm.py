"""A version that waits for its confirmation: in force at once, and out of force at its time unless it is confirmed."""

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.errors import NotAllowed, NotFresh
from accounts.models import Tenant, User
from audit.models import AuditEvent
from policies import facts
from policies.errors import NothingToConfirm, NotShown, SignedInBefore
from policies.flows import confirm, publish
from policies.models import MFAPolicy, PolicyVersion
from policies.rollout import trial
from tests.accounts.test_verification import in_parallel
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
)
from tests.policies.publishing_scene import (
    administrator,
    document,
    events,
    fresh_session,
    give_key,
    in_force,
    numbers,
    published,
    session_in,
)

pytestmark = pytest.mark.django_db

UNTIL_CONFIRMED = {"until_confirmed": True}
LENIENT = {"enforcement": "optional"}
STRICT = {"enforcement": "required", "grace_days": 0}
A_MOMENT = timedelta(seconds=2)
ENROL = reverse("mfa_enrol")


@pytest.fixture
def actor() -> User:
    """Of a tenant whose policy demands nothing."""
    return administrator(TenantFactory(rules=LENIENT))


def policy_of(person: User) -> MFAPolicy:
    return MFAPolicy.objects.get(tenant=person.tenant_id)


def moment_of(event: AuditEvent, field: str) -> datetime:
    return datetime.fromisoformat(event.payload[field])


def wait_until_shortly_before(moment: datetime, clock) -> None:
    clock.forward(moment - clock.now() - A_MOMENT)


def confirmed(actor: User, by: User | None = None, session=None) -> None:
    by = by or actor
    confirm.confirm(policy_of(actor), actor=by, session=session or fresh_session(by))


def is_let_in(client: Client) -> bool:
    """Whether this session reaches the front page; if not, it is led to enrolment."""
    response = client.get(reverse("home"))
    assert response.status_code == 200 or response["Location"].startswith(ENROL)
    return response.status_code == 200


class TestByTheClockAlone:
    def test_it_is_in_force_at_once_and_for_exactly_fifteen_minutes(self, actor):
        version = published(actor, how=UNTIL_CONFIRMED, **STRICT)
        policy = policy_of(actor)
        assert policy.confirm_by == version.created_at + timedelta(minutes=15)
        assert moment_of(events("policy:published", actor.tenant)[-1], "confirm_by") == policy.confirm_by
        for moment, number in [
            (version.created_at, 2),
            (policy.confirm_by - timedelta(microseconds=1), 2),
            (policy.confirm_by, 1),
            (policy.confirm_by + timedelta(days=900), 1),
        ]:
            assert publish.number_in_force(policy, moment) == number
            assert trial.rules_at(policy, moment).version == number

    def test_every_request_is_judged_by_whichever_is_in_force_and_nothing_is_written(self, actor, clock):
        client = client_of(UserFactory(tenant=actor.tenant))
        assert is_let_in(client)
        published(actor, how=UNTIL_CONFIRMED, **STRICT)
        policy = policy_of(actor)
        assert not is_let_in(client)
        wait_until_shortly_before(policy.confirm_by, clock)
        assert not is_let_in(client)
        clock.forward(2 * A_MOMENT)
        assert is_let_in(client)
        assert (
            facts.rules_of(actor.tenant_id).version
            == facts.rules_by_tenant([actor.tenant_id])[actor.tenant_id].version
            == 1
        )
        assert (policy_of(actor).version, policy_of(actor).confirm_by) == (2, policy.confirm_by)
        assert not events("policy:reverted", actor.tenant)

    def test_a_grant_given_under_it_ends_with_it(self, clock):
        """What was let in by a version that nobody confirmed is judged by the one before."""
        actor = administrator(TenantFactory(rules=STRICT))
        client = client_of(UserFactory(tenant=actor.tenant))
        assert not is_let_in(client)
        published(actor, how=UNTIL_CONFIRMED, **LENIENT)
        policy = policy_of(actor)
        assert is_let_in(client)
        assert session_in(client).row.grant_valid_until == policy.confirm_by
        wait_until_shortly_before(policy.confirm_by, clock)
        assert is_let_in(client)
        clock.forward(2 * A_MOMENT)
        assert not is_let_in(client)

    def test_whoever_signs_in_after_its_time_is_judged_by_the_one_before(self, actor, clock):
        published(actor, how=UNTIL_CONFIRMED, **STRICT)
        clock.forward(timedelta(minutes=15))
        client = client_of(UserFactory(tenant=actor.tenant))
        assert is_let_in(client)
        row = session_in(client).row
        assert (row.grant_policy_version, row.grant_valid_until) == (2, None)
        assert is_let_in(client)


class TestConfirming:
    @pytest.fixture(autouse=True)
    def waiting(self, actor) -> None:
        published(actor, how=UNTIL_CONFIRMED, **STRICT)

    def test_by_a_session_made_after_it_keeps_it_for_good(self, actor, clock):
        confirmed(actor)
        clock.forward(timedelta(days=1))
        assert in_force(actor.tenant) == facts.rules_of(actor.tenant_id).version == 2
        (event,) = events("policy:confirmed", actor.tenant)
        assert (event.payload["version"], event.actor_id) == (2, str(actor.pk))
        policy = policy_of(actor)
        assert (policy.confirm_by, policy.fallback_version) == (None, None)

    def test_another_administrator_of_the_tenant_may(self, actor):
        confirmed(actor, by=administrator(actor.tenant))
        assert policy_of(actor).confirm_by is None

    def test_there_is_nothing_to_confirm_twice(self, actor):
        confirmed(actor)
        with pytest.raises(NothingToConfirm):
            confirmed(actor)

    @pytest.mark.security(51)
    def test_it_takes_a_fresh_factor(self, actor, clock):
        client = client_of(actor, password_proof())
        with pytest.raises(NotFresh):
            confirmed(actor, session=session_in(client))
        client = client_of(actor, password_proof(), proof_of(live_binding(actor)))
        clock.forward(timedelta(minutes=6))
        with pytest.raises(NotFresh):
            confirmed(actor, session=session_in(client))
        assert policy_of(actor).confirm_by is not None

    @pytest.mark.security(84)
    def test_only_who_answers_for_the_tenant_may(self, actor):
        member = UserFactory(tenant=actor.tenant)
        enrol_totp(member)
        for stranger in (member, administrator()):
            with pytest.raises(NotAllowed):
                confirmed(actor, by=stranger)
        assert policy_of(actor).confirm_by is not None

    def test_somebody_elses_session_confirms_nothing(self, actor):
        with pytest.raises(NotFresh):
            confirmed(actor, session=fresh_session(administrator(actor.tenant)))

    def test_not_after_its_time(self, actor, clock):
        clock.forward(timedelta(minutes=15))
        with pytest.raises(NothingToConfirm):
            confirmed(actor)
        assert in_force(actor.tenant) == 1


class TestWhoShowsThatAdministratorsGetIn:
    """Only one of the tenant's own, by what they own under the version that waits."""

    def test_not_a_platform_administrator_of_another_tenant(self, actor):
        published(actor, how=UNTIL_CONFIRMED, **STRICT)
        with pytest.raises(NotShown):
            confirmed(actor, by=administrator(is_superuser=True))
        assert policy_of(actor).confirm_by is not None
        assert not events("policy:confirmed", actor.tenant)

    def test_unless_the_tenant_has_nobody(self):
        tenant, root = TenantFactory(rules=LENIENT), administrator(is_superuser=True)
        published(root, policy=tenant.policy, how=UNTIL_CONFIRMED, **STRICT)
        administrator(tenant, is_active=False)
        policy = MFAPolicy.objects.get(tenant=tenant)
        confirm.confirm(policy, actor=root, session=fresh_session(root))
        assert MFAPolicy.objects.get(tenant=tenant).confirm_by is None
        (event,) = events("policy:confirmed", tenant)
        assert event.actor_id == str(root.pk)

    def test_a_platform_administrator_of_the_tenant_itself_may(self):
        root = administrator(TenantFactory(rules=LENIENT), is_superuser=True)
        published(root, how=UNTIL_CONFIRMED, **STRICT)
        confirmed(root)
        assert policy_of(root).confirm_by is None

    def test_not_on_days_of_grace(self, actor):
        User.objects.filter(pk=actor.pk).update(known_since=timezone.now() - timedelta(days=1))
        actor.refresh_from_db()
        holder = administrator(actor.tenant)
        give_key(holder)
        days = {"strength": {"administrator": "phishing_resistant"}, "administrators_grace_days": 7}
        published(actor, how=UNTIL_CONFIRMED, **days)
        with pytest.raises(NotShown):
            confirmed(actor)
        assert policy_of(actor).confirm_by is not None

    def test_not_by_an_account_for_emergencies(self, actor):
        emergency = AdministratorFactory(tenant=actor.tenant)
        key = give_key(emergency)
        published(actor, how=UNTIL_CONFIRMED, break_glass=[str(emergency.pk)])
        session = session_in(client_of(emergency, password_proof(), proof_of(key)))
        with pytest.raises(NotShown):
            confirmed(actor, by=emergency, session=session)
        confirmed(actor)


def test_the_session_that_published_confirms_nothing(actor):
    """It shows nothing about signing in under the new version."""
    session = fresh_session(actor)
    published(actor, session=session, how=UNTIL_CONFIRMED, **STRICT)
    with pytest.raises(SignedInBefore):
        confirmed(actor, session=session)
    assert policy_of(actor).confirm_by is not None


def test_a_session_that_never_signed_in_confirms_nothing(actor):
    session = fresh_session(actor)
    published(actor, how=UNTIL_CONFIRMED, **STRICT)
    session.change(signed_in_at=None)
    with pytest.raises(SignedInBefore):
        confirmed(actor, session=session)


class TestWhatALapsedVersionLeaves:
    def test_its_end_is_recorded_once(self, actor, clock):
        published(actor, how=UNTIL_CONFIRMED, **STRICT)
        policy = policy_of(actor)
        confirm.settle(policy)
        assert not events("policy:reverted", actor.tenant)
        clock.forward(timedelta(minutes=20))
        confirm.settle(policy)
        confirm.settle(policy)
        (event,) = events("policy:reverted", actor.tenant)
        assert (event.payload["version"], event.payload["previous_version"]) == (1, 2)
        assert (moment_of(event, "since"), event.actor_label) == (policy.confirm_by, "system")
        settled = policy_of(actor)
        assert (settled.version, settled.confirm_by, settled.fallback_version) == (1, None, None)

    def test_the_command_records_it_and_looking_first_records_nothing(self, actor, clock, capsys):
        published(actor, how=UNTIL_CONFIRMED, **STRICT)
        call_command("settle_policies")
        clock.forward(timedelta(minutes=20))
        call_command("settle_policies", "--dry-run")
        assert not events("policy:reverted", actor.tenant)
        call_command("settle_policies")
        call_command("settle_policies")
        said = capsys.readouterr().out.splitlines()
        assert [line for line in said if line[0].isdigit()] == ["0 recorded", "1 to record", "1 recorded", "0 recorded"]
        assert f"{policy_of(actor).code}: version 2 was not confirmed by" in said[1]
        assert len(events("policy:reverted", actor.tenant)) == 1

    def test_the_next_version_has_the_next_number_and_follows_the_one_in_force(self, actor, clock):
        published(actor, how=UNTIL_CONFIRMED, **STRICT)
        clock.forward(timedelta(minutes=20))
        version = published(actor, how={"based_on": 1}, **STRICT)
        assert (version.number, in_force(actor.tenant)) == (3, 3)
        assert events("policy:published", actor.tenant)[-1].payload["previous_version"] == 1
        assert len(events("policy:reverted", actor.tenant)) == 1

    @pytest.mark.security(62)
    def test_enforcement_begins_with_the_first_version_that_stays(self, actor, clock):
        lapsed = published(actor, how=UNTIL_CONFIRMED, **STRICT)
        assert lapsed.enforced_since == lapsed.created_at
        clock.forward(timedelta(minutes=20))
        assert facts.rules_of(actor.tenant_id).enforced_since is None
        version = published(actor, **STRICT)
        assert version.enforced_since == version.created_at

    def test_what_comes_back_is_never_itself_unconfirmed(self, actor, clock):
        published(actor, how=UNTIL_CONFIRMED, **STRICT)
        clock.forward(timedelta(minutes=10))
        published(actor, how=UNTIL_CONFIRMED, enforcement="always")
        clock.forward(timedelta(minutes=10))
        assert in_force(actor.tenant) == 3
        clock.forward(timedelta(minutes=10))
        assert in_force(actor.tenant) == facts.rules_of(actor.tenant_id).version == 1

    def test_a_publish_for_good_ends_the_wait(self, actor, clock):
        published(actor, how=UNTIL_CONFIRMED, **STRICT)
        published(actor, enforcement="always")
        clock.forward(timedelta(minutes=20))
        assert in_force(actor.tenant) == 3


def test_a_tenants_first_version_waits_for_nobody():
    policy = MFAPolicy.objects.create(tenant=Tenant.objects.create(name="New", slug="new"), code="pol-new")
    publish.publish(policy, document(), actor=None, reason="x", until_confirmed=True)
    assert MFAPolicy.objects.get(pk=policy.pk).confirm_by is None


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", [{}, UNTIL_CONFIRMED], ids=["for good", "until confirmed"])
def test_a_publish_beside_a_confirmation_leaves_one_of_two_states(how):
    """Whoever is second acts on what the first left: nobody confirms what they have not seen."""
    actor = administrator(TenantFactory(rules=LENIENT))
    published(actor, how=UNTIL_CONFIRMED, **STRICT)
    policy, sessions = policy_of(actor), [fresh_session(actor), fresh_session(actor)]
    outcomes = in_parallel(
        2,
        lambda n: (
            confirm.confirm(policy, actor=actor, session=sessions[0])
            if n
            else published(actor, policy=policy, session=sessions[1], how=how, enforcement="always")
        ),
    )
    refusal = {"SignedInBefore"} if how else {"NothingToConfirm"}
    assert set(outcomes) <= {"", *refusal} and outcomes.count("") >= 1
    after = policy_of(actor)
    was_confirmed = outcomes == ["", ""]
    assert (after.version, numbers(policy)) == (3, [1, 2, 3])
    assert len(events("policy:confirmed", actor.tenant)) == was_confirmed
    assert after.fallback_version == ((2 if was_confirmed else 1) if how else None)
    assert PolicyVersion.objects.get(policy=policy, number=3).document["enforcement"] == "always"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_end_of_a_version_is_recorded_once_however_many_notice(clock):
    actor = administrator(TenantFactory(rules=LENIENT))
    published(actor, how=UNTIL_CONFIRMED, **STRICT)
    policy = policy_of(actor)
    clock.forward(timedelta(minutes=16))
    assert set(in_parallel(10, lambda _: confirm.settle(policy))) == {""}
    assert len(events("policy:reverted", actor.tenant)) == 1
