"""One event looked at on the spot: what is wrong with it shows, and no more is claimed than was looked at."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import checkpoints, spot_check, statements
from audit.chain import Fault
from audit.kinds import Kind
from audit.log import record
from audit.models import AuditEvent, Checkpoint
from audit.spot_check import Cover, look_at
from tests.audit.evidence import Person, events_of
from tests.audit.lift import lifted

pytestmark = pytest.mark.django_db
PRIVATE = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER = "HxwdHhsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="


@pytest.fixture(autouse=True)
def keys_for_checkpoints(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_CHECKPOINT_KEY = PRIVATE
    settings.AUDIT_CHECKPOINT_PUBLIC_KEYS = [statements.signing_key(PRIVATE).public]
    settings.AUDIT_CHECKPOINT_DIR = str(tmp_path)


@pytest.fixture
def story(person: Person) -> list[AuditEvent]:
    """Three events of one chain."""
    for _each in range(3):
        record(Kind.SIGNED_OUT, actor=person, target=person)
    return events_of(person.tenant_id)


def again(event: AuditEvent) -> spot_check.SpotCheck:
    return look_at(AuditEvent.objects.get(pk=event.pk))


def test_an_event_that_is_as_recorded_has_nothing_wrong(story: list[AuditEvent]) -> None:
    first, middle, last = map(again, story)
    for found in (first, middle, last):
        assert (found.fault, found.cover, found.is_sound) == (None, Cover.NONE, True)
    assert (first.continued, middle.continued, last.continued) == (True, True, None)


CHANGES = [
    ("UPDATE audit_auditevent SET outcome = 'refused' WHERE sequence = 2", Fault.EDITED),
    ("UPDATE audit_auditevent SET actor_label = 'mallory' WHERE sequence = 2", Fault.EDITED),
    ("UPDATE audit_auditevent SET mac = hash WHERE sequence = 2", Fault.FORGED),
    ("UPDATE audit_auditevent SET key_id = 'deadbeef' WHERE sequence = 2", Fault.UNKNOWN_KEY),
    ("DELETE FROM audit_auditevent WHERE sequence = 1", Fault.NOT_LINKED),
    ("UPDATE audit_auditevent SET prev_hash = hash WHERE sequence = 2", Fault.NOT_LINKED),
]


@pytest.mark.security(88)
@pytest.mark.parametrize(("statement", "fault"), CHANGES)
def test_what_was_done_to_it_shows(story: list[AuditEvent], statement: str, fault: Fault) -> None:
    with lifted(connection), connection.cursor() as cursor:
        cursor.execute(f"{statement} AND chain = %s", [_chain(story)])
    found = again(story[1])
    assert (found.fault, found.is_sound) == (fault, False)


def test_an_event_after_it_that_does_not_continue_it_shows(story: list[AuditEvent]) -> None:
    with lifted(connection), connection.cursor() as cursor:
        statement = "UPDATE audit_auditevent SET prev_hash = hash WHERE sequence = 3 AND chain = %s"
        cursor.execute(statement, [_chain(story)])
    found = again(story[1])
    assert (found.fault, found.continued, found.is_sound) == (None, False, False)


def test_the_newest_checkpoint_says_how_far_it_reaches(story: list[AuditEvent], person: Person) -> None:
    checkpoints.make(timezone.now())
    record(Kind.SIGNED_OUT, actor=person, target=person)
    newest = events_of(person.tenant_id)[-1]
    covered, later = again(story[1]), again(newest)
    assert (covered.cover, covered.named) == (Cover.COVERED, 3)
    assert (later.cover, later.named, later.is_sound) == (Cover.NEWER, 3, True)
    assert covered.statement is not None and covered.statement.number == 1


def test_a_chain_that_the_checkpoint_does_not_know_is_newer(story: list[AuditEvent]) -> None:
    checkpoints.make(timezone.now())
    stranger = Person()
    record(Kind.SIGNED_OUT, target=stranger)
    found = again(events_of(stranger.tenant_id)[0])
    assert (found.cover, found.named) == (Cover.NEWER, 0)


@pytest.mark.security(88)
def test_a_checkpoint_that_names_another_event_contradicts(story: list[AuditEvent]) -> None:
    checkpoints.make(timezone.now())
    with lifted(connection), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_auditevent WHERE sequence = 3 AND chain = %s", [_chain(story)])
    found = again(story[0])
    assert (found.cover, found.fault, found.is_sound) == (Cover.CONTRADICTED, None, False)


def test_a_checkpoint_counts_only_with_its_signature(story: list[AuditEvent], settings: Any) -> None:
    checkpoints.make(timezone.now())
    settings.AUDIT_CHECKPOINT_PUBLIC_KEYS = [statements.signing_key(OTHER).public]
    assert again(story[0]).cover is Cover.NO_KEY
    settings.AUDIT_CHECKPOINT_PUBLIC_KEYS = [statements.signing_key(PRIVATE).public]
    made = Checkpoint.objects.get()
    Checkpoint.objects.update(text=made.text.replace('"number":1', '"number":7'))
    found = again(story[0])
    assert (found.cover, found.statement) == (Cover.UNSOUND, None)


def test_it_takes_four_queries(story: list[AuditEvent]) -> None:
    checkpoints.make(timezone.now())
    with CaptureQueriesContext(connection) as asked:
        look_at(story[1])
    assert len(asked) == 4


def _chain(story: list[AuditEvent]) -> Any:
    return story[0].chain if connection.features.has_native_uuid_field else story[0].chain.hex
