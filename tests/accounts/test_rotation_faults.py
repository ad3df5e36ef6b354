"""What may befall a rotation on a live site: killed, cut off, out of room, two at once, people at work meanwhile.

After each: every row opens or is reported, a second run finishes, and whoever could sign in still can.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings as site
from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from accounts import canary, crew, keyring
from accounts.authenticators import totp
from accounts.flows import enrolment, removal, retirement, rotation
from accounts.flows.key_work import Report
from accounts.key_errors import KeyStillNeeded, KeyWorkFailed
from accounts.models import Binding, User
from accounts.sealed import TOTP
from audit.kinds import Kind
from tests.accounts import acts_scene
from tests.accounts.sealed_scene import (
    add_key,
    apps,
    damage,
    events,
    everybody_gets_in,
    new_key,
    rotate,
    sign_in,
    stored,
    under,
)
from tests.accounts.test_verification import in_parallel
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_totp,
    live_binding,
    password_proof,
    proof_of,
    publish_rules,
    session_of,
)
from tests.harness import environment

pytestmark = [pytest.mark.postgres, pytest.mark.security(86), pytest.mark.django_db(transaction=True)]
GATE = 4711  # the advisory lock at which a rotation is made to wait
PATIENCE = 60  # seconds


class Command:
    """`manage.py mfa_keys …` in a process of its own, on the database of the test."""

    def __init__(self, *arguments: str) -> None:
        surroundings = environment.of_a_process_beside() | {
            "MFA_ENCRYPTION_KEYS": ",".join(site.MFA_ENCRYPTION_KEYS),
            "AUDIT_HMAC_KEYS": ",".join(site.AUDIT_HMAC_KEYS),
        }
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "mfa_keys", *arguments],
            cwd=Path(site.BASE_DIR),
            env=surroundings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> tuple[int, str, str]:
        """Exit code and what it said."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def ask(sql: str, *values: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def somebody_waits() -> bool:
    return bool(ask("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted", GATE))


def waiting_backends() -> list[int]:
    return [pid for (pid,) in ask("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")]


def lost_everywhere(command: Command) -> bool:
    """Cut the connections that wait, of whichever thread comes to those rows; true when the command has ended."""
    for pid in waiting_backends():
        ask("SELECT pg_terminate_backend(%s)", pid)
    return command.process.poll() is not None


@contextmanager
def trap(person: User, action: str) -> Iterator[None]:
    """A trigger that does something when the ciphertext of this person is written."""
    ask(f"CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action} RETURN NEW; END $$")
    ask(
        "CREATE TRIGGER trap BEFORE UPDATE ON mfa_authenticator FOR EACH ROW"
        f" WHEN (NEW.user_id = '{person.pk}') EXECUTE FUNCTION trap()"
    )
    try:
        yield
    finally:
        ask("DROP TRIGGER trap ON mfa_authenticator; DROP FUNCTION trap()")


@contextmanager
def waiting_at(person: User) -> Iterator[None]:
    """Whoever writes this person's ciphertext waits until the block ends."""
    with trap(person, f"PERFORM pg_advisory_xact_lock({GATE});"):
        ask("SELECT pg_advisory_lock(%s)", GATE)
        pid = waiting_backends
        try:
            yield
        finally:
            stuck = pid()
            ask("SELECT pg_advisory_unlock(%s)", GATE)
            wait_for(lambda: not ask("SELECT 1 FROM pg_stat_activity WHERE pid = ANY(%s)", stuck))


def by_key() -> list[User]:
    """People in the order in which a rotation comes to them."""
    return [binding.person for binding in Binding.objects.order_by("authenticator_id").select_related("person")]


