"""The admin's list of people as ours builds it and as Django's own would: milliseconds of each, round by round."""

import time
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.test import RequestFactory

from accounts.models import Role, Tenant, User
from policies.admin.people import PersonAdmin

ROUNDS = 5
NEEDLE = "crowd-4321"


class StockAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What a site has that lists its people with Django alone, and each one's authenticators beside them."""

    list_display = ("email", "name", "role")
    search_fields = ("email", "name")
    ordering = ("email",)
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(tenant=request.user.tenant_id)  # type: ignore[union-attr]


def measure(tenant: Tenant, count: int) -> dict[str, list[float]]:
    """Milliseconds of the first page, the last one and a search, ours and the stock's."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE accounts_user" if connection.vendor == "postgresql" else "ANALYZE")
    actor = User.objects.filter(tenant=tenant, role=Role.ADMINISTRATOR).first()
    ours, stock = PersonAdmin(User, admin.site), StockAdmin(User, admin.site)
    last = User.objects.filter(tenant=tenant).order_by("-email")[50].email
    steps: dict[str, Callable[[], object]] = {
        "first": lambda: _page(ours, actor, {}),
        "last": lambda: _page(ours, actor, {"after": last}),
        "search": lambda: _page(ours, actor, {"q": NEEDLE}),
        "stock": lambda: _stock_page(stock, actor, {}),
        "stock_last": lambda: _stock_page(stock, actor, {"p": str(count // 50)}),
        "stock_search": lambda: _without_trigrams(lambda: _stock_page(stock, actor, {"q": NEEDLE})),
    }
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            found[name].append((time.perf_counter() - start) * 1e3)
    return {name: rounds[1:] for name, rounds in found.items()}


def _without_trigrams(step: Callable[[], object]) -> None:
    """As in a database that lacks them: only bitmaps use their index."""
    if connection.vendor != "postgresql":
        step()
        return
    with connection.cursor() as cursor:
        cursor.execute("SET enable_bitmapscan = off")
        step()
        cursor.execute("RESET enable_bitmapscan")


def _page(model_admin: Any, actor: User | None, query: dict[str, str]) -> list[Any]:
    request: Any = RequestFactory().get("/", query)
    request.user = actor
    return list(model_admin.get_changelist_instance(request).result_list)


def _stock_page(model_admin: Any, actor: User | None, query: dict[str, str]) -> list[Any]:
    return [list(one.bindings.filter(unbound_at=None)) for one in _page(model_admin, actor, query)]
