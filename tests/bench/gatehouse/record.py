"""Events by the thousand: how many are recorded, verified and exported in a second. PostgreSQL alone.

Recording is `record()` as flows call it, each event in a transaction of its own, by eight processes at once. What it is
compared with inserts rows of the same columns, made beforehand, into a table with the same indexes, in as many
transactions: no chain, no seal, no head.
"""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from hashlib import sha256
from itertools import cycle
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest import mock
from uuid import UUID

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from accounts.session_store import SessionStore
from audit import chain, context, keys, ledger
from audit import log as audit_log
from audit.catalogue import CATALOGUE
from audit.drafts import Draft
from audit.entries import Entry, entry_of
from audit.identifiers import uuid7
from audit.kinds import Kind
from audit.log import record
from audit.models import AuditChain
from audit.selections import Format
from policies.evidence.asked import Asked
from policies.flows import event_exports
from tests.audit.evidence import Person
from tests.bench import inside
from tests.bench.gatehouse import event_pages
from tests.factories import verified_client

WRITERS: Final = 8
SECONDS: Final = 3  # of each round
MADE: Final = 3000  # rows that each writer has at hand
AT_A_TIME: Final = 2000  # events that are read
TENANTS: Final = 1000
PLAIN: Final = "plain_event"
FIRST: Final = 1 << 64  # of the tenants that are written to
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

Figures = dict[str, float]
Write = Callable[[], object]
Walk = tuple[Callable[[], tuple[Any, ...]], Callable[..., None]]  # what comes before the clock, and what it measures


def prepare() -> None:
    """The table that plain inserts go to."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {PLAIN} (LIKE audit_auditevent INCLUDING ALL)")


def rates() -> dict[str, float]:
    """Events a second of each way, in turn, by all writers together."""
    ways = {"plain": _plain, "tenants": partial(_recording, TENANTS), "tenant": partial(_recording, 1)}
    return {name: _rate(way) for name, way in ways.items()}


def verified() -> Figures:
    """Events a second of `audit_verify` with as many processes as processors, and MiB that it needs."""
    return _taken(partial(_command, "audit_verify", "--processes", str(os.cpu_count())))


def read_and_hashed() -> Figures:
    """The same of the least that somebody does who looks at every column: each event as one text, and its SHA-256."""
    return _taken(_read_and_hash)


def exported() -> Figures:
    """Events a second of `audit_export_chain` on the largest chain, and MiB."""
    largest = AuditChain.objects.order_by("-sequence")[0]
    with TemporaryDirectory(prefix="gatehouse-bench-") as home:
        arguments = ("--tenant", str(largest.pk), "--output", f"{home}/chain.jsonl")
        return _taken(partial(_command, "audit_export_chain", *arguments), count=largest.sequence)


def selected(form: Format) -> Figures:
    """The same of everything as an administrator downloads it, with the questions that are asked before each piece."""
    reader = event_pages.reader()
    session = SessionStore(verified_client(reader).cookies[settings.SESSION_COOKIE_NAME].value)
    export = event_exports.export_of(Asked(), form, session=session, actor=reader)
    count = _total()
    found = _taken(lambda: sum(map(len, event_exports.Outgoing(export, Asked(), timezone.now()))), count=count)
    assert export.rows >= count
    return found


def sign_ins(walk: Walk, count: int) -> dict[str, list[float]]:
    """Milliseconds of CPU of each sign-in as it is, and with nothing recorded: in turn, there and back."""
    before, step = walk
    ways: dict[str, Callable[[], AbstractContextManager[None]]] = {"recorded": nullcontext, "silent": _silence}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(inside.WARM_UP + count):
        for name in ways if number % 2 else reversed(ways):
            with ways[name]():
                found[name] += inside.cpu_of(step, 1, before=before, warm_up=0)
    return {name: each[inside.WARM_UP :] for name, each in found.items()}


@contextmanager
def _silence() -> Iterator[None]:
    """Flows record nothing: no entry is made, none written."""
    with mock.patch.object(audit_log, "entry_of", _nothing), mock.patch.object(ledger, "append", _nothing):
        yield


def _nothing(*arguments: object) -> None:
    """Cheaper than a mock, which would be counted to the silent side."""


def _rate(way: Callable[[int], Write]) -> float:
    """Forks the writers, has each make its way, and lets them go at once."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # of PostgreSQL
    fork = multiprocessing.get_context("fork")
    start, done = fork.Barrier(WRITERS), fork.SimpleQueue()
    writers = [fork.Process(target=_work, args=(way, number, start, done)) for number in range(WRITERS)]
    for each in writers:
        each.start()
    told = [done.get() for _ in writers]
    for each in writers:
        each.join()
    return sum(count for count, _seconds in told) / max(seconds for _count, seconds in told)


