"""Pages of the list of events: what each question takes of the database, on its first page and on its deepest.

By the clock on the wall, from sending a statement to having what it found; all statements of the page, those of the
session too, but for what begins and ends a transaction. With every first page it is recorded that somebody looks.
"""

import time
from datetime import timedelta
from statistics import median
from typing import Any, Final
from unittest import mock
from uuid import UUID

from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.flows import viewing
from accounts.models import Role, Tenant, User
from audit import reading
from audit.models import AuditEvent
from policies.evidence.asked import Asked, selection_of
from tests.bench import inside
from tests.bench.gatehouse.events import BUSY, BUSY_ADDRESS, FIRST
from tests.factories import AdministratorFactory, verified_client

LIST: Final = reverse("admin:audit_auditevent_changelist")
READER: Final = "auditor@example.com"
MOST_QUERIES: Final = 8
PAGE: Final = 50
ROUNDS: Final = 5

Taken = dict[str, float]


class Clock:
    """Counts statements, and adds up the milliseconds that they take."""

    spent = 0.0
    queries = 0

    def __call__(self, execute: Any, sql: str, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
        start = time.perf_counter()
        try:
            return execute(sql, parameters, many, context)
        finally:
            self.spent += (time.perf_counter() - start) * 1e3
            self.queries += 1


def measure() -> dict[str, Taken]:
    """Of every question: milliseconds of the `first` page and of the `deepest`, and the most `queries` of either."""
    administrator = reader()
    client = verified_client(administrator)
    return {name: _asked(client, administrator, query) for name, query in _questions().items()}


def reader() -> User:
    """Who reads the record of all tenants."""
    known = User.objects.filter(email=READER).first()
    default = Tenant.objects.get(is_default=True)
    return known or AdministratorFactory(email=READER, tenant=default, role=Role.ADMINISTRATOR, is_superuser=True)


def _questions() -> dict[str, dict[str, str]]:
    """What can be asked, each by itself, and what finds little or nothing of much."""
    large, some = str(UUID(int=FIRST)), AuditEvent.objects.filter(tenant_id=UUID(int=FIRST)).order_by("-id")[7]
    return {
        "everything": {},
        "the past month": {"period": "month"},
        "a day": {"since": f"{some.at:%Y-%m-%d}", "until": f"{some.at:%Y-%m-%d}"},
        "what succeeded": {"outcome": "ok"},
        "what failed": {"outcome": "failed"},
        "a subject": {"category": "sign_in"},
        "a subject, failed": {"category": "recovery", "outcome": "failed"},
        "a common kind": {"kind": "session:signed_out"},
        "a rare kind": {"kind": "mfa:reset"},
        "a kind that never happened": {"kind": "policy:published"},
        "a kind that never fails, failed": {"kind": "session:signed_out", "outcome": "failed"},
        "a kind that never succeeds, succeeded": {"kind": "sign_in:failed", "outcome": "ok"},
        "a person": {"person": some.target_label},
        "a person, a kind that never happened": {"person": some.target_label, "kind": "policy:published"},
        "a person with very many": {"person": BUSY},
        "such a person, a kind that never happened to them": {"person": BUSY, "kind": "mfa:reset"},
        "such a person, a subject that never was theirs": {"person": BUSY, "category": "recovery"},
        "such a person, failed": {"person": BUSY, "outcome": "failed"},
        "such a person, succeeded": {"person": BUSY, "outcome": "ok"},
        "an address with very many": {"ip": BUSY_ADDRESS},
        "such an address, a kind that never came from it": {"ip": BUSY_ADDRESS, "kind": "mfa:reset"},
        "such an address, failed": {"ip": BUSY_ADDRESS, "outcome": "failed"},
        "such a person, a kind that never happened, in a tenant": {
            "tenant": large,
            "person": BUSY,
            "kind": "mfa:reset",
        },
        "search for such a person, failed": {"q": BUSY, "outcome": "failed"},
        "an address": {"ip": some.ip},
        "an address, failed": {"ip": some.ip, "outcome": "failed"},
        "a tenant": {"tenant": large},
        "a tenant, failed": {"tenant": large, "outcome": "failed"},
        "a tenant, a rare kind": {"tenant": large, "kind": "mfa:reset"},
        "a tenant, a kind that never fails, failed": {
            "tenant": large,
            "kind": "session:signed_out",
            "outcome": "failed",
        },
        "tenants by a part of their names": {"tenant": "Firm 1"},
        "all tenants by name, a rare kind": {"tenant": "Firm", "kind": "mfa:reset"},
        "search for a request": {"q": some.request_id},
        "search for a person": {"q": some.target_label},
        "all at once": {
            "tenant": large,
            "person": some.target_label,
            "category": "sign_in",
            "outcome": "ok",
            "ip": some.ip,
        },
    }


def _asked(client: Client, administrator: User, query: dict[str, str]) -> Taken:
    selection = selection_of(Asked.of(query), seen_by=administrator, now=timezone.now())
    oldest = list(reading.oldest(selection, PAGE + 1))
    deepest = query | ({"after": str(oldest[-1].pk)} if len(oldest) > PAGE else {})
    with mock.patch.object(viewing, "ANEW_AFTER", timedelta(0)):  # as if nobody had asked before
        first = _page(client, query)
    last = _page(client, deepest)
    return {"first": first["ms"], "deepest": last["ms"], "queries": max(first["queries"], last["queries"])}


def _page(client: Client, query: dict[str, str]) -> Taken:
    """The middle one of some; the first is not counted."""
    found = []
    for _round in range(1 + ROUNDS):
        clock = Clock()
        with connection.execute_wrapper(clock):
            inside.expect(client.get(LIST, query), 200)
        found.append(clock)
    queries = max(clock.queries for clock in found[1:])
    assert queries <= MOST_QUERIES, f"{queries} queries for {query}"
    return {"ms": median(clock.spent for clock in found[1:]), "queries": queries}
