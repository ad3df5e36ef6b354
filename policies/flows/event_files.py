"""Exports of the record that a worker writes into a file, which expires.

The row says up to which event and byte the file holds (`policies.exporting`): each step cuts off what else stands in
it, writes on, and commits. So whoever comes after a worker that was killed goes on there, and no event is in it twice.
Whoever asked must still have the right to it before each step, and all of the rule when they fetch it.
"""

import hashlib
import logging
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django_tasks import task

from accounts import notices, queue
from accounts.errors import NotAllowed
from accounts.models import User
from accounts.session_store import SessionStore
from audit import reading, selections
from audit.kinds import Kind
from audit.log import record, unit_of_work
from audit.selections import Events, Format
from policies.errors import ExportGone, ExportTooLarge, TooManyExports
from policies.evidence.asked import Asked
from policies.exporting import RecordExport
from policies.flows import event_exports
from policies.flows.event_exports import EventExport

KEPT_FOR: Final = timedelta(hours=24)
MOST_OPEN: Final = 3  # of one person
AT_ONCE: Final = 20  # steps of one task; then it queues the next, so that other work gets its turn
BATCHES: Final = 5  # of one step
MOST_FAILURES: Final = 5  # times that the file could not be written, a minute or more apart
PIECE: Final = 1024 * 1024  # bytes
OURS: Final = re.compile(r"events-[0-9a-f]{32}\.(?:csv|jsonl)")

logger = logging.getLogger(__name__)


@unit_of_work
def ask(export: EventExport, asked: Asked) -> RecordExport:
    """Have a worker write it. Raises ExportTooLarge where there is no place for files, and TooManyExports."""
    if not settings.AUDIT_EXPORT_DIR:
        raise ExportTooLarge(settings.AUDIT_EXPORT_AT_ONCE)
    User.objects.select_for_update().get(pk=export.actor.pk)  # one after the other
    if of(export.actor).filter(stopped="").count() >= MOST_OPEN:
        raise TooManyExports
    event_exports.begin(export, asked, by_worker=True)
    wanted = RecordExport.objects.create(
        id=export.id,
        tenant=export.tenant,
        actor_id=export.actor.pk,
        asked=asked.kept,
        format=export.format,
        name=f"events-{secrets.token_hex(16)}.{export.format}",
    )
    soon(wanted)
    return wanted


def of(actor: User) -> Any:
    """What this person asked for and can still look at."""
    return RecordExport.objects.filter(actor_id=actor.pk).exclude(expires_at__lte=timezone.now())


def soon(wanted: RecordExport) -> None:
    """Have a worker go on with it, once this commits."""
    notices.when_committed(queue.enqueue_once, go_on, str(wanted.pk))


def unfinished() -> list[RecordExport]:
    """What still has to be written."""
    return list(RecordExport.objects.filter(finished_at=None).order_by("asked_at"))


# -- writing -----------------------------------------------------------------------------------------------------


@task()
def go_on(export_id: str) -> None:
    """Go on with a file where it stands."""
    for _turn in range(AT_ONCE):
        try:
            if not step(UUID(export_id)):
                return _finish(UUID(export_id))
        except OSError as trouble:  # its text would name the file
            logger.error("The export %s could not be written: %s", export_id, trouble.strerror)
            return _failed(UUID(export_id))
    go_on.enqueue(export_id)
    return None


@unit_of_work
def step(export_id: UUID) -> bool:
    """Some batches more; returns whether there may be others. Raises OSError.

    The row is held, so that of two workers each writes another part.
    """
    wanted, actor = _held(export_id)
    if wanted is None or wanted.finished_at is not None:
        return False
    if actor is None or not event_exports.may_have(actor, tenant=wanted.tenant):
        _stop(wanted, actor, Kind.RECORD_EXPORT_STOPPED, NotAllowed.code)
        return False
    asked = Asked.of(wanted.asked)
    selection = event_exports.selection_for(asked, wanted.tenant, actor=actor, now=wanted.asked_at)
    parts = reading.batches(selection, selections.read(), after=wanted.reached)
    batches = list(islice(parts, BATCHES))
    _write(wanted, batches)
    wanted.save(update_fields=["reached", "events", "size"])
    return len(batches) == BATCHES


def _write(wanted: RecordExport, batches: Iterable[Events]) -> None:
    """On the disk before the row says so."""
    form = Format(wanted.format)
    with _open(wanted.name, os.O_WRONLY | os.O_CREAT) as file:
        file.truncate(wanted.size)
        file.seek(wanted.size)
        if not wanted.size:
            file.write(selections.head(form, wanted.asked, wanted.asked_at))
        for batch in batches:
            file.write(selections.lines(form, batch))
            wanted.events, wanted.reached = wanted.events + len(batch), batch[-1][0]
        file.flush()
        os.fsync(file.fileno())
        wanted.size = file.tell()


