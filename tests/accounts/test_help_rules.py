"""Rules for helping: a tenant makes them stricter, the platform weaker, and that a day later."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from accounts.errors import NotAllowed, NotFresh
from accounts.flows import help_rules
from accounts.flows.help_rules import EVERYONE, OnlyStricter, Rules, WrongWait
from accounts.models import HelpRules, Intervention, Notice, Tenant, User
from tests.accounts.acts_scene import ask, events, fresh, settled_administrator
from tests.factories import TenantFactory, UserFactory, session_of

pytestmark = [pytest.mark.django_db, pytest.mark.security(55)]
DEFAULTS = Rules("administrators", 0, 24)


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory()


@pytest.fixture
def administrator(tenant: Tenant) -> User:
    return settled_administrator(tenant=tenant)


@pytest.fixture
def root() -> User:
    return settled_administrator(is_superuser=True)


def change(tenant: Tenant, actor: User, **wanted: object) -> None:
    help_rules.change(tenant, actor=actor, session=fresh(actor), **wanted)


def held(tenant: Tenant, **later: float) -> Rules:
    return help_rules.in_force(tenant.pk, timezone.now() + timedelta(**later))


def test_without_a_row_the_defaults_hold(tenant):
    assert held(tenant) == DEFAULTS
    assert DEFAULTS.needs_approval(of_administrator=True) and not DEFAULTS.needs_approval(of_administrator=False)
    assert (DEFAULTS.wait(of_administrator=True), DEFAULTS.wait(of_administrator=False)) == (
        timedelta(hours=24),
        timedelta(0),
    )


def test_a_tenant_makes_them_stricter_at_once_and_it_is_recorded(tenant, administrator):
    change(tenant, administrator, second_approver=EVERYONE, wait_hours=2)
    assert held(tenant) == Rules(EVERYONE, 2, 24)
    (event,) = events("tenant:changed")
    assert event.payload["after"] == {"second_approver": "everyone", "wait_hours": 2}
    assert event.payload["before"] == {"second_approver": "administrators", "wait_hours": 0}
    assert not Notice.objects.filter(name="help_rules_weaker").exists()


@pytest.mark.parametrize(
    "weaker",
    [{"administrators_wait_hours": 23}, {"second_approver": "everyone", "administrators_wait_hours": 0}],
    ids=str,
)
def test_a_tenant_does_not_make_them_weaker_not_even_beside_what_is_stricter(tenant, administrator, weaker):
    with pytest.raises(OnlyStricter):
        change(tenant, administrator, **weaker)
    assert held(tenant) == DEFAULTS
    assert not events("tenant:changed")


def test_what_the_platform_makes_weaker_holds_a_day_later_and_everybody_is_told(tenant, administrator, root):
    change(tenant, root, administrators_wait_hours=0)
    assert held(tenant) == held(tenant, hours=23.9) == DEFAULTS
    assert held(tenant, hours=24.1).administrators_wait_hours == 0
    told = set(Notice.objects.filter(name="help_rules_weaker").values_list("person_id", flat=True))
    assert told == {administrator.pk, root.pk}


def test_nobody_lowers_the_rules_first_and_acts_at_once(tenant, root):
    person = UserFactory(tenant=tenant)
    change(tenant, root, second_approver=EVERYONE)
    change(tenant, root, second_approver="administrators")
    assert ask(person, root).state == Intervention.State.ASKED


def test_weaker_in_steps_is_no_faster_and_stricter_again_holds_at_once(tenant, root):
    change(tenant, root, administrators_wait_hours=48)
    change(tenant, root, administrators_wait_hours=12)
    with time_machine.travel(timezone.now() + timedelta(hours=20), tick=False):
        change(tenant, root, administrators_wait_hours=0)
        assert held(tenant, hours=5).administrators_wait_hours == 48
        change(tenant, root, administrators_wait_hours=100)
        assert held(tenant).administrators_wait_hours == 100
    assert held(tenant, hours=50).administrators_wait_hours == 100


def test_whatever_is_chosen_an_administrator_takes_a_second_one(tenant, root):
    boss = settled_administrator(tenant=tenant)
    change(tenant, root, administrators_wait_hours=0)
    with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
        act = ask(boss, root)
    assert (act.state, act.not_before) == (Intervention.State.ASKED, act.requested_at)


@pytest.mark.security(84)
def test_strangers_users_and_who_is_not_fresh_change_nothing(tenant, administrator):
    stranger, user = settled_administrator(tenant=TenantFactory()), UserFactory(tenant=tenant)
    for actor in (stranger, user):
        with pytest.raises(NotAllowed):
            change(tenant, actor, wait_hours=3)
    fresh(administrator)
    with pytest.raises(NotFresh):
        help_rules.change(tenant, actor=administrator, session=session_of(administrator), wait_hours=3)
    assert not HelpRules.objects.exists()


@pytest.mark.parametrize("wrong", [{"wait_hours": 169}, {"wait_hours": -1}, {"second_approver": "nobody"}], ids=str)
def test_rules_that_are_none_are_refused(tenant, root, wrong):
    with pytest.raises(WrongWait):
        change(tenant, root, **wrong)
    assert not HelpRules.objects.exists()
