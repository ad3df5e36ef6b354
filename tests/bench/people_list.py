"""The admin's list of people as Django alone would make it: the other side of the rows about ours."""

from typing import Any

from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.utils.safestring import SafeString

from accounts.admin import labels
from accounts.models import User
from policies import facts


class StockAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The same facts; each person's authenticators are asked for, and what is demanded of them: 103 queries."""

    list_display = (
        "email",
        "methods",
        "demanded",
        "name",
        "role",
        "tenant",
        "mfa_enrolled_at",
        "last_login",
        "is_active",
    )
    search_fields = ("email", "name")
    ordering = ("email",)
    list_per_page = 50

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        return True

    def get_queryset(self, request: Any) -> Any:
        people = super().get_queryset(request)
        return people if request.user.is_superuser else people.filter(tenant=request.user.tenant_id)

    @admin.display
    def demanded(self, person: Any) -> SafeString:
        return labels.pill("", "Required" if facts.mfa_required(person) else "Not required")

    @admin.display
    def methods(self, person: Any) -> SafeString:
        return labels.pills(labels.SHORT[one.kind] for one in person.bindings.filter(unbound_at=None))


def stock_page(actor: User, **query: str) -> None:
    """One page, as a response that is sent; middleware aside."""
    request: Any = RequestFactory(HTTP_HOST="localhost").get("/admin/accounts/user/", query)
    request.user, request.session = actor, {}
    StockAdmin(User, admin.site).changelist_view(request).render()  # type: ignore[attr-defined]


def stock_search(actor: User, part: str) -> None:
    """As in a database that lacks trigrams: only bitmaps use their index."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_bitmapscan = off")
        stock_page(actor, q=part)
        cursor.execute("RESET enable_bitmapscan")
