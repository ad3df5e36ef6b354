"""MFA status: how far a tenant is on the way to two-step verification, and how far all of them are."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib.admin import AdminSite
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views import View

from accounts.admin import labels
from accounts.admin.scope import not_here, person_of
from accounts.flows.people import answers_for
from accounts.models import Role, Tenant, User
from policies import facts
from policies.admin.charts import Bar, bar, line
from policies.models import Campaign, ReminderRound
from policies.rollout import forecast, statistics
from policies.rollout.forecast import Day
from policies.rollout.listed import Which
from policies.rollout.statistics import METHODS, Status

TENANTS: Final = 50  # on one page
ROUNDS: Final = 5  # the last ones are shown


class StatusPages(View):
    """What these pages share: `site` and `actor`; whatever is not the actor's is not there (404)."""

    site: AdminSite = None  # type: ignore[assignment]  # given to as_view
    http_method_names = ["get", "head"]
    actor: User

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.actor = person_of(request)
        return super().dispatch(request, *args, **kwargs)

    def tenant(self, tenant_id: UUID) -> Tenant:
        """Raises Http404 unless the actor answers for it."""
        found = get_object_or_404(Tenant, pk=tenant_id)
        return found if answers_for(self.actor, found) else not_here()

    def show(self, template: str, **context: Any) -> HttpResponse:
        """A page from a template that extends `admin/policies/status/page.html`, which needs a `title`."""
        shared = self.site.each_context(self.request)
        return TemplateResponse(self.request, f"admin/policies/status/{template}", {**shared, **context})