@pytest.mark.parametrize("place", [0, 17, 29], ids=["first", "middle", "last"])
def test_killed_at_any_row_everything_opens_and_a_second_run_finishes(settings, place):
    secrets = apps(30)
    primary = add_key(settings)
    with waiting_at(by_key()[place]):
        killed = Command("rotate", "--batch", "10")
        wait_for(somebody_waits)
        killed.process.send_signal(signal.SIGKILL)
        killed.process.wait(PATIENCE)
        killed.end()
    assert everybody_gets_in(secrets)
    done = Binding.objects.filter(sealed_under=primary).count()
    assert done % 10 == 0  # whole batches, and not the one that waited
    assert not Binding.objects.filter(sealed_under=primary, person=by_key()[place]).exists()
    code, out, _err = Command("rotate", "--batch", "10").end()
    assert (code, f"{30 - done} sealed anew, 0 do not open, 0 left" in out) == (0, True)
    assert (under(secrets), everybody_gets_in(secrets)) == ({primary}, True)
    person, secret = next(iter(secrets.items()))
    sign_in(person, secret)


def test_two_rotations_at_once_share_the_work_and_do_nothing_twice(settings):
    secrets = apps(60)
    primary = add_key(settings)
    done = []
    assert in_parallel(2, lambda _: done.append(rotate(size=5)[0].done)) == ["", ""]
    assert sum(done) == 60
    assert (under(secrets), everybody_gets_in(secrets)) == ({primary}, True)


def test_two_processes_at_once_finish_together_and_neither_reports_a_fault(settings):
    secrets = apps(60)
    primary = add_key(settings)
    with waiting_at(by_key()[0]):
        both = [Command("rotate", "--batch", "5") for _ in range(2)]
        wait_for(lambda: len(events(Kind.KEY_ROTATION_STARTED)) == 2 and somebody_waits())
    ended = [command.end() for command in both]
    assert [(code, err) for code, _out, err in ended] == [(0, ""), (0, "")]
    said = [re.search(r"(\d+) sealed anew, 0 do not open, 0 left", out) for _code, out, _err in ended]
    assert sum(int(found[1]) for found in said if found) == 60 and all(said)
    assert not events(Kind.KEY_ROTATION_FAILED, Kind.KEY_SECRET_UNREADABLE)
    assert (under(secrets), everybody_gets_in(secrets)) == ({primary}, True)


def test_a_process_alone_computes_one_batch_while_the_database_writes_another(settings):
    secrets = apps(30)
    primary = add_key(settings)
    with waiting_at(by_key()[0]):
        command = Command("rotate", "--batch", "10")
        wait_for(lambda: Binding.objects.filter(sealed_under=primary).count() == 20 and somebody_waits())
        threads = sorted(int(one.name) for one in Path(f"/proc/{command.process.pid}/task").iterdir())
        gives_way = [os.getpriority(os.PRIO_PROCESS, thread) == crew.LOWEST for thread in threads]
        assert (gives_way[0], gives_way.count(True)) == (False, 2)
    code, out, err = command.end()
    assert (code, "30 sealed anew, 0 do not open, 0 left" in out) == (0, True), err
    assert (under(secrets), everybody_gets_in(secrets)) == ({primary}, True)


def test_broken_off_by_hand_it_leaves_no_thread_and_no_half_batch(settings):
    secrets = apps(60)
    primary = add_key(settings)
    steps = rotation.rotate(Report(), size=5)
    next(steps)
    steps.close()
    assert [one.name for one in threading.enumerate() if one.name.startswith("crew_")] == []
    assert Binding.objects.filter(sealed_under=primary).count() % 5 == 0
    assert events(Kind.KEY_ROTATION_FAILED)[-1].payload["reason"] == "interrupted"
    rotate()
    assert (under(secrets), everybody_gets_in(secrets)) == ({primary}, True)


def test_two_workers_do_it_each_on_a_connection_of_its_own(settings):
    secrets = apps(60)
    primary = add_key(settings)
    code, out, err = Command("rotate", "--workers", "2", "--batch", "5").end()
    assert (code, "60 sealed anew, 0 do not open, 0 left" in out) == (0, True), err
    assert (under(secrets), everybody_gets_in(secrets)) == ({primary}, True)
    assert len(events(Kind.KEY_ROTATION_STARTED, Kind.KEY_ROTATION_FINISHED)) == 2


