"""The counters on a person's row say what a naive recount says, after any history; a check finds what does not."""

import importlib
import re
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from accounts import enrolment_state
from accounts.assurance import Method
from accounts.enrolment_state import Factors, State
from accounts.flows import binding as bindings
from accounts.flows import people, recovery, removal, state_check, verification
from accounts.models import Binding, RecoveryCode, Tenant, User
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.accounts import acts_scene
from tests.accounts.test_verification import in_parallel
from tests.bench import crowd
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    session_of,
)

pytestmark = pytest.mark.django_db
FREE = {"enforcement": "optional"}


@pytest.fixture
def person() -> User:
    return UserFactory(tenant=TenantFactory(rules=FREE))


def naive(person: User) -> tuple[int, int | None, bool]:
    """What somebody counts who looks at every row, one after the other."""
    factors, codes, authenticators, locked = 0, None, 0, 0
    for one in Binding.objects.filter(person=person):
        if one.unbound_at is None:
            factors |= {"webauthn": 1, "totp": 2, "recovery_code": 4}[one.kind]
            authenticators += one.kind != "recovery_code"
            locked += one.kind != "recovery_code" and one.locked_at is not None
            if one.kind == "recovery_code":
                codes = sum(code.used_at is None for code in RecoveryCode.objects.filter(binding=one))
    return factors | (8 if authenticators > 1 else 0) | (16 if locked else 0), codes, authenticators > 0


def said(person: User) -> tuple[int, int | None, bool]:
    """What the row says."""
    row = User.objects.get(pk=person.pk)
    return row.factors, row.codes_left, row.mfa_enrolled_at is not None


def fresh_session(person: User) -> Any:
    """One that just proved all there is: after a removal, the oldest that vouches may be the set of codes."""
    live = Binding.objects.filter(person=person, unbound_at=None)
    return session_of(person, password_proof(), *map(proof_of, live))


def add_key(person: User) -> Binding:
    """Bind a key as the flow does once a ceremony is over."""
    locked = people.lock(person)
    binding = bindings.new_binding(locked, Binding.Kind.WEBAUTHN, name="Blue key")
    bindings.bound(locked, session_of(person), binding)
    return binding


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("check_enrolment_state", *arguments, stdout=out)
    return out.getvalue()


def exit_code(*arguments: str) -> int:
    with pytest.raises(CommandError) as refusal:
        run(*arguments)
    return refusal.value.returncode


# -- the flows keep them ---------------------------------------------------------------------------------------


def test_a_person_without_anything_has_no_factors_and_no_set(person: User) -> None:
    assert said(person) == (0, None, False)


def test_each_kind_has_its_bit(person: User) -> None:
    enrol_totp(person)
    assert said(person) == (Factors.APP, None, True)
    codes = enrol_recovery_codes(person)
    assert said(person) == (Factors.APP | Factors.RECOVERY_CODES, len(codes), True)
    add_key(person)
    owned = Factors.APP | Factors.RECOVERY_CODES | Factors.KEY | Factors.SEVERAL
    assert said(person) == (owned, len(codes), True)


def test_two_of_a_kind_are_several_too_and_one_that_is_left_is_not(person: User) -> None:
    key = add_key(person)
    assert said(person)[0] == Factors.KEY
    add_key(person)
    assert said(person)[0] == Factors.KEY | Factors.SEVERAL
    removal.remove(person, fresh_session(person), key.pk)
    assert said(person)[0] == Factors.KEY


def test_a_locked_authenticator_is_owned_and_said_to_be_locked(person: User, settings: Any) -> None:
    settings.MFA_LOCK_AFTER_FAILURES = 1
    enrol_totp(person)
    with pytest.raises(verification.WrongCode):
        verification.check_code(person, Method.TOTP, "000000")
    assert said(person) == naive(person) == (Factors.APP | Factors.LOCKED, None, True)
    removal.remove(person, fresh_session(person), live_binding(person).pk)
    assert said(person) == (0, None, False)


def test_a_spent_code_is_counted_and_a_wrong_one_is_not(person: User) -> None:
    enrol_totp(person)
    codes = enrol_recovery_codes(person)
    verification.check_code(person, Method.RECOVERY_CODE, codes[0])
    with pytest.raises(verification.WrongRecoveryCode):
        verification.check_code(person, Method.RECOVERY_CODE, codes[0])
    assert said(person)[1] == len(codes) - 1
    left = AuditEvent.objects.filter(kind=Kind.RECOVERY_CODES_USED).latest("pk").payload["left"]
    assert left == len(codes) - 1


def test_the_first_factor_says_since_when_until_the_last_one_goes(person: User, clock: Any) -> None:
    enrol_totp(person)
    began = User.objects.get(pk=person.pk).mfa_enrolled_at
    assert began == live_binding(person).bound_at
    clock.forward(timedelta(days=1))
    add_key(person)
    removal.remove(person, fresh_session(person), live_binding(person).pk)
    row = User.objects.get(pk=person.pk)
    assert (row.factors, row.mfa_enrolled_at) == (Factors.KEY, began)
    enrol_recovery_codes(person)
    person.refresh_from_db()
    removal.turn_off(person, fresh_session(person))
    assert said(person) == (0, None, False)


