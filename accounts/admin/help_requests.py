"""Requests for help in the admin: who cannot get in and asked, or was named by somebody who did. Read, and closed."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts import agents
from accounts.admin import labels
from accounts.admin.filters import ChoiceFilter, Choices, TenantFilter
from accounts.admin.looks import LookedAtAdmin
from accounts.admin.scope import person_of
from accounts.flows import help_requests, viewing
from accounts.models import HelpRequest, User


class OpenFilter(ChoiceFilter):
    """Requests that somebody still has to look at, and those that are done."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("open", _("open")), ("closed", _("closed"))]

    def condition(self, value: str) -> Q:
        return Q(closed_at__isnull=value == "open")


@admin.register(HelpRequest)
class HelpRequestAdmin(LookedAtAdmin):
    """A request proves nothing: whoever helps makes sure first who asks."""

    tenant_path = "tenant"
    look, look_through = viewing.HELP_REQUEST, viewing.HELP_REQUESTS
    list_display = ("asked_at", "owner", "state", "proved", "ip", "browser")
    list_filter = (TenantFilter, OpenFilter)
    list_select_related = ("person",)
    search_fields = ("person__email", "person__name")
    search_help_text = _("Search by mail address or name")
    ordering = ("-asked_at",)
    actions = ("close_requests",)
    fields = readonly_fields = ("asked_at", "owner", "state", "proved", "ip", "browser", "closed_at", "closed_by_label")

    def visible_to(self, person: User) -> Q:
        """Of people who are still there: who moved to another tenant is answered for by that one."""
        if person.is_superuser:
            return super().visible_to(person)
        return super().visible_to(person) & Q(person__tenant=person.tenant_id)

    @admin.action(description=_("Close the chosen requests"))
    def close_requests(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        actor = person_of(request)
        done = sum(help_requests.close(one, actor=actor) for one in queryset.select_related("person__tenant"))
        words = ngettext("%(count)s request was closed.", "%(count)s requests were closed.", done)
        messages.success(request, words % {"count": done})

    @admin.display(description=_("person"), ordering="person__email")
    def owner(self, asked: HelpRequest) -> SafeString:
        return labels.person_link(asked.person)

    @admin.display(description=_("proved"), ordering="knew_password")
    def proved(self, asked: HelpRequest) -> SafeString:
        return labels.pill("", _("the password") if asked.knew_password else _("nothing"))

    @admin.display(description=_("state"))
    def state(self, asked: HelpRequest) -> SafeString:
        return labels.pill("grace", _("open")) if asked.closed_at is None else labels.pill("", _("closed"))

    @admin.display(description=_("browser"))
    def browser(self, asked: HelpRequest) -> str:
        return agents.spoken(asked.agent)
