"""What may befall a move: killed, told to end, cut off, several at once, rows that others hold.

After each: nothing is lost, a second run finishes, and what was left is said to be left.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from allauth.mfa.models import Authenticator
from django.db import close_old_connections, connection, transaction
from django.db.models import Q

from accounts.assurance import Method
from accounts.authenticators import totp
from accounts.flows import rotation, verification
from accounts.models import Binding, User
from audit.kinds import Kind
from tests.accounts.sealed_scene import events
from tests.accounts.test_adoption import SEED, adopt, code_of, moved
from tests.accounts.test_rotation_faults import PATIENCE, Command, lost_everywhere, somebody_waits, wait_for, waiting_at
from tests.accounts.test_verification import in_parallel

pytestmark = [pytest.mark.postgres, pytest.mark.security(85, 86), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def moving_in(settings, monkeypatch):
    settings.MFA_ADOPT_FOREIGN_SECRETS = True
    monkeypatch.setenv("MFA_ADOPT_FOREIGN_SECRETS", "on")  # for commands in processes of their own


def newcomers(number: int) -> dict[User, str]:
    """So many people with an app of another site, in the order in which a move comes to them."""
    secrets = {moved("totp", {"secret": secret}): secret for secret in (totp.new_secret() for _ in range(number))}
    return {person: secrets[person] for person in sorted(secrets, key=lambda one: one.pk)}


def everybody_gets_in(secrets: dict[User, str]) -> bool:
    """Whether each of them can sign in with the app they had; raises where one cannot."""
    for person, secret in secrets.items():
        verification.check_code(person, Method.TOTP, code_of(secret))
    return True


@contextmanager
def held(model: type[User | Authenticator], which: Q) -> Iterator[threading.Event]:
    """Somebody else holds these rows until the block ends, or the event is set."""
    holds, free = threading.Event(), threading.Event()

    def hold() -> None:
        close_old_connections()
        with transaction.atomic():
            list(model._default_manager.select_for_update().filter(which))
            holds.set()
            free.wait(PATIENCE)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    holds.wait(PATIENCE)
    try:
        yield free
    finally:
        free.set()
        holder.join()


def cut_off(person: User, end: Callable[[Command], object]) -> tuple[int, str, str]:
    """A move that is ended while it waits at this person: its exit code, and what it said."""
    with waiting_at(person):
        command = Command("adopt")
        wait_for(somebody_waits)
        end(command)
        return command.end()


@pytest.mark.parametrize("place", [0, 3, 5], ids=["first", "middle", "last"])
def test_killed_at_any_person_nothing_is_lost_and_a_second_run_finishes(place):
    secrets = newcomers(6)
    people = list(secrets)
    cut_off(people[place], lambda command: command.process.send_signal(signal.SIGKILL))
    assert set(Binding.objects.values_list("person", flat=True)) == {person.pk for person in people[:place]}
    assert Authenticator.objects.get(user=people[place]).data == {"secret": secrets[people[place]]}
    code, out, err = Command("adopt").end()
    assert (code, f"{6 - place} were taken over, 0 cannot be, 0 left" in out) == (0, True), err
    assert len(events(Kind.AUTHENTICATOR_ADOPTED)) == 6
    assert everybody_gets_in(secrets)


def test_told_to_end_it_ends_in_order_and_says_so():
    secrets = newcomers(3)
    people = list(secrets)
    code, _out, err = cut_off(people[1], lambda command: command.process.send_signal(signal.SIGTERM))
    assert (code, "It broke off: interrupted" in err, "Traceback" in err) == (3, True, False), err
    [failed] = events(Kind.KEY_ADOPTION_FAILED)
    assert (failed.payload["done"], failed.payload["reason"]) == (1, "interrupted")
    assert Authenticator.objects.get(user=people[1]).data == {"secret": secrets[people[1]]}
    assert adopt().done == 2
    assert everybody_gets_in(secrets)


def test_a_connection_that_is_lost_undoes_the_person_and_is_recorded():
    secrets = newcomers(3)
    people = list(secrets)
    code, _out, err = cut_off(people[1], lambda command: wait_for(lambda: lost_everywhere(command)))
    assert (code, "It broke off: OperationalError" in err) == (3, True), err
    assert events(Kind.KEY_ADOPTION_FAILED)[-1].payload["reason"] == "OperationalError"
    assert Binding.objects.count() == 1
    assert adopt().done == 2
    assert everybody_gets_in(secrets)


def test_several_at_once_share_the_work_and_do_nothing_twice():
    secrets = newcomers(40)
    for person in list(secrets)[:2]:
        moved("recovery_codes", {"seed": SEED, "used_mask": 0}, person)
    reports = []
    assert in_parallel(3, lambda _: reports.append(adopt())) == [""] * 3
    assert sum(report.done for report in reports) == 42
    assert {(report.unreadable, report.left) for report in reports} == {(0, 0)}
    assert Binding.objects.count() == len(events(Kind.AUTHENTICATOR_ADOPTED)) == 42
    assert everybody_gets_in(secrets)


@pytest.mark.parametrize("whose", ["person", "app", "codes"])
def test_what_somebody_holds_to_the_end_is_left_and_neither_done_nor_refused(monkeypatch, whose):
    monkeypatch.setattr(rotation, "PAUSE", 0)
    secrets = newcomers(3)
    person = list(secrets)[1]
    moved("recovery_codes", {"seed": SEED, "used_mask": 0}, person)
    kind = {"app": "totp", "codes": "recovery_codes"}.get(whose)
    model, which = (Authenticator, Q(user=person, type=kind)) if kind else (User, Q(pk=person.pk))
    with held(model, which):
        report = adopt()
    assert (report.total, report.done, report.unreadable, report.left) == (4, 2, 0, 2)
    assert events(Kind.KEY_ADOPTION_FINISHED)[-1].payload["left"] == 2
    assert not events(Kind.KEY_SECRET_UNREADABLE)
    assert Authenticator.objects.get(user=person, type="totp").data == {"secret": secrets[person]}
    assert adopt().done == 2
    assert everybody_gets_in(secrets)


def test_what_somebody_holds_for_a_while_is_met_again():
    secrets = newcomers(3)
    with held(User, Q(pk=next(iter(secrets)).pk)) as free:
        threading.Timer(0.6, free.set).start()
        report = adopt()
    assert (report.done, report.left) == (3, 0)
    assert everybody_gets_in(secrets)
