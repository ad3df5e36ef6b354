"""Tenants. Platform administrators make them and give them domains; a tenant's own keep its particulars."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.admin import labels
from accounts.admin.filters import ActiveFilter
from accounts.admin.scope import FlowForm, ScopedAdmin, person_of
from accounts.flows import help_rules
from accounts.models import HelpRules, Tenant, TenantDomain
from accounts.models.helping import LONGEST_WAIT
from audit.log import unit_of_work
from policies.flows import tenants
from policies.models import MFAPolicy

CHANGEABLE = frozenset({"name", "time_zone", "totp_issuer", "is_active"})


class TenantForm(FlowForm):
    """A tenant's particulars; its domains one to a line."""

    domains = forms.CharField(
        label=_("mail domains"),
        required=False,
        max_length=4000,
        widget=forms.Textarea({"rows": 4, "class": "vLargeTextField", "spellcheck": "false", "dir": "ltr"}),
        help_text=_("One to a line. Whoever signs up with a verified address at one of them joins this tenant."),
    )

    second_approver = forms.ChoiceField(
        label=_("second administrator"),
        choices=HelpRules.Approval.choices,
        help_text=_("To whatever is done to an administrator’s account one always has to."),
    )
    wait_hours = forms.IntegerField(
        label=_("hours to wait"),
        min_value=0,
        max_value=LONGEST_WAIT,
        help_text=_("Between asking and doing. The person is told at once, and can cancel it meanwhile."),
    )
    administrators_wait_hours = forms.IntegerField(
        label=_("hours to wait for administrators"),
        min_value=0,
        max_value=LONGEST_WAIT,
        help_text=_("Rules that a platform administrator makes weaker hold a day later."),
    )

    class Meta:
        model = Tenant
        fields = ("name", "slug", "time_zone", "totp_issuer", "is_active", "domains", *help_rules.FIELDS)
        help_texts = {
            "slug": _("Stays as it is for good."),
            "time_zone": _("For example Europe/Berlin: dates are shown and mailed in it."),
            "is_active": _("Switched off, nobody in it is let in, from the next request on."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "domains" in self.fields and not self.instance._state.adding:
            self.initial["domains"] = "\n".join(self.instance.domains.values_list("domain", flat=True))
        if "wait_hours" in self.fields:
            row = help_rules.chosen(self.instance.pk)
            self.initial.update({name: getattr(row, name) for name in help_rules.FIELDS})

    def clean_slug(self) -> str:
        """A short name that is free, and whose policy's identifier is free."""
        slug: str = self.cleaned_data["slug"].lower()
        if MFAPolicy.objects.filter(code=f"pol-{slug}").exists():
            raise ValidationError(_("This short name is taken."), code="unique")
        return slug

    def clean_domains(self) -> set[str]:
        """The domains typed, each valid and nobody else's."""
        domains = {valid_domain(line) for line in self.cleaned_data["domains"].split()}
        taken = TenantDomain.objects.filter(domain__in=domains).exclude(tenant_id=self.instance.pk)
        if names := ", ".join(taken.values_list("domain", flat=True)):
            raise ValidationError(_("Another tenant has %(domains)s."), params={"domains": names}, code="unique")
        return domains


def valid_domain(text: str) -> str:
    """The domain as the table would hold it. Raises ValidationError."""
    row = TenantDomain(domain=text)
    try:
        row.clean_fields(exclude={"tenant"})
    except ValidationError as error:
        raise ValidationError([f"{text[:80]}: {sentence}" for sentence in error.messages]) from error
    return row.domain


@admin.register(Tenant)
class TenantAdmin(ScopedAdmin):
    """An administrator's own tenant; every tenant, for platform administrators. None is ever deleted."""

    tenant_path = "pk"
    form = TenantForm
    list_display = ("name", "slug", "headcount", "policy_link", "time_zone", "is_active")
    list_filter = (ActiveFilter,)
    search_fields = ("name", "slug", "domains__domain")
    search_help_text = _("Search by name, short name or mail domain")
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        seen: QuerySet[Any] = super().get_queryset(request).annotate(people_count=Count("people"))
        return seen.select_related("policy")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return person_of(request).is_superuser and self.admits(person_of(request))

    def has_change_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        """Of what is in scope everything: the flow says which fields are whose."""
        actor = person_of(request)
        return self.admits(actor) and (obj is None or actor.is_superuser or actor.tenant_id == obj.pk)

    def get_fieldsets(self, request: HttpRequest, obj: Tenant | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("name", "slug", "time_zone", "totp_issuer", "domains")})]
        domains = "domains" if person_of(request).is_superuser else "domain_list"
        return [
            (None, {"fields": ("name", "slug", "time_zone", "totp_issuer")}),
            (_("Who belongs to it"), {"fields": (domains, "headcount")}),
            (_("Two-step verification"), {"fields": ("policy_link",)}),
            (_("Before an account is acted on"), {"fields": (*help_rules.FIELDS, *self.pending_fields(obj))}),
            (_("Access"), {"fields": ("is_active", "is_default", "created_at")}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> list[str]:
        if obj is None:
            return []
        fixed = ["slug", "domain_list", "headcount", "policy_link", "weaker_from", "is_default", "created_at"]
        may_switch = person_of(request).is_superuser and not obj.is_default
        return fixed if may_switch else [*fixed, "is_active"]

    def pending_fields(self, tenant: Tenant) -> tuple[str, ...]:
        """When weaker rules were chosen that do not hold yet, from when they do."""
        return ("weaker_from",) if self.weaker_from(tenant) is not None else ()

    @unit_of_work
    def save_by_flow(self, request: HttpRequest, form: Any, change: bool) -> Tenant:
        actor, typed = person_of(request), form.cleaned_data
        wanted = {name: typed[name] for name in form.changed_data if name in CHANGEABLE}
        if change:
            tenant = tenants.change(form.instance, actor=actor, **wanted)
        else:
            name = wanted.pop("name")
            session: Any = request.session
            tenant = tenants.create(name, typed["slug"], actor=actor, session=session, **wanted)
        if "domains" in form.changed_data:
            tenants.set_domains(tenant, typed["domains"], actor=actor)
        if rules := {name: typed[name] for name in help_rules.FIELDS if name in form.changed_data}:
            help_rules.change(tenant, actor=actor, session=request.session, **rules)  # type: ignore[arg-type]
        return tenant

    @admin.display(description=_("people"), ordering="people_count")
    def headcount(self, tenant: Any) -> SafeString:
        url = reverse("admin:accounts_user_changelist")
        return format_html('<a href="{}?tenant={}">{}</a>', url, tenant.pk, tenant.people_count)

    @admin.display(description=_("policy"))
    def policy_link(self, tenant: Tenant) -> SafeString:
        policy: MFAPolicy | None = getattr(tenant, "policy", None)
        if policy is None:
            return labels.pill("bad", _("None: nobody is let in"))
        url = reverse("admin:policies_mfapolicy_change", args=[policy.pk])
        return format_html('<a href="{}">{}</a>', url, policy)

    @admin.display(description=_("these rules hold from"))
    def weaker_from(self, tenant: Tenant) -> datetime | None:
        weaker_from = help_rules.chosen(tenant.pk).weaker_from
        return weaker_from if weaker_from is not None and timezone.now() < weaker_from else None

    @admin.display(description=_("mail domains"))
    def domain_list(self, tenant: Tenant) -> str:
        return ", ".join(tenant.domains.values_list("domain", flat=True)) or "—"
