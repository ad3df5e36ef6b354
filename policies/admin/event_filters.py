"""The filters beside the list of events: links and fields. What they mean is said by `policies.evidence.asked`."""

from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import admin
from django.db.models import BooleanField, QuerySet, Value
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.admin import filters
from accounts.models import Tenant
from accounts.scope import tenants_called
from audit.declarations import Category, Outcome
from policies.admin.paged_list import AFTER, BEFORE
from policies.evidence.asked import LONGEST, Asked, kinds_about

OUTCOMES: Final[dict[str, str | Promise]] = {
    Outcome.OK.value: _("Succeeded"),
    Outcome.REFUSED.value: _("Refused"),
    Outcome.FAILED.value: _("Failed"),
}
Choices = list[tuple[str, Any]]


class TenantFilter(filters.TenantFilter):
    """By tenant, as beside every list. What is offered and what is asked for come by one query.

    `meant` are the tenants that are asked for, by their ids; None where none is, or only one's own may be.
    """

    meant: dict[UUID, str] | None = None

    def offered(self, request: HttpRequest) -> list[tuple[Any, str]]:
        first = Tenant.objects.filter(pk__in=Tenant.objects.order_by("name").values("pk")[: filters.MOST_OFFERED + 1])
        found = first.annotate(is_meant=_IS_NOT).values_list("pk", "name", "is_meant").order_by("name")
        if typed := Asked.of(request.GET).tenant:
            called = tenants_called(typed).order_by().annotate(is_meant=_IS)
            found = found.order_by().union(called.values_list("pk", "name", "is_meant"), all=True).order_by("name")
        rows = list(found)
        if typed:
            self.meant = {pk: name for pk, name, is_meant in rows if is_meant}
        return [(pk, name) for pk, name, is_meant in rows if not is_meant]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset

    @property
    def ids(self) -> list[UUID] | None:
        return None if self.meant is None else list(self.meant)

    def called(self) -> str:
        value = self.value() or ""
        return next((name for pk, name in (self.meant or {}).items() if str(pk) == value), value)


_IS, _IS_NOT = (Value(told, BooleanField()) for told in (True, False))


class LinkFilter(admin.SimpleListFilter):
    """One choice of several, each a link. Another value is none of them."""

    offered: ClassVar[Choices]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return self.offered

    def value(self) -> str | None:
        chosen = super().value()
        return chosen if chosen in dict(self.lookup_choices) else None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset


class PeriodFilter(LinkFilter):
    """How far back from now."""

    title = _("time")
    parameter_name = "period"
    offered: ClassVar[Choices] = [
        ("hour", _("Past hour")),
        ("day", _("Past 24 hours")),
        ("week", _("Past 7 days")),
        ("month", _("Past 30 days")),
    ]


class OutcomeFilter(LinkFilter):
    """How it went."""

    title = _("outcome")
    parameter_name = "outcome"
    offered: ClassVar[Choices] = list(OUTCOMES.items())


class CategoryFilter(LinkFilter):
    """What events are about."""

    title = _("subject")
    parameter_name = "category"
    offered: ClassVar[Choices] = [(category.value, category.label) for category in Category]


class KindFilter(LinkFilter):
    """One kind of event; offered once a subject is chosen, because there are many."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        if not request.GET.keys() & {CategoryFilter.parameter_name, self.parameter_name}:
            return []
        return [(kind, kind) for kind in kinds_about(request.GET.get(CategoryFilter.parameter_name) or None)]


class FieldFilter(admin.ListFilter):
    """Fields to fill in, in one form: who, from where, and when. Everything else stays asked for."""

    title = _("who, where and when")
    parameter_name = "person"
    template = "admin/field_filter.html"
    fields: ClassVar[tuple[tuple[str, str | Promise, str], ...]] = (
        ("person", _("Person (mail address or id)"), "text"),
        ("ip", _("IP address"), "text"),
        ("since", _("Not before"), "datetime-local"),
        ("until", _("Not after"), "datetime-local"),
    )

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.typed = {name: str(request.GET.get(name, ""))[:LONGEST] for name, _label, _type in self.fields}
        self.used_parameters = {name: value for name, value in self.typed.items() if value}
        self.other_parameters: dict[str, str] = {}
        for name in self.typed:
            params.pop(name, None)

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [name for name, _label, _type in self.fields]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset

    def choices(self, changelist: Any) -> Any:
        """Called before the template is rendered: what else is asked for stays when a field is filled in."""
        gone = {*self.typed, AFTER, BEFORE}
        self.other_parameters = {name: value for name, value in changelist.params.items() if name not in gone}
        self.cleared = changelist.get_query_string(remove=[*self.typed])
        return []

    def inputs(self) -> list[dict[str, Any]]:
        """The fields as the template shows them."""
        return [
            {"name": name, "label": label, "type": kind, "value": self.typed[name]} for name, label, kind in self.fields
        ]