def test_a_worker_that_is_killed_is_noticed_and_what_it_held_is_left_as_it_was(settings):
    secrets = apps(20)
    primary = add_key(settings)
    with waiting_at(by_key()[0]):
        command = Command("rotate", "--workers", "2", "--batch", "2")
        wait_for(somebody_waits)
        children = Path(f"/proc/{command.process.pid}/task/{command.process.pid}/children").read_text().split()
        wait_for(lambda: Binding.objects.filter(sealed_under=primary).count() == 18)
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        code, _out, err = command.end()
    assert (code, "a worker ended with -9" in err) == (3, True)
    assert events(Kind.KEY_ROTATION_FAILED)
    assert everybody_gets_in(secrets)
    assert Command("rotate").end()[0] == 0
    assert (under(secrets), everybody_gets_in(secrets)) == ({primary}, True)


def test_a_connection_that_is_lost_in_mid_batch_undoes_the_batch_and_is_recorded(settings):
    secrets = apps(20)
    primary = add_key(settings)
    with waiting_at(by_key()[12]):
        command = Command("rotate", "--batch", "10")
        wait_for(lambda: Binding.objects.filter(sealed_under=primary).count() == 10 and somebody_waits())
        wait_for(lambda: lost_everywhere(command))
        code, _out, err = command.end()
    assert (code, "It broke off: OperationalError" in err) == (3, True)
    assert "Traceback" not in err
    assert events(Kind.KEY_ROTATION_FAILED)[-1].payload["reason"] == "OperationalError"
    assert Binding.objects.filter(sealed_under=primary).count() == 10
    assert everybody_gets_in(secrets)
    assert rotate()[0].done == 10
    assert (under(secrets), everybody_gets_in(secrets)) == ({primary}, True)


def test_a_write_that_fails_because_the_disk_is_full_undoes_its_batch_alone(settings):
    secrets = apps(20)
    primary = add_key(settings)
    with trap(by_key()[15], "RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100';"):
        with pytest.raises(KeyWorkFailed, match="run the same command again"):
            rotate(size=10)
        assert Binding.objects.filter(sealed_under=primary).count() == 10
        assert everybody_gets_in(secrets)
        assert events(Kind.KEY_ROTATION_FAILED)[-1].payload["done"] == 10
    assert rotate()[0].done == 10
    assert (under(secrets), everybody_gets_in(secrets)) == ({primary}, True)


def test_a_database_that_stores_something_else_is_noticed_before_it_is_committed(settings):
    secrets = apps(10)
    primary = add_key(settings)
    with trap(by_key()[7], "NEW.data = jsonb_set(NEW.data, '{secret}', to_jsonb(left(NEW.data->>'secret', 100)));"):
        with pytest.raises(KeyWorkFailed, match="does not read back"):
            rotate(size=5)
    assert everybody_gets_in(secrets)
    assert rotate()[0].done == 5
    assert under(secrets) == {primary}


@pytest.mark.security(85)
def test_among_ten_thousand_the_four_that_do_not_open_are_reported_and_the_rest_goes_on(settings):
    secrets = apps(10_000)
    damaged = list(secrets)[:4]
    whole = stored(damaged[0])
    bad = {
        damage(damaged[0], whole[:50] + ("A" if whole[50] != "A" else "B") + whole[51:]).pk: "tampered",
        damage(damaged[1], stored(damaged[1])[:-20]).pk: "tampered",
        damage(damaged[2], whole).pk: "wrong_context",
        damage(damaged[3], keyring.KeyRing([new_key()]).seal("x", TOTP.context(uuid.uuid4(), uuid.uuid4()))).pk: (
            "unknown_key"
        ),
    }
    primary = add_key(settings)
    code, out, err = Command("rotate").end()
    assert code == 1
    assert "9996 sealed anew, 4 do not open, 4 left" in out
    for row, reason in bad.items():
        [line] = [line for line in err.splitlines() if str(row) in line]
        assert line.endswith(reason)
    assert {alarm.payload["row"] for alarm in events(Kind.KEY_SECRET_UNREADABLE)} == {str(row) for row in bad}
    assert Binding.objects.filter(sealed_under=primary).count() == 9_996
    code, _out, err = Command("verify").end()
    assert (code, sum(str(row) in err for row in bad)) == (1, 4)


