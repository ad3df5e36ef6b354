"""Report only: a version judged beside the one in force, which records whom it would have stopped, and stops nobody."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.errors import NotAllowed, NotFresh
from accounts.models import Tenant, User
from audit.models import AuditEvent
from policies import facts
from policies.errors import LocksOut, NothingToConfirm, ReasonMissing
from policies.flows import confirm
from policies.models import DecidedSignIn, MFAPolicy
from tests.factories import (
    PASSWORD,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_totp,
    publish_rules,
    session_of,
    verified_client,
)
from tests.policies.publishing_scene import administrator, events, fresh_session, in_force, published, session_in

pytestmark = pytest.mark.django_db

ON_TRIAL = {"mode": "report"}
STRICT = {"enforcement": "required", "grace_days": 0}
KEYS = {"strength": {"administrator": "phishing_resistant", "user": "phishing_resistant"}}


@pytest.fixture
def actor() -> User:
    """Of a tenant whose policy demands nothing."""
    return administrator(TenantFactory(rules={"enforcement": "optional"}))


@pytest.fixture
def member(actor) -> User:
    return UserFactory(tenant=actor.tenant)


def would_stop(person: User) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(kind="enforcement:would_stop", target_id=str(person.pk)).order_by("id"))


def kept(person: User) -> list[tuple[str, int | None]]:
    rows = DecidedSignIn.objects.filter(person_id=person.pk).order_by("id")
    return list(rows.values_list("outcome", "would_stop"))


def visit(client: Client) -> int:
    return client.get(reverse("home")).status_code


def stop_report(actor: User, **how: object) -> None:
    how = {"session": fresh_session(actor), "reason": "seen enough"} | how
    confirm.stop_report(MFAPolicy.objects.get(tenant=actor.tenant_id), actor=actor, **how)


def test_a_trial_is_beside_what_is_in_force_never_instead(actor, member):
    version = published(actor, how=ON_TRIAL, **STRICT)
    assert (version.number, version.mode, in_force(actor.tenant)) == (2, "report", 1)
    found = facts.situation(User.objects.get(pk=member.pk))
    assert (found.rules.version, found.report.version) == (1, 2)
    assert facts.rules_of(actor.tenant_id).version == 1
    assert [event.payload["version"] for event in events("policy:report_started", actor.tenant)] == [2]
    assert not events("policy:published", actor.tenant)[1:]


def test_it_stops_nobody_and_records_whom_it_would_have(actor, member):
    published(actor, how=ON_TRIAL, **STRICT)
    client = client_of(member)
    assert [visit(client) for _ in range(3)] == [200, 200, 200]
    (event,) = would_stop(member)
    assert (event.payload["decision"], event.payload["policy_version"]) == ("enrol", 2)
    assert event.payload["reasons"] == ["nothing_enrolled", "factor_required", "no_grace"]
    assert kept(member) == [("allow", 2)]
    row = DecidedSignIn.objects.get(person_id=member.pk)
    assert (row.policy_version, str(row.session)) == (1, event.payload["session"])


def test_whom_it_would_let_in_is_not_reported(actor):
    published(actor, how=ON_TRIAL, **STRICT)
    assert visit(verified_client(actor)) == 200
    assert not would_stop(actor)
    assert kept(actor)[-1] == ("allow", None)


def test_whom_the_version_in_force_stops_is_its_own_matter():
    actor = administrator(TenantFactory(rules=STRICT))
    member = UserFactory(tenant=actor.tenant)
    published(actor, how=ON_TRIAL, enforcement="always", grace_days=0)
    assert visit(client_of(member)) == 302
    assert not would_stop(member)
    assert kept(member) == [("enrol", None)]


def test_a_session_that_was_let_in_before_is_judged_anew_when_a_trial_begins(actor, member):
    client = client_of(member)
    assert visit(client) == 200
    published(actor, how=ON_TRIAL, **STRICT)
    assert Tenant.objects.get(pk=actor.tenant_id).policy_version == 2
    assert visit(client) == 200
    assert len(would_stop(member)) == 1
    assert kept(member) == [("allow", None), ("allow", 2)]


def test_every_session_and_every_version_is_reported_once(actor, member):
    published(actor, how=ON_TRIAL, **STRICT)
    one, other = client_of(member), client_of(member)
    for client in (one, other, one):
        visit(client)
    published(actor, how=ON_TRIAL, enforcement="always", grace_days=0)
    for client in (one, one):
        visit(client)
    assert [event.payload["policy_version"] for event in would_stop(member)] == [2, 2, 3]


def test_a_trial_is_not_refused_for_whom_it_would_lock_out(actor):
    """That is what it is for; the same document in force is refused."""
    assert published(actor, how=ON_TRIAL, **KEYS).number == 2
    with pytest.raises(LocksOut):
        published(actor, **KEYS)


def test_its_grace_runs_from_its_own_beginning_and_the_real_one_from_the_publish(actor, member, clock):
    trial = published(actor, how=ON_TRIAL, enforcement="required", grace_days=3)
    assert trial.enforced_since == trial.created_at
    version = published(actor, enforcement="required", grace_days=3)
    assert version.enforced_since == version.created_at > trial.created_at


def test_a_trial_goes_on_beside_another_version_in_force(actor, member):
    published(actor, how=ON_TRIAL, **STRICT)
    publish_rules(actor.tenant, enforcement="optional", idle_minutes=20)
    found = facts.situation(User.objects.get(pk=member.pk))
    assert (found.rules.version, found.report.version) == (3, 2)


def test_a_sign_in_through_the_pages_is_reported_too(actor, member):
    published(actor, how=ON_TRIAL, **STRICT)
    client = Client(HTTP_HOST="localhost")
    client.post(reverse("account_login"), {"login": member.email, "password": PASSWORD})
    assert visit(client) == 200
    assert kept(member) == [("allow", 2)]
    assert len(would_stop(member)) == 1


class TestEndingIt:
    @pytest.fixture(autouse=True)
    def on_trial(self, actor) -> None:
        published(actor, how=ON_TRIAL, **STRICT)

    def test_it_is_recorded_with_its_reason_and_reports_no_more(self, actor, member):
        stop_report(actor)
        (event,) = events("policy:report_stopped", actor.tenant)
        assert (event.payload["version"], event.payload["reason"]) == (2, "seen enough")
        assert visit(client_of(member)) == 200
        assert not would_stop(member)
        assert facts.situation(member).report is None

    def test_there_is_nothing_to_end_twice(self, actor):
        stop_report(actor)
        with pytest.raises(NothingToConfirm):
            stop_report(actor)

    @pytest.mark.security(84)
    def test_it_takes_who_answers_for_the_tenant_a_factor_and_a_reason(self, actor, member):
        enrol_totp(member)
        for error, how in [
            (NotFresh, {"session": session_of(actor)}),
            (ReasonMissing, {"reason": " "}),
        ]:
            with pytest.raises(error):
                stop_report(actor, **how)
        for stranger in (member, administrator()):
            with pytest.raises(NotAllowed):
                confirm.stop_report(
                    MFAPolicy.objects.get(tenant=actor.tenant_id),
                    actor=stranger,
                    session=fresh_session(stranger),
                    reason="x",
                )
        assert facts.situation(member).report is not None


def test_a_session_keeps_its_grant_while_neither_changes(actor, member, django_assert_num_queries):
    """Being reported on costs an ordinary request nothing."""
    published(actor, how=ON_TRIAL, **STRICT)
    client = client_of(member)
    visit(client)
    assert session_in(client).row.grant_policy_version == 2
    with django_assert_num_queries(1):
        client.get(reverse("account_set_password"))
