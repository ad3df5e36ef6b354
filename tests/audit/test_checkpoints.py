"""Signed checkpoints: made when they are due, written outside, and stronger than whoever owns the database."""

import errno
import json
import logging
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from audit import chain, checkpoints, keys, statements
from audit.checks import check_checkpoint_keys, check_checkpoints
from audit.errors import CheckpointUnsound, NoSuchKey, RecordNotWhole
from audit.kinds import Kind
from audit.log import record
from audit.models import AuditChain, AuditEvent, Checkpoint
from tests.audit.evidence import Person, events_of
from tests.audit.lift import lifted

pytestmark = pytest.mark.django_db
PRIVATE = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER = "HxwdHhsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="


@pytest.fixture(autouse=True)
def directory(settings: Any, tmp_path: Path) -> Path:
    """This process has the key, and somewhere to write."""
    settings.AUDIT_CHECKPOINT_KEY = PRIVATE
    settings.AUDIT_CHECKPOINT_PUBLIC_KEYS = [statements.signing_key(PRIVATE).public]
    settings.AUDIT_CHECKPOINT_DIR = str(tmp_path)
    return tmp_path


def public() -> Any:
    return statements.public_keys([statements.signing_key(PRIVATE).public])


def verify(directory: Path, *arguments: str) -> tuple[int, str]:
    """The exit code of the command with these checkpoints, and what it says."""
    out = StringIO()
    try:
        call_command("audit_verify", "--processes", "1", "--checkpoints", str(directory), *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def rewrite(events: list[AuditEvent], previous: str, key: bytes | None = None) -> str:
    """Hash and seal events anew, as somebody with the database and the key, or another, does; the hash of the last."""
    for event in events:
        event.prev_hash = previous
        event.hash = previous = chain.link(previous, chain.canonical(event))
        event.mac = chain.authenticate(key or keys.primary().secret, event.hash)
        changed = [
            event.outcome,
            event.prev_hash,
            event.hash,
            event.mac,
            AuditEvent._meta.pk.get_db_prep_value(event.pk, connection),
        ]
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE audit_auditevent SET outcome = %s, prev_hash = %s, hash = %s, mac = %s WHERE id = %s", changed
            )
    return previous


