"""The record as administrators read it: never changed, each tenant's own, and quick on many rows."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from audit.catalogue import CATALOGUE
from audit.declarations import Category, Outcome, Severity
from audit.models import AuditEvent

if TYPE_CHECKING:
    EventModelAdmin = admin.ModelAdmin[AuditEvent]
    EventPaginator = Paginator[AuditEvent]
else:
    EventModelAdmin = admin.ModelAdmin
    EventPaginator = Paginator

COUNTED = 10_000  # events; whoever needs older ones filters
LOOKUPS = {"category", "kind", "outcome", "request_id", "actor_id", "target_id"}
OUTCOMES: dict[str, Any] = {Outcome.OK: _("Succeeded"), Outcome.REFUSED: _("Refused"), Outcome.FAILED: _("Failed")}
SEVERITIES = {
    Severity.INFO: _("Information"),
    Severity.NOTICE: _("Notice"),
    Severity.WARNING: _("Warning"),
    Severity.ALARM: _("Alarm"),
}


class NewestPaginator(EventPaginator):
    """Counts the newest events only, so that a page costs the same over a thousand rows and ten million."""

    @cached_property
    def count(self) -> int:
        events = cast(QuerySet[AuditEvent], self.object_list)
        return events.order_by()[:COUNTED].count()


class CategoryFilter(admin.SimpleListFilter):
    """What events are about."""

    title = _("subject")
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(category.value, category.label) for category in Category]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        if self.value() is None:
            return queryset
        return queryset.filter(kind__in=_kinds_about(self.value()))


class KindFilter(admin.SimpleListFilter):
    """One kind of event; offered once a subject is chosen, because there are many."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        if not request.GET.keys() & {CategoryFilter.parameter_name, self.parameter_name}:
            return []
        return [(kind, kind) for kind in _kinds_about(request.GET.get(CategoryFilter.parameter_name))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset if self.value() is None else queryset.filter(kind=self.value())


class OutcomeFilter(admin.SimpleListFilter):
    """How it went."""

    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(str(outcome), label) for outcome, label in OUTCOMES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset if self.value() is None else queryset.filter(outcome=self.value())


def _kinds_about(category: str | None) -> list[str]:
    """The kinds of a category, of every category for None, none for one that there is not."""
    return sorted(kind for kind, declared in CATALOGUE.items() if category in {None, declared.category})


@admin.register(AuditEvent)
class AuditEventAdmin(EventModelAdmin):
    """Read-only. Who is staff but no superuser sees the events of their own tenant; others' are not found."""

    list_display = ("when", "what", "actor_label", "target_label", "tenant_id", "result")
    list_display_links = ("when", "what")
    list_filter = (OutcomeFilter, CategoryFilter, KindFilter)
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count every row, for every choice
    paginator = NewestPaginator
    sortable_by = ()
    actions = None
    search_fields = ("=actor_label", "=target_label")  # looked up by `get_search_results`
    search_help_text = _("The whole mail address or name, or the id of a person, an event or a request.")
    fieldsets = (
        (None, {"fields": ("what", "when", "result", "severity", "kind")}),
        (_("Who and whom"), {"fields": ("actor_label", "actor_id", "target_label", "target_type", "target_id")}),
        (_("From where"), {"fields": ("tenant_id", "ip", "user_agent", "request_id")}),
        (_("Facts"), {"fields": ("facts",)}),
        (_("Place in the chain"), {"fields": ("id", "chain", "sequence", "prev_hash", "hash", "mac", "key_id")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        events = super().get_queryset(request)
        if getattr(request.user, "is_superuser", False):
            return events
        tenant: UUID | None = getattr(request.user, "tenant_id", None)
        return events.none() if tenant is None else events.filter(tenant_id=tenant)

    def get_list_display(self, request: HttpRequest) -> Any:
        """One's own tenant need not be named in every line."""
        if getattr(request.user, "is_superuser", False):
            return self.list_display
        return [column for column in self.list_display if column != "tenant_id"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Exact look-ups alone: a search for a part would read every row."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(actor_id=term) | Q(target_id=term) | Q(request_id=term)
        labels = {term, term.lower()}
        found |= Q(actor_label__in=labels) | Q(target_label__in=labels)
        if (event_id := _uuid(term)) is not None:
            found |= Q(pk=event_id) | Q(tenant_id=event_id)
        return queryset.filter(found), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Nobody composes queries in the address bar; only the filters and links to a person or request work."""
        return lookup in LOOKUPS

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_staff", False))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def _get_obj_does_not_exist_redirect(self, *args: Any) -> HttpResponse:
        """Another tenant's event is not found, like one that never was."""
        raise Http404

    @admin.display(description=_("Time"))
    def when(self, event: AuditEvent) -> str:
        """To the second, with the time zone: events are compared with other people's logs."""
        return f"{localtime(event.at):%Y-%m-%d %H:%M:%S %Z}"

    @admin.display(description=_("What happened"))
    def what(self, event: AuditEvent) -> str:
        return event.sentence

    @admin.display(description=_("Outcome"))
    def result(self, event: AuditEvent) -> str:
        return str(OUTCOMES.get(event.outcome, event.outcome))

    @admin.display(description=_("Severity"))
    def severity(self, event: AuditEvent) -> str:
        return str(SEVERITIES[event.severity]) if event.severity else "—"

    @admin.display(description=_("Facts"))
    def facts(self, event: AuditEvent) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(event.payload, ensure_ascii=False, indent=2))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
