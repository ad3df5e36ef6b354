"""The record as administrators read it: never changed, each tenant's own, and quick on many rows."""

import json
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from accounts.admin import labels
from accounts.admin.scope import ScopedAdmin, person_of
from audit.declarations import Outcome, Severity
from audit.models import AuditEvent
from policies.admin import event_export_pages
from policies.admin.event_filters import (
    OUTCOMES,
    CategoryFilter,
    FieldFilter,
    KindFilter,
    OutcomeFilter,
    PeriodFilter,
    TenantFilter,
)
from policies.admin.event_list import EventList

PILLS: Final = {Outcome.OK.value: "ok", Outcome.REFUSED.value: "grace", Outcome.FAILED.value: "bad"}
SEVERITIES: Final[dict[Severity, str | Promise]] = {
    Severity.INFO: _("Information"),
    Severity.NOTICE: _("Notice"),
    Severity.WARNING: _("Warning"),
    Severity.ALARM: _("Alarm"),
}


@admin.register(AuditEvent)
class AuditEventAdmin(ScopedAdmin):
    """Read-only. Who is staff but no superuser sees the events of their own tenant; others' are not found."""

    tenant_path = "tenant_id"
    list_display = ("when", "what", "result", "ip", "tenant_name")
    list_display_links = ("when", "what")
    list_filter = (FieldFilter, PeriodFilter, OutcomeFilter, CategoryFilter, KindFilter, TenantFilter)
    list_max_show_all = 0
    sortable_by = ()
    actions = None
    search_fields = ("id",)  # looked up by `policies.evidence.asked`
    search_help_text = _("The whole mail address or name, or the id of a person, an event or a request.")
    empty_list = _("Nothing was recorded yet.")
    fieldsets = (
        (None, {"fields": ("what", "when", "result", "severity", "kind")}),
        (_("Who and whom"), {"fields": ("actor_label", "actor_id", "target_label", "target_type", "target_id")}),
        (_("From where"), {"fields": ("tenant_id", "ip", "user_agent", "request_id")}),
        (_("Facts"), {"fields": ("facts",)}),
        (_("Place in the chain"), {"fields": ("id", "chain", "sequence", "prev_hash", "hash", "mac", "key_id")}),
    )

    def get_list_display(self, request: HttpRequest) -> Any:
        """One's own tenant need not be named in every line."""
        if person_of(request).is_superuser:
            return self.list_display
        return tuple(column for column in self.list_display if column != "tenant_name")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[EventList]:
        return EventList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """As they come: `EventList` looks the term up."""
        return queryset, False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Nobody composes queries in the address bar; only the filters work."""
        typed = [name for name, _label, _type in FieldFilter.fields]
        return lookup in typed or super().lookup_allowed(lookup, value, request)

    def get_urls(self) -> list[URLPattern]:
        return [*event_export_pages.urls(self), *super().get_urls()]

    # -- columns ---------------------------------------------------------------------------------------------

    @admin.display(description=_("Time"))
    def when(self, event: AuditEvent) -> str:
        """To the second, with the time zone: events are compared with other people's logs."""
        return f"{localtime(event.at):%Y-%m-%d %H:%M:%S %Z}"

    @admin.display(description=_("What happened"))
    def what(self, event: AuditEvent) -> str:
        return event.sentence

    @admin.display(description=_("tenant"))
    def tenant_name(self, event: Any) -> str:
        return str(event.named_tenant)

    @admin.display(description=_("Outcome"))
    def result(self, event: AuditEvent) -> SafeString:
        return labels.pill(PILLS.get(event.outcome, ""), OUTCOMES.get(event.outcome, event.outcome))

    @admin.display(description=_("Severity"))
    def severity(self, event: AuditEvent) -> str:
        return str(SEVERITIES[event.severity]) if event.severity else "—"

    @admin.display(description=_("Facts"))
    def facts(self, event: AuditEvent) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(event.payload, ensure_ascii=False, indent=2))
