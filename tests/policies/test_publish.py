"""Publishing: numbered, immutable, recorded, in force at once, never longer grace; and what is refused."""

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone

from accounts.errors import NotAllowed, NotFresh
from accounts.models import Binding, Role, Tenant, TenantDomain, User
from audit.models import AuditEvent
from policies import facts
from policies.document import DocumentError
from policies.engine import Enforcement
from policies.errors import LocksOut, OwnFactorFirst, ReasonMissing, StaleDraft, TestsFail
from policies.flows import publish, tenants
from policies.models import MFAPolicy, PolicyVersion
from tests.accounts.test_verification import in_parallel
from tests.factories import (
    AdministratorFactory,
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
from tests.policies.publishing_scene import (
    administrator,
    document,
    events,
    fresh_session,
    give_key,
    in_force,
    numbers,
    published,
)

pytestmark = pytest.mark.django_db

ASSERTION = {
    "name": "A member with an app gets in",
    "role": "user",
    "methods": ["totp"],
    "groups": [],
    "source": "password",
    "known": "before",
    "expect": "allowed",
}


def exclude_of(person: User, days: int = 10) -> dict[str, str]:
    until = timezone.now() + timedelta(days=days)
    return {"kind": "person", "value": str(person.pk), "reason": "away", "until": until.isoformat()}


def refused(actor: User, code: str) -> bool:
    """Whether exactly one refusal of this actor is on record, with this code."""
    found = AuditEvent.objects.filter(kind="policy:publish_refused", actor_id=str(actor.pk))
    return [(event.payload["code"], event.outcome) for event in found] == [(code, "refused")]


def test_every_publish_is_a_numbered_version_with_author_and_reason():
    actor = administrator()
    version = published(actor, reason=" shorter ", grace_days=3)
    assert (version.number, version.author_label, version.reason) == (2, actor.email, "shorter")
    tenant = Tenant.objects.get(pk=actor.tenant_id)
    assert tenant.policy_version == tenant.policy.version == 2
    event = AuditEvent.objects.get(kind="policy:published", payload__version=2)
    assert (event.payload["before"]["grace_days"], event.payload["after"]["grace_days"]) == (14, 3)
    assert facts.rules_of(tenant.pk).grace_days == 3


def test_a_version_never_changes():
    version = PolicyVersion.objects.get(policy__tenant=TenantFactory())
    version.reason = "another"
    with pytest.raises(TypeError):
        version.save()
    with pytest.raises(IntegrityError):
        PolicyVersion.objects.bulk_create(
            [PolicyVersion(policy=version.policy, number=1, schema=2, document={}, enabled=True)]
        )


def test_two_editors_the_second_is_told():
    actor = administrator()
    published(actor, grace_days=3, how={"based_on": 1})
    with pytest.raises(StaleDraft):
        published(actor, grace_days=4, how={"based_on": 1})
    assert facts.rules_of(actor.tenant_id).grace_days == 3


@pytest.mark.parametrize(
    ("error", "reason", "rules"),
    [
        (DocumentError, "x", {"grace_days": -1}),
        (DocumentError, "x" * 501, {}),
        (ReasonMissing, " ", {}),
        (ValueError, "x", {"how": {"mode": "later"}}),
    ],
    ids=["a number out of bounds", "a reason too long", "no reason", "no such mode"],
)
def test_what_is_wrong_is_refused_whole(error, reason, rules):
    actor = administrator()
    with pytest.raises(error):
        published(actor, reason=reason, **rules)
    assert (in_force(actor.tenant), numbers(actor.tenant.policy)) == (1, [1])


@pytest.mark.security(84)
def test_only_those_who_answer_for_the_tenant_publish():
    tenant, default = TenantFactory(), Tenant.objects.get(is_default=True)
    member = UserFactory(tenant=tenant)
    enrol_totp(member)
    strangers = [(administrator(), tenant.policy), (member, tenant.policy)]
    strangers += [(administrator(default), default.policy)]  # it binds the platform's administrators too
    for actor, policy in strangers:
        with pytest.raises(NotAllowed):
            published(actor, policy=policy)
        assert refused(actor, "not_allowed")
        assert events("policy:publish_refused", policy.tenant)[-1].actor_id == str(actor.pk)
    published(administrator(default, is_superuser=True), policy=default.policy)
    assert in_force(tenant) == 1


class TestTheProof:
    """A publish takes a factor, proved by whoever publishes, in this session, just now."""

    @pytest.fixture
    def actor(self) -> User:
        return administrator()

    def publish(self, actor, session):
        return publish.publish(actor.tenant.policy, document(), actor=actor, session=session, reason="x")

    @pytest.mark.security(51)
    def test_without_a_session_there_is_none(self, actor):
        with pytest.raises(NotFresh):
            self.publish(actor, None)

    @pytest.mark.security(51)
    def test_a_password_is_none(self, actor):
        with pytest.raises(NotFresh):
            self.publish(actor, session_of(actor))

    @pytest.mark.security(51)
    def test_a_factor_of_six_minutes_ago_is_none(self, actor):
        old = proof_of(live_binding(actor), at=timezone.now() - timedelta(minutes=6))
        with pytest.raises(NotFresh):
            self.publish(actor, session_of(actor, password_proof(), old))
        refusal = AuditEvent.objects.get(kind="policy:publish_refused")
        assert (refusal.actor_id, refusal.payload["code"]) == (str(actor.pk), "not_fresh")

    @pytest.mark.security(51)
    def test_somebody_elses_is_none(self, actor):
        with pytest.raises(NotFresh):
            self.publish(actor, fresh_session(administrator(actor.tenant)))

    @pytest.mark.security(51)
    def test_who_owns_no_factor_publishes_nothing(self):
        """Where nothing is enrolled a password is fresh enough to enrol, and for that alone."""
        actor = AdministratorFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))
        with pytest.raises(OwnFactorFirst):
            self.publish(actor, session_of(actor))
        assert numbers(actor.tenant.policy) == [1]
        assert AuditEvent.objects.get(kind="policy:publish_refused").payload["code"] == "own_factor_first"


