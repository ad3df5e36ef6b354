"""Measure, print the table, and fail when a demand is missed by more than the noise.

python -m tests.bench                      everything, about twelve minutes, more for keys and record
python -m tests.bench --quick              fewer and shorter rounds
python -m tests.bench --only throughput    one kind of row: throughput, decision, writes, sign-in, enrolment, trial,
                                           site, keys, record

The environment's BENCH_PEOPLE, BENCH_SECRETS and BENCH_EVENTS say how many people the site has, how many sealed secrets
those of the keys have (100000, at least 4000), and how many events the record has (200000), PostgreSQL alone. A million
events take two gigabytes and a few minutes to make.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType

import psycopg

from tests.bench import keys, record, rows, sides, table
from tests.bench.figures import Row, Verdict
from tests.bench.rows import Effort
from tests.harness import postgres
from tests.harness.servers import NotInstalled

KINDS = ("throughput", "decision", "writes", "sign-in", "enrolment", "trial", "site", "keys", "record")
PEOPLE, SECRETS = (int(os.environ.get(name, "100000")) for name in ("BENCH_PEOPLE", "BENCH_SECRETS"))
SECRETS = max(SECRETS, 4000)  # `save()` and `bulk_update` take 2500 of them, the rotation what they left
EVENTS = int(os.environ.get("BENCH_EVENTS", "200000"))
FULL = Effort(bursts=15, seconds=1, processes=5, walks=30, people=PEOPLE, secrets=SECRETS, events=EVENTS)
QUICK = Effort(
    bursts=3,
    seconds=1,
    processes=2,
    walks=10,
    people=10_000,
    secrets=min(SECRETS, 10_000),
    events=min(EVENTS, 50_000),
)

MEMORY = "shared_buffers=2GB"  # what a server of that size is given; the 128 MB that it comes with are for a small one

MakeDatabase = Callable[[str], str]


def main(arguments: list[str]) -> int:
    """Returns the exit status: 1 when a row is missed."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, _leave)
    effort = QUICK if options.quick else FULL
    found: list[Row] = []
    with ExitStack() as stack:
        for where, make in _databases(stack, options.database):
            for row in _rows(where, make, effort, options.only or KINDS):
                sys.stderr.write(f"{row.where}: {row.what} {row.figure:.2f}{row.unit}\n")
                found.append(row)
    print(table.table(found))
    if options.record:
        table.record(found)
    print(table.sentence(found))
    return any(row.verdict is Verdict.MISSED for row in found)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--only", action="append", choices=KINDS, help="this kind of row; may be repeated")
    parser.add_argument("--record", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--database", choices=("PostgreSQL", "SQLite"), help="this database alone")
    return parser.parse_args(arguments)


def _databases(stack: ExitStack, only: str | None) -> Iterator[tuple[str, MakeDatabase]]:
    if only != "SQLite":
        try:
            server = stack.enter_context(postgres.server(MEMORY))
        except NotInstalled as lack:
            sys.stderr.write(f"Without PostgreSQL: {lack}\n")
        else:
            yield "PostgreSQL", partial(_on_postgres, server)
    if only != "PostgreSQL":
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatehouse-bench-")))
        yield "SQLite", lambda name: f"sqlite:///{home / name}.sqlite3"


def _on_postgres(server: postgres.Server, name: str) -> str:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return server.url.removesuffix("postgres") + name


def _rows(where: str, make: MakeDatabase, effort: Effort, kinds: Iterable[str]) -> Iterator[Row]:
    if "throughput" in kinds:
        contestants = {"ours": sides.gatehouse(make("ours"))}
        if where == "PostgreSQL":
            prepared = sides.gatehouse(make("prepared"), DATABASE_PREPARED_STATEMENTS="on")
            contestants["prepared statements"] = prepared
        contestants |= {name: sides.peer(name, make(name)) for name in ("plain", "otp")}
        yield from rows.throughput(where, contestants, effort)
    if "keys" in kinds and where == "PostgreSQL":
        yield from keys.rows(where, sides.gatehouse(make("keys"), **sides.two_keys()), effort)
    if "record" in kinds and where == "PostgreSQL":
        yield from record.rows(where, sides.gatehouse(make("record")), sides.gatehouse(make("chains")), effort)
    if set(kinds) - {"throughput", "keys", "record"}:
        yield from _pages(where, make, effort, kinds)


def _pages(where: str, make: MakeDatabase, effort: Effort, kinds: Iterable[str]) -> Iterator[Row]:
    ours, allauth = sides.gatehouse(make("pages")), sides.peer("allauth", make("allauth"))
    ours.run("prepare")
    if "decision" in kinds:
        yield rows.decision(where, ours)
    if "writes" in kinds:
        yield from rows.writes(where, ours)
    if {"sign-in", "enrolment"} & set(kinds):
        allauth.run("prepare")
    if "sign-in" in kinds:
        yield from rows.sign_in(where, ours, allauth, effort)
    if "enrolment" in kinds:
        yield rows.enrolment(where, ours, allauth, effort)
    if "trial" in kinds:
        yield from rows.trial(where, ours, effort)
    if "site" in kinds and where == "PostgreSQL":
        large = sides.gatehouse(make("site"))
        large.run("prepare")
        yield from rows.site(where, large, effort)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
