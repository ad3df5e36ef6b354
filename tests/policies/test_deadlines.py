"""Grace that nobody can lengthen: each way to try it, by itself."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.flows import deletion, people, reset
from accounts.flows import sign_in as sign_ins
from accounts.models import AddressAnchor, Tenant, TenantDomain, User
from accounts.models.people import address_digest
from audit.kinds import Kind
from audit.log import unit_of_work
from policies.flows import deadlines
from tests.accounts import acts_scene
from tests.factories import (
    PASSWORD,
    TenantFactory,
    UserFactory,
    client_of,
    publish_rules,
    session_of,
    verified_client,
)
from tests.policies.admin_scene import events, last_event, root

pytestmark = [pytest.mark.django_db, pytest.mark.security(62)]

DAY = timedelta(days=1)
FOR_NEW = {"grace_days": 14, "new_grace_days": 30}


@pytest.fixture
def boss() -> User:
    return root()


@pytest.fixture
def tenant(clock: Any) -> Tenant:
    """It demands a second factor since the person below was there, and gives two weeks."""
    return TenantFactory(rules={"enforcement": "optional"})


@pytest.fixture
def person(tenant: Tenant, clock: Any) -> User:
    """Known before anything was demanded, and signed in."""
    person = UserFactory(tenant=tenant, email="pat@office.example")
    sign_in(person)
    clock.forward(DAY)
    publish_rules(tenant, **FOR_NEW)
    person.refresh_from_db()
    return person


def sign_in(person: User) -> Client:
    browser = Client()
    browser.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    return browser


def deadline_of(person: User) -> datetime | None:
    return deadlines.deadline_of(User.objects.get(pk=person.pk))


def is_over(person: User) -> bool:
    return bool(sign_in(person).get("/").url.startswith(reverse("mfa_enrol")))


def delete(person: User, boss: User) -> None:
    deletion.delete(person, actor=boss, session=verified_client(boss).session, reason="A test.")


def again(person: User, **fields: Any) -> User:
    made: User = UserFactory(**{"tenant": person.tenant, "email": person.email} | fields)
    return made


def anchor_of(email: str) -> AddressAnchor:
    return AddressAnchor.objects.get(digest=address_digest(email))


# -- the first sign-in ---------------------------------------------------------------------------------------------


def test_the_first_sign_in_stays_with_the_address(tenant):
    publish_rules(tenant, new_grace_days=5)
    person = UserFactory(tenant=tenant)
    assert deadline_of(person) is None
    sign_in(person)
    first = User.objects.get(pk=person.pk).first_sign_in_at
    assert anchor_of(person.email).first_sign_in_at == first
    assert deadline_of(person) == first + 5 * DAY
    sign_in(person)
    assert anchor_of(person.email).first_sign_in_at == User.objects.get(pk=person.pk).first_sign_in_at == first


def test_a_sign_in_that_read_the_person_too_early_leaves_the_first_one_as_it_is(tenant, clock):
    person = UserFactory(tenant=tenant)
    stale = [User.objects.get(pk=person.pk) for _ in range(2)]
    sign_in(person)
    first = User.objects.get(pk=person.pk).first_sign_in_at
    clock.forward(DAY)
    stale[1].first_sign_in_at = timezone.now()
    for one in stale:
        with unit_of_work():
            sign_ins.complete(one, session_of(one))
        assert User.objects.get(pk=person.pk).first_sign_in_at == first == anchor_of(person.email).first_sign_in_at


def test_only_the_very_first_sign_in_costs_a_statement_more(tenant):
    person = UserFactory(tenant=tenant)
    counts = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as captured:
            sign_in(person)
        counts.append(len(captured))
    assert counts[1] == counts[2]
    assert counts[0] <= counts[1] + 1


def test_who_is_made_again_does_not_sign_in_for_the_first_time(tenant, boss, clock):
    publish_rules(tenant, new_grace_days=5)
    person = UserFactory(tenant=tenant)
    sign_in(person)
    before = deadline_of(person)
    clock.forward(3 * DAY)
    delete(person, boss)
    made = again(person)
    sign_in(made)
    assert deadline_of(made) == before
    clock.forward(3 * DAY)
    assert is_over(made)


# -- deleted and made again ------------------------------------------------------------------------------------------


def test_deletion_leaves_the_deadline_behind_and_no_other_tenant_gives_more(person, boss):
    before = deadline_of(person)
    delete(person, boss)
    assert anchor_of(person.email).grace_cap == before
    generous = TenantFactory(rules={"grace_days": 90, "new_grace_days": 90})
    made = again(person, tenant=generous)
    assert made.grace_cap == before
    sign_in(made)
    assert deadline_of(made) == before


def test_time_that_was_over_stays_over(person, boss, clock):
    before = deadline_of(person)
    clock.forward(20 * DAY)
    delete(person, boss)
    made = again(person, tenant=TenantFactory(rules={"grace_days": 90, "new_grace_days": 90}))
    assert made.grace_cap == before
    assert is_over(made)


def test_who_was_given_no_days_has_none_elsewhere_either(boss):
    person = UserFactory(tenant=TenantFactory())
    sign_in(person)
    person.refresh_from_db()
    assert deadline_of(person) is None
    people.change(person, actor=boss, tenant=TenantFactory(rules={"new_grace_days": 90}))
    person.refresh_from_db()
    assert person.grace_cap == person.first_sign_in_at
    assert is_over(person)


def test_whom_nothing_was_ever_demanded_of_leaves_no_cap(tenant, boss):
    person = UserFactory(tenant=tenant)
    sign_in(person)
    delete(person, boss)
    assert anchor_of(person.email).grace_cap is None
    made = again(person)
    publish_rules(tenant, **FOR_NEW)
    assert deadline_of(made) == tenant.policy.versions.get(number=2).enforced_since + 14 * DAY


def test_who_never_signed_in_leaves_no_cap(boss):
    person = UserFactory(tenant=TenantFactory(rules={"new_grace_days": 5}))
    people.change(person, actor=boss, tenant=TenantFactory(rules={"new_grace_days": 9}))
    person.refresh_from_db()
    assert person.grace_cap is None
    sign_in(person)
    person.refresh_from_db()
    assert deadline_of(person) == person.first_sign_in_at + 9 * DAY


def test_a_second_address_leaves_the_same_behind(person, boss):
    EmailAddress.objects.create(user=person, email="pat@home.example", verified=True)
    EmailAddress.objects.create(user=person, email="unread@home.example", verified=False)
    before = deadline_of(person)
    delete(person, boss)
    made = again(person, email="pat@home.example", tenant=TenantFactory(rules={"new_grace_days": 90}))
    sign_in(made)
    assert deadline_of(made) == before
    assert not AddressAnchor.objects.filter(digest=address_digest("unread@home.example")).exists()


@pytest.mark.parametrize("way", ["move", "delete and add", "delete and add, anchor of old"])
def test_who_was_known_elsewhere_was_not_here_when_this_tenant_began_to_demand(boss, clock, way):
    person = UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))
    sign_in(person)
    clock.forward(DAY)
    demanding = TenantFactory(rules={"grace_days": 90, "new_grace_days": 0})
    clock.forward(DAY)
    before = timezone.now()
    if way == "move":
        made = people.change(person, actor=boss, tenant=demanding)
    else:
        delete(User.objects.get(pk=person.pk), boss)
        if way.endswith("old"):
            AddressAnchor.objects.update(tenant_id=None)
        made = again(person, tenant=demanding)
    assert before <= made.known_since == anchor_of(person.email).known_since
    assert anchor_of(person.email).tenant_id == demanding.pk
    assert deadline_of(made) is None
    assert is_over(made)


def test_who_takes_an_address_that_an_old_timer_of_another_tenant_gave_up_is_new_here(person, boss, clock):
    former = person.email
    change_address(person, "pat@home.example")
    EmailAddress.objects.get(email=former).delete()
    demanding = TenantFactory(rules={"grace_days": 90, "new_grace_days": 5})
    before = timezone.now()
    made = again(person, email=former, tenant=demanding)
    assert made.known_since > before
    assert anchor_of("pat@home.example").known_since == person.known_since < made.known_since
    never_used = UserFactory(tenant=demanding, email="never@office.example")
    known = never_used.known_since
    clock.forward(DAY)
    delete(User.objects.get(pk=person.pk), boss)
    change_address(never_used, "pat@home.example")
    assert never_used.known_since == anchor_of("pat@home.example").known_since == known
    assert anchor_of("pat@home.example").tenant_id == demanding.pk


def test_all_addresses_of_who_is_gone_are_known_where_their_heir_is(person, boss):
    EmailAddress.objects.create(user=person, email="pat@home.example", verified=True)
    delete(person, boss)
    elsewhere = TenantFactory(rules={"grace_days": 90, "new_grace_days": 0})
    made = again(person, tenant=elsewhere)
    other = anchor_of("pat@home.example")
    assert (other.known_since, other.tenant_id, other.person_id) == (made.known_since, elsewhere.pk, made.pk)


def test_who_is_made_again_where_they_were_is_known_as_before(person, boss, tenant, clock):
    known = person.known_since
    clock.forward(DAY)
    delete(person, boss)
    assert again(person).known_since == known


def test_an_extension_ends_with_the_person_it_was_given_to(person, boss):
    before = deadline_of(person)
    deadlines.extend([person], 60 * DAY, actor=boss, session=verified_client(boss).session, reason="On leave.")
    delete(User.objects.get(pk=person.pk), boss)
    assert deadline_of(again(person)) == before


# -- moved -----------------------------------------------------------------------------------------------------------


def test_moving_there_and_back_gains_nothing(person, boss):
    before, home = deadline_of(person), person.tenant
    for tenant in (TenantFactory(rules={"enforcement": "optional"}), home):
        people.change(person, actor=boss, tenant=tenant)
        person.refresh_from_db()
    assert deadline_of(person) == before
    assert anchor_of(person.email).grace_cap == person.grace_cap == before


def test_moving_leaves_an_extension_behind(person, boss):
    before = deadline_of(person)
    deadlines.extend([person], 60 * DAY, actor=boss, session=verified_client(boss).session, reason="On leave.")
    people.change(person, actor=boss, tenant=TenantFactory(rules={"new_grace_days": 90}))
    person.refresh_from_db()
    assert person.grace_extended_to is None
    assert deadline_of(person) == before + 60 * DAY == person.grace_cap
    people.change(person, actor=boss, tenant=TenantFactory(rules={"new_grace_days": 90}))
    assert deadline_of(person) == before + 60 * DAY


@pytest.mark.parametrize(
    "waived",
    [
        {"enabled": False},
        {"enforcement": "optional"},
        {"scope": {"everyone": False, "roles": ["administrator"], "groups": [], "staff": False, "sources": []}},
    ],
    ids=["off", "optional", "out-of-scope"],
)
def test_moving_while_nothing_is_demanded_gains_nothing_either(person, tenant, boss, waived):
    before = deadline_of(person)
    publish_rules(tenant, **FOR_NEW | waived)
    people.change(person, actor=boss, tenant=TenantFactory(rules={"enforcement": "optional"}))
    people.change(person, actor=boss, tenant=tenant)
    publish_rules(tenant, enabled=True, **FOR_NEW)
    assert deadline_of(person) == before


def test_the_tenant_of_a_domain_is_joined_with_the_days_that_are_left(boss, clock):
    person = UserFactory(joined_at=None, email="new@joined.example", verified=False)
    User.objects.filter(pk=person.pk).update(first_sign_in_at=timezone.now())
    publish_rules(person.tenant, new_grace_days=3)
    before = deadline_of(person)
    TenantDomain.objects.create(tenant=TenantFactory(rules={"new_grace_days": 30}), domain="joined.example")
    people.address_verified(person.emailaddress_set.get())
    person.refresh_from_db()
    assert not person.tenant.is_default
    assert deadline_of(person) == before == anchor_of(person.email).grace_cap


# -- roles -------------------------------------------------------------------------------------------------------------


def test_an_administrators_days_hold_at_once(person, tenant, boss):
    browser = client_of(person)
    assert browser.get("/").status_code == 200
    people.change(person, actor=boss, role="administrator")
    assert browser.get("/").url.startswith(reverse("mfa_enrol"))


def test_nobody_has_more_days_for_having_been_an_administrator(person, tenant, boss):
    publish_rules(tenant, **FOR_NEW, administrators_grace_days=60)
    before = deadline_of(person)
    people.change(person, actor=boss, role="administrator")
    assert deadline_of(person) == before
    publish_rules(tenant, **FOR_NEW, administrators_grace_days=2)
    shorter = deadline_of(person)
    assert shorter < before
    people.change(person, actor=boss, role="user")
    assert deadline_of(person) == shorter


# -- another address ---------------------------------------------------------------------------------------------------


def change_address(person: User, email: str) -> None:
    """On the page, with a fresh proof; the mailbox has been proved."""
    EmailAddress.objects.create(user=person, email=email, verified=True)
    browser = client_of(person)
    response = browser.post(reverse("account_email"), {"email": email, "action_primary": "1"})
    assert response.status_code == 302
    assert last_event(Kind.EMAIL_CHANGED).payload["after"] == email
    person.refresh_from_db()
    assert person.email == email


def test_another_address_is_no_other_person(person, boss):
    before, former = deadline_of(person), person.email
    change_address(person, "pat@home.example")
    assert deadline_of(person) == before
    assert {anchor_of(email).person_id for email in (former, person.email)} == {person.pk}
    delete(person, boss)
    generous = TenantFactory(rules={"new_grace_days": 90})
    for email in (former, "pat@home.example"):
        made = again(person, email=email, tenant=generous)
        sign_in(made)
        assert deadline_of(made) == before
        delete(made, boss)


def test_a_reset_is_known_at_the_addresses_somebody_gave_up(person, boss):
    former = person.email
    change_address(person, "pat@home.example")
    EmailAddress.objects.get(email=former).delete()
    session = verified_client(boss).session
    acts_scene.reset(person, actor=boss, session=session)
    delete(person, boss)
    made = again(person, email=former)
    assert made.grace_closed_at is not None
    assert is_over(made)


def test_whoever_is_made_again_takes_over_all_addresses_of_who_is_gone(person, boss):
    former = person.email
    change_address(person, "pat@home.example")
    delete(person, boss)
    made = again(person, email=former)
    session = verified_client(boss).session
    acts_scene.reset(made, actor=boss, session=session)
    delete(made, boss)
    assert is_over(again(person, email="pat@home.example"))


def test_of_two_pasts_the_stricter_one_holds_for_both_addresses(person, boss, tenant):
    closed = UserFactory(tenant=tenant, email="closed@office.example")
    reset.close_grace(closed)
    delete(closed, boss)
    browser = client_of(person)
    assert browser.get("/").status_code == 200
    change_address(person, "closed@office.example")
    assert deadline_of(person) is None
    assert browser.get("/").url.startswith(reverse("mfa_enrol"))
    assert anchor_of("pat@office.example").grace_closed_at is not None


def test_changing_there_and_back_costs_nothing(person):
    before = deadline_of(person)
    change_address(person, "pat@home.example")
    EmailAddress.objects.filter(user=person, email="pat@office.example").delete()
    change_address(person, "pat@office.example")
    assert deadline_of(person) == before


def test_an_address_that_somebody_else_has_now_is_theirs(person, boss, tenant):
    former = person.email
    change_address(person, "pat@home.example")
    EmailAddress.objects.get(email=former).delete()
    new = again(person, email=former)
    session = verified_client(boss).session
    acts_scene.reset(person, actor=boss, session=session)
    new.refresh_from_db()
    assert new.grace_closed_at is None
    assert anchor_of(former).grace_closed_at is None


# -- resets and policies ---------------------------------------------------------------------------------------------


def test_a_reset_ends_it_for_good_whatever_comes_after(person, tenant, boss):
    acts_scene.reset(person, actor=boss, session=verified_client(boss).session)
    person.refresh_from_db()
    publish_rules(tenant, grace_days=90, new_grace_days=90)
    people.change(person, actor=boss, tenant=TenantFactory(rules={"new_grace_days": 90}))
    assert deadline_of(person) is None
    delete(User.objects.get(pk=person.pk), boss)
    assert is_over(again(person))


def test_shorter_days_hold_for_everybody_at_the_next_request(person, tenant, clock):
    clock.forward(5 * DAY)
    other = UserFactory(tenant=tenant)
    browsers = [sign_in(person), sign_in(other)]
    assert [one.get("/").status_code for one in browsers] == [200, 200]
    publish_rules(tenant, grace_days=4, new_grace_days=0)
    for one in browsers:
        assert one.get("/").url.startswith(reverse("mfa_enrol"))


def test_off_and_on_again_begins_nothing_anew(person, tenant, clock):
    before = deadline_of(person)
    publish_rules(tenant, enabled=False, **FOR_NEW)
    clock.forward(20 * DAY)
    assert sign_in(person).get("/").status_code == 200
    publish_rules(tenant, enabled=True, **FOR_NEW)
    assert deadline_of(person) == before
    assert is_over(person)


def test_a_reset_needs_no_anchor_to_be_there(boss):
    """People whom a script made have none before they are deleted."""
    made = User.objects.create_user("second@platform.example", PASSWORD)
    reset.close_grace(people.lock(made))
    delete(made, boss)
    assert anchor_of("second@platform.example").grace_closed_at is not None
    assert events(Kind.PERSON_DELETED) == 1
