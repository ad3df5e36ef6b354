"""Whom to ask for help: said once, by the policy, and shown wherever somebody is stopped."""

from importlib import import_module
from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.urls import reverse

from accounts.adapters import EncryptedMFAAdapter
from accounts.models import Tenant, User
from accounts.policy import policy
from policies.models import MFAPolicy, PolicyDraft
from tests import factories

BEFORE = [("policies", "0002_complete_policies"), ("accounts", "0004_grace_and_attestation")]
AFTER = [("policies", "0003_contact_of_the_policy"), ("accounts", "0005_no_contact_of_the_tenant")]


@pytest.fixture
def person() -> User:
    return factories.UserFactory(tenant=factories.TenantFactory())


@pytest.mark.django_db
def test_the_help_page_names_the_contact_to_those_it_knows(person: User) -> None:
    assert b"the service desk" in factories.client_of(person).get(reverse("help")).content
    assert b"the service desk" not in Client().get(reverse("help")).content


@pytest.mark.django_db
def test_a_published_contact_is_the_one_that_is_shown(person: User) -> None:
    factories.publish_rules(person.tenant, contact="Eve at the front desk")
    assert policy().contact(person) == "Eve at the front desk"
    assert b"Eve at the front desk" in factories.client_of(person).get(reverse("help")).content


@pytest.mark.django_db
def test_without_one_the_administrator_is_named(person: User) -> None:
    factories.publish_rules(person.tenant, contact="")
    assert b"Ask the administrator of your organisation" in factories.client_of(person).get(reverse("help")).content


@pytest.mark.django_db
def test_where_there_is_no_policy_there_is_no_contact(person: User) -> None:
    MFAPolicy.objects.filter(tenant=person.tenant).delete()
    assert policy().contact(person) == ""
    assert EncryptedMFAAdapter().contact(person) == ""


def test_the_tenant_has_no_contact_of_its_own() -> None:
    with pytest.raises(FieldDoesNotExist):
        Tenant._meta.get_field("help_contact")


def migrated_to(targets: list[tuple[str, str]]) -> Any:
    """The models as they were after these migrations."""
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


@pytest.mark.django_db(transaction=True)
def test_the_tenants_contact_moves_into_what_is_judged_by_and_back(person: User) -> None:
    tenant = person.tenant
    factories.publish_rules(tenant, contact="", grace_days=1)
    mine = MFAPolicy.objects.get(tenant=tenant)
    PolicyDraft.objects.create(
        policy=mine, document=factories.document(contact=""), enabled=True, based_on=2, revision=1
    )
    try:
        old = migrated_to(BEFORE)
        old.get_model("accounts", "Tenant").objects.filter(pk=tenant.pk).update(help_contact="the\nporter")
        migrated_to(AFTER)
        numbers = dict(mine.versions.values_list("number", "document__contact"))
        assert numbers == {1: "the service desk", 2: "the porter"}  # an old version stays as it was
        assert PolicyDraft.objects.get().document["contact"] == "the porter"
        old = migrated_to(BEFORE)
        assert old.get_model("accounts", "Tenant").objects.get(pk=tenant.pk).help_contact == "the porter"
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())


def test_what_no_document_may_hold_is_left_out_of_the_contact() -> None:
    fitting = import_module("policies.migrations.0003_contact_of_the_policy").fitting
    assert fitting(" a\r\nb\u202ec ") == "a b c"
    assert len(fitting("x" * 300)) == 200
