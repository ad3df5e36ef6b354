"""What all long work on sealed secrets shares: steps, counters, alarms, and its beginning and end in the record."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from django.db import Error as AnyDatabaseError
from django.db import connection

from accounts import canary, keyring
from accounts.crew import WorkerLost
from accounts.key_errors import KeyWorkFailed, WrongKeys, WrongOrder
from accounts.models import User
from accounts.resealing import NotWritten
from accounts.sealed_rows import Fault
from audit.kinds import Kind
from audit.log import record, unit_of_work

ALARMS: Final = 100  # of one run; what goes beyond is counted in its last event
REMEMBERED: Final = 100_000  # rows that were reported, so that none is reported twice
INTERRUPTED: Final = "interrupted"  # why work broke off that somebody ended

logger = logging.getLogger(__name__)


class Step(NamedTuple):
    """One batch: where, how many rows were done, and those that do not open."""

    place: str
    done: int
    faults: tuple[Fault, ...] = ()


@dataclass(slots=True)
class Report:
    """How far one run is. `total` is what there was to do, `left` what there is at the end."""

    total: int = 0
    done: int = 0
    unreadable: int = 0
    left: int = 0
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def add(self, step: Step, *, alarm: bool = True) -> Step:
        """Count a batch; returns it without the faults that another worker, or an earlier pass, told already."""
        new = tuple(fault for fault in step.faults if (fault.table, fault.row) not in self._seen)
        if len(self._seen) < REMEMBERED:
            self._seen.update((fault.table, fault.row) for fault in new)
        if alarm and new and self.unreadable < ALARMS:
            raise_alarms(new[: ALARMS - self.unreadable])
        self.done += step.done
        self.unreadable += len(new)
        return step._replace(faults=new)


class Kinds(NamedTuple):
    """How a kind of work begins, ends, and breaks off, in the record."""

    started: Kind
    finished: Kind
    failed: Kind


ROTATION: Final = Kinds(Kind.KEY_ROTATION_STARTED, Kind.KEY_ROTATION_FINISHED, Kind.KEY_ROTATION_FAILED)
ADOPTION: Final = Kinds(Kind.KEY_ADOPTION_STARTED, Kind.KEY_ADOPTION_FINISHED, Kind.KEY_ADOPTION_FAILED)


def require_right_keys(*, backwards: bool = False) -> None:
    """Raise WrongKeys or WrongOrder unless the configured keys are this database's, the newest first."""
    canary.ensure()  # a new primary key gets its canary; under wrong keys nothing is changed
    require_right_keys_as_they_are(backwards=backwards)


def require_right_keys_as_they_are(*, backwards: bool = False) -> None:
    """The same, and nothing is written."""
    if (found := canary.verdict()) is not canary.Verdict.OK:
        raise WrongKeys(found)
    if not backwards and (newer := canary.newer_than_primary()):
        raise WrongOrder(keyring.primary_key_id(), newer)


@contextmanager
def recorded(kinds: Kinds, report: Report, remaining: Callable[[], int]) -> Iterator[None]:
    """The events around one run: its beginning, and its end or why it broke off. Raises KeyWorkFailed.

    However it ends, also by Ctrl-C or an error nobody thought of, an event says so before that goes on; only `kill -9`
    leaves the beginning alone.
    """
    key = keyring.primary_key_id()
    try:
        record(kinds.started, key=key, keys=list(keyring.current().ids), rows=report.total)
        yield
        report.left = remaining()
        record(kinds.finished, key=key, done=report.done, unreadable=report.unreadable, left=report.left)
    except (AnyDatabaseError, NotWritten, WorkerLost) as error:
        reason = str(error) if isinstance(error, (NotWritten, WorkerLost)) else type(error).__name__
        _record_failure(kinds.failed, key, report, reason)
        raise KeyWorkFailed(reason) from error
    except (GeneratorExit, KeyboardInterrupt, SystemExit):
        _record_failure(kinds.failed, key, report, INTERRUPTED)
        raise
    except BaseException as error:
        _record_failure(kinds.failed, key, report, type(error).__name__)
        raise


@unit_of_work
def raise_alarms(faults: Iterable[Fault]) -> None:
    """An event for each row that does not open, with its owner as the target."""
    for fault in faults:
        owner = User.objects.filter(pk=fault.owner).first()
        about: dict[str, Any] = {"place": fault.place, "table": fault.table, "row": fault.row, "reason": fault.reason}
        record(Kind.KEY_SECRET_UNREADABLE, target=owner, key=fault.key_id, **about)


def _record_failure(kind: Kind, key: str, report: Report, reason: str) -> None:
    """On a new connection: the old one may be what failed. Where there is none either, the log has to do."""
    if not connection.in_atomic_block:
        connection.close()
    try:
        record(kind, key=key, done=report.done, unreadable=report.unreadable, reason=reason)
    except AnyDatabaseError as error:
        logger.critical("%s after %d rows, not recorded (%s): %s", kind.name, report.done, type(error).__name__, reason)
