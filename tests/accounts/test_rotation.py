"""Rotation: everything goes under the first key, nothing else changes, and what does not open is left and told."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import replace
from itertools import product
from threading import Barrier, BrokenBarrierError

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from accounts import keyring, resealing, sealed_rows
from accounts.flows import enrolment, rotation
from accounts.key_errors import KeyWorkFailed, WrongKeys, WrongOrder
from accounts.models import Binding, PendingEnrolment, RecoveryCode, Session, User
from accounts.resealing import Changes, NotWritten
from accounts.sealed import PENDING_TOTP, TOTP
from accounts.sealed_rows import Row
from audit.kinds import Kind
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
from tests.factories import UserFactory, enrol_recovery_codes, enrol_totp, session_of, verified_client

BOTH = pytest.mark.parametrize("database", ["any", pytest.param("postgres", marks=pytest.mark.postgres)])
pytestmark = pytest.mark.django_db


@pytest.mark.security(86)
@BOTH
def test_everything_goes_under_the_first_key_and_opens(settings, database):
    secrets = apps(25)
    other = UserFactory()
    pending = enrolment.begin_totp(other, mine := session_of(other))
    primary = add_key(settings)
    report, steps = rotate(size=10)
    assert (report.total, report.done, report.unreadable, report.left) == (26, 26, 0, 0)
    assert [step.done for step in steps] == [10, 10, 5, 1]
    assert under(secrets) == {primary}
    assert everybody_gets_in(secrets)
    assert PendingEnrolment.objects.get().sealed_under == primary
    assert enrolment.begin_totp(other, mine) == pending
    person, secret = next(iter(secrets.items()))
    sign_in(person, secret)
    assert Authenticator.objects.get(user=person).data["kept"] == 1


@BOTH
def test_a_second_run_has_nothing_to_do_and_the_old_key_may_be_taken_out(settings, database):
    secrets = apps(3)
    add_key(settings)
    rotate()
    before = {person: stored(person) for person in secrets}
    assert rotate()[0].done == 0
    assert before == {person: stored(person) for person in secrets}
    settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[:1]
    assert everybody_gets_in(secrets)


@pytest.mark.security(67, 86)
def test_sessions_codes_and_versions_stay_as_they_are(settings):
    person = UserFactory()
    enrol_totp(person)
    codes = enrol_recovery_codes(person)
    client = verified_client(person)

    def picture():
        rows = (User.objects.filter(pk=person.pk), Session.objects.all(), RecoveryCode.objects.all())
        kept = [list(found.values()) for found in rows]
        return kept, list(Binding.objects.values("pk", "last_counter", "failures", "bound_at", "unbound_at"))

    before = picture()
    add_key(settings)
    assert rotate()[0].done == 1
    assert picture() == before
    assert client.get("/").status_code == 200
    assert len(codes) == 10


@pytest.mark.security(85)
@BOTH
def test_what_does_not_open_is_left_reported_and_alarmed_and_the_rest_goes_on(settings, database):
    secrets = apps(30)
    bad = list(secrets)[:6]
    whole = stored(bad[0])
    flipped = whole[:60] + ("A" if whole[60] != "A" else "B") + whole[61:]
    strange = keyring.KeyRing([new_key()])
    expected = {
        damage(bad[0], flipped).pk: "tampered",
        damage(bad[1], stored(bad[1])[:-8]).pk: "tampered",
        damage(bad[2], stored(bad[6 - 1])).pk: "wrong_context",
        damage(bad[3], "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").pk: "foreign",
        damage(bad[4], strange.seal("x", TOTP.context(uuid.uuid4(), bad[4].pk))).pk: "unknown_key",
        damage(bad[5], "").pk: "malformed",
    }
    primary = add_key(settings)
    report, steps = rotate(size=7)
    faults = [fault for step in steps for fault in step.faults]
    assert {uuid.UUID(fault.row): fault.reason for fault in faults} == expected
    assert {fault.owner for fault in faults} == {str(person.pk) for person in bad}
    assert (report.done, report.unreadable, report.left) == (24, 6, 6)
    assert under(list(secrets)[6:]) == {primary}
    alarms = events(Kind.KEY_SECRET_UNREADABLE)
    assert {(alarm.target_id, alarm.payload["reason"]) for alarm in alarms} == {
        (fault.owner, fault.reason) for fault in faults
    }
    told = f"{faults}{[alarm.payload for alarm in alarms]}"
    assert whole[9:] not in told
    assert "JBSWY3DP" not in told
    again, _steps = rotate()
    assert (again.done, again.unreadable) == (0, 6)


def test_of_very_many_that_do_not_open_the_first_hundred_raise_alarms(settings, monkeypatch):
    for person in apps(5):
        damage(person, "")
    monkeypatch.setattr("accounts.flows.key_work.ALARMS", 3)
    add_key(settings)
    report, _steps = rotate(size=2)
    assert report.unreadable == 5
    assert len(events(Kind.KEY_SECRET_UNREADABLE)) == 3


def test_beginning_and_end_are_recorded(settings):
    apps(2)
    primary = add_key(settings)
    rotate()
    started, finished = events(Kind.KEY_ROTATION_STARTED, Kind.KEY_ROTATION_FINISHED)
    assert (started.kind, started.payload["rows"], started.payload["key"]) == ("key:rotation_started", 2, primary)
    assert (finished.kind, finished.payload["done"], finished.payload["left"]) == ("key:rotation_finished", 2, 0)


def test_a_run_that_is_broken_off_says_so_and_the_next_one_finishes(settings):
    secrets = apps(5)
    primary = add_key(settings)
    from accounts.flows.key_work import Report

    steps = rotation.rotate(Report(), size=2)
    next(steps)
    steps.close()
    assert events(Kind.KEY_ROTATION_FAILED)[-1].payload["reason"] == "interrupted"
    assert everybody_gets_in(secrets)
    assert rotate()[0].done == 3
    assert under(secrets) == {primary}


@pytest.mark.security(86)
def test_with_wrong_keys_nothing_is_begun(settings):
    secrets = apps(2)
    right = settings.MFA_ENCRYPTION_KEYS
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    with pytest.raises(WrongKeys):
        rotate()
    settings.MFA_ENCRYPTION_KEYS = right
    assert everybody_gets_in(secrets)
    assert not events(Kind.KEY_ROTATION_STARTED)


@pytest.mark.security(86)
def test_keys_in_the_wrong_order_are_refused_unless_it_is_meant(settings):
    secrets = apps(2)
    add_key(settings)
    rotate()
    settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[::-1]
    with pytest.raises(WrongOrder, match="wrong order"):
        rotate()
    assert everybody_gets_in(secrets)
    assert rotate(backwards=True)[0].done == 2
    assert under(secrets) == {keyring.primary_key_id()}


@pytest.mark.security(86)
@BOTH
def test_an_old_key_that_was_taken_out_too_early_costs_nothing_but_a_second_run(settings, database):
    secrets = apps(4)
    old = settings.MFA_ENCRYPTION_KEYS[0]
    add_key(settings)
    settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[:1]
    report, steps = rotate()
    assert (report.done, report.unreadable, report.left) == (0, 4, 4)
    assert {(fault.reason, fault.key_id) for step in steps for fault in step.faults} == {
        ("unknown_key", keyring.KeyRing([old]).primary_id)
    }
    settings.MFA_ENCRYPTION_KEYS = [*settings.MFA_ENCRYPTION_KEYS, old]
    assert rotate()[0].done == 4
    assert everybody_gets_in(secrets)


@BOTH
def test_a_column_that_names_another_key_than_the_ciphertext_is_put_right(settings, database):
    secrets = apps(3)
    Binding.objects.filter(person=next(iter(secrets))).update(sealed_under="deadbeef")
    report, _steps = rotate()
    assert report.done == 1
    assert under(secrets) == {keyring.primary_key_id()}


@pytest.mark.security(86)
@BOTH
@pytest.mark.parametrize("change", ["ciphertext", "removed", "replaced"])
def test_whoever_changed_a_row_meanwhile_wins(settings, database, change):
    person, secret = next(iter(apps(1).items()))
    batch = held(TOTP)
    binding = Binding.objects.get()
    if change == "ciphertext":
        damage(person, "another")
    elif change == "removed":
        Binding.objects.update(authenticator=None)
        Authenticator.objects.all().delete()
    else:
        Authenticator.objects.all().delete()
        new = Authenticator.objects.create(user=person, type="totp", data={"secret": "new"})
        Binding.objects.filter(pk=binding.pk).update(authenticator=new)
    new = keyring.seal(secret, TOTP.context(binding.pk, person.pk))
    assert resealing.write(TOTP, changed(batch, new), "deadbeef") == set()
    assert not Authenticator.objects.filter(data__secret=new).exists()
    assert Binding.objects.get().sealed_under == binding.sealed_under


@BOTH
@pytest.mark.security(86)
def test_whoever_began_an_enrolment_anew_meanwhile_wins(settings, database):
    person = UserFactory()
    enrolment.begin_totp(person, session_of(person))
    batch = held(PENDING_TOTP)
    new = keyring.seal("x", PENDING_TOTP.context(uuid.UUID(batch.keys[0]), person.pk))
    PendingEnrolment.objects.update(sealed="another")
    assert resealing.write(PENDING_TOTP, changed(batch, new), "deadbeef") == set()
    assert PendingEnrolment.objects.get().sealed == "another"
    batch = held(PENDING_TOTP)
    assert resealing.write(PENDING_TOTP, changed(batch, new), "deadbeef") == set(batch.homes)
    assert PendingEnrolment.objects.values_list("sealed", "sealed_under").get() == (new, "deadbeef")


@BOTH
def test_a_row_that_does_not_read_back_as_written_is_noticed(settings, database):
    person = next(iter(apps(1)))
    ring, batch = keyring.current(), held(TOTP)
    changes, faults = resealing.resealed(ring, TOTP, batch, foreign=False)
    assert not faults
    resealing.require_written(ring, TOTP, changes, set())  # somebody else won: there is nothing to read back
    as_it_stood, key = changes.new[0], set(batch.homes)
    damage(person, as_it_stood)
    for stands in (as_it_stood[:-2], as_it_stood.upper(), keyring.seal("x", TOTP.context(uuid.uuid4(), person.pk))):
        resealing.require_written(ring, TOTP, changes, key)
        damage(person, stands)
        with pytest.raises(NotWritten, match=batch.keys[0]):
            resealing.require_written(ring, TOTP, changes, key)
        damage(person, as_it_stood)
    Binding.objects.update(sealed_under="deadbeef")
    with pytest.raises(NotWritten):
        resealing.require_written(ring, TOTP, changes, key)
    Binding.objects.all().delete()
    with pytest.raises(NotWritten):
        resealing.require_written(ring, TOTP, changes, key)


@BOTH
def test_a_row_under_the_old_key_does_not_count_as_written(settings, database):
    person = next(iter(apps(1)))
    batch = held(TOTP)
    add_key(settings)
    ring = keyring.current()
    changes, _faults = resealing.resealed(ring, TOTP, batch, foreign=False)
    Binding.objects.update(sealed_under=ring.primary_id)
    assert keyring.key_id_of(stored(person)) != ring.primary_id
    with pytest.raises(NotWritten):
        resealing.require_written(ring, TOTP, changes, set(batch.homes))


@pytest.mark.parametrize("way", ["resealed", "require_written"])
def test_one_thread_of_a_process_opens_and_seals_at_a_time(settings, monkeypatch, way):
    apps(2)
    ring, batch = keyring.current(), held(TOTP)
    changes, _faults = resealing.resealed(ring, TOTP, batch, foreign=False)
    as_written = (changes.homes, changes.new, [ring.primary_id] * 2)
    monkeypatch.setattr(resealing, "_columns", lambda *_asked: as_written)
    both, met = Barrier(2), []

    def meet(_ring, _ciphertext, frame):
        with suppress(BrokenBarrierError):
            met.append(both.wait(timeout=0.2))
        return frame

    monkeypatch.setattr(keyring.KeyRing, "opened", meet)
    work = {
        "resealed": lambda: resealing.resealed(ring, TOTP, batch, foreign=False),
        "require_written": lambda: resealing.require_written(ring, TOTP, changes, set(changes.homes)),
    }[way]
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(work) for _ in range(2)]:
            done.result()
    assert both.broken and not met


@BOTH
@pytest.mark.security(86)
def test_what_was_sealed_wrongly_is_noticed_although_it_stands_as_it_was_written(settings, database, monkeypatch):
    secrets = apps(2)
    add_key(settings)
    right = keyring.KeyRing.sealed
    for wrongly in (lambda one: one[::-1], lambda one: one[:-1], lambda one: one + b"A"):
        sealed = lambda self, given, wrongly=wrongly: right(self, [*given[:-1], wrongly(given[-1])])  # noqa: E731
        monkeypatch.setattr(keyring.KeyRing, "sealed", sealed)
        with pytest.raises(NotWritten):
            rotation._batch(TOTP, None, 10)
    monkeypatch.undo()
    assert everybody_gets_in(secrets)


@BOTH
@pytest.mark.security(86)
def test_of_the_rows_of_a_batch_those_that_were_written_have_to_read_back(settings, database):
    """Every state of each row, and every part of them that may have been written."""
    people = list(apps(3))
    old = {person: stored(person) for person in people}
    add_key(settings)
    ring, batch = keyring.current(), held(TOTP)
    changes, _faults = resealing.resealed(ring, TOTP, batch, foreign=False)
    assert resealing.write(TOTP, changes, ring.primary_id) == set(batch.homes)
    right = {person: stored(person) for person in people}
    states = {
        "right": lambda person: right[person],
        "old": lambda person: old[person],
        "its neighbour's": lambda person: right[people[people.index(person) - 1]],
    }
    for chosen in product(states, repeat=len(people)):
        for person, state in zip(people, chosen, strict=True):
            damage(person, states[state](person))
        for number in range(2 ** len(people)):
            written = {home for place, home in enumerate(batch.homes) if number >> place & 1}
            wrong = [
                key
                for key, home, state in zip(batch.keys, batch.homes, chosen, strict=True)
                if home in written and state != "right"
            ]
            with pytest.raises(NotWritten, match=wrong[0]) if wrong else nullcontext():
                resealing.require_written(ring, TOTP, changes, written)
    for person in people:
        damage(person, right[person])
    Binding.objects.filter(pk=batch.keys[1]).update(sealed_under="deadbeef")
    with pytest.raises(NotWritten, match=batch.keys[1]):
        resealing.require_written(ring, TOTP, changes, set(batch.homes))


@pytest.mark.django_db(transaction=True)
@pytest.mark.security(86)
def test_a_batch_that_does_not_read_back_is_undone_and_the_run_breaks_off(settings, monkeypatch):
    secrets = apps(4)
    add_key(settings)
    real, calls = rotation.write, []

    def spoil(place, changes, key_id):
        calls.append(len(changes.keys))
        spoilt = replace(changes, new=[one[:-4] for one in changes.new]) if len(calls) == 2 else changes
        return real(place, spoilt, key_id)

    monkeypatch.setattr(rotation, "write", spoil)
    with pytest.raises(KeyWorkFailed, match="does not read back"):
        rotate(size=2)
    assert everybody_gets_in(secrets)
    assert "does not read back" in events(Kind.KEY_ROTATION_FAILED)[-1].payload["reason"]
    monkeypatch.undo()
    assert rotate()[0].done == 2
    assert everybody_gets_in(secrets)


@pytest.mark.security(87)
@pytest.mark.parametrize(
    "fails",
    [
        "accounts.keyring.Fernet.decrypt",  # opening
        "accounts.fernet_tokens.urlsafe_b64encode",  # sealing
        "accounts.resealing._opens_to",  # reading back
    ],
)
def test_the_error_report_of_a_batch_that_crashes_shows_no_secret(settings, monkeypatch, fails):
    settings.DEBUG = False
    secrets = apps(2)
    held = [stored(person) for person in secrets]
    add_key(settings)

    def crash(*_given):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(fails, crash)
    with pytest.raises(RuntimeError) as crashed:
        rotation._batch(TOTP, None, 10)
    own = crashed.value.__traceback__.tb_next  # without the frame of this test, which knows the secrets
    reporter = ExceptionReporter(None, RuntimeError, crashed.value, own)
    reporter.filter = SafeExceptionReporterFilter()  # the site's own would hide every frame, marked or not
    report = reporter.get_traceback_html() + reporter.get_traceback_text()
    assert "resealed" in report or "require_written" in report
    assert not any(hidden in report for hidden in (*secrets.values(), *held, *settings.MFA_ENCRYPTION_KEYS))


@pytest.mark.postgres
@pytest.mark.parametrize("rows", [3, 30])
def test_a_batch_takes_as_many_statements_however_many_rows_it_has(settings, django_assert_num_queries, rows):
    apps(rows)
    add_key(settings)
    with django_assert_num_queries(5):  # savepoint, SELECT, UPDATE, SELECT, release
        rotation._batch(TOTP, None, 1000)


@BOTH
@pytest.mark.parametrize("planted", ["a,b", ",", None])
def test_what_no_ciphertext_looks_like_shifts_nothing(settings, database, planted):
    people = list(apps(5))
    damage(people[2], planted)
    batch = held(TOTP)
    rows = [batch.row(number) for number in range(len(batch.keys))]
    assert [row.owner for row in rows] == [person.pk for person in people]
    assert [row.stored for row in rows[:2] + rows[3:]] == [stored(person) for person in people[:2] + people[3:]]
    assert rows[2].stored in (planted, "null")  # what SQLite says of a null in a document


@BOTH
def test_batches_go_on_from_where_one_was_in_the_order_in_which_ciphertexts_stand(settings, database):
    apps(5)
    first = resealing.hold(TOTP, TOTP.rows(), after=None, size=3)
    rest = resealing.hold(TOTP, TOTP.rows(), after=first.homes[-1], size=3)
    in_order = Binding.objects.order_by("authenticator_id").values_list("pk", flat=True)
    assert [*first.keys, *rest.keys] == [str(key) for key in in_order]
    assert resealing.hold(TOTP, TOTP.rows(), after=rest.homes[-1]).keys == []


@pytest.mark.postgres
def test_postgresql_is_told_of_both_tables_where_a_batch_begins(settings):
    """Told of one alone, it walks the other from its beginning in every batch."""
    apps(2)
    first = resealing.hold(TOTP, TOTP.rows(), after=None, size=1)
    with CaptureQueriesContext(connection) as asked:
        assert len(resealing.hold(TOTP, TOTP.rows(), after=first.homes[-1]).keys) == 1
    assert f'"accounts_binding"."authenticator_id" > {first.homes[-1]}' in asked[0]["sql"]
    assert '"mfa_authenticator"."id" > ' in asked[0]["sql"]


@pytest.mark.postgres
def test_pages_of_allauths_rows_have_room_for_new_ciphertexts(settings):
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'mfa_authenticator'")
        assert cursor.fetchone() == (["fillfactor=45"],)


def test_rows_are_read_in_the_order_of_their_keys_and_from_where_one_was():
    apps(5)
    first = sealed_rows.read(TOTP, TOTP.rows(), after=None, size=3)
    rest = sealed_rows.read(TOTP, TOTP.rows(), after=first[-1].pk, size=3)
    assert [row.pk for row in [*first, *rest]] == sorted(Binding.objects.values_list("pk", flat=True))
    assert isinstance(first[0], Row)


def held(place):
    return resealing.hold(place, place.rows(), after=None)


def changed(batch, new):
    """The only row of a batch, to be overwritten with this."""
    return Changes(batch.keys, batch.homes, batch.stored, [new], [b""])
