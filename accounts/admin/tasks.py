"""Work done behind requests (notices, long reports), for platform administrators to look at.

Arguments hold ids and places, never secrets; but of every tenant's people.
"""

from django.contrib import admin
from django_tasks_db.models import DBTaskResult

from accounts.admin.scope import ScopedAdmin


@admin.register(DBTaskResult)
class TaskAdmin(ScopedAdmin):
    """The queue and what became of it. Read-only."""

    platform_only = True
    list_display = ("task_path", "status", "enqueued_at", "started_at", "finished_at", "queue_name")
    ordering = ("-enqueued_at",)
    fields = readonly_fields = (
        "task_path",
        "status",
        "queue_name",
        "priority",
        "args_kwargs",
        "enqueued_at",
        "started_at",
        "finished_at",
        "exception_class_path",
    )