class StatusOfAll(StatusPages):
    """All tenants together, and each on a line. To a tenant's administrators: the way to their own."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if not self.actor.is_superuser:
            return redirect(status_url(self.actor.tenant_id))
        tenants, now = list(Tenant.objects.order_by("name")), timezone.now()
        found = statistics.status_of([one.pk for one in tenants], now)
        all_together = statistics.total(found.values())
        page = Paginator(tenants, TENANTS).get_page(request.GET.get("p"))
        return self.show(
            "all.html",
            title=_("MFA status"),
            page=page,
            rows=[{"tenant": one, "status": found[one.pk], "url": status_url(one.pk)} for one in page.object_list],
            way=way_of(tenants, all_together, now),
            **figures(all_together),
        )


class StatusOfTenant(StatusPages):
    """One tenant."""

    def get(self, request: HttpRequest, tenant_id: UUID) -> HttpResponse:
        tenant = self.tenant(tenant_id)
        now = timezone.now()
        found = statistics.status_of([tenant.pk], now)[tenant.pk]
        rules = facts.rules_by_tenant([tenant.pk], now).get(tenant.pk)
        return self.show(
            "tenant.html",
            title=_("MFA status"),
            subtitle=str(tenant),
            tenant=tenant,
            only_here=f"?tenant={tenant.pk}" if self.actor.is_superuser else "",
            campaigns=Campaign.objects.filter(tenant=tenant, ended_at=None).order_by("started_at"),
            rounds=[{"round": one, "url": round_url(one)} for one in tenant.reminder_rounds.all()[:ROUNDS]],
            way=way_of([tenant], found, now, ends=forecast.deadline_ahead(rules, now)),
            **figures(found, tenant.pk),
        )


def status_url(tenant_id: UUID) -> str:
    """The page of one tenant."""
    return reverse("admin:mfa_status_of", args=[tenant_id])


@dataclass(frozen=True, slots=True)
class Way:
    """The way so far and where it leads. `enrolled` and `missing` are the points of two lines, `most` is their top.

    `ends`: the deadline that is ahead, in the tenant's zone; `expected`: how many will be missing then, None where it
    is too early to say.
    """

    days: list[Day]
    enrolled: str
    missing: str
    most: int = 0
    ends: datetime | None = None
    expected: int | None = None

    @property
    def newest_first(self) -> list[Day]:
        return self.days[::-1]


def way_of(tenants: list[Tenant], status: Status, now: datetime, *, ends: datetime | None = None) -> Way:
    """The last 90 days of these tenants together; with a deadline ahead, the forecast for its day."""
    zone = tenants[0].zone if len(tenants) == 1 else timezone.get_current_timezone()
    today = now.astimezone(zone).date()
    days = forecast.trend([one.pk for one in tenants], today)
    by_day = {one.day: one for one in days}
    span = [by_day.get(today - timedelta(days=ago)) for ago in reversed(range(forecast.DAYS))]
    most = max([one.people for one in days], default=0)
    way = Way(
        days,
        line([one and one.enrolled for one in span], most=most),
        line([one and one.missing for one in span], most=most),
        most,
    )
    if ends is None:
        return way
    ends = ends.astimezone(zone)
    expected = forecast.missing_on(ends.date(), days, today=today, missing=status.missing)
    return replace(way, ends=ends, expected=expected)


def round_url(one: ReminderRound) -> str:
    """The page that shows what becomes of a round of reminders."""
    return reverse("admin:mfa_status_round", args=[one.tenant_id, one.pk])


def list_url(tenant_id: UUID, which: Which) -> str:
    """The page that lists these people."""
    return reverse("admin:mfa_status_list", args=[tenant_id, which.value])


def figures(status: Status, tenant_id: UUID | None = None) -> dict[str, Any]:
    """What the templates draw: `status` and the groups of bars; of one tenant some lead to their lists."""
    charts = list(_charts(status))
    if tenant_id is not None:
        for chart in charts:
            chart["bars"] = [_linked(one, tenant_id) for one in chart["bars"]]
    return {"status": status, "charts": charts}


def _linked(one: Bar, tenant_id: UUID) -> Bar:
    return replace(one, url=list_url(tenant_id, Which(one.into))) if one.into else one


def _charts(status: Status) -> Iterable[dict[str, Any]]:
    yield {"id": "demand", "title": _("What the policy demands"), "bars": _demand(status)}
    yield {"id": "methods", "title": _("By method"), "bars": _methods(status)}
    yield {"id": "roles", "title": _("Enrolled, by role"), "bars": _roles(status)}
    yield {"id": "sources", "title": _("By how people sign in"), "bars": _sources(status)}
    yield {"id": "recovery", "title": _("If a device is lost"), "bars": _recovery(status)}


def _demand(status: Status) -> list[Bar]:
    ready = status.demanded - status.missing
    return [
        bar(_("Ready"), ready, status.people, tone="ok"),
        bar(_("In grace: days left"), status.in_grace, status.people, tone="grace", into=Which.IN_GRACE),
        bar(_("New: days begin at the first sign-in"), status.not_begun, status.people, tone="grace"),
        bar(_("Overdue: stopped at the next sign-in"), status.overdue, status.people, tone="bad", into=Which.OVERDUE),
        bar(_("Excluded for a time"), status.excluded, status.people, into=Which.EXCLUDED),
        bar(_("Not asked by the policy"), status.people - status.demanded - status.excluded, status.people),
    ]


def _methods(status: Status) -> list[Bar]:
    owned = [bar(str(labels.SHORT[one]), status.by_method[one], status.people) for one in METHODS.values()]
    codes = bar(_("Recovery codes"), status.with_codes, status.people)
    return [*owned, codes, bar(_("No second factor"), status.without, status.people, tone="bad", into=Which.WITHOUT)]


def _roles(status: Status) -> list[Bar]:
    return [
        bar(str(label), status.enrolled_by_role[role], status.by_role[role])
        for role, label in Role.choices
        if status.by_role[role]
    ]


def _sources(status: Status) -> list[Bar]:
    never = bar(_("Never signed in"), status.never_signed_in, status.people, into=Which.NEVER_SIGNED_IN)
    here = [bar(_("Password or passkey here"), number, status.people) for number in status.by_source.values()]
    return [*here, never]


def _recovery(status: Status) -> list[Bar]:
    return [
        bar(
            _("One lost device away from being locked out"),
            status.one_loss_away,
            status.people,
            tone="bad",
            into=Which.ONE_LOSS_AWAY,
        ),
        bar(_("Three recovery codes or fewer"), status.few_codes, status.people, tone="grace", into=Which.FEW_CODES),
    ]


PAGES: Final[tuple[tuple[str, str, type[StatusPages]], ...]] = (
    ("mfa-status/", "mfa_status", StatusOfAll),
    ("mfa-status/<uuid:tenant_id>/", "mfa_status_of", StatusOfTenant),
)
"""Below the admin: the path, the name of the URL (`admin:<name>`), and the page."""
