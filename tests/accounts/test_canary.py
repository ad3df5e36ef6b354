"""The key canary: a wrong key is noticed before any user is, a new one in front of the right one is not."""

import asyncio
import logging
import threading
import types
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError, connection, connections
from django.utils import timezone

from accounts import canary, keyring
from accounts.canary import Verdict
from accounts.models import Binding, KeyCanary, PendingEnrolment, Tenant, User
from audit import chain, context
from audit.kinds import Kind
from audit.models import AuditEvent

PUBLISHED = "s098x330" + "Q" * 35 + "="


def new_key() -> str:
    return Fernet.generate_key().decode()


def key_id(key: str) -> str:
    return keyring.KeyRing([key]).primary_id


def events(kind: Kind) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(kind=kind).order_by("sequence", "id"))


@pytest.fixture(autouse=True)
def new_process(monkeypatch) -> None:
    """A process that has not looked yet."""
    monkeypatch.setattr(canary, "_last", None)


@pytest.fixture
def right(db, settings) -> str:
    """A site that nothing is known of yet, with one key."""
    KeyCanary.objects.all().delete()
    settings.MFA_ADOPT_FOREIGN_SECRETS = False
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    return settings.MFA_ENCRYPTION_KEYS[0]


@pytest.fixture
def started(right) -> str:
    """The same site after its first start."""
    assert canary.ensure() is Verdict.OK
    return right


