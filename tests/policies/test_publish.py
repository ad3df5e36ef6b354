"""Publishing: numbered, immutable, recorded, in force at once, never longer grace."""

from datetime import timedelta

import pytest
from django.urls import reverse

from accounts.errors import NotAllowed
from accounts.models import Tenant, TenantDomain
from audit.models import AuditEvent
from policies import document as documents
from policies import facts
from policies.document import DocumentError
from policies.engine import Enforcement
from policies.errors import ReasonMissing, StaleDraft
from policies.flows import publish, tenants
from policies.models import PolicyVersion
from tests.accounts.test_verification import in_parallel
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, client_of, publish_rules

pytestmark = pytest.mark.django_db


def document(**rules):
    return documents.default_document() | rules


def test_every_publish_is_a_numbered_version_with_author_and_reason():
    tenant = TenantFactory()
    actor = AdministratorFactory(tenant=tenant)
    version = publish.publish(tenant.policy, document(grace_days=3), actor=actor, reason=" shorter ")
    assert (version.number, version.author_label, version.reason) == (2, actor.email, "shorter")
    tenant.refresh_from_db()
    assert tenant.policy_version == tenant.policy.version == 2
    event = AuditEvent.objects.get(kind="policy:published", payload__version=2)
    assert (event.payload["before"]["grace_days"], event.payload["after"]["grace_days"]) == (14, 3)
    assert facts.rules_of(tenant.pk).grace_days == 3


def test_a_version_never_changes():
    version = PolicyVersion.objects.get(policy__tenant=TenantFactory())
    version.reason = "another"
    with pytest.raises(TypeError):
        version.save()


def test_two_editors_the_second_is_told():
    tenant = TenantFactory()
    publish.publish(tenant.policy, document(grace_days=3), actor=None, reason="one", based_on=1)
    with pytest.raises(StaleDraft):
        publish.publish(tenant.policy, document(grace_days=4), actor=None, reason="two", based_on=1)


def test_what_is_wrong_is_refused_whole():
    tenant = TenantFactory()
    with pytest.raises(DocumentError):
        publish.publish(tenant.policy, document(grace_days=-1), actor=None, reason="x")
    with pytest.raises(ReasonMissing):
        publish.publish(tenant.policy, document(), actor=None, reason=" ")
    tenant.policy.refresh_from_db()
    assert tenant.policy.version == 1


@pytest.mark.security(84)
def test_only_those_who_answer_for_the_tenant_publish():
    tenant = TenantFactory()
    for actor in (AdministratorFactory(tenant=TenantFactory()), UserFactory(tenant=tenant)):
        with pytest.raises(NotAllowed):
            publish.publish(tenant.policy, document(), actor=actor, reason="x")
        assert AuditEvent.objects.filter(kind="policy:publish_refused", actor_id=str(actor.pk)).exists()
    default = Tenant.objects.get(is_default=True)
    with pytest.raises(NotAllowed):  # it binds the platform's administrators too
        publish.publish(default.policy, document(), actor=AdministratorFactory(tenant=default), reason="x")
    publish.publish(default.policy, document(), actor=AdministratorFactory(is_superuser=True), reason="x")


@pytest.mark.security(62)
def test_off_and_on_again_restores_the_level_and_lengthens_no_grace(clock):
    tenant = TenantFactory(rules={"enforcement": "always", "grace_days": 5})
    since = tenant.policy.enforced_since
    publish_rules(tenant, enabled=False, enforcement="always", grace_days=5)
    assert not facts.rules_of(tenant.pk).enabled
    clock.forward(timedelta(days=3))
    publish_rules(tenant, enabled=True, enforcement="always", grace_days=5)
    tenant.policy.refresh_from_db()
    assert tenant.policy.enforced_since == since
    assert facts.rules_of(tenant.pk).enforcement is Enforcement.ALWAYS
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
    tenants.change(tenant, actor=actor, totp_issuer="One")
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
    numbers = list(
        PolicyVersion.objects.filter(policy__tenant=tenant).order_by("number").values_list("number", flat=True)
    )
    assert numbers == list(range(1, 22))