def _work(way: Callable[[int], Write], number: int, start: Barrier, done: Any) -> None:
    write = way(number)
    connection.ensure_connection()
    start.wait()
    count, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < SECONDS and count < MADE:
        write()
        count += 1
    connections.close_all()
    done.put((count, spent))


def _plain(number: int) -> Write:
    """Rows that are ready, one after the other."""
    statement = f"INSERT INTO {PLAIN} SELECT * FROM json_populate_record(NULL::{PLAIN}, %s::json)"  # noqa: S608
    people = _people_of(FIRST, tenants=TENANTS, begin=number * TENANTS // WRITERS)
    with context.use(_request()):
        rows = iter([_sealed(_entry(next(people), each)).as_json() for each in range(MADE)])

    def write() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [next(rows)])

    return write


def _sealed(entry: Entry) -> Draft:
    """As long as any other, and at a number that is nobody's."""
    entry.chain = entry.id
    draft = Draft(entry)
    draft.seal(1, chain.GENESIS, keys.primary())
    return draft


def _recording(tenants: int, number: int) -> Write:
    """What a flow does, in one of so many tenants."""
    people = _people_of(FIRST, tenants=tenants, begin=number * tenants // WRITERS)

    def write() -> None:
        person = next(people)
        with context.use(_request()):
            record(Kind.SIGN_IN_COMPLETED, actor=person, target=person, methods=["totp"], user_verified=True)

    return write


def _people_of(first: int, *, tenants: int, begin: int = 0) -> Iterator[Person]:
    """Somebody of each tenant in turn, again and again, from the one at place `begin` on."""
    people = [Person(tenant_id=UUID(int=first + each)) for each in range(tenants)]
    return cycle(people[begin:] + people[:begin])


def _request() -> context.RequestContext:
    return context.RequestContext(ip="192.0.2.17", user_agent=AGENT, request_id=str(uuid7(timezone.now())))


def _entry(person: Person, number: int) -> Entry:
    """Of three kinds, one after the other."""
    if number % 3 == 0:
        payload = {"email": person.email, "failures": 3}
        return entry_of(CATALOGUE[Kind.SIGN_IN_FAILED], None, person, None, None, payload)
    if number % 3 == 1:
        payload = {"methods": ["password", "totp"], "user_verified": True}
        return entry_of(CATALOGUE[Kind.SIGN_IN_COMPLETED], person, person, None, None, payload)
    return entry_of(CATALOGUE[Kind.SIGNED_OUT], person, person, None, None, {})


def _total() -> int:
    return sum(AuditChain.objects.values_list("sequence", flat=True))


def _read_and_hash() -> None:
    """As a chain is hashed: each with the hash before it."""
    digest = b""
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute("SELECT event::text FROM audit_auditevent event")
        while found := cursor.fetchmany(AT_A_TIME):
            for (text,) in found:
                digest = sha256(digest + text.encode()).digest()


def _command(command: str, *arguments: str) -> None:
    with Path(os.devnull).open("w") as nowhere:
        call_command(command, *arguments, stdout=nowhere, stderr=nowhere)


def _taken(work: Callable[[], object], *, count: int = 0) -> Figures:
    """Events a second; microseconds of CPU for each, and MiB above the start, of this process and those it forks."""
    count = count or _total()
    before, spent, begun = _memory("VmRSS"), _cpu(), time.perf_counter()
    Path("/proc/self/clear_refs").write_text("5")
    work()
    seconds = time.perf_counter() - begun
    forked = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    several = (os.cpu_count() or 1) * max(forked - before, 0) if forked else 0
    cpu = (_cpu() - spent) / count * 1e6
    return {"rate": count / seconds, "cpu": cpu, "memory": _memory("VmHWM") - before + several}


def _cpu() -> float:
    """Seconds of the processors, of those that ended too."""
    return sum(os.times()[:4])


def _memory(name: str) -> float:
    """MiB, by the system's own account."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
