"""How long work ends when the process is told to end (SIGTERM): as by Ctrl-C, what is under way undone and recorded."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def orderly() -> Iterator[None]:
    """Raise KeyboardInterrupt, which the database driver minds too, at SIGTERM; a second one does not disturb the end.

    In a thread, signals are not ours to mind.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