def test_rows_that_somebody_holds_are_met_again_later(settings):
    secrets = apps(6)
    primary = add_key(settings)
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        close_old_connections()
        with transaction.atomic():
            list(Binding.objects.select_for_update().filter(person__in=list(secrets)[:2]))
            held.set()
            free.wait(PATIENCE)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(PATIENCE)
    threading.Timer(0.6, free.set).start()
    report, _steps = rotate(size=2)
    holder.join()
    assert (report.done, report.left, under(secrets)) == (6, 0, {primary})


def test_what_is_being_sealed_under_a_key_at_that_moment_keeps_it_from_being_retired(settings):
    person, old = UserFactory(), keyring.primary_key_id()
    sealed = threading.Event()

    def enrol_on_a_machine_that_was_not_restarted() -> None:
        close_old_connections()
        with transaction.atomic():
            enrolment.begin_totp(person, session_of(person))
            sealed.set()
            wait_for(lambda: bool(ask("SELECT 1 FROM pg_locks WHERE NOT granted")))
        connection.close()

    other = threading.Thread(target=enrol_on_a_machine_that_was_not_restarted)
    other.start()
    assert sealed.wait(PATIENCE)
    add_key(settings)
    with pytest.raises(KeyStillNeeded, match="1 rows need it"):
        retirement.retire(old)
    other.join()
    assert old not in canary.retired()


def test_what_people_do_meanwhile_wins_and_nothing_comes_back(settings):
    tenant = TenantFactory()
    publish_rules(tenant, enforcement="optional")
    actor = AdministratorFactory(tenant=tenant)
    enrol_totp(actor)
    acting = session_of(actor, password_proof(), proof_of(live_binding(actor)))
    people = [UserFactory(tenant=tenant) for _ in range(9)]
    before = {person: enrol_totp(person) for person in people}
    sessions = {person: session_of(person, password_proof(), proof_of(live_binding(person))) for person in people}
    replacing, removing, resetting = people[:3], people[3:6], people[6:]
    new = {person: enrolment.begin_totp(person, sessions[person]) for person in replacing}
    crowd = apps(200)
    primary = add_key(settings)

    def work(number: int) -> None:
        if number == 0:
            rotate(size=3)
        for person in replacing if number == 1 else ():
            code = totp.code_at(new[person], totp.step_at(timezone.now()))
            enrolment.confirm_totp(User.objects.get(pk=person.pk), sessions[person], code, replace=True)
        for person in removing if number == 2 else ():
            removal.remove(person, sessions[person], live_binding(person).pk)
        for person in resetting if number == 3 else ():
            acts_scene.reset(person, actor=actor, session=acting)

    assert in_parallel(4, work) == [""] * 4
    gone = [*removing, *resetting]
    assert not Binding.objects.filter(person__in=gone, unbound_at=None).exists()
    assert not Authenticator.objects.filter(user__in=gone).exists()
    assert Authenticator.objects.filter(user__in=replacing).count() == 3
    assert everybody_gets_in({person: new[person] for person in replacing})
    assert all(new[person] != before[person] for person in replacing)
    assert (everybody_gets_in(crowd), under(crowd)) == (True, {primary})
    rotate()
    assert under([*crowd, *replacing, actor]) == {primary}


def test_people_sign_in_while_everything_is_sealed_anew(settings):
    secrets = apps(80)
    add_key(settings)
    some = list(secrets.items())[:40]

    def work(number: int) -> None:
        if number == 0:
            rotate(size=5)
        else:
            for person, secret in some[(number - 1) * 10 : number * 10]:
                sign_in(person, secret)

    assert in_parallel(5, work) == [""] * 5
    assert everybody_gets_in(secrets)
