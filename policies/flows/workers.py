"""Workers that are heard of: each says again and again that it lives, and what a dead one left is taken up again.

A task is done again from its beginning when its worker died. So every task is written to bear that: the rows it works
on say what is done already.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from accounts import queue
from policies.models import Worker

EVERY: Final = 15.0  # seconds between two signs of life
SILENCE: Final = timedelta(minutes=2)  # after which a worker has died
KEPT: Final = timedelta(days=1)  # that one which died is shown
MOST_WORKERS: Final = 3  # a task on which so many died is not begun again

logger = logging.getLogger(__name__)


class WorkerLost(Exception):
    """What a task failed with that ended every worker which began it."""


def beat(worker_id: str) -> None:
    """Say that this worker lives."""
    now = timezone.now()
    Worker.objects.update_or_create(
        id=worker_id, defaults={"seen_at": now, "lost_at": None}, create_defaults={"seen_at": now, "started_at": now}
    )


def leave(worker_id: str) -> None:
    """End in peace: nobody is to wonder."""
    Worker.objects.filter(pk=worker_id).delete()


def alive(now: datetime) -> "QuerySet[Worker]":
    """Those that were heard of lately."""
    return Worker.objects.filter(seen_at__gt=now - SILENCE)


def lost(now: datetime) -> "QuerySet[Worker]":
    """Those that fell silent within the last day."""
    return Worker.objects.filter(seen_at__lte=now - SILENCE, seen_at__gt=now - KEPT)


def is_one_at_work(now: datetime) -> bool:
    """Whether a worker lives, where one is needed."""
    return not queue.is_kept() or alive(now).exists()


def expired(now: datetime) -> "QuerySet[Worker]":
    """Those that fell silent longer ago than anybody asks."""
    return Worker.objects.filter(seen_at__lte=now - KEPT)


def watch(now: datetime) -> int:
    """Log each worker that died, once, and have its tasks done by others; returns how many tasks those are."""
    for worker in lost(now).filter(lost_at=None):
        if Worker.objects.filter(pk=worker.pk, lost_at=None, seen_at=worker.seen_at).update(lost_at=now):
            logger.error("Worker %s died: it was last heard of at %s", worker.pk, worker.seen_at.isoformat())
    return sum(_take_up(task) for task in _left(now))


def _left(now: datetime) -> "Iterator[DBTaskResult[..., Any]]":
    """Tasks that are said to run, of which no living worker knows."""
    living = set(alive(now).values_list("pk", flat=True))
    running = DBTaskResult.objects.running().filter(started_at__lt=now - SILENCE)
    yield from (task for task in running if not task.worker_ids or task.worker_ids[-1] not in living)


def _take_up(task: "DBTaskResult[..., Any]") -> bool:
    """Put a task back into the queue; whether this process did it. What ended three workers has failed."""
    mine = Q(pk=task.pk, status=TaskResultStatus.RUNNING, started_at=task.started_at)
    if len(task.worker_ids) >= MOST_WORKERS:
        logger.error("Task %s (%s) ended every worker that began it", task.pk, task.task_path)
        if DBTaskResult.objects.filter(mine).exists():
            task.set_failed(WorkerLost(f"{len(task.worker_ids)} workers died"))
        return False
    logger.warning("Task %s (%s) is begun again: its worker died", task.pk, task.task_path)
    return DBTaskResult.objects.filter(mine).update(status=TaskResultStatus.READY, started_at=None) == 1
