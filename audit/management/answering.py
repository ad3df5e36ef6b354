"""Commands whose standard output is their answer, for people, files and programs."""

from typing import Any

from django.core.management.base import BaseCommand

from audit import stream


class AnsweringCommand(BaseCommand):
    """What every command of ours extends: events that it records go to standard error, not into its answer."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        with stream.beside_an_answer():
            return super().execute(*args, **options)