class TestTheFloor:
    @pytest.mark.security(71)
    def test_a_tenant_publishes_nothing_below_it(self, settings):
        settings.MFA_POLICY_FLOOR = '{"enforcement": "required", "grace_days": 7}'
        actor = administrator()
        with pytest.raises(DocumentError) as refusal:
            published(actor, grace_days=8)
        assert set(refusal.value.errors) == {"grace_days"}
        with pytest.raises(DocumentError) as refusal:
            published(actor, grace_days=7, how={"enabled": False})
        assert set(refusal.value.errors) == {"enabled"}
        assert published(actor, grace_days=7).number == 2

    def test_it_may_forbid_excludes(self, settings):
        settings.MFA_POLICY_FLOOR = '{"excludes": []}'
        actor = administrator()
        with pytest.raises(DocumentError) as refusal:
            published(actor, excludes=[exclude_of(UserFactory(tenant=actor.tenant))])
        assert set(refusal.value.errors) == {"excludes"}


class TestSomebodyIsLeft:
    """Of those who answer for the tenant one gets in by what they own, or the publish is refused by name."""

    KEYS = {"strength": {"administrator": "phishing_resistant"}}

    @pytest.fixture
    def actor(self) -> User:
        return administrator()

    def assert_refused(self, actor, *left_out, **rules):
        with pytest.raises(LocksOut) as refusal:
            published(actor, **rules)
        assert refusal.value.people == sorted(left_out or [actor], key=lambda person: person.email)
        assert all(person.email in str(refusal.value) for person in left_out)
        assert refused(actor, "locks_out")
        assert in_force(actor.tenant) == 1

    def test_nobody_owns_what_is_demanded(self, actor):
        other = AdministratorFactory(tenant=actor.tenant)
        UserFactory(tenant=actor.tenant)
        AdministratorFactory(tenant=actor.tenant, is_active=False)
        self.assert_refused(actor, actor, other, **self.KEYS)

    def test_one_who_gets_in_is_enough(self, actor):
        give_key(AdministratorFactory(tenant=actor.tenant))
        assert published(actor, **self.KEYS).number == 2

    def test_grace_does_not_count(self, actor):
        self.assert_refused(actor, actor, administrators_grace_days=30, **self.KEYS)

    def test_what_is_locked_does_not_count(self, actor):
        session = fresh_session(actor)
        Binding.objects.update(locked_at=timezone.now())
        self.assert_refused(actor, actor, session=session)

    def test_recovery_codes_alone_do_not_count(self, actor):
        other = administrator(actor.tenant)
        enrol_recovery_codes(other)
        Binding.objects.filter(person=other, kind="totp").update(unbound_at=timezone.now())
        self.assert_refused(actor, actor, other, allowed=["webauthn", "recovery_code"])

    def test_a_key_that_the_policy_does_not_take_does_not_count(self, actor):
        give_key(actor, backup_eligible=True)
        self.assert_refused(actor, actor, synced_passkeys=False, **self.KEYS)

    def test_an_account_for_emergencies_does_not_count(self, actor):
        emergency = AdministratorFactory(tenant=actor.tenant)
        give_key(emergency)
        self.assert_refused(actor, actor, emergency, break_glass=[str(emergency.pk)], **self.KEYS)

    def test_of_the_default_tenant_only_the_platforms_administrators_count(self):
        default = Tenant.objects.get(is_default=True)
        give_key(AdministratorFactory(tenant=default))
        actor = administrator(default, is_superuser=True)
        with pytest.raises(LocksOut) as refusal:
            published(actor, **self.KEYS)
        assert refusal.value.people == [actor]

    def test_a_tenant_without_administrators_is_not_refused(self):
        root, tenant = administrator(is_superuser=True), TenantFactory()
        UserFactory(tenant=tenant)
        assert published(root, policy=tenant.policy, **self.KEYS).number == 2

    def test_a_tenant_that_is_switched_off_can_be_set_right(self, actor):
        Tenant.objects.filter(pk=actor.tenant_id).update(is_active=False)
        root = administrator(Tenant.objects.get(is_default=True), is_superuser=True)
        assert published(root, policy=actor.tenant.policy).number == 2


