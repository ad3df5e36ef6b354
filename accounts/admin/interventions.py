"""Acts on accounts in the admin: what was asked for about whom, on whose word, and how it stands."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin import labels
from accounts.admin.filters import ChoiceFilter, Choices, TenantFilter
from accounts.admin.intervention_pages import PAGES, decisions_of
from accounts.admin.looks import LookedAtAdmin
from accounts.admin.scope import person_of
from accounts.flows import access_passes, viewing
from accounts.models import Intervention, User
from audit.models import AuditEvent

State = Intervention.State
TONES: Final[dict[str, str]] = {
    State.ASKED: "info",
    State.WAITING: "grace",
    State.DONE: "ok",
    State.CANCELLED: "bad",
    State.DECLINED: "bad",
    State.LAPSED: "",
}
TROUBLES: Final[dict[str, str | Promise]] = {
    "expired": gettext_lazy("Nobody decided it, or carried it out, in time."),
    "person_moved": gettext_lazy("The person belongs to another tenant now."),
    "requester_lost_rights": gettext_lazy("Whoever asked for it does not answer for the person any more."),
    "approver_lost_rights": gettext_lazy("Whoever agreed to it does not answer for the person any more."),
    "needs_approval_now": gettext_lazy("It needs a second administrator now."),
    "waits_longer_now": gettext_lazy("It would have to wait longer now."),
}


class StateFilter(ChoiceFilter):
    """Acts by their state."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(State.choices)

    def condition(self, value: str) -> Q:
        return Q(state=value)


class ActFilter(ChoiceFilter):
    """Acts by what they do."""

    title = gettext_lazy("what")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(Intervention.Kind.choices)

    def condition(self, value: str) -> Q:
        return Q(kind=value)


