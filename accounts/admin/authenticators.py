"""Authenticators, to look at: what is bound to whom, since when, in what state. Never a secret, never a key."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.admin import labels
from accounts.admin.filters import BindingStateFilter, KindFilter, TenantFilter
from accounts.admin.looks import LookedAtAdmin
from accounts.admin.scope import person_of
from accounts.flows import viewing
from accounts.models import Binding
from audit.models import AuditEvent

SECRET = ("credential__credential_id", "credential__public_key")


@admin.register(Binding)
class AuthenticatorAdmin(LookedAtAdmin):
    """Every authenticator ever bound, removed ones too (NIST SP 800-63B-4 §4.1). Read-only: a reset removes."""

    tenant_path = "person__tenant"
    look = viewing.AUTHENTICATOR
    list_display = ("kind", "owner", "name", "product", "state", "bound_at", "last_used_at")
    list_filter = (TenantFilter, KindFilter, BindingStateFilter)
    search_fields = ("person__email", "person__name", "name")
    search_help_text = _("Search by mail address, name, or the authenticator's name")
    ordering = ("-bound_at",)
    fieldsets = (
        (None, {"fields": ("owner", "kind", "name", "product", "attested", "state", "synced", "last_used_at")}),
        (_("Wrong codes"), {"fields": ("failures", "paused_until", "locked_at")}),
        (_("Added"), {"fields": ("bound_at", "bound_ip", "adder")}),
        (_("Removed"), {"fields": ("unbound_at", "unbound_ip", "remover", "unbound_reason")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("person", "credential").defer(*SECRET)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        found.viewer = person_of(request)
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return flatten_fieldsets(self.fieldsets)

    def events_of(self, thing: Binding) -> QuerySet[AuditEvent]:
        """Events name the person as their target, and the authenticator among their facts."""
        return AuditEvent.objects.filter(target_id=str(thing.person_id), payload__authenticator=str(thing.pk))

    @admin.display(description=_("person"), ordering="person__email")
    def owner(self, binding: Binding) -> SafeString:
        return labels.person_link(binding.person)

    @admin.display(description=_("product"))
    def product(self, binding: Binding) -> str:
        return labels.product_of(binding)

    @admin.display(description=_("vouched for by its maker"), boolean=True)
    def attested(self, binding: Binding) -> bool | None:
        """Whether its maker vouched for a key, up to a root of this site; None for what is no key."""
        credential = getattr(binding, "credential", None)
        return None if credential is None else credential.attested

    @admin.display(description=_("state"))
    def state(self, binding: Binding) -> SafeString:
        return labels.state_of(binding)

    @admin.display(description=_("synchronised"), boolean=True)
    def synced(self, binding: Binding) -> bool | None:
        """Whether a passkey is kept in an account elsewhere; None for what is no passkey."""
        credential = getattr(binding, "credential", None)
        return None if credential is None else credential.backed_up

    @admin.display(description=_("by"))
    def adder(self, binding: Any) -> str | Promise:
        return labels.doer(binding.bound_by, binding.person, binding.viewer)

    @admin.display(description=_("by"))
    def remover(self, binding: Any) -> str | Promise:
        return labels.doer(binding.unbound_by, binding.person, binding.viewer) if binding.unbound_at else ""
