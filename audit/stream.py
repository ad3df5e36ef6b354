"""Each event as a line of JSON on standard output, for whoever collects logs; off unless `AUDIT_LOG_STREAM` says so.

While a command of ours runs, it is standard error: its standard output is its answer, which may be a file or a secret.

A line goes out after the event is committed, and only then: a refusal is committed by itself, so it goes out whatever
becomes of the request. Nothing waits for a reader, and an output that is gone undoes nothing. A line holds what the
public summary holds, and where the event stands in its chain: no salts, no seals, no secrets.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

from django.conf import settings
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from audit.entries import Entry
from audit.export_format import line_of
from audit.summary import summary_of

STDOUT: Final = "stdout"
LONGEST: Final = 4096  # bytes: what a pipe takes from one of many processes in one piece (POSIX, PIPE_BUF on Linux)
SHORT: Final = 64  # characters of a text in a line that would be longer; half of it where they are not ASCII
LOGGER: Final = "audit.record"
_beside: Final[list[TextIO]] = []  # standard error, once for each command that runs


def send(connection: BaseDatabaseWrapper, entries: Iterable[Entry]) -> None:
    """Have these sealed entries go out when the transaction commits, if that is wanted."""
    if settings.AUDIT_LOG_STREAM != STDOUT:
        return
    lines = "".join(map(line, entries))

    def write_events() -> None:  # Django names it in its log where it fails
        _write(lines)

    transaction.on_commit(write_events, using=connection.alias, robust=True)


def line(entry: Any) -> str:
    """One line of ASCII and its line feed. What would be too long goes without its facts and with short texts."""
    whole = line_of(_told(entry))
    return whole if len(whole) <= LONGEST else line_of(_told(entry, is_cut=True))


def _told(entry: Any, *, is_cut: bool = False) -> dict[str, Any]:
    event: dict[str, Any] = dict(summary_of(entry))
    if is_cut:
        event["details"] = {**event["details"], "facts": {}}
        event = _short(event)
    place = {"chain": str(entry.chain), "sequence": entry.sequence, "hash": entry.hash}
    told = {"time": event["timestamp"], "logger": LOGGER, "request": _short(entry.request_id), "event": event, **place}
    return told | {"cut": True} if is_cut else told


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    if isinstance(value, str):
        return value[: SHORT if value.isascii() else SHORT // 2]
    return value


@contextmanager
def beside_an_answer() -> Iterator[None]:
    """Events of this process go to standard error meanwhile, whichever thread or forked process records them.

    To what is standard error now: a progress bar puts something in its place that draws to where the answer goes.
    """
    _beside.append(sys.stderr)
    try:
        yield
    finally:
        _beside.pop()


def _write(lines: str) -> None:
    """All at once, so that lines of several processes and threads do not mix."""
    output = [sys.stdout, *_beside][-1]
    output.write(lines)
    output.flush()
