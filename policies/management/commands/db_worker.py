"""`manage.py db_worker`: do the tasks of the queue, and beside them the periodic work that is due by itself."""

import os
from contextlib import ExitStack
from functools import partial
from typing import Any

from django.utils.autoreload import DJANGO_AUTORELOAD_ENV
from django_tasks_db.management.commands import db_worker

from accounts import at_start
from policies.flows import periodic, workers
from policies.pulse import Logged, Pulse


class Command(db_worker.Command):
    """The worker of django-tasks-db, which also says that it lives and does what is due.

    Each in a thread of its own, so that neither a long task nor long periodic work keeps the other waiting.
    """

    help = (
        "Do the tasks of the queue (mail, reminders, campaigns), and beside them the periodic work that is due:\n"
        "what `manage.py run_due` does. As many as you like, on as many machines as you like. With --batch it does\n"
        "the tasks that wait, no periodic work, and ends."
    )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Speak of the keys first: an error may end the worker before it works, and then only a terminal knows why."""
        at_start.tell_of_keys()
        return super().execute(*args, **options)

    def handle(self, **options: Any) -> None:
        if options["reload"] and not options["batch"] and os.environ.get(DJANGO_AUTORELOAD_ENV) != "true":
            super().handle(**options)  # this process only starts the worker anew when code changes
            return
        worker_id = options["worker_id"]
        workers.beat(worker_id)
        with ExitStack() as beside:
            beside.callback(_farewell, worker_id)
            beside.enter_context(Pulse("sign of life", partial(workers.beat, worker_id), seconds=workers.EVERY))
            if not options["batch"]:
                beside.enter_context(
                    Pulse("periodic work", periodic.run_each, seconds=periodic.LOOK_EVERY, at_once=True)
                )
            super().handle(**options)


def _farewell(worker_id: str) -> None:
    """Say that this worker ends. Where the database is away, others find out by its silence."""
    with Logged("farewell"):
        workers.leave(worker_id)
