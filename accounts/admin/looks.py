"""Models whose pages tell of one person what is theirs: who looks at somebody else's is recorded."""

from typing import Any, ClassVar

from django.contrib.admin.views.main import PAGE_VAR
from django.http import HttpRequest, HttpResponse

from accounts.admin.filters import TenantFilter
from accounts.admin.scope import ScopedAdmin, ScopedList, person_of
from accounts.flows import viewing
from accounts.models import Tenant
from accounts.scope import tenants_called
from accounts.session_store import SessionStore


class LookedAtAdmin(ScopedAdmin):
    """One model whose pages are shown once it is recorded that somebody looks.

    `look` is what `viewing` calls a page of one object, and the field of the event that names it; `look_through` is
    what it calls the list, where that tells more than whom there is something about.
    """

    look: ClassVar[str]
    look_through: ClassVar[str] = ""

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        if (thing := kwargs.get("obj")) is not None:
            named = {self.look: getattr(thing, self.id_field)}
            viewing.looked_at(self.look, thing, actor=person_of(request), **named)
        return super().render_change_form(request, context, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        found = super().changelist_view(request, extra_context)
        is_shown = isinstance((getattr(found, "context_data", None) or {}).get("cl"), ScopedList)
        if self.look_through and is_shown:
            question = {name: request.GET.getlist(name) for name in request.GET if name != PAGE_VAR}
            session: SessionStore = request.session  # type: ignore[assignment]
            about = _tenant_listed(request)
            viewing.looked_through(self.look_through, about, question, actor=person_of(request), session=session)
        return found


def _tenant_listed(request: HttpRequest) -> Tenant | None:
    """The one tenant whose people a list shows; None where they may be several tenants'."""
    actor, chosen = person_of(request), request.GET.get(TenantFilter.parameter_name, "")
    if not actor.is_superuser:
        return actor.tenant
    found = list(tenants_called(chosen)[:2]) if chosen else []
    return found[0] if len(found) == 1 else None
