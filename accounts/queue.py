"""The queue of tasks: asking for work that somebody may have asked for already."""

from typing import Any

from django.conf import settings
from django_tasks.base import Task
from django_tasks_db.models import DBTaskResult


def is_kept() -> bool:
    """Whether tasks wait in the database for a worker; else each is done at once, by whoever asks for it."""
    return str(settings.TASKS["default"]["BACKEND"]).startswith("django_tasks_db.")


def enqueue_once(task: "Task[Any, Any]", *arguments: Any) -> None:
    """Enqueue a task, unless the same one waits already: that will find what there is to do by then."""
    same = {"args": list(arguments), "kwargs": {}}
    if not (is_kept() and DBTaskResult.objects.ready().filter(task_path=task.module_path, args_kwargs=same).exists()):
        task.enqueue(*arguments)