def test_codes_go_with_the_last_factor(person: User) -> None:
    enrol_totp(person)
    enrol_recovery_codes(person)
    removal.remove(person, fresh_session(person), live_binding(person).pk)
    assert said(person) == naive(person) == (0, None, False)


class History(RuleBasedStateMachine):
    """One person to whom everything happens that flows can do, in any order."""

    person: User
    codes: list[str]

    @initialize()
    def begin(self) -> None:
        tenant = TenantFactory(rules=FREE)
        self.person, self.administrator = UserFactory(tenant=tenant), AdministratorFactory(tenant=tenant)
        enrol_totp(self.administrator)
        self.codes = []

    @property
    def kinds(self) -> set[str]:
        live = Binding.objects.filter(person=self.person, unbound_at=None)
        return set(live.values_list("kind", flat=True))

    def remove(self, kind: str) -> None:
        found = Binding.objects.filter(person=self.person, kind=kind, unbound_at=None).first()
        if found is not None:
            removal.remove(self.person, fresh_session(self.person), found.pk)

    @precondition(lambda self: not self.kinds & {"totp", "webauthn"})
    @rule()
    def set_up_an_app(self) -> None:
        """Also after a reset: the mailed link was opened meanwhile, which the counters have nothing to do with."""
        User.objects.filter(pk=self.person.pk).update(enrolment_guarded_at=None)
        self.person.refresh_from_db()
        enrol_totp(self.person)

    @rule()
    def add_a_key(self) -> None:
        add_key(self.person)

    @precondition(lambda self: self.kinds & {"totp", "webauthn"})
    @rule()
    def make_codes(self) -> None:
        self.codes = recovery.make(self.person, fresh_session(self.person))

    @precondition(lambda self: self.codes and "recovery_code" in self.kinds)
    @rule()
    def spend_a_code(self) -> None:
        verification.check_code(self.person, Method.RECOVERY_CODE, self.codes.pop())

    @rule()
    def remove_the_app(self) -> None:
        self.remove("totp")

    @rule()
    def remove_a_key(self) -> None:
        self.remove("webauthn")

    @rule()
    def remove_the_codes(self) -> None:
        self.remove("recovery_code")
        self.codes = []

    @rule()
    def turn_off(self) -> None:
        if self.kinds:
            removal.turn_off(self.person, fresh_session(self.person))
        self.codes = []

    @rule()
    def be_reset(self) -> None:
        session = fresh_session(self.administrator)
        acts_scene.reset(self.person, actor=self.administrator, session=session)
        self.codes = []

    @invariant()
    def the_row_says_what_a_recount_says(self) -> None:
        if hasattr(self, "person"):
            self.person.refresh_from_db()
            if "recovery_code" not in self.kinds:
                self.codes = []
            assert said(self.person) == naive(self.person)
            assert [found for batch in state_check.check() for found in batch] == []


class Undone(History):
    """A history that the database forgets."""

    def __init__(self) -> None:
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)


def test_after_any_history_the_counters_are_a_naive_recount() -> None:
    run_machine(
        Undone, settings=settings(max_examples=30, stateful_step_count=12, suppress_health_check=list(HealthCheck))
    )


# -- the check finds what went past the flows ------------------------------------------------------------------


def test_all_is_right_where_nobody_edited_anything(person: User) -> None:
    enrol_totp(person)
    assert run() == f"{User.objects.count()} people looked at, 0 wrong\n"


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda one: User.objects.filter(pk=one.pk).update(factors=7), id="factors"),
        pytest.param(lambda one: User.objects.filter(pk=one.pk).update(factors=64), id="unknown-bit"),
        pytest.param(lambda one: User.objects.filter(pk=one.pk).update(codes_left=2), id="codes"),
        pytest.param(lambda one: User.objects.filter(pk=one.pk).update(codes_left=None), id="no-codes"),
        pytest.param(lambda one: User.objects.filter(pk=one.pk).update(mfa_enrolled_at=None), id="not-enrolled"),
        pytest.param(lambda one: User.objects.filter(pk=one.pk).update(mfa_enrolled_at=timezone.now()), id="later"),
        pytest.param(lambda one: Binding.objects.create(person=one, kind="webauthn"), id="adopted-key"),
        pytest.param(lambda one: Binding.objects.filter(person=one).update(unbound_at=timezone.now()), id="unbound"),
        pytest.param(lambda one: RecoveryCode.objects.all().delete(), id="deleted-codes"),
    ],
)
def test_what_was_edited_past_the_flows_is_found_put_right_and_recorded(person: User, edit: Any, clock: Any) -> None:
    enrol_totp(person)
    enrol_recovery_codes(person)
    clock.forward(timedelta(minutes=1))
    edit(person)
    assert exit_code() == exit_code("--repair", "--dry-run") == 1
    assert not AuditEvent.objects.filter(kind=Kind.ENROLMENT_STATE_REPAIRED).exists()
    assert "1 put right" in run("--repair")
    assert said(person) == naive(person)
    event = AuditEvent.objects.get(kind=Kind.ENROLMENT_STATE_REPAIRED)
    assert event.target_id == str(person.pk)
    assert event.payload["before"] != event.payload["after"]
    assert "0 wrong" in run()


