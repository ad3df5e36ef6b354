"""Doing something again and again beside the work of a process, in a thread with connections of its own."""

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from django.db import close_old_connections, connections

FAREWELL: Final = 8.0  # seconds that the end of a process waits for what is under way
logger = logging.getLogger(__name__)


class Logged:
    """What goes wrong inside is logged, with its name, and ends there: one piece of work stops no other."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, trouble: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(trouble, Exception):
            return False
        logger.error("%s failed", self.name, exc_info=trouble)
        return True


class Pulse:
    """While the `with` block lasts, `act` is called every so many `seconds`; what it raises is logged.

    `at_once`: the first time without waiting. The thread does not keep a process alive that ends.
    """

    def __init__(self, name: str, act: Callable[[], object], *, seconds: float, at_once: bool = False) -> None:
        self.name = name
        self.act = act
        self.seconds = seconds
        self.at_once = at_once
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """Let what is under way come to its end, for a few seconds."""
        self.is_over.set()
        self.thread.join(FAREWELL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            waits = not self.at_once
            while not (waits and self.is_over.wait(self.seconds)):
                waits = True
                close_old_connections()
                with Logged(self.name):
                    self.act()
        finally:
            connections.close_all()
