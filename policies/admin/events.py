"""The record as administrators read it: never changed, each tenant's own, and quick on many rows."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from accounts.admin import labels
from accounts.admin.scope import ScopedAdmin, person_of
from accounts.models import Tenant
from accounts.session_store import SessionStore
from audit.declarations import Outcome, Severity
from audit.models import AuditEvent
from policies.admin import event_export_pages, event_page
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
from policies.flows import looks

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

    def get_list_display(self, request: HttpRequest) -> Any:
        """One's own tenant need not be named in every line."""
        if person_of(request).is_superuser:
            return self.list_display
        return tuple(column for column in self.list_display if column != "tenant_name")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[EventList]:
        return EventList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """What was found is shown once it is recorded that somebody looks."""
        found = super().changelist_view(request, extra_context)
        shown = getattr(found, "context_data", None) or {}
        if isinstance(listed := shown.get("cl"), EventList):
            session: SessionStore = request.session  # type: ignore[assignment]
            looks.looked_through(listed.asked, listed.tenants, actor=person_of(request), session=session)
        return found

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

    # -- one event -------------------------------------------------------------------------------------------

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Without a form: nothing can be changed."""
        event: AuditEvent = kwargs["obj"]
        context |= {
            **event_page.context_of(request, event, self),
            "title": event.sentence,
            "sentence": event.sentence,
            "when": self.when(event),
            "result": self.result(event),
            "severity": SEVERITIES[event.severity] if event.severity else "",
            "tenant_name": self.tenant_of(request, event),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def tenant_of(self, request: HttpRequest, event: AuditEvent) -> str:
        """Its name for who sees several; of one that is gone, the id."""
        if not person_of(request).is_superuser or event.tenant_id is None:
            return ""
        found = Tenant.objects.filter(pk=event.tenant_id).first()
        return str(found or event.tenant_id)