def _finish(export_id: UUID) -> None:
    """All is written: read it once more for its digest, while nobody waits, and give it."""
    written = RecordExport.objects.filter(pk=export_id, finished_at=None).first()
    if written is None:
        return
    digest = hashlib.sha256()
    for piece in _pieces(_open(written.name, os.O_RDONLY), written.size):
        digest.update(piece)
    _give(export_id, written.size, digest.hexdigest())


@unit_of_work
def _give(export_id: UUID, size: int, digest: str) -> None:
    wanted, actor = _held(export_id)
    if wanted is None or wanted.finished_at is not None or wanted.size != size:
        return
    wanted.digest = digest
    _end(wanted, "")
    _note(wanted, actor, Kind.RECORD_EXPORT_FINISHED, digest=digest)


@unit_of_work
def _failed(export_id: UUID) -> None:
    """It is tried again within a minute or so; not for ever."""
    wanted, actor = _held(export_id)
    if wanted is None or wanted.finished_at is not None:
        return
    wanted.failures += 1
    wanted.save(update_fields=["failures"])
    if wanted.failures >= MOST_FAILURES:
        _stop(wanted, actor, Kind.RECORD_EXPORT_FAILED, "file")


def _held(export_id: UUID) -> tuple[RecordExport | None, User | None]:
    """The row, locked, and who asked."""
    rows = RecordExport.objects.select_for_update(of=("self",)).select_related("tenant")
    wanted = rows.filter(pk=export_id).first()
    return wanted, User.objects.filter(pk=wanted.actor_id).first() if wanted else None


def _stop(wanted: RecordExport, actor: User | None, kind: Kind, code: str) -> None:
    """What there is of the file goes; the row stays for a day, to say why."""
    _end(wanted, code)
    _note(wanted, actor, kind, code=code)
    transaction.on_commit(partial(_remove, wanted.name))


def _end(wanted: RecordExport, stopped: str) -> None:
    wanted.finished_at, wanted.stopped = timezone.now(), stopped
    wanted.expires_at = wanted.finished_at + KEPT_FOR
    wanted.save(update_fields=["finished_at", "stopped", "expires_at", "digest"])


def _note(wanted: RecordExport, actor: User | None, kind: Kind, **said: Any) -> None:
    record(
        kind,
        actor=actor,
        target=wanted.tenant,
        tenant=wanted.tenant,
        export=wanted.pk,
        format=wanted.format,
        events=wanted.events,
        **said,
    )


# -- giving ------------------------------------------------------------------------------------------------------


def download(wanted: RecordExport, *, session: SessionStore, actor: User) -> Iterator[bytes]:
    """The file, piece by piece, each only while the rule holds (`flows.exports`); recorded.

    Raises NotAllowed for whoever did not ask for it or has not the right to it any more, and ExportGone.
    """
    may = partial(event_exports.may_have, tenant=wanted.tenant)
    if actor.pk != wanted.actor_id or not may(actor):
        raise NotAllowed
    export = EventExport(session, actor, wanted.tenant, "events", wanted.format, may=may, id=wanted.pk)
    try:
        file = _open(wanted.name, os.O_RDONLY)
    except OSError as trouble:
        raise ExportGone from trouble
    export.rows = wanted.events
    export.note(Kind.RECORD_EXPORT_DOWNLOADED, digest=wanted.digest)
    return export.each(_pieces(file, wanted.size))


# -- removing ----------------------------------------------------------------------------------------------------


def remove_expired(now: datetime) -> int:
    """Files whose time is over go, with their rows; and files of ours that have none any more."""
    over = list(RecordExport.objects.filter(expires_at__lte=now))
    for wanted in over:
        _remove(wanted.name)
        wanted.delete()
    return len(over) + _sweep(now)


def _sweep(now: datetime) -> int:
    """A row may have gone with its tenant. What was written lately may be of one that does not show yet."""
    if not settings.AUDIT_EXPORT_DIR:
        return 0
    old = (now - KEPT_FOR).astimezone(UTC).timestamp()
    found = [one for one in Path(settings.AUDIT_EXPORT_DIR).glob("events-*") if OURS.fullmatch(one.name)]
    known = set(RecordExport.objects.filter(Q(name__in=[one.name for one in found])).values_list("name", flat=True))
    gone = [one for one in found if one.name not in known and one.lstat().st_mtime < old]
    for path in gone:
        _remove(path.name)
    return len(gone)


def _remove(name: str) -> None:
    if settings.AUDIT_EXPORT_DIR:
        (Path(settings.AUDIT_EXPORT_DIR) / name).unlink(missing_ok=True)


def _open(name: str, how: int) -> IO[bytes]:
    """A file of ours, which nobody else can read. Raises OSError, also for a link somebody put there."""
    handle = os.open(Path(settings.AUDIT_EXPORT_DIR) / name, how | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return os.fdopen(handle, "rb" if how == os.O_RDONLY else "wb")


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    """As many bytes as the row says there are; the file is closed when nobody reads on."""
    with file:
        while size > 0 and (piece := file.read(min(PIECE, size))):
            size -= len(piece)
            yield piece
