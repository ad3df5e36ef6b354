"""Several processes at one task: each is forked, has a database connection of its own, and sends back what it did."""

import multiprocessing
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import connections

from accounts.sealed_rows import NotWritten

Task = Callable[[], Iterator[Any]]


class WorkerLost(Exception):
    """A process of the crew died, or gave up; the others went on to their end."""


class _GaveUp(str):
    """Why a worker broke off, as it tells the process that began it."""


def work(task: Task, workers: int) -> Iterator[Any]:
    """What `workers` processes yield, each doing the same task, as it comes. Raises WorkerLost when all have ended.

    The task has to bear company: rows that one process holds, another leaves out. Ends the processes it began when
    it is broken off itself.
    """
    _disconnect()  # a connection must not be shared, nor a pool's threads be forked
    context = multiprocessing.get_context("fork")
    crew = []
    for _ in range(workers):
        mine, its = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(task, its), daemon=True)
        process.start()
        its.close()
        crew.append((process, mine))
    try:
        losses = yield from _gather([pipe for _process, pipe in crew])
        for process, _pipe in crew:
            process.join()
    finally:
        for process, pipe in crew:
            process.terminate()  # harmless to who has ended
            process.join()
            pipe.close()
    codes = [f"a worker ended with {process.exitcode}" for process, _pipe in crew if process.exitcode]
    if losses or codes:
        raise WorkerLost("; ".join([*losses, *codes]))


def _gather(pipes: list[Connection]) -> Generator[Any, None, list[str]]:
    """Pass on what comes until every pipe is closed; returns why workers gave up."""
    losses = []
    while pipes:
        for pipe in wait(pipes):
            assert isinstance(pipe, Connection)  # noqa: S101 (of what `wait` may return, these were given)
            try:
                message = pipe.recv()
            except EOFError:
                pipes.remove(pipe)
                continue
            if isinstance(message, _GaveUp):
                losses.append(str(message))
            else:
                yield message
    return losses


def _run(task: Task, pipe: Connection) -> None:
    """A worker's whole life."""
    try:
        for message in task():
            pipe.send(message)
    except AnyDatabaseError as error:
        pipe.send(_GaveUp(type(error).__name__))
    except NotWritten as error:
        pipe.send(_GaveUp(str(error)))
    finally:
        pipe.close()
        _disconnect()


def _disconnect() -> None:
    for connection in connections.all(initialized_only=True):
        connection.close()
        if close_pool := getattr(connection, "close_pool", None):
            close_pool()
