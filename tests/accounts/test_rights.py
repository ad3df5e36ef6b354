"""Since when somebody has an administrator's rights, and by whom: who counts as a second one."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from accounts.flows import people, rights
from accounts.models import Role, User
from tests.factories import AdministratorFactory, TenantFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.security(55)]


@pytest.fixture
def root() -> User:
    return AdministratorFactory(is_superuser=True)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def added(by: User, email: str) -> User:
    return people.add(email=email, name="", tenant=by.tenant, role=Role.ADMINISTRATOR, actor=by)


def in_days(days: float) -> datetime:
    return timezone.now() + timedelta(days=days)


def test_who_adds_an_administrator_or_makes_one_is_noted(root, now):
    made = people.change(UserFactory(), actor=root, role=Role.ADMINISTRATOR)
    for one in (added(root, "ada@example.com"), made):
        assert (one.administrator_by, one.administrator_until) == (root.pk, None)
        assert one.administrator_since >= now
    assert AdministratorFactory().administrator_by is None
    assert UserFactory().administrator_since is None


def test_a_demotion_is_noted_and_counts_for_a_week(root):
    person = people.change(AdministratorFactory(), actor=root, role=Role.USER)
    assert person.administrator_until is not None
    assert rights.counts_as_administrator(person, in_days(6.9))
    assert not rights.counts_as_administrator(person, in_days(7.1))
    assert not rights.counts_as_administrator(UserFactory(), timezone.now())


def test_a_row_that_was_changed_past_the_flows_counts_on(root):
    person = AdministratorFactory()
    User.objects.filter(pk=person.pk).update(role=Role.USER)
    person.refresh_from_db()
    assert rights.counts_as_administrator(person, in_days(100))


@pytest.mark.parametrize("how", ["platform", "another tenant", "switched on", "made again"])
def test_rights_that_reach_further_are_new_rights(root, how):
    person, tenant = AdministratorFactory(), TenantFactory()
    User.objects.filter(pk=person.pk).update(administrator_since=in_days(-40))
    person.refresh_from_db()
    if how == "platform":
        people.change(person, actor=root, is_superuser=True)
    elif how == "another tenant":
        people.change(person, actor=root, tenant=tenant)
    elif how == "switched on":
        people.change(people.change(person, actor=root, is_active=False), actor=root, is_active=True)
    else:
        people.change(people.change(person, actor=root, role=Role.USER), actor=root, role=Role.ADMINISTRATOR)
    person.refresh_from_db()
    assert person.administrator_by == root.pk
    assert person.administrator_since > in_days(-1)
    assert person.administrator_until is None


def test_a_change_of_name_gives_no_rights(root):
    person = AdministratorFactory()
    before = person.administrator_since
    people.change(person, actor=root, name="Another")
    person.refresh_from_db()
    assert (person.administrator_since, person.administrator_by) == (before, None)


# -- who is somebody else ------------------------------------------------------------------------------------------


def test_two_whom_the_site_made_are_independent(root):
    assert rights.is_independent(AdministratorFactory(), root, in_days(1))


def test_rights_must_be_older_than_the_request(root, now):
    assert not rights.is_independent(AdministratorFactory(), root, now)


def test_rights_that_nobody_noted_do_not_count(root):
    approver = AdministratorFactory()
    User.objects.filter(pk=approver.pk).update(administrator_since=None)
    approver.refresh_from_db()
    assert not rights.is_independent(approver, root, in_days(1))


def test_who_was_made_by_the_requester_never_counts_nor_whoever_they_made(root):
    child = added(root, "child@example.com")
    grandchild = added(child, "grandchild@example.com")
    for approver in (child, grandchild):
        assert not rights.is_independent(approver, root, in_days(1000))


def test_who_made_the_requester_counts_after_thirty_days(root):
    child = added(root, "child@example.com")
    assert not rights.is_independent(root, child, in_days(29))
    assert rights.is_independent(root, child, in_days(31))


def test_two_whom_a_third_made_are_independent(root):
    one, other = added(root, "one@example.com"), added(root, "other@example.com")
    assert rights.is_independent(one, other, in_days(1))


def test_a_circle_of_givers_comes_to_an_end():
    one, other = AdministratorFactory(), AdministratorFactory()
    User.objects.filter(pk=one.pk).update(administrator_by=other.pk)
    User.objects.filter(pk=other.pk).update(administrator_by=one.pk)
    one.refresh_from_db()
    assert rights.lineage(one) == {other.pk}


def test_time_alone_does_not_give_rights(root):
    with time_machine.travel(in_days(400), tick=False):
        assert not rights.counts_as_administrator(UserFactory(), timezone.now())
