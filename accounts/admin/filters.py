"""The filters beside the admin's lists. Each takes only the values it offers; anything else filters nothing."""

from abc import ABC, abstractmethod
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR
from django.db.models import Exists, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin.scope import person_of
from accounts.enrolment_state import OF_KIND, having
from accounts.models import Binding, Role, Tenant
from accounts.scope import tenants_called

Choices = list[tuple[str, Any]]
MOST_OFFERED: Final = 25  # tenants, by name; where there are more, a field asks for one
LONGEST_TYPED: Final = 100  # characters


class ChoiceFilter(ABC, admin.SimpleListFilter):
    """One choice of several; subclasses say which, and what each means as a condition."""

    @abstractmethod
    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """The values offered, with their names."""

    @abstractmethod
    def condition(self, value: str) -> Q | Exists:
        """What holds of the objects that this value selects."""

    def value(self) -> str | None:
        chosen = super().value()
        return chosen if chosen in dict(self.lookup_choices) else None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset if chosen is None else queryset.filter(self.condition(chosen))


class TenantFilter(ChoiceFilter):
    """By tenant, for those who see more than one: a link each, or where there are many a field for part of a name.

    `?tenant=` is the tenant's id, or, where there are many, part of a name or of a short name too.
    """

    title = _("tenant")
    parameter_name = "tenant"
    template = "admin/tenant_filter.html"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self.path = model_admin.tenant_path
        self.is_asked_for = False
        self.other_parameters: dict[str, str] = {}
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        if not person_of(request).is_superuser:
            return []
        tenants = self.offered(request)
        self.is_asked_for = len(tenants) > MOST_OFFERED
        return [] if self.is_asked_for else [(str(pk), name) for pk, name in tenants]

    def offered(self, request: HttpRequest) -> list[tuple[Any, str]]:
        """The first tenants by name: as many as are offered, and one more where there are more."""
        return list(Tenant.objects.order_by("name").values_list("pk", "name")[: MOST_OFFERED + 1])

    def has_output(self) -> bool:
        return self.is_asked_for or super().has_output()

    def value(self) -> str | None:
        if not self.is_asked_for:
            return super().value()
        typed: str = self.used_parameters.get(self.parameter_name) or ""
        return typed.strip()[:LONGEST_TYPED] or None

    def condition(self, value: str) -> Q:
        return Q(**{f"{self.path}__in": list(tenants_called(value).values_list("pk", flat=True))})

    def choices(self, changelist: Any) -> Any:
        """Called before the template is rendered: what else is asked for stays when a tenant is."""
        gone = {self.parameter_name, PAGE_VAR}
        self.other_parameters = {name: value for name, value in changelist.params.items() if name not in gone}
        return super().choices(changelist)

    def called(self) -> str:
        """What the field holds: the name, where one tenant was chosen by its id."""
        value = self.value()
        return "" if value is None else next((one.name for one in tenants_called(value) if str(one.pk) == value), value)


class RoleFilter(ChoiceFilter):
    """People by role."""

    title = _("role")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(Role.choices)

    def condition(self, value: str) -> Q:
        return Q(role=value)


class ActiveFilter(ChoiceFilter):
    """What is switched on, or off."""

    title = _("active")
    parameter_name = "active"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("yes", _("Active")), ("no", _("Switched off"))]

    def condition(self, value: str) -> Q:
        return Q(is_active=value == "yes")


class EnrolledFilter(ChoiceFilter):
    """People with a second factor, or without."""

    title = _("two-step verification")
    parameter_name = "enrolled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("yes", _("Enrolled")), ("no", _("Not enrolled"))]

    def condition(self, value: str) -> Q:
        return Q(mfa_enrolled_at__isnull=value == "no")


class MethodFilter(ChoiceFilter):
    """People who have an authenticator of one kind, by the counters on their rows."""

    title = _("method")
    parameter_name = "method"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(Binding.Kind.choices)

    def condition(self, value: str) -> Q:
        return having(OF_KIND[Binding.Kind(value)])


class KindFilter(ChoiceFilter):
    """Authenticators by kind."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(Binding.Kind.choices)

    def condition(self, value: str) -> Q:
        return Q(kind=value)


class BindingStateFilter(ChoiceFilter):
    """Authenticators in use, locked, or removed."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("live", _("In use")), ("locked", _("Locked")), ("removed", _("Removed"))]

    def condition(self, value: str) -> Q:
        if value == "removed":
            return Q(unbound_at__isnull=False)
        return Q(unbound_at=None, locked_at__isnull=value == "live")


class SessionStatusFilter(ChoiceFilter):
    """Sessions by what `Session.status` says."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("active", _("Active")), ("expired", _("Expired")), ("ended", _("Ended"))]

    def condition(self, value: str) -> Q:
        if value == "ended":
            return Q(ended_at__isnull=False)
        lapsed = Q(expire_date__lte=timezone.now())
        return Q(ended_at=None) & (lapsed if value == "expired" else ~lapsed)
