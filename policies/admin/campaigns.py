"""Campaigns of reminders in the admin: begun here, looked at, and stopped."""

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin import labels
from accounts.admin.filters import TenantFilter
from accounts.admin.scope import FlowForm, ScopedAdmin, person_of
from accounts.models.mail import OPEN
from policies.flows import campaigns
from policies.models import Campaign, Reminder
from policies.reminding import DAYS_BEFORE

State = Reminder.State
WHAT_IT_DOES: Final = _(
    "Whoever has yet to set up what is demanded gets a mail so many days before their own deadline, newcomers too. "
    "Nobody gets two in a day, and who is ready gets none. It goes on until it is stopped."
)
COUNTED: Final = {"waiting": OPEN, "sent": (State.SENT, State.UNSURE), "given_up": (State.FAILED,)}


class CampaignForm(FlowForm):
    """How many days before the deadline, and when not."""

    days = forms.CharField(
        label=_("Days before the deadline"),
        initial=", ".join(map(str, DAYS_BEFORE)),
        max_length=200,
        help_text=_("Numbers from 0 (the day itself) to 90, with commas between them."),
    )

    class Meta:
        model = Campaign
        fields = ("tenant", "days", "quiet_from", "quiet_until")
        help_texts = {
            "quiet_from": _("From then on no mail goes out, by the clock of the tenant."),
            "quiet_until": _("What waited goes out then. The same time twice: no hour is quiet."),
        }
        widgets = {name: forms.TimeInput({"type": "time"}, format="%H:%M") for name in ("quiet_from", "quiet_until")}

    def clean_days(self) -> list[int]:
        parts = [part.strip() for part in self.cleaned_data["days"].split(",") if part.strip()]
        if not all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts):
            raise forms.ValidationError(str(campaigns.WrongCampaign()), code=campaigns.WrongCampaign.code)
        return [int(part) for part in parts]


@admin.register(Campaign)
class CampaignAdmin(ScopedAdmin):
    """Reminders by themselves. What runs cannot be changed: stop it, and begin another."""

    tenant_path = "tenant"
    change_list_template = "admin/policies/reminding_list.html"
    change_form_template = "admin/policies/reminding_form.html"
    form = CampaignForm
    list_display = ("started_at", "tenant", "standing", "on_days", "quiet", "waiting", "sent", "given_up", "day")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)
    ordering = ("-started_at",)
    actions = ("stop",)
    empty_list = _("There is no campaign yet: nobody is reminded by itself.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        counts = {name: Count("reminders", filter=Q(reminders__state__in=states)) for name, states in COUNTED.items()}
        rows: QuerySet[Any] = (
            super().get_queryset(request).annotate(**{f"number_{name}": count for name, count in counts.items()})
        )
        return rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.admits(person_of(request))

    def get_list_display(self, request: HttpRequest) -> Any:
        """One's own tenant need not be named in every line."""
        if person_of(request).is_superuser:
            return self.list_display
        return tuple(column for column in self.list_display if column != "tenant")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """One campaign is enough for a tenant, so none is added after another."""
        shown = {"title": _("Begin a campaign"), "show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, shown | (extra_context or {}))

    def get_fieldsets(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        """Before it begins, what it will do."""
        options = {"fields": self.get_fields(request, obj)}
        return [(None, options if obj is not None else options | {"description": WHAT_IT_DOES})]

    def get_fields(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        if obj is not None:
            return ("tenant", "standing", "on_days", "quiet", "started_at", "actor_label", "ended_at", *COUNTED)
        tenant = ("tenant",) if person_of(request).is_superuser else ()
        return (*tenant, "days", "quiet_from", "quiet_until")

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        return self.get_fields(request, obj) if obj is not None else ()

    def save_by_flow(self, request: HttpRequest, form: Any, change: bool) -> Campaign:
        actor, typed = person_of(request), form.cleaned_data
        said = {name: typed[name] for name in ("days", "quiet_from", "quiet_until")}
        return campaigns.start(typed.get("tenant") or actor.tenant, actor=actor, **said)

    @admin.action(description=_("Stop"))
    def stop(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """End these; what they queued is still sent."""
        chosen = list(queryset.filter(ended_at=None))
        for campaign in chosen:
            campaigns.stop(campaign, actor=person_of(request))
        words = ngettext("%(count)s campaign was stopped.", "%(count)s campaigns were stopped.", len(chosen))
        messages.success(request, words % {"count": len(chosen)})

    @admin.display(description=_("state"))
    def standing(self, campaign: Campaign) -> SafeString:
        return labels.pill("ok", _("Running")) if campaign.is_running else labels.pill("", _("Stopped"))

    @admin.display(description=_("days before the deadline"))
    def on_days(self, campaign: Campaign) -> str:
        return ", ".join(map(str, campaign.days))

    @admin.display(description=_("quiet hours"))
    def quiet(self, campaign: Campaign) -> str:
        return f"{campaign.quiet_from:%H:%M}–{campaign.quiet_until:%H:%M} ({campaign.tenant.time_zone})"

    @admin.display(description=_("waiting"))
    def waiting(self, campaign: Any) -> int:
        return int(campaign.number_waiting)

    @admin.display(description=_("sent"))
    def sent(self, campaign: Any) -> int:
        return int(campaign.number_sent)

    @admin.display(description=_("given up"))
    def given_up(self, campaign: Any) -> int:
        return int(campaign.number_given_up)