class TestPolicyTests:
    def test_those_that_hold_are_kept_with_the_policy(self):
        actor = administrator()
        assert published(actor, tests=[ASSERTION]).document["tests"] == [ASSERTION]

    def test_one_that_does_not_refuses_by_its_name(self):
        actor = administrator()
        give_key(actor)
        with pytest.raises(TestsFail) as refusal:
            published(actor, tests=[ASSERTION], allowed=["webauthn"])
        assert refusal.value.names == [ASSERTION["name"]]
        assert ASSERTION["name"] in str(refusal.value)
        assert refused(actor, "tests_fail")
        assert in_force(actor.tenant) == 1

    def test_they_run_at_every_publish_and_on_trial_too(self):
        actor = administrator()
        with pytest.raises(TestsFail):
            published(actor, tests=[ASSERTION | {"expect": "must_enrol"}], how={"mode": "report"})


class TestWhoIsNamed:
    """Excludes and accounts for emergencies are of this tenant, and excludes never of an administrator."""

    @pytest.fixture
    def actor(self) -> User:
        return administrator()

    def assert_misnamed(self, actor, field, **rules):
        with pytest.raises(DocumentError) as refusal:
            published(actor, **rules)
        assert set(refusal.value.errors) == {field}
        assert in_force(actor.tenant) == 1

    def test_a_member_may_be_excluded_for_a_time(self, actor):
        assert published(actor, excludes=[exclude_of(UserFactory(tenant=actor.tenant))]).number == 2

    def test_an_administrator_never(self, actor):
        self.assert_misnamed(actor, "excludes", excludes=[exclude_of(actor)])
        superuser = UserFactory(tenant=actor.tenant, is_superuser=True)
        self.assert_misnamed(actor, "excludes", excludes=[exclude_of(superuser)])

    @pytest.mark.security(84)
    def test_nobody_of_another_tenant(self, actor):
        self.assert_misnamed(actor, "excludes", excludes=[exclude_of(UserFactory(tenant=TenantFactory()))])

    def test_nobody_for_longer_than_a_year(self, actor):
        self.assert_misnamed(actor, "excludes", excludes=[exclude_of(UserFactory(tenant=actor.tenant), days=367)])

    @pytest.mark.security(84)
    def test_no_emergencies_of_another_tenant(self, actor):
        stranger = administrator()
        give_key(stranger)
        self.assert_misnamed(actor, "break_glass", break_glass=[str(stranger.pk)])

    def test_no_emergencies_without_a_key_that_works(self, actor):
        self.assert_misnamed(actor, "break_glass", break_glass=[str(administrator(actor.tenant).pk)])
        locked = administrator(actor.tenant)
        Binding.objects.filter(pk=give_key(locked).pk).update(locked_at=timezone.now())
        self.assert_misnamed(actor, "break_glass", break_glass=[str(locked.pk)])
        gone = administrator(actor.tenant)
        give_key(gone)
        User.objects.filter(pk=gone.pk).update(is_active=False)
        self.assert_misnamed(actor, "break_glass", break_glass=[str(gone.pk)])

    def test_a_member_who_becomes_an_administrator_loses_the_exclude(self, actor):
        member = UserFactory(tenant=actor.tenant)
        published(actor, excludes=[exclude_of(member)], grace_days=0)
        assert not facts.mfa_required(member)
        User.objects.filter(pk=member.pk).update(role=Role.ADMINISTRATOR)
        assert facts.mfa_required(User.objects.get(pk=member.pk))