@pytest.fixture
def clock(monkeypatch) -> types.SimpleNamespace:
    clock = types.SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(canary, "time", types.SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def person(db) -> User:
    tenant = Tenant.objects.create(name="Acme", slug=f"acme-{uuid.uuid4().hex[:8]}")
    return User.objects.create_user("ada@acme.example", tenant=tenant)


@pytest.fixture
def logged(caplog) -> Callable[[], str]:
    caplog.set_level(logging.DEBUG, "accounts.canary")
    return lambda: caplog.text


def test_the_first_start_stores_a_canary_and_records_it(right):
    before = len(events(Kind.KEY_CANARY_MADE))
    assert canary.verdict() is Verdict.MISSING
    assert canary.ensure() is Verdict.OK
    assert canary.verdict() is Verdict.OK
    row = KeyCanary.objects.get()
    assert row.key_id == key_id(right) == keyring.key_id_of(row.ciphertext)
    made = events(Kind.KEY_CANARY_MADE)[before:]
    assert [(event.payload, event.outcome) for event in made] == [({"key": row.key_id}, "ok")]


def test_a_later_start_writes_nothing(started, django_assert_num_queries):
    before = (list(KeyCanary.objects.values()), AuditEvent.objects.count())
    with django_assert_num_queries(2) as queries:
        assert canary.ensure() is Verdict.OK
    assert all(query["sql"].startswith("SELECT") for query in queries)
    assert before == (list(KeyCanary.objects.values()), AuditEvent.objects.count())


@pytest.mark.security(86)
def test_a_wrong_key_is_unreadable_and_changes_nothing(started, settings):
    before = list(KeyCanary.objects.values())
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    assert canary.verdict() is Verdict.UNREADABLE
    assert canary.ensure() is Verdict.UNREADABLE
    assert list(KeyCanary.objects.values()) == before


@pytest.mark.security(86)
def test_a_new_key_in_front_of_the_right_one_gets_its_own_canary(started, settings):
    settings.MFA_ENCRYPTION_KEYS = [new_key(), started]
    assert canary.verdict() is Verdict.OK
    assert canary.ensure() is Verdict.OK
    assert events(Kind.KEY_CANARY_MADE)[-1].payload == {"key": keyring.primary_key_id()}
    settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[:1]
    assert canary.verdict() is Verdict.OK


@pytest.mark.security(86)
def test_going_back_to_the_old_key_or_lagging_behind_on_one_machine_is_not_a_wrong_key(started, settings):
    settings.MFA_ENCRYPTION_KEYS = [new_key(), started]
    canary.ensure()
    settings.MFA_ENCRYPTION_KEYS = [started]
    assert canary.verdict() is Verdict.OK


@pytest.mark.security(86)
def test_an_unknown_key_in_front_of_one_that_is_no_longer_the_newest_is_a_wrong_key(started, settings):
    settings.MFA_ENCRYPTION_KEYS = [new_key(), started]
    canary.ensure()
    KeyCanary.objects.filter(key_id=key_id(started)).update(created_at=timezone.now() - timedelta(days=1))
    settings.MFA_ENCRYPTION_KEYS = [new_key(), started]
    assert canary.ensure() is Verdict.UNREADABLE
    assert KeyCanary.objects.count() == 2


@pytest.mark.parametrize("keys", [[], ["no key"], [PUBLISHED], [PUBLISHED, "right"], ["right", "no key"]])
def test_keys_that_are_no_ring_are_unreadable(started, settings, keys):
    settings.MFA_ENCRYPTION_KEYS = [started if key == "right" else key for key in keys]
    assert canary.verdict() is Verdict.UNREADABLE
    assert canary.ensure() is Verdict.UNREADABLE
    assert KeyCanary.objects.count() == 1


@pytest.mark.security(85)
@pytest.mark.parametrize("damage", ["bits", "cut", "elsewhere", "other secret", "bare", "plaintext", ""])
def test_a_canary_that_was_tampered_with_does_not_sing(started, settings, damage):
    settings.MFA_ADOPT_FOREIGN_SECRETS = True
    row = KeyCanary.objects.get()
    here = keyring.Context("key_canary", uuid.uuid4(), uuid.UUID(int=0))
    row.ciphertext = {
        "bits": row.ciphertext[:60] + ("A" if row.ciphertext[60] != "A" else "B") + row.ciphertext[61:],
        "cut": row.ciphertext[:-4],
        "elsewhere": keyring.seal(canary.SONG, here),
        "other secret": keyring.seal("another song", canary._context(row.key_id)),
        "bare": Fernet(started).encrypt(canary.SONG.encode()).decode(),
        "plaintext": canary.SONG,
    }.get(damage, "")
    row.save()
    assert canary.verdict() is Verdict.UNREADABLE


@pytest.mark.security(85)
def test_a_canary_copied_to_another_key_id_does_not_sing(started):
    row = KeyCanary.objects.get()
    KeyCanary.objects.all().delete()
    KeyCanary.objects.create(key_id="deadbeef", ciphertext=row.ciphertext)
    assert canary.verdict() is Verdict.UNREADABLE


def test_a_damaged_canary_of_an_old_key_does_not_stop_a_site_whose_primary_opens_its_own(started, settings):
    settings.MFA_ENCRYPTION_KEYS = [new_key(), started]
    canary.ensure()
    KeyCanary.objects.filter(key_id=key_id(started)).update(ciphertext="damaged")
    assert canary.verdict() is Verdict.OK
    assert canary.may_seal()


@pytest.mark.security(85, 86)
def test_a_primary_that_does_not_open_its_own_canary_seals_nothing_and_codes_are_checked(started, settings, logged):
    settings.MFA_ENCRYPTION_KEYS = [new_key(), started]
    canary.ensure()
    primary = keyring.primary_key_id()
    KeyCanary.objects.filter(key_id=primary).update(ciphertext="damaged")
    assert canary.verdict() is Verdict.PRIMARY_UNREADABLE
    assert canary.ensure() is Verdict.PRIMARY_UNREADABLE
    assert KeyCanary.objects.get(key_id=primary).ciphertext == "damaged"
    assert canary.is_healthy()
    assert not canary.may_seal()
    assert events(Kind.KEY_CANARY_FAILED)[-1].payload == {"key": primary, "reason": "primary_unreadable"}
    assert "Nothing new is sealed: the key canary is primary_unreadable" in logged()


@pytest.mark.security(86)
def test_a_new_primary_gets_its_canary_where_it_first_seals(started, settings):
    settings.MFA_ENCRYPTION_KEYS = [new_key(), started]
    assert canary.may_seal()
    assert KeyCanary.objects.filter(key_id=keyring.primary_key_id()).exists()


@pytest.mark.security(86)
def test_a_retired_primary_seals_nothing_although_the_process_remembers_it_as_good(started):
    assert canary.is_healthy()
    KeyCanary.objects.update(ciphertext="", retired_at=timezone.now())
    assert canary.is_healthy()
    assert not canary.may_seal()


@pytest.mark.security(86)
@pytest.mark.parametrize("kept_in", ["binding", "pending enrolment"])
def test_no_canary_is_made_while_a_secret_hangs_on_another_key(right, person, kept_in):
    sealed_under = key_id(new_key())
    if kept_in == "binding":
        Binding.objects.create(person=person, kind="totp", sealed_under=sealed_under)
    else:
        row = {"session_id": uuid.uuid4(), "expires_at": timezone.now(), "sealed": "x"}
        PendingEnrolment.objects.create(person=person, sealed_under=sealed_under, **row)
    assert canary.ensure() is Verdict.MISSING
    assert not KeyCanary.objects.exists()


def test_a_lost_canary_is_made_again_when_every_secret_is_under_a_known_key(right, person):
    Binding.objects.create(person=person, kind="totp", sealed_under=key_id(right))
    Binding.objects.create(person=person, kind="webauthn")
    assert canary.ensure() is Verdict.OK


def test_who_comes_second_in_a_race_records_nothing(started):
    before = AuditEvent.objects.count()
    canary._make(key_id(started))
    assert AuditEvent.objects.count() == before


def test_health_is_from_memory_once_it_is_good(started, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert canary.is_healthy()
    with django_assert_num_queries(0):
        assert canary.is_healthy()


def test_health_is_judged_anew_when_the_keys_change(started, settings):
    assert canary.is_healthy()
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    assert not canary.is_healthy()
    settings.MFA_ENCRYPTION_KEYS = [started]
    assert canary.is_healthy()


def test_bad_health_is_looked_at_again_after_thirty_seconds_at_most(started, clock, django_assert_num_queries):
    saved = list(KeyCanary.objects.all())
    KeyCanary.objects.update(ciphertext="damaged")
    assert not canary.is_healthy()
    KeyCanary.objects.bulk_update(saved, ["ciphertext"])
    clock.now += 29.9
    with django_assert_num_queries(0):
        assert not canary.is_healthy()
    clock.now += 0.2
    assert canary.is_healthy()
    clock.now += 1_000_000
    with django_assert_num_queries(0):
        assert canary.is_healthy()


@pytest.mark.security(87, 88)
def test_a_wrong_key_raises_one_alarm_per_process(started, settings, clock, logged):
    before = len(events(Kind.KEY_CANARY_FAILED))
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    for _ in range(3):
        assert not canary.is_healthy()
        clock.now += 31
    alarms = events(Kind.KEY_CANARY_FAILED)[before:]
    assert [alarm.payload for alarm in alarms] == [{"key": keyring.primary_key_id(), "reason": "unreadable"}]
    assert alarms[0].outcome == "failed"
    assert logged().count("CRITICAL") == 1
    assert settings.MFA_ENCRYPTION_KEYS[0] not in logged() + str(alarms[0].__dict__)


@pytest.mark.security(87)
def test_the_alarm_of_a_bad_ring_says_which_entry_is_bad_and_not_what_it_is(started, settings, logged):
    settings.MFA_ENCRYPTION_KEYS = [started, "no-key-at-all"]
    assert not canary.is_healthy()
    assert events(Kind.KEY_CANARY_FAILED)[-1].payload == {"key": "", "reason": "unreadable"}
    assert "entry 2 is not a Fernet key" in logged()
    assert "no-key-at-all" not in logged()
    assert started not in logged()


@pytest.mark.security(84)
@pytest.mark.parametrize("asking", ["person", "anonymous"])
def test_the_alarm_is_the_platforms_whoever_asked_first(started, settings, person, asking):
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    who = person if asking == "person" else AnonymousUser()
    with context.use(context.RequestContext(ip="192.0.2.1", request_id="r", person=who)):
        assert not canary.is_healthy()
    alarm = events(Kind.KEY_CANARY_FAILED)[-1]
    assert (alarm.chain, alarm.tenant_id, alarm.actor_label, alarm.ip) == (chain.PLATFORM, None, "system", "")


def test_a_site_without_canary_is_not_healthy(right):
    assert not canary.is_healthy()
    assert events(Kind.KEY_CANARY_FAILED)[-1].payload["reason"] == "missing"


# With a real start, in a thread and with a connection of its own.


@pytest.fixture
def deployed(transactional_db, right) -> Iterator[str]:
    """A migrated site, seen from every connection."""
    canary.ensure()
    yield right


def test_a_start_with_the_right_key_is_healthy_at_once(deployed, django_assert_num_queries):
    canary.verify_at_start()
    with django_assert_num_queries(0):
        assert canary.is_healthy()


def test_a_start_with_a_new_primary_makes_its_canary(deployed, settings):
    settings.MFA_ENCRYPTION_KEYS = [new_key(), deployed]
    canary.verify_at_start()
    assert KeyCanary.objects.filter(key_id=keyring.primary_key_id()).exists()


def test_a_start_with_a_wrong_key_goes_on_unhealthy_with_an_alarm(deployed, settings):
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    canary.verify_at_start()
    alarms = events(Kind.KEY_CANARY_FAILED)
    assert alarms[-1].payload["reason"] == "unreadable"
    assert not canary.is_healthy()
    assert events(Kind.KEY_CANARY_FAILED) == alarms
    assert list(KeyCanary.objects.values_list("key_id", flat=True)) == [key_id(deployed)]


def test_a_start_inside_an_event_loop_works(deployed):
    async def server() -> None:
        canary.verify_at_start()

    asyncio.run(server())
    assert canary.is_healthy()


def test_a_start_closes_its_connection(deployed, monkeypatch):
    closed_in = []
    backend = type(connections["default"])
    close = backend.close
    monkeypatch.setattr(backend, "close", lambda self: closed_in.append(threading.get_ident()) or close(self))
    canary.verify_at_start()
    assert set(closed_in) - {threading.get_ident()}
    assert closed_in[-1] != threading.get_ident()


@pytest.mark.security(27)
def test_a_start_without_a_database_goes_on_and_looks_at_the_first_use(deployed, monkeypatch, logged):
    def gone() -> Verdict:
        raise OperationalError("connection to server at db.example.com failed")

    with monkeypatch.context() as outage:
        outage.setattr(canary, "ensure", gone)
        canary.verify_at_start()
    assert "will be checked at the first use: OperationalError" in logged()
    assert canary.is_healthy()


def test_two_starts_at_once_make_one_canary(transactional_db, right):
    before = len(events(Kind.KEY_CANARY_MADE))
    barrier = threading.Barrier(8)
    verdicts = []

    def start() -> None:
        barrier.wait()
        try:
            verdicts.append(canary.ensure())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [Verdict.OK] * 8
    assert KeyCanary.objects.count() == 1
    assert len(events(Kind.KEY_CANARY_MADE)) == before + 1


def install(**changes) -> None:
    canary.install(**{"sender": apps.get_app_config("accounts"), "using": "default", **changes})


def test_migrating_makes_the_first_canary(right):
    install(verbosity=0, plan=[])
    assert KeyCanary.objects.get().key_id == key_id(right)


def test_migrating_another_room_or_another_database_makes_none(right):
    install(sender=apps.get_app_config("audit"))
    install(using="other")
    assert not KeyCanary.objects.exists()


def test_migrating_half_way_makes_none(right, monkeypatch):
    tables = connection.introspection.table_names()
    for missing in (Binding, AuditEvent, KeyCanary):
        rest = [table for table in tables if table != missing._meta.db_table]
        monkeypatch.setattr(connection.introspection, "table_names", lambda rest=rest: rest)
        install()
    assert not KeyCanary.objects.exists()


def test_migrating_with_a_bad_ring_goes_on_and_says_so(right, settings, logged):
    settings.MFA_ENCRYPTION_KEYS = [PUBLISHED]
    install()
    assert not KeyCanary.objects.exists()
    assert "The key canary is unreadable" in logged()
    assert PUBLISHED not in logged()


@pytest.mark.security(86)
def test_a_start_without_a_key_that_rows_need_raises_an_alarm_and_goes_on(deployed, settings, person, logged):
    Binding.objects.create(person=person, kind="totp", sealed_under=key_id(deployed))
    settings.MFA_ENCRYPTION_KEYS = [new_key(), deployed]
    canary.verify_at_start()
    assert not events(Kind.KEY_MISSING)
    settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[:1]
    canary.verify_at_start()
    [alarm] = events(Kind.KEY_MISSING)
    assert (alarm.payload, alarm.chain) == ({"keys": [key_id(deployed)]}, chain.PLATFORM)
    assert f"under keys that MFA_ENCRYPTION_KEYS lacks: {key_id(deployed)}" in logged()
    assert canary.is_healthy()


@pytest.mark.security(86)
def test_a_start_with_a_wrong_key_raises_the_one_alarm_and_no_second(deployed, settings, person):
    Binding.objects.create(person=person, kind="totp", sealed_under=key_id(deployed))
    settings.MFA_ENCRYPTION_KEYS = [new_key()]
    canary.verify_at_start()
    assert len(events(Kind.KEY_CANARY_FAILED)) == 1
    assert not events(Kind.KEY_MISSING)
