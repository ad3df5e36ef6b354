"""Groups in the admin, and the flow behind them: the platform's, and never silent about who was in one."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.errors import GroupInUse, NotAllowed
from accounts.flows import groups, people
from accounts.models import User
from audit.kinds import Kind
from audit.models import AuditEvent
from policies import document as documents
from policies.models import PolicyDraft
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, publish_rules, verified_client

pytestmark = pytest.mark.django_db

LIST = "/admin/auth/group/"


@pytest.fixture
def root() -> User:
    return AdministratorFactory(is_superuser=True)


@pytest.fixture
def client(root: User) -> Client:
    return verified_client(root)


def test_a_group_is_made_and_keeps_its_name(client: Client) -> None:
    assert client.post(f"{LIST}add/", {"name": "Auditors", "permissions": ["1"]}).status_code == 302
    group = Group.objects.get(name="Auditors")
    assert not group.permissions.exists()
    assert client.post(f"{LIST}{group.pk}/change/", {"name": "Others"}).status_code == 403
    assert client.get(f"{LIST}{group.pk}/change/").status_code == 200


def test_a_name_that_is_taken_is_refused_in_the_form(client: Client) -> None:
    Group.objects.create(name="Auditors")
    page = client.post(f"{LIST}add/", {"name": "Auditors"})
    assert page.status_code == 200
    assert "name" in page.context["adminform"].form.errors


# security 66
def test_deleting_a_group_takes_its_people_out_and_voids_their_grants(client: Client, root: User) -> None:
    group = Group.objects.create(name="Auditors")
    person = UserFactory(tenant=TenantFactory())
    people.set_groups(person, [group], actor=root)
    person.refresh_from_db()
    page = client.get(f"{LIST}{group.pk}/delete/").content.decode()
    assert "with 1 person in it" in page
    assert client.post(f"{LIST}{group.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Group.objects.exists()
    assert User.objects.get(pk=person.pk).security_version > person.security_version
    event = AuditEvent.objects.filter(kind=Kind.GROUPS_CHANGED).latest("id")
    assert (event.target_id, event.payload) == (str(person.pk), {"before": ["Auditors"], "after": []})


def test_groups_are_not_a_tenants_to_make_or_delete() -> None:
    administrator = AdministratorFactory(tenant=TenantFactory())
    group = Group.objects.create(name="Auditors")
    with pytest.raises(NotAllowed):
        groups.create("Mine", actor=administrator)
    with pytest.raises(NotAllowed):
        groups.delete(group, actor=administrator)
    assert [one.name for one in Group.objects.all()] == ["Auditors"]


def test_the_list_costs_the_same_for_many_groups(client: Client, django_assert_num_queries: Any) -> None:
    client.get(LIST)
    for number in range(2):
        Group.objects.create(name=f"group {number}")
        with django_assert_num_queries(3):  # the session of the request, the count, the rows
            assert client.get(LIST).status_code == 200


SCOPE = {"everyone": False, "roles": [], "groups": ["Auditors"], "staff": False, "sources": []}
EXCLUDE = {"kind": "group", "value": "Auditors", "reason": "On leave.", "until": "2030-01-01T00:00:00+00:00"}
TEST = {"name": "t", "role": "user", "groups": ["Auditors"], "source": "password", "known": "before"} | {
    "methods": [],
    "expect": "must_enrol",
}


@pytest.mark.parametrize(
    "rules", [{"scope": SCOPE}, {"excludes": [EXCLUDE]}, {"tests": [TEST]}], ids=["scope", "exclude", "test"]
)
@pytest.mark.parametrize("where", ["in force", "draft", "on trial", "waiting"])
def test_a_group_that_a_policy_names_stays(client: Client, root: User, rules: dict[str, Any], where: str) -> None:
    tenant = TenantFactory(name="Acme")
    group = Group.objects.create(name="Auditors")
    person = UserFactory(tenant=tenant)
    people.set_groups(person, [group], actor=root)
    if where == "draft":
        stated = documents.default_document() | rules
        PolicyDraft.objects.create(policy=tenant.policy, document=stated, enabled=True, based_on=1, revision=1)
    else:
        publish_rules(tenant, **rules)
        tenant.policy.refresh_from_db()
    if where == "on trial":
        tenant.policy.report_version, tenant.policy.version = tenant.policy.version, 1
        tenant.policy.save()
    if where == "waiting":  # the version before would come back
        publish_rules(tenant)
        type(tenant.policy).objects.filter(tenant=tenant).update(fallback_version=2)
    for answer in (
        client.get(f"{LIST}{group.pk}/delete/", follow=True),
        client.post(f"{LIST}{group.pk}/delete/", {"post": "yes"}, follow=True),
    ):
        assert answer.redirect_chain == [(f"{LIST}{group.pk}/change/", 302)]
        assert "The policy of Acme names this group" in answer.content.decode()
    with pytest.raises(GroupInUse):
        groups.delete(group, actor=root)
    assert person.groups.get() == group


def test_a_group_that_only_an_old_version_names_may_go(client: Client) -> None:
    tenant = TenantFactory()
    group = Group.objects.create(name="Auditors")
    publish_rules(tenant, scope=SCOPE)
    publish_rules(tenant)
    assert client.post(f"{LIST}{group.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Group.objects.exists()


def test_a_document_that_cannot_be_read_keeps_no_group(client: Client) -> None:
    tenant = TenantFactory()
    for document in (
        [],
        {"scope": 1, "excludes": [1, {"kind": "group", "value": 2}], "tests": {}},
        {"scope": {"groups": 3}},
    ):
        tenant.policy.versions.update(document=document)
        group = Group.objects.create(name="Auditors")
        assert client.post(f"{LIST}{group.pk}/delete/", {"post": "yes"}).status_code == 302
