"""Somebody who re-creates, moves, resets, renames, promotes and toggles to gain grace, and fails to.

A machine does all of it in any order, as time goes by. What it holds itself to:

* `hard`: what somebody had left when they moved, changed roles or were deleted is the most they ever have again; only
  an extension goes beyond it.
* `soft`: without a policy that gives more days or begins to demand, the deadline never moves later.
* Who is over either is not let in on grace again, and a reset ends it for good.
* Whoever comes to another tenant, moved or made again, has there what somebody has who came that way: the days that it
  gives to people it had before are not for them.
"""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.account import signals
from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.flows import deletion, people, sign_in
from accounts.flows.intervention_rules import AskedAlready
from accounts.models import Role, Tenant, User
from audit.log import unit_of_work
from policies import document as documents
from policies import engine, facts
from policies.flows import deadlines, publish
from policies.terms import Outcome, Rules
from tests.accounts import acts_scene
from tests.factories import TenantFactory, UserFactory, enrol_totp, live_binding, password_proof, proof_of, session_of
from tests.harness.codes import Clock
from tests.policies.admin_scene import root

pytestmark = [pytest.mark.django_db, pytest.mark.security(62)]

DAYS = ("grace_days", "new_grace_days", "administrators_grace_days")
LAPSE = publish.CONFIRM_WITHIN + timedelta(seconds=1)
NEVER = datetime.max.replace(tzinfo=UTC)
ONLY_OTHERS = {"everyone": False, "roles": [], "groups": ["Nobody"], "staff": False, "sources": []}
numbers = itertools.count()
some_days = st.sampled_from([0, 3, 14, 90])
all_days = st.fixed_dictionaries(dict.fromkeys(DAYS, some_days))
generous = st.fixed_dictionaries(dict.fromkeys(DAYS, st.sampled_from([14, 30, 90])))


