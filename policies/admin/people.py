"""People, shown with what is demanded of them. Whatever is changed here, a flow changes and records."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from accounts.admin import labels
from accounts.admin.filters import ActiveFilter, EnrolledFilter, MethodFilter, RoleFilter, TenantFilter
from accounts.admin.scope import ScopedAdmin, note_refusal, person_of
from accounts.errors import AccountsError, NotFresh
from accounts.flows import (
    access_passes,
    caller_checks,
    deletion,
    intervention_rules,
    interventions,
    invitations,
    viewing,
)
from accounts.flows import binding as bindings
from accounts.flows import people as flows
from accounts.models import Role, User
from accounts.moments import zoned_moment
from accounts.views.base import refused
from audit.log import unit_of_work
from policies import facts
from policies.admin import act_pages, explanation_pages
from policies.admin.access_pass_page import AccessPassPage, access_pass_url
from policies.admin.caller_check_page import CallerCheckPage, caller_check_url
from policies.admin.deadline_pages import ExtensionPage, extension_url
from policies.admin.demands import PeopleList
from policies.admin.explanation_pages import SignInPage, SignInsPage
from policies.admin.people_forms import PersonForm
from policies.admin.people_moments import may_see
from policies.admin.people_pages import MOST_AT_ONCE, DeletionPage
from policies.admin.reminders import RemindsPeople, latest_of
from policies.flows import deadlines

CHANGEABLE = frozenset({"name", "language", "role", "is_active", "tenant", "is_superuser"})
OWN = frozenset({"name", "language"})
PLATFORM = frozenset({"tenant", "is_superuser", "groups"})


@admin.register(User)
class PersonAdmin(RemindsPeople, ScopedAdmin):
    """Everybody in the administrator's tenant; everybody, for platform administrators."""

    tenant_path = "tenant"
    form = PersonForm
    list_display = ("email", "name", "protection", "belonging", "last_sign_in")
    list_filter = (TenantFilter, RoleFilter, EnrolledFilter, MethodFilter, ActiveFilter)
    list_select_related = ("tenant",)
    search_fields = ("email", "name")
    search_help_text = _("Search by mail address or name")
    ordering = ("email",)
    actions = ("send_reminder", "extend_deadline", "reset_mfa")
    change_form_template = "admin/accounts/user/change_form.html"

    # -- who sees and does what ------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("tenant")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.admits(person_of(request))

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever the person answers for; without an object, whether there may be any."""
        if obj is None:
            return self.admits(person_of(request))
        return flows.manages(person_of(request), obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is None:
            return person_of(request).is_superuser
        return deletion.may_delete(person_of(request), obj)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PeopleList]:
        return PeopleList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        found.seen_by = person_of(request)  # columns are not told who asks
        return found

    # -- the forms -------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        platform = person_of(request).is_superuser
        tenant = ("tenant",) if platform else ()
        if obj is None:
            return [(None, {"fields": ("email", "name", *tenant, "role", "language")})]
        rights = ("role", "is_active", *(("is_superuser", "groups") if platform else ()))
        return [
            (None, {"fields": ("email", "name", "language", *tenant)}),
            (_("Rights"), {"fields": rights}),
            (_("Two-step verification"), {"fields": ("demand", "methods", "mfa_enrolled_at", "grace", "reminded")}),
            (_("Dates"), {"fields": ("date_joined", "last_sign_in")}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """On a person's page: their address, what is only a state, and one's own rights."""
        if obj is None:
            return []
        fixed = ["email", "demand", "methods", "mfa_enrolled_at", "grace", "reminded", "date_joined", "last_sign_in"]
        return fixed + (["role", "is_active", "tenant", "is_superuser"] if obj == request.user else [])

    def save_by_flow(self, request: HttpRequest, form: Any, change: bool) -> User:
        """Raises NotFresh where rights are given or taken: a session that was left open is not enough for that."""
        if not change or not OWN.issuperset(form.changed_data):
            bindings.require_fresh(person_of(request), request.session)  # type: ignore[arg-type]
        return self.changed(request, form) if change else self.added(request, form)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The form is shown with a fresh factor only: being asked after typing would lose what was typed."""
        try:
            bindings.require_fresh(person_of(request), request.session)  # type: ignore[arg-type]
        except NotFresh as refusal:
            note_refusal(request, refusal)
            return refused(request, refusal)
        return super().add_view(request, form_url, extra_context)

    @unit_of_work
    def added(self, request: HttpRequest, form: Any) -> User:
        """A new person, who is mailed a link to set their own first password."""
        actor, typed = person_of(request), form.cleaned_data
        person = flows.add(
            email=typed["email"],
            name=typed["name"],
            tenant=typed.get("tenant") or actor.tenant,
            role=typed["role"],
            language=typed["language"],
            actor=actor,
        )
        invitations.invite(person, actor=actor)
        return person

    @unit_of_work
    def changed(self, request: HttpRequest, form: Any) -> User:
        """The person with what the form changed; what is not in it stays."""
        actor, typed = person_of(request), form.cleaned_data
        wanted = {name: typed[name] for name in form.changed_data if name in CHANGEABLE}
        person = flows.change(form.instance, actor=actor, **wanted)
        if "groups" in form.changed_data:
            flows.set_groups(person, typed["groups"], actor=actor)
        return person

    # -- further pages ---------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("extend/", view(ExtensionPage.as_view(admin=self)), name="accounts_user_extend_deadline"),
            *act_pages.urls(self),
            path("<uuid:object_id>/invite/", view(require_POST(self.invite_view)), name="accounts_user_invite"),
            path(
                "<uuid:object_id>/caller-check/",
                view(CallerCheckPage.as_view(admin=self)),
                name="accounts_user_caller_check",
            ),
            path(
                "<uuid:object_id>/access-pass/",
                view(AccessPassPage.as_view(admin=self)),
                name="accounts_user_show_pass",
            ),
            path("<uuid:object_id>/sign-ins/", view(SignInsPage.as_view(admin=self)), name="accounts_user_sign_ins"),
            path(
                "<uuid:object_id>/sign-ins/<int:sign_in_id>/",
                view(SignInPage.as_view(admin=self)),
                name="accounts_user_sign_in",
            ),
            *super().get_urls(),
        ]

    @admin.action(description=_("Reset two-step verification…"))
    def reset_mfa(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """To the page that says what it takes away and asks why."""
        return self.to_page_of(request, queryset, act_pages.reset_url)

    @admin.action(description=_("Extend the deadline…"))
    def extend_deadline(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """To the page that shows each deadline before and after and asks why."""
        return self.to_page_of(request, queryset, extension_url)

    def to_page_of(self, request: HttpRequest, chosen: QuerySet[Any], url: Callable[..., str]) -> HttpResponse | None:
        """To a page about the chosen people, if they are not too many for its address."""
        ids = [str(pk) for pk in chosen.values_list("pk", flat=True)[: MOST_AT_ONCE + 1]]
        if len(ids) > MOST_AT_ONCE:
            messages.error(request, _("Choose at most %(most)s people at once.") % {"most": MOST_AT_ONCE})
            return None
        return redirect(url(*ids))

    def invite_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Mail a new link to somebody who has not set a password yet; earlier links are void."""
        person = self.get_object(request, str(object_id))
        try:
            invitations.invite(person, actor=person_of(request))
        except AccountsError as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("A new invitation was sent to %(email)s.") % {"email": person.email})
        return redirect(self.url_of(person))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        return DeletionPage.as_view(admin=self)(request, object_id=object_id)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        person = kwargs.get("obj")
        if person is not None:
            actor = person_of(request)
            viewing.looked_at(viewing.PERSON, person, actor=actor)
            context |= {
                **self.acts_on(person, actor),
                "addresses": person.emailaddress_set.order_by("-primary", "email"),
                "live_sessions": person.sessions.filter(ended_at=None).count(),
                "caller_check_url": caller_check_url(person) if caller_checks.may_check(actor, person) else "",
                "extension_url": extension_url(person.pk) if flows.manages(actor, person) else "",
                "extensions": deadlines.ledger_of(person, seen_by=actor),
                "can_invite": flows.manages(actor, person) and not person.has_usable_password(),
                **explanation_pages.section(request, person),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def acts_on(self, person: User, actor: User) -> dict[str, Any]:
        """What may be asked for about a person, authenticator by authenticator too, and what is open."""
        may_ask = intervention_rules.may_ask(actor, person)
        shown = [
            {
                "binding": one,
                "state": labels.state_of(one),
                "removal_url": act_pages.removal_url(one) if may_ask and one.unbound_at is None else "",
            }
            for one in person.bindings.all()
        ]
        return {
            "bindings": shown,
            "act_links": act_pages.links(person) if may_ask else [],
            "open_acts": interventions.open_about(person),
            "pass_url": access_pass_url(person) if may_ask and access_passes.is_open_for(person) else "",
        }

    # -- columns ---------------------------------------------------------------------------------------------

    @admin.display(description=_("two-step verification"), ordering="mfa_enrolled_at")
    def protection(self, person: Any) -> SafeString:
        """What somebody has, and below it whether that is demanded and since when they have it: lists are narrow."""
        demand = labels.pill("ok", _("Required")) if person.demanded else labels.pill("", _("Not required"))
        return format_html("{}<br>{} <small>{}</small>", labels.kinds(person), demand, self.enrolled_since(person))

    def enrolled_since(self, person: Any) -> str:
        if person.mfa_enrolled_at is None:
            return ""
        return _("since %(day)s") % {
            "day": date_format(timezone.localtime(person.mfa_enrolled_at), "SHORT_DATE_FORMAT")
        }

    @admin.display(description=_("role"), ordering="role")
    def belonging(self, person: Any) -> SafeString:
        """The role, the tenant where several are seen, and whether the account is switched off."""
        role = Role(person.role).label
        tenant = format_html("<br><small><bdi>{}</bdi></small>", person.tenant) if person.names_tenant else ""
        return format_html("{}{}{}", role, tenant, "" if person.is_active else _switched_off())

    @admin.display(description=_("demanded"))
    def demand(self, person: User) -> str | Promise:
        if facts.mfa_required(person):
            return _("The policy requires two-step verification of this person.")
        return _("The policy does not require two-step verification of this person.")

    @admin.display(description=_("last sign-in"), ordering="last_login")
    def last_sign_in(self, person: User) -> datetime | Promise:
        return person.last_login or _("never")

    @admin.display(description=_("grace"))
    def grace(self, person: Any) -> str | Promise:
        """Until when this person may come in without what is demanded; a reset ends it for good.

        When it ended in another tenant is not said to whoever answers for this one alone.
        """
        if person.grace_closed_at is not None:
            if not may_see(person.grace_closed_at, person, person.seen_by):
                return _("Ended by a reset")
            day = date_format(person.grace_closed_at, "SHORT_DATE_FORMAT")
            return _("Ended by a reset on %(date)s") % {"date": day}
        deadline = deadlines.deadline_of(person)
        if deadline is None:
            return _("None")
        if not may_see(deadline, person, person.seen_by):
            return _("Over")
        day = zoned_moment(timezone.localtime(deadline, person.tenant.zone))
        words = _("Until %(day)s") if timezone.now() < deadline else _("Over since %(day)s")
        return words % {"day": day}

    @admin.display(description=_("last reminder"))
    def reminded(self, person: User) -> str | Promise:
        return latest_of(person)

    @admin.display(description=_("methods"))
    def methods(self, person: Any) -> SafeString:
        return labels.kinds(person)


def _switched_off() -> SafeString:
    return format_html("<br>{}", labels.pill("bad", _("Switched off")))