def test_an_earlier_day_than_that_of_any_live_factor_stays(person: User, clock: Any) -> None:
    """It is that of a factor which was replaced since."""
    enrol_totp(person)
    User.objects.filter(pk=person.pk).update(mfa_enrolled_at=timezone.now() - timedelta(days=9))
    assert "0 wrong" in run()


def test_one_tenant_is_looked_at_and_no_other(person: User) -> None:
    other = UserFactory(tenant=TenantFactory())
    User.objects.filter(pk__in=[person.pk, other.pk]).update(factors=2)
    assert "1 people looked at, 1 put right" in run("--repair", "--tenant", other.tenant.slug)
    assert (said(person)[0], said(other)[0]) == (2, 0)


def test_a_tenant_that_is_not_there_is_an_error_of_its_own() -> None:
    assert exit_code("--tenant", "nobody") == 2


def test_batches_leave_nobody_out_and_cost_two_queries_each(django_assert_num_queries: Any) -> None:
    tenant: Tenant = TenantFactory()
    for _ in range(5):
        UserFactory(tenant=tenant)
    with django_assert_num_queries(6):
        assert len(list(state_check.check(tenant, size=2))) == 3
    User.objects.filter(tenant=tenant).update(codes_left=1)
    assert sum(len(found) for found in state_check.check(tenant, size=2)) == 5


def test_whoever_was_put_right_meanwhile_is_no_difference(person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look, with the row held, decides."""
    stale = {person.pk: State(Factors.KEY, None, timezone.now())}
    real = enrolment_state.expected
    answers = iter([lambda everybody: stale | {one.pk: real([one])[one.pk] for one in everybody if one != person}])
    monkeypatch.setattr(enrolment_state, "expected", lambda asked: next(answers, real)(asked))
    assert [found for batch in state_check.check(person.tenant, repair=True) for found in batch] == []
    assert said(person) == (0, None, False)


def test_the_migration_counts_what_was_there_before(person: User) -> None:
    bare = UserFactory(tenant=person.tenant)
    enrol_totp(person)
    verification.check_code(person, Method.RECOVERY_CODE, enrol_recovery_codes(person)[0])
    User.objects.update(factors=0, codes_left=None)
    migration = importlib.import_module("accounts.migrations.0010_count_enrolment_state")
    migration.count(apps, connection.schema_editor())
    assert said(person) == naive(person)
    assert said(bare) == (0, None, False)


def test_the_migration_says_who_had_several_or_a_locked_one_before(person: User) -> None:
    single = UserFactory(tenant=person.tenant)
    for one in (person, single):
        enrol_totp(one)
    add_key(person)
    enrol_recovery_codes(single)
    Binding.objects.filter(person=single).update(locked_at=timezone.now())
    User.objects.update(factors=F("factors").bitand(7))
    migration = importlib.import_module("accounts.migrations.0014_several_and_locked")
    migration.count(apps, None)
    assert (said(person), said(single)) == (naive(person), naive(single))
    assert (said(person)[0], said(single)[0]) == (1 + 2 + 8, 2 + 4 + 16)
    migration.forget(apps, None)
    assert (said(person)[0], said(single)[0]) == (1 + 2, 2 + 4)


@pytest.mark.postgres
@pytest.mark.security(11)
@pytest.mark.django_db(transaction=True)
def test_codes_spent_and_made_anew_at_once_leave_the_right_number() -> None:
    person = UserFactory(tenant=TenantFactory(rules=FREE))
    enrol_totp(person)
    for _ in range(3):
        codes = recovery.make(person, fresh_session(person))
        session = fresh_session(person)

        def race(number: int, codes: list[str] = codes, session: Any = session) -> None:
            if number == 0:
                recovery.make(User.objects.get(pk=person.pk), session)
                return
            with suppress(verification.WrongRecoveryCode):
                verification.check_code(person, Method.RECOVERY_CODE, codes[number])

        in_parallel(8, race)
        assert said(person) == naive(person)


def test_the_crowd_of_the_bench_says_what_a_recount_says() -> None:
    tenant = TenantFactory()
    crowd.gather(tenant, 40)
    assert [found for batch in state_check.check(tenant) for found in batch] == []


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_what_is_wrong_stands_in_lines_of_its_own_above_the_bar(person: User) -> None:
    User.objects.filter(pk=person.pk).update(factors=Factors.APP)
    out = Terminal()
    with pytest.raises(CommandError):
        call_command("check_enrolment_state", stdout=out)
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", out.getvalue()).splitlines()
    assert any(line.startswith("People") for line in lines)
    assert [line for line in lines if line.startswith(f"{person.pk}: the row says app")]