@admin.register(Intervention)
class InterventionAdmin(LookedAtAdmin):
    """What administrators asked for about the accounts of the people one answers for. Deciding has pages of its own."""

    tenant_path = "tenant"
    look = viewing.ACT
    list_display = ("requested_at", "what", "whom", "how_it_stands", "asked_by", "due_at")
    list_filter = (TenantFilter, StateFilter, ActFilter)
    search_fields = ("person__email", "person__name", "ticket")
    search_help_text = gettext_lazy("Search by mail address, name or ticket")
    ordering = ("-requested_at", "pk")
    change_form_template = "admin/accounts/intervention/change_form.html"
    fields = readonly_fields = (
        "what",
        "whom",
        "how_it_stands",
        "why_not",
        "authenticator",
        "new_address",
        "lifetime",
        "reason",
        "verified_how",
        "ticket",
        "recognised",
        "asked_by",
        "requested_at",
        "by_command",
        "agreed_by",
        "approved_at",
        "due_at",
        "expires_at",
        "ended_by",
        "finished_at",
    )

    def visible_to(self, person: User) -> Q:
        """Somebody who moved took their acts along: another tenant's people are not there."""
        mine = super().visible_to(person)
        return mine if person.is_superuser else mine & Q(person__tenant=person.tenant_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With `asker`: who asked, for who may know them."""
        viewer, related = person_of(request), ("person__tenant", "tenant", "binding", "caller_check")
        colleagues = User.objects.filter(pk=OuterRef("requested_by"))
        if not viewer.is_superuser:
            colleagues = colleagues.filter(tenant=viewer.tenant_id)
        asker = Case(When(Exists(colleagues), then="requested_by_label"), default=Value(""))
        found: QuerySet[Any] = super().get_queryset(request).select_related(*related).annotate(asker=asker)
        return found

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        found.viewer = person_of(request)
        return found

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        decisions = [
            path(f"<uuid:object_id>/{name}/", view(page.as_view(admin=self)), name=f"accounts_intervention_{name}")
            for name, page in PAGES.items()
        ]
        return [*decisions, *super().get_urls()]

    def events_of(self, thing: Intervention) -> QuerySet[AuditEvent]:
        """Events name the person as their target, and the act among their facts."""
        return AuditEvent.objects.filter(target_id=str(thing.person_id), payload__intervention=str(thing.pk))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """What there is to say about this act."""
        empty = () if obj is None else {name for name in self.readonly_fields if not self.said(name, obj)}
        return [name for name in self.readonly_fields if name not in empty]

    def said(self, name: str, act: Any) -> Any:
        """What a field shows."""
        return getattr(self, name)(act) if hasattr(self, name) else getattr(act, name)

    def rows_of(self, act: Any) -> list[tuple[str | Promise, Any]]:
        """What there is to know before one decides, each with its label."""
        names = ("what", "whom", "authenticator", "new_address", "lifetime", "reason", "how", "ticket", "recognised")
        about = (*names, "asked_by", "requested_at", "by_hand", "agreed_by", "due_at")
        found = [(self.label_of(name), self.said(name, act)) for name in about]
        return [(label, value) for label, value in found if value]

    def label_of(self, name: str) -> str | Promise:
        label: str | Promise
        if hasattr(self, name):
            label = getattr(self, name).short_description
        else:
            label = self.opts.get_field(name).verbose_name  # type: ignore[union-attr]
        return label

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        act = kwargs.get("obj")
        if act is not None:
            context["decisions"] = [
                (reverse(f"admin:accounts_intervention_{name}", args=[act.pk]), PAGES[name].title)
                for name in decisions_of(person_of(request), act)
            ]
            if access_passes.waits_to_be_shown(act, person_of(request)):
                url = reverse("admin:accounts_user_show_pass", args=[act.person_id])
                context["decisions"].append((url, _("Show the pass")))
        return super().render_change_form(request, context, *args, **kwargs)

    # -- columns and fields ------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("what"), ordering="kind")
    def what(self, act: Intervention) -> str:
        return str(Intervention.Kind(act.kind).label)

    @admin.display(description=gettext_lazy("person"), ordering="person__email")
    def whom(self, act: Intervention) -> SafeString:
        return labels.person_link(act.person)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def how_it_stands(self, act: Intervention) -> SafeString:
        return labels.pill(TONES[act.state], State(act.state).label)

    @admin.display(description=gettext_lazy("why it was not done"))
    def why_not(self, act: Intervention) -> str | Promise:
        words = gettext_lazy("What it takes was not there any more (%(code)s).")
        return TROUBLES.get(act.trouble) or (words % {"code": act.trouble} if act.trouble else "")

    @admin.display(description=gettext_lazy("authenticator"))
    def authenticator(self, act: Intervention) -> str:
        return str(act.binding) if act.binding is not None else ""

    @admin.display(description=gettext_lazy("new mail address"))
    def new_address(self, act: Intervention) -> str:
        return act.address

    @admin.display(description=gettext_lazy("minutes the pass is good for"))
    def lifetime(self, act: Intervention) -> int | None:
        return act.minutes

    @admin.display(description=gettext_lazy("how the person was recognised"))
    def how(self, act: Intervention) -> str:
        return str(act.get_verified_how_display())

    @admin.display(description=gettext_lazy("caller check"))
    def recognised(self, act: Intervention) -> str:
        check = act.caller_check
        return _("passed, about ticket %(ticket)s") % {"ticket": check.ticket} if check is not None else ""

    @admin.display(description=gettext_lazy("where it was asked for"))
    def by_hand(self, act: Intervention) -> str:
        return _("on the command line, where nobody proves who they are") if act.by_command else ""

    @admin.display(description=gettext_lazy("asked for by"))
    def asked_by(self, act: Any) -> str | Promise:
        return act.asker or gettext_lazy("an administrator")

    @admin.display(description=gettext_lazy("approved by"))
    def agreed_by(self, act: Any) -> str | Promise:
        return labels.doer(act.approved_by, act.person, act.viewer) if act.approved_by else ""

    @admin.display(description=gettext_lazy("finished by"))
    def ended_by(self, act: Any) -> str | Promise:
        return labels.doer(act.finished_by, act.person, act.viewer) if act.finished_by else ""

    @admin.display(description=gettext_lazy("not before"), ordering="not_before")
    def due_at(self, act: Intervention) -> str:
        return date_format(timezone.localtime(act.not_before), "DATETIME_FORMAT") if act.is_open else ""
