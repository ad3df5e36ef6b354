"""Sealing every secret anew under the primary key, on a live site, by any number of processes.

What is left to do is what is not under the primary, so a run that was cut short is simply run again. Each batch holds
its rows (what others hold is left out and met again later), opens and seals them, writes by compare and swap, reads
back and opens what it wrote, and commits. Nothing but the ciphertext and the id of its key changes: no version is
raised, no session ends, no recovery code is touched.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.db import connection, reset_queries, transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from accounts import crew, keyring
from accounts.flows import key_work
from accounts.flows.key_work import Report, Step
from accounts.resealing import hold, require_written, resealed, write
from accounts.sealed import Place, places
from accounts.sealed_rows import BATCH, not_under, reachable

Which = Callable[[Place, str], "QuerySet[Any]"]  # of a place and the id of the primary key: the rows to do

PATIENCE: Final = 20  # passes in which nothing moved, until rows that others hold are left for another run
PAUSE: Final = 0.25  # seconds between them


def remaining() -> int:
    """How many rows are not under the primary key."""
    key_id = keyring.primary_key_id()
    return sum(not_under(place, key_id).count() for place in places())


def rotate(report: Report, *, workers: int = 1, size: int = BATCH, backwards: bool = False) -> Generator[Step]:
    """Do it, step by step; `report` says how far it is.

    Raises WrongKeys or WrongOrder before anything is changed, and KeyWorkFailed when it breaks off. A row that does
    not open is reported, raises an alarm, and is left as it is. SQLite has one writer, so one worker is what it gets;
    on PostgreSQL a process alone seals one batch while the database writes another.
    """
    key_work.require_right_keys(backwards=backwards)
    report.total = remaining()
    with key_work.recorded(key_work.ROTATION, report, remaining), closing(_steps(workers, size)) as steps:
        for step in steps:
            yield report.add(step)


def _steps(workers: int, size: int) -> Generator[Step]:
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        yield from everywhere(size)
    elif workers == 1:
        yield from crew.overlapped(lambda: everywhere(size))
    else:
        yield from crew.work(lambda: everywhere(size), workers)


def everywhere(size: int = BATCH, which: Which = not_under) -> Iterator[Step]:
    """Every place in turn, by this process, until nothing is left of these rows that can be done."""
    for place in places():
        yield from until_done(partial(_pass, place, size, which), partial(_waiting, place, which))


def _waiting(place: Place, which: Which) -> int:
    return reachable(place, which(place, keyring.primary_key_id())).count()


def until_done(one_pass: Callable[[], Iterator[Step]], waiting: Callable[[], int]) -> Iterator[Step]:
    """Pass after pass: rows that were held by somebody else in one pass are met in the next."""
    idle = 0
    while idle < PATIENCE:
        done = unreadable = 0
        for step in one_pass():
            done += step.done
            unreadable += len(step.faults)
            yield step
        if waiting() <= unreadable:
            return
        idle = 0 if done else idle + 1
        time.sleep(0 if done else PAUSE)


def _pass(place: Place, size: int, which: Which) -> Iterator[Step]:
    after = None
    while True:
        reset_queries()  # with DEBUG on, Django would keep every statement
        step, after = _batch(place, after, size, which)
        if after is None:
            return
        yield step


@transaction.atomic
@sensitive_variables()
def _batch(place: Place, after: str | None, size: int, which: Which = not_under) -> tuple[Step, str | None]:
    """Do the next rows; returns where the last of them stands, None where there were none."""
    ring, adopting = keyring.current(), settings.MFA_ADOPT_FOREIGN_SECRETS
    batch = hold(place, which(place, ring.primary_id), after=after, size=size)
    changes, faults = resealed(ring, place, batch, foreign=adopting)
    written = write(place, changes, ring.primary_id)
    require_written(ring, place, changes, written)
    return Step(place.label, len(written), tuple(faults)), batch.homes[-1] if batch.homes else None
