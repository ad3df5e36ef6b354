"""Pages of a large site, ours and as one would write them: what each takes of the database, and as a whole.

The time in the database is the CPU time of the server's process for all statements of the page, those of its session
too: on a busy machine the clock on the wall says how often others were served first. No statement is shared out among
several processes, so that none goes uncounted. The time of the whole page is by the wall; most of it is Python's.
PostgreSQL on Linux alone.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final
from unittest import mock

from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from accounts.models import Role, Tenant, User
from policies.rollout import statistics
from tests.bench import inside, masses, naive
from tests.bench.people_list import stock_page, stock_search
from tests.factories import AdministratorFactory, verified_client

ROUNDS: Final = 5
FEW_ROUNDS: Final = 3  # where there are more people than this
MANY: Final = 200_000
QUICK: Final = 1000  # milliseconds
COMMON: Final = "garcia"  # a part of one address in fourteen
PEOPLE: Final = reverse("admin:accounts_user_changelist")

Page = Callable[[], object]


class Clock:
    """Adds up the CPU time of the processes that answer, in milliseconds."""

    spent = 0.0

    def __call__(self, execute: Any, sql: str, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
        schedule = Path(f"/proc/{context['connection'].connection.info.backend_pid}/schedstat")
        start = _cpu(schedule)
        try:
            return execute(sql, parameters, many, context)
        finally:
            self.spent += _cpu(schedule) - start


def _cpu(schedule: Path) -> float:
    return int(schedule.read_text().split()[0]) / 1e6


def measure(count: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of every page, round by round, in turn: in the `database` and for the whole `page`."""
    big = masses.settle(count)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(f"ALTER DATABASE {connection.settings_dict['NAME']} SET max_parallel_workers_per_gather = 0")
    connection.close_pool()  # type: ignore[attr-defined]  # of PostgreSQL
    pages = _pages(big)
    found: dict[str, dict[str, list[float]]] = {name: {"database": [], "page": []} for name in pages}
    for number in range(1 + (FEW_ROUNDS if count > MANY else ROUNDS)):
        for name, page in pages.items():
            taken = _taken(page)
            for what, milliseconds in taken.items() if number else ():
                found[name][what].append(milliseconds)
    return found


def _taken(page: Page) -> dict[str, float]:
    """The middle one of three in a row, where they are quick."""
    tries = [_once(page)]
    while len(tries) < 3 and tries[0]["page"] < QUICK:
        tries.append(_once(page))
    return {what: median(one[what] for one in tries) for what in tries[0]}


def _once(page: Page) -> dict[str, float]:
    clock, start = Clock(), time.perf_counter()
    with connection.execute_wrapper(clock):
        page()
    return {"database": clock.spent, "page": (time.perf_counter() - start) * 1e3}


def _pages(big: Tenant) -> dict[str, Page]:
    theirs, everybodys = AdministratorFactory(tenant=big), _platform_administrator()
    of_tenant, of_all = verified_client(theirs), verified_client(everybodys)
    here = User.objects.filter(tenant=big)
    part = here.exclude(pk=theirs.pk).order_by("pk")[0].email.partition("@")[0]
    status, status_of_all = reverse("admin:mfa_status_of", args=[big.pk]), reverse("admin:mfa_status")
    return {
        "status": partial(_open, of_tenant, status),
        "naive_status": partial(_open_naively, of_tenant, status),
        "status_of_all": partial(_open, of_all, status_of_all),
        "naive_status_of_all": partial(_open_naively, of_all, status_of_all),
        "list": partial(_open, of_tenant, PEOPLE),
        "list_end": partial(_open, of_tenant, PEOPLE, after=_before_the_last_page(here)),
        "stock_list": partial(stock_page, theirs),
        "list_of_all": partial(_open, of_all, PEOPLE),
        "list_of_all_end": partial(_open, of_all, PEOPLE, after=_before_the_last_page(User.objects.all())),
        "stock_list_of_all": partial(stock_page, everybodys),
        "search": partial(_open, of_tenant, PEOPLE, q=part),
        "stock_search": partial(stock_search, theirs, part),
        "search_of_all": partial(_open, of_all, PEOPLE, q=part),
        "stock_search_of_all": partial(stock_search, everybodys, part),
        "common": partial(_open, of_all, PEOPLE, q=COMMON),
        "stock_common": partial(stock_search, everybodys, COMMON),
    }


def _platform_administrator() -> User:
    return AdministratorFactory(tenant=Tenant.objects.get(is_default=True), role=Role.ADMINISTRATOR, is_superuser=True)


def _before_the_last_page(people: QuerySet[User]) -> str:
    return people.order_by("-email")[50].email


def _open(client: Client, url: str, **query: str) -> None:
    inside.expect(client.get(url, query), 200)


def _open_naively(client: Client, url: str) -> None:
    with mock.patch.object(statistics, "status_of", naive.status_of):
        _open(client, url)