class Attack(RuleBasedStateMachine):
    """One person, two tenants, a platform administrator who does whatever they ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        number = next(numbers)
        self.boss = User.objects.filter(email="root@platform.example").first() or root()
        if not self.boss.bindings.exists():
            enrol_totp(self.boss)
        self.addresses = [f"{name}-{number}@example.com" for name in "abc"]
        self.tenants = [TenantFactory(rules={"enforcement": "optional"}) for _ in range(2)]
        self.person = UserFactory(tenant=self.tenants[0], email=self.addresses[0])
        self.clock.forward(timedelta(days=2))
        self.sign_in()
        self.had = [self.person.email]
        self.hard = self.soft = NEVER
        self.extended: datetime | None = None
        self.is_closed = False

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)
        self.clock.restore()

    # -- what stands -------------------------------------------------------------------------------------------

    def rules_in(self, tenant: Tenant | None = None) -> Rules:
        found = facts.rules_of((tenant or self.person.tenant).pk)
        assert found is not None
        return found

    def deadline(self) -> datetime | None:
        self.person = User.objects.select_related("tenant").get(pk=self.person.pk)
        return deadlines.deadline_of(self.person)

    def left(self) -> datetime:
        """What is left of grace as it stands: none is a moment that is past; no demand has no end."""
        deadline = self.deadline()
        if deadline is None and self.rules_in().enforced_since is None:
            return NEVER
        return deadline or timezone.now()

    def session(self) -> Any:
        return session_of(self.boss, password_proof(), proof_of(live_binding(self.boss)))

    def is_personal(self) -> None:
        """Before something about the person changes: what is left is all that there will be."""
        if self.extended is None:
            self.hard = min(self.hard, self.left())
        self.soft = min(self.soft, self.hard)

    # -- what they try -------------------------------------------------------------------------------------------

    @initialize(here=generous, there=generous, demanded=st.sampled_from([(True, False), (True, True), (False, True)]))
    def begin(self, here: dict[str, int], there: dict[str, int], demanded: tuple[bool, bool]) -> None:
        """Each tenant gives days of its own, and may demand nothing yet."""
        for tenant, (days, is_demanded) in enumerate(zip((here, there), demanded, strict=True)):
            self.publish(tenant, days | ({"enforcement": "required"} if is_demanded else {}))

    @rule()
    def sign_in(self) -> None:
        with unit_of_work():
            sign_in.complete(self.person, session_of(self.person))

    @rule(hours=st.sampled_from([1, 20, 24 * 4, 24 * 15]))
    def wait(self, hours: int) -> None:
        self.clock.forward(timedelta(hours=hours))

    @rule(address=st.integers(0, 2), tenant=st.integers(0, 1), role=st.sampled_from(Role.values))
    def recreate(self, address: int, tenant: int, role: str) -> None:
        """Under the address they have, or had, or have as a second one."""
        email = self.addresses[address] if self.addresses[address] in self.had else self.person.email
        self.is_personal()
        deletion.delete(self.person, actor=self.boss, session=self.session(), reason="To begin anew.")
        was_in = self.person.tenant_id
        self.person = UserFactory(tenant=self.tenants[tenant], email=email, role=role)
        self.extended = None
        if self.person.tenant_id != was_in:
            self.is_new_here()

    @rule(address=st.integers(0, 2), keep=st.booleans())
    def change_address(self, address: int, keep: bool) -> None:
        """As the page does; the former one stays as a second address, or goes."""
        before = EmailAddress.objects.get(user=self.person, primary=True)
        if before.email == self.addresses[address]:
            return
        after, _ = EmailAddress.objects.get_or_create(user=self.person, email=self.addresses[address])
        after.verified = True
        after.set_as_primary()
        self.had.append(after.email)
        told = {"from_email_address": before, "to_email_address": after}
        signals.email_changed.send(EmailAddress, request=None, user=after.user, **told)
        if not keep:
            before.refresh_from_db()
            before.remove()

    @rule()
    def move(self) -> None:
        self.is_personal()
        there = self.tenants[1] if self.person.tenant_id == self.tenants[0].pk else self.tenants[0]
        people.change(self.person, actor=self.boss, tenant=there)
        self.extended = None
        self.is_new_here()

    def is_new_here(self) -> None:
        """Only what the tenant gives to new people, or to its administrators, is for who came just now."""
        deadline, rules = self.deadline(), self.rules_in()
        if deadline is None:
            return
        days = rules.new_grace_days if self.person.role == Role.USER else rules.administrators_grace_days
        assert self.person.first_sign_in_at is not None
        assert deadline <= self.person.first_sign_in_at + timedelta(days=days)

    @rule(role=st.sampled_from(Role.values))
    def change_role(self, role: str) -> None:
        if role == self.person.role:
            return
        self.is_personal()
        people.change(self.person, actor=self.boss, role=role)
        if role == Role.ADMINISTRATOR:
            self.extended = None

    @rule()
    def reset(self) -> None:
        """Of an administrator it needs a second one, and does nothing yet."""
        try:
            act = acts_scene.reset(self.person, actor=self.boss, session=self.session())
        except AskedAlready:
            return
        self.is_closed = self.is_closed or act.state == act.State.DONE

    @rule(tenant=st.integers(0, 1), changes=st.sampled_from([{}, {"enforcement": "optional"}, {"scope": ONLY_OTHERS}]))
    def toggle(self, tenant: int, changes: dict[str, Any]) -> None:
        """Off and on again, or what comes to the same, perhaps with a personal change in between."""
        version = self.in_force(tenant)
        back = {key: documents.default_document()[key] for key in ("enforcement", "scope")}
        is_plain = version.enabled and all(version.document[key] == back[key] for key in back)
        if not is_plain:
            self.publish(tenant, back, enabled=True)
        else:
            self.publish(tenant, changes, enabled=bool(changes))

    @rule(tenant=st.integers(0, 1), days=all_days)
    def give_other_days(self, tenant: int, days: dict[str, int]) -> None:
        self.publish(tenant, days)

    @rule(tenant=st.integers(0, 1), days=all_days, on=st.booleans())
    def publish_and_let_lapse(self, tenant: int, days: dict[str, int], on: bool) -> None:
        before, was_there = self.soft, self.deadline()
        self.publish(tenant, days, enabled=on, until_confirmed=True)
        self.holds()
        self.clock.forward(LAPSE)
        assert self.deadline() == was_there
        self.soft = before

    @precondition(lambda self: self.person.role == Role.USER and not self.is_closed)
    @rule(days=st.sampled_from([2, 20]))
    def extend(self, days: int) -> None:
        until = timezone.now() + timedelta(days=days)
        self.deadline()
        [found] = deadlines.extend([self.person], until, actor=self.boss, session=self.session(), reason="On leave.")
        if found.left_out is None:
            self.extended, self.soft = until, max(self.soft, until)

    def in_force(self, tenant: int) -> Any:
        found = publish.version_in_force(self.tenants[tenant].policy)
        assert found is not None
        return found

    def publish(self, tenant: int, changes: dict[str, Any], **how: Any) -> None:
        """Publish; a policy that gives more days, or begins to demand, may move the deadline, but not past `hard`."""
        before, since = self.in_force(tenant).document, self.rules_in(self.tenants[tenant]).enforced_since
        publish.publish(self.tenants[tenant].policy, before | changes, actor=None, reason="An attack.", **how)
        gives_more = any(changes.get(key, 0) > before[key] for key in DAYS)
        begins = since is None and self.rules_in(self.tenants[tenant]).enforced_since is not None
        if self.tenants[tenant].pk == self.person.tenant_id and (gives_more or begins):
            self.soft = NEVER

    # -- what holds all the same ---------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        deadline, left, now = self.deadline(), self.left(), timezone.now()
        note(f"{deadline=} hard={self.hard} soft={self.soft} extended={self.extended}")
        bound = max(self.hard, self.extended) if self.extended else self.hard
        if deadline is not None:
            assert not self.is_closed
            assert deadline <= bound
            assert deadline <= self.soft
        found = facts.situation(self.person, (password_proof(),))
        if engine.decide(found.rules, found.facts, now).outcome is Outcome.ALLOW_IN_GRACE:
            assert not self.is_closed
            assert now < min(bound, self.soft)
        self.soft = min(self.soft, left)


def test_nobody_gains_grace_by_becoming_somebody_else_or_by_toggling() -> None:
    checked = settings(
        max_examples=60, stateful_step_count=20, suppress_health_check=list(HealthCheck), report_multiple_bugs=False
    )
    run_state_machine_as_test(Attack, settings=checked)