def test_a_checkpoint_names_every_head_and_the_one_before(directory: Path, person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    first = checkpoints.make(timezone.now())
    record(Kind.SIGNED_OUT, target=person)
    checkpoints.make(timezone.now())
    one, two = statements.read_all(directory, public())
    assert (one.number, one.previous, two.number, two.previous) == (1, statements.NONE, 2, one.digest)
    assert one.digest == statements.digest_of(first.text)
    assert two.heads[str(person.tenant_id)] == (2, events_of(person.tenant_id)[-1].hash)
    assert len(two.heads) == AuditChain.objects.count()
    assert all(path.stat().st_mode & 0o222 == 0 for path in directory.iterdir())


def test_making_one_is_recorded_and_makes_none_due() -> None:
    made = checkpoints.make(timezone.now())
    [event] = [each for each in events_of(None) if each.kind == Kind.CHECKPOINT_MADE]
    assert event.payload == {"number": 1, "digest": statements.digest_of(made.text), "key": made.key_id}
    heads = statements.read(made.text, public()).heads
    assert heads.get(str(chain.PLATFORM), (0, ""))[0] == event.sequence - 1
    assert not checkpoints.is_due(timezone.now())


def test_without_a_key_to_record_with_none_is_made(settings: Any, directory: Path) -> None:
    settings.AUDIT_HMAC_KEYS = []
    with pytest.raises(CommandError) as refused:
        call_command("audit_checkpoint")
    assert refused.value.returncode == 3
    assert not Checkpoint.objects.exists()


def test_it_goes_out_by_mail_and_into_the_log(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.AUDIT_CHECKPOINT_MAIL = ["auditor@example.com"]
    with caplog.at_level(logging.INFO, logger="audit.checkpoints"):
        made = checkpoints.make(timezone.now())
    [message] = mail.outbox
    [(name, content, kind)] = message.attachments
    assert statements.read(content, public()).number == made.number
    assert (message.to, kind, name.startswith("checkpoint-")) == (["auditor@example.com"], "application/json", True)
    assert statements.digest_of(made.text) in caplog.text
    assert PRIVATE not in caplog.text + made.text + message.body


def test_what_cannot_be_written_was_not_made(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_CHECKPOINT_DIR = str(tmp_path / "nowhere")
    with pytest.raises(CommandError) as refused:
        call_command("audit_checkpoint")
    assert refused.value.returncode == 1
    assert not Checkpoint.objects.exists()


def test_one_that_cannot_be_mailed_is_kept_and_told(
    settings: Any, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: EmailMessage) -> int:
        raise ConnectionRefusedError

    settings.AUDIT_CHECKPOINT_MAIL = ["auditor@example.com"]
    monkeypatch.setattr(EmailMessage, "send", away)
    with pytest.raises(CommandError) as refused:
        call_command("audit_checkpoint")
    assert refused.value.returncode == 1
    assert (Checkpoint.objects.count(), len(list(directory.iterdir()))) == (1, 1)


def test_one_is_due_daily_and_after_what_is_weighty(person: Person) -> None:
    now = timezone.now()
    assert checkpoints.is_due(now)
    checkpoints.make(now)
    record(Kind.SIGNED_OUT, target=person)
    assert not checkpoints.is_due(timezone.now())
    assert checkpoints.is_due(now + checkpoints.EVERY)
    for kind in checkpoints.WEIGHTY:
        record(kind, target=person)
        assert checkpoints.is_due(timezone.now()), kind
        checkpoints.make(timezone.now() + timedelta(seconds=1))
        assert not checkpoints.is_due(timezone.now()), kind


def test_what_is_weighty_covers_publishes_resets_and_keys() -> None:
    weighty = {str(kind) for kind in checkpoints.WEIGHTY}
    publishes = {"policy:published", "policy:report_started", "policy:reverted"}
    assert publishes | {"mfa:reset", "key:canary_made", "key:rotation_finished", "key:retired"} <= weighty


def test_one_is_due_when_a_key_of_the_record_changes(settings: Any, person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    checkpoints.make(timezone.now())
    assert not checkpoints.is_due(timezone.now())
    settings.AUDIT_HMAC_KEYS = [OTHER, *settings.AUDIT_HMAC_KEYS]
    record(Kind.SIGNED_OUT, target=person)
    assert checkpoints.is_due(timezone.now())
    checkpoints.make(timezone.now())
    record(Kind.SIGNED_OUT, target=person)
    assert not checkpoints.is_due(timezone.now())
    settings.AUDIT_CHECKPOINT_KEY = OTHER
    assert checkpoints.is_due(timezone.now())


@pytest.mark.security(88)
def test_who_writes_to_its_row_puts_none_off(person: Person) -> None:
    made = checkpoints.make(timezone.now())
    record(Kind.POLICY_PUBLISHED, target=person)
    far = timezone.now() + timedelta(days=3650)
    claims = json.loads(made.text)
    claims["statement"]["heads"] = {str(person.tenant_id): [10**6, "0" * 64]}
    for changes in ({"at": far}, {"text": json.dumps(claims)}, {"text": ""}):
        Checkpoint.objects.filter(pk=made.pk).update(**changes)
        assert checkpoints.is_due(timezone.now())


@pytest.mark.security(88)
def test_history_written_anew_without_the_key_is_not_signed(directory: Path, person: Person) -> None:
    for _ in range(3):
        record(Kind.SIGNED_OUT, target=person)
    checkpoints.make(timezone.now())
    elsewhere = Person()
    for whom in (person, person, elsewhere):
        record(Kind.SIGNED_OUT, target=whom)
    events = events_of(person.tenant_id)
    events[4].outcome = "failed"
    with lifted(connection):
        last = rewrite(events[4:], events[3].hash, key=b"not the key")
        AuditChain.objects.filter(pk=person.tenant_id).update(hash=last)
    with pytest.raises(CommandError, match=f"chain {person.tenant_id}: number 5") as refused:
        call_command("audit_checkpoint")
    assert refused.value.returncode == 4
    *_before, said = statements.read_all(directory, public())
    assert said.heads[str(person.tenant_id)] == (3, events[2].hash)
    assert said.heads[str(elsewhere.tenant_id)] == (1, events_of(elsewhere.tenant_id)[0].hash)
    [alarm] = [each for each in events_of(None) if each.kind == Kind.CHAIN_NOT_WHOLE]
    assert alarm.payload == {"chain": str(person.tenant_id), "number": "5", "damage": "forged"}
    assert verify(directory)[0] == 1


@pytest.mark.security(88)
def test_a_signed_place_that_is_gone_stays_signed(directory: Path, person: Person) -> None:
    for _ in range(2):
        record(Kind.SIGNED_OUT, target=person)
    checkpoints.make(timezone.now())
    promised = events_of(person.tenant_id)[1].hash
    with lifted(connection), connection.cursor() as cursor:
        where = AuditEvent._meta.get_field("chain").get_db_prep_value(person.tenant_id, connection)
        cursor.execute("DELETE FROM audit_auditevent WHERE chain = %s", [where])
        AuditChain.objects.filter(pk=person.tenant_id).delete()
    with pytest.raises(RecordNotWhole):
        checkpoints.make(timezone.now())
    *_before, said = statements.read_all(directory, public())
    assert said.heads[str(person.tenant_id)] == (2, promised)


def test_one_that_breaks_off_leaves_no_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    checkpoints.make(timezone.now())
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints.os, "fsync", full)
        with pytest.raises(OSError, match="no space"):
            checkpoints.make(timezone.now())
    assert len(list(directory.iterdir())) == Checkpoint.objects.count() == 1
    checkpoints.make(timezone.now())
    assert verify(directory)[0] == 0


def test_a_checkpoint_is_never_written_over(directory: Path) -> None:
    taken = directory / "checkpoint-0000000001-00000000.json"
    taken.write_text("theirs")
    with pytest.raises(FileExistsError):
        checkpoints._write(directory, taken.name, "ours")
    assert [path.name for path in directory.iterdir()] == [taken.name]
    assert taken.read_text() == "theirs"


@pytest.mark.security(88)
def test_an_end_cut_off_with_its_head_is_found_up_to_the_last_checkpoint(directory: Path, person: Person) -> None:
    for _ in range(5):
        record(Kind.SIGNED_OUT, target=person)
    checkpoints.make(timezone.now())
    assert verify(directory)[0] == 0
    with transaction.atomic():
        with lifted(connection):
            kept = events_of(person.tenant_id)[2]
            with connection.cursor() as cursor:
                where = AuditEvent._meta.get_field("chain").get_db_prep_value(person.tenant_id, connection)
                cursor.execute("DELETE FROM audit_auditevent WHERE chain = %s AND sequence > 3", [where])
            AuditChain.objects.filter(pk=person.tenant_id).update(sequence=3, hash=kept.hash)
        code, said = verify(directory)
    assert code == 1
    assert f"Tenant {person.tenant_id}: number 4: from here on the newest events were cut off." in said


@pytest.mark.security(88)
def test_a_chain_removed_with_its_head_is_found(directory: Path, person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    checkpoints.make(timezone.now())
    with lifted(connection), connection.cursor() as cursor:
        where = AuditEvent._meta.get_field("chain").get_db_prep_value(person.tenant_id, connection)
        cursor.execute("DELETE FROM audit_auditevent WHERE chain = %s", [where])
        AuditChain.objects.filter(pk=person.tenant_id).delete()
    code, said = verify(directory)
    assert (code, f"Tenant {person.tenant_id}: number 1: from here" in said) == (1, True)


@pytest.mark.security(88)
def test_history_written_anew_with_the_key_is_found(directory: Path, person: Person) -> None:
    for _ in range(4):
        record(Kind.SIGNED_OUT, target=person)
    checkpoints.make(timezone.now())
    events = events_of(person.tenant_id)
    events[1].outcome = "failed"
    with lifted(connection):
        last = rewrite(events[1:], events[0].hash)
        AuditChain.objects.filter(pk=person.tenant_id).update(hash=last)
    code, said = verify(directory)
    assert code == 1
    assert f"Tenant {person.tenant_id}: number 4: a signed checkpoint names another event here" in said


@pytest.mark.security(88)
def test_an_old_promise_that_the_record_breaks_is_found_though_the_newest_holds(
    directory: Path, person: Person
) -> None:
    for _ in range(4):
        record(Kind.SIGNED_OUT, target=person)
    key, previous = statements.signing_key(PRIVATE), statements.NONE
    hashes = [event.hash for event in events_of(person.tenant_id)]
    for number, place in enumerate(((1, hashes[0]), (2, "0" * 64), (4, hashes[3])), start=1):
        heads = {str(person.tenant_id): place}
        text = statements.sign(key, number=number, at="", previous=previous, heads=heads)
        (directory / f"checkpoint-{number}.json").write_text(text)
        previous = statements.digest_of(text)
    code, said = verify(directory)
    assert code == 1
    assert f"Tenant {person.tenant_id}: number 2: a signed checkpoint names another event here" in said


@pytest.mark.security(88)
def test_checkpoints_that_contradict_each_other_are_found_for_every_chain(directory: Path, person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    key, previous = statements.signing_key(PRIVATE), statements.NONE
    for number, digest in enumerate(("1" * 64, "2" * 64), start=1):
        heads = {str(person.tenant_id): (5, digest)}
        text = statements.sign(key, number=number, at="", previous=previous, heads=heads)
        (directory / f"checkpoint-{number}.json").write_text(text)
        previous = statements.digest_of(text)
    code, said = verify(directory, "--tenant", "platform")
    assert (code, "checkpoint 2 contradicts an older one" in said) == (1, True)


@pytest.mark.security(88)
def test_checkpoints_that_were_changed_or_taken_away_are_found(directory: Path) -> None:
    for _ in range(3):
        checkpoints.make(timezone.now())
    _first, second, third = sorted(directory.iterdir())
    text = third.read_text()
    third.chmod(0o600)
    third.write_text(text.replace('"number":3', '"number":4'))
    with pytest.raises(CheckpointUnsound, match="signature is wrong"):
        list(statements.read_all(directory, public()))
    assert verify(directory)[0] == 1
    third.write_text(text)
    second.unlink()
    with pytest.raises(CheckpointUnsound, match="before it is missing"):
        list(statements.read_all(directory, public()))
    for wrong in ("{}", text.replace('"heads":{', '"heads":{"x":[1e999,"y"],')):
        third.write_text(wrong)
        with pytest.raises(CheckpointUnsound, match="is no checkpoint"):
            list(statements.read_all(directory, public()))
        assert verify(directory)[0] == 1


def test_without_the_public_key_or_any_checkpoint_nothing_can_be_told(
    directory: Path, settings: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert verify(tmp_path_factory.mktemp("none"))[0] == 3
    checkpoints.make(timezone.now())
    settings.AUDIT_CHECKPOINT_PUBLIC_KEYS = [statements.signing_key(OTHER).public]
    code, said = verify(directory)
    assert (code, "there is no public key" in said) == (3, True)


def test_old_keys_stay_in_the_history(directory: Path, settings: Any) -> None:
    checkpoints.make(timezone.now())
    settings.AUDIT_CHECKPOINT_KEY = OTHER
    settings.AUDIT_CHECKPOINT_PUBLIC_KEYS.insert(0, statements.signing_key(OTHER).public)
    checkpoints.make(timezone.now())
    assert verify(directory)[0] == 0
    with pytest.raises(NoSuchKey):
        list(statements.read_all(directory, public()))


def test_the_command_makes_one_or_says_that_none_is_due(settings: Any) -> None:
    out = StringIO()
    call_command("audit_checkpoint", stdout=out)
    call_command("audit_checkpoint", "--if-due", stdout=out)
    assert Checkpoint.objects.count() == 1
    assert out.getvalue().splitlines()[1] == "None is due."
    settings.AUDIT_CHECKPOINT_KEY = ""
    with pytest.raises(CommandError) as refused:
        call_command("audit_checkpoint")
    assert refused.value.returncode == 3


def test_a_new_pair_of_keys_fits(settings: Any) -> None:
    out = StringIO()
    call_command("audit_checkpoint", "--new-key", stdout=out)
    values = dict(line.split("=", 1) for line in out.getvalue().splitlines())
    settings.AUDIT_CHECKPOINT_KEY = values["AUDIT_CHECKPOINT_KEY"]
    settings.AUDIT_CHECKPOINT_PUBLIC_KEYS = [values["AUDIT_CHECKPOINT_PUBLIC_KEYS"]]
    assert check_checkpoint_keys(None) == []


def test_wrong_or_missing_settings_are_told(settings: Any) -> None:
    assert check_checkpoint_keys(None) == check_checkpoints(None) == []
    settings.AUDIT_CHECKPOINT_DIR = ""
    assert [each.id for each in check_checkpoints(None)] == ["audit.W002"]
    settings.AUDIT_CHECKPOINT_PUBLIC_KEYS = []
    assert [each.id for each in check_checkpoint_keys(None)] == ["audit.E005"]
    assert [each.id for each in check_checkpoints(None)] == ["audit.W001"]
    settings.AUDIT_CHECKPOINT_KEY = "short"
    [found] = check_checkpoint_keys(None)
    assert (found.id, "short" in found.msg) == ("audit.E004", False)


@pytest.mark.parametrize("name", ["s3://bucket/checkpoints", "nowhere", "a file"])
def test_a_destination_that_is_no_directory_is_told(
    settings: Any, directory: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    (directory / "a file").touch()
    settings.AUDIT_CHECKPOINT_DIR = name if "://" in name else str(directory / name)
    [found] = check_checkpoints(None)
    assert (found.id, "mount" in (found.hint or "")) == ("audit.W003", True)
    with pytest.raises(OSError, match=r"No such file|Not a directory"):
        checkpoints.make(timezone.now())
    settings.AUDIT_CHECKPOINT_KEY = ""
    assert [each.id for each in check_checkpoints(None)] == (["audit.W003"] if "://" in name else [])


def test_the_private_key_is_in_no_repr() -> None:
    assert "private" not in repr(statements.signing_key(PRIVATE))
    assert json.loads(statements.sign(statements.signing_key(PRIVATE), number=1, at="", previous="", heads={}))