@pytest.mark.security(62)
def test_off_and_on_again_restores_the_level_and_lengthens_no_grace(clock):
    tenant = TenantFactory(rules={"enforcement": "always", "grace_days": 5})
    since = facts.rules_of(tenant.pk).enforced_since
    assert since is not None
    publish_rules(tenant, enabled=False, enforcement="always", grace_days=5)
    assert not facts.rules_of(tenant.pk).enabled
    clock.forward(timedelta(days=3))
    publish_rules(tenant, enabled=True, enforcement="always", grace_days=5)
    rules = facts.rules_of(tenant.pk)
    assert (rules.enforced_since, rules.enforcement) == (since, Enforcement.ALWAYS)
    kinds = list(AuditEvent.objects.filter(tenant_id=tenant.pk).values_list("kind", flat=True))
    assert {"policy:switched_off", "policy:switched_on"} <= set(kinds)


def test_without_a_policy_nobody_gets_in():
    person = UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))
    client = client_of(person)
    assert client.get(reverse("home")).status_code == 200
    person.tenant.policy.delete()
    Tenant.objects.filter(pk=person.tenant_id).update(policy_version=99)
    response = client.get(reverse("home"))
    assert response.status_code == 403
    assert b"no rules" in response.content


def test_switching_a_tenant_off_bites_on_the_next_request():
    root = AdministratorFactory(is_superuser=True)
    person = UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))
    client = client_of(person)
    assert client.get(reverse("home")).status_code == 200
    tenants.change(person.tenant, actor=root, is_active=False)
    response = client.get(reverse("home"))
    assert response.status_code == 403
    assert b"the service desk" in response.content
    assert AuditEvent.objects.filter(kind="tenant:deactivated").exists()
    assert client.post(reverse("account_logout"))["Location"] == reverse("account_login")


def test_tenants_are_changed_only_by_their_own_and_switched_only_by_the_platform():
    tenant, other = TenantFactory(), TenantFactory()
    actor = AdministratorFactory(tenant=tenant)
    tenants.change(tenant, actor=actor, totp_issuer="Acme")
    for target, fields in ((other, {"name": "x"}), (tenant, {"is_active": False})):
        with pytest.raises(NotAllowed):
            tenants.change(target, actor=actor, **fields)
    with pytest.raises(NotAllowed):
        tenants.change(
            Tenant.objects.get(is_default=True), actor=AdministratorFactory(is_superuser=True), is_active=False
        )
    with pytest.raises(NotAllowed):
        tenants.create("New", "new", actor=actor)


def test_domains_are_the_platforms_business():
    tenant, root = TenantFactory(), AdministratorFactory(is_superuser=True)
    with pytest.raises(NotAllowed):
        tenants.set_domains(tenant, {"acme.example"}, actor=AdministratorFactory(tenant=tenant))
    tenants.set_domains(tenant, {"acme.example", "acme.test"}, actor=root)
    tenants.set_domains(tenant, {"acme.test"}, actor=root)
    assert list(TenantDomain.objects.values_list("domain", flat=True)) == ["acme.test"]
    kinds = list(AuditEvent.objects.filter(kind__startswith="domain:").values_list("kind", flat=True))
    assert sorted(kinds) == ["domain:added", "domain:added", "domain:removed"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_twenty_publishes_at_once_are_twenty_versions():
    tenant = TenantFactory()
    policy = tenant.policy
    outcomes = in_parallel(20, lambda n: publish.publish(policy, document(grace_days=n), actor=None, reason="x"))
    assert set(outcomes) == {""}
    assert numbers(policy) == list(range(1, 22))


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_two_publishes_from_one_version_the_second_is_told():
    actor = administrator()
    sessions = [fresh_session(actor), fresh_session(actor)]
    policy = MFAPolicy.objects.get(tenant=actor.tenant_id)
    outcomes = in_parallel(
        2, lambda n: published(actor, policy=policy, session=sessions[n], grace_days=n, how={"based_on": 1})
    )
    assert sorted(outcomes) == ["", "StaleDraft"]
    assert numbers(policy) == [1, 2]
    assert in_force(actor.tenant) == 2
