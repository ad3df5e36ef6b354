"""Several at one task: threads of this process, or processes that it forks.

Each has a database connection of its own, and sends back what it did.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Event, get_native_id
from typing import Any, Final

from django.db import Error as AnyDatabaseError
from django.db import connections

from accounts.resealing import NotWritten

Task = Callable[[], Iterator[Any]]


LOWEST: Final = 10  # nice: whoever signs in meanwhile comes first
_ENDED: Final = object()


class WorkerLost(Exception):
    """A process of the crew died, or gave up; the others went on to their end."""


class _GaveUp(str):
    """Why a worker broke off, as it tells the process that began it."""


def overlapped(task: Task, threads: int = 2) -> Iterator[Any]:
    """What threads of this process yield, each doing the same task: one computes while the database answers another.

    The task has to bear company, as in `work`. What one raises, whatever it is, ends the others with their step, and is
    raised then. Broken off itself, it waits for that too. Not inside a transaction, which the others do not see.
    """
    said: SimpleQueue[Any] = SimpleQueue()
    stop = Event()
    with ThreadPoolExecutor(threads, thread_name_prefix="crew") as pool:
        crew = [pool.submit(_steps, task, said, stop) for _ in range(threads)]
        try:
            for _ in crew:
                yield from iter(said.get, _ENDED)
        finally:
            stop.set()
    for one in crew:
        one.result()


def _steps(task: Task, said: "SimpleQueue[Any]", stop: Event) -> None:
    """A thread's whole life."""
    ended_well = False
    try:
        give_way()
        with closing(task()) as steps:  # type: ignore[type-var]  # of a generator
            for step in steps:
                said.put(step)
                if stop.is_set():
                    break
        ended_well = True
    finally:
        connections.close_all()  # this thread's own
        if not ended_well:
            stop.set()
        said.put(_ENDED)


def give_way() -> None:
    """Have this thread (this process, where it has one) take what the machine's other work leaves, on Linux."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, get_native_id(), LOWEST)


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
    """A worker's whole life. Told to end, it does so at once, and the database undoes what was under way."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    give_way()
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
