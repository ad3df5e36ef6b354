"""Reminders from the lists of the MFA status: asking for them, and what became of it."""

from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from accounts.admin.scope import not_here
from accounts.models import Role, Tenant, User
from policies.admin.reminders import MOST_AT_ONCE, WHY_SPARED
from policies.admin.status_lists import TITLES, asked_of, query_of, which_of
from policies.admin.status_pages import StatusPages, list_url, round_url
from policies.flows import reminder_rounds
from policies.models import ReminderRound
from policies.rollout.listed import Which
from policies.rollout.rounds import progress_of

CHOSEN: Final = "chosen"
EVERYBODY: Final = "everybody"


class RemindFromList(StatusPages):
    """Asks for reminders: `remind` says of whom, `everybody` in the list, those `chosen` as `person`, or one by id."""

    http_method_names = ["post", "get", "head"]

    def get(self, request: HttpRequest, tenant_id: UUID, which: str) -> HttpResponse:
        """Whoever reloads what a post answered is led to where it began."""
        return redirect(list_url(self.tenant(tenant_id).pk, which_of(which)))

    def post(self, request: HttpRequest, tenant_id: UUID, which: str) -> HttpResponse:
        tenant, chosen = self.tenant(tenant_id), which_of(which)
        wanted, asked = request.POST.get("remind", ""), asked_of(request.POST)
        if wanted == EVERYBODY:
            return redirect(round_url(reminder_rounds.ask_everybody(tenant, which=chosen, actor=self.actor, **asked)))
        ids = request.POST.getlist("person") if wanted == CHOSEN else [wanted]
        if not 0 < len(ids) <= MOST_AT_ONCE:
            messages.error(request, _("Choose at least one person, and at most %(most)s.") % {"most": MOST_AT_ONCE})
            return redirect(f"{list_url(tenant.pk, chosen)}?{query_of(asked)}")
        people = people_of(tenant, ids)
        return redirect(round_url(reminder_rounds.ask_some(people, tenant, which=chosen, actor=self.actor, **asked)))


class RoundPage(StatusPages):
    """How many of a round wait, were sent, given up or spared, and why."""

    def get(self, request: HttpRequest, tenant_id: UUID, round_id: UUID) -> HttpResponse:
        tenant = self.tenant(tenant_id)
        begun = get_object_or_404(ReminderRound, pk=round_id, tenant=tenant)
        which, found = Which(begun.which), progress_of(begun)
        asked = {"search": begun.search, "role": begun.role}
        return self.show(
            "round.html",
            title=_("Reminders"),
            tenant=tenant,
            list=which.value,
            list_title=TITLES[which],
            list_url=f"{list_url(tenant.pk, which)}?{query_of(asked)}",
            round=begun,
            role=dict(Role.choices).get(begun.role, ""),
            progress=found,
            spared=[(WHY_SPARED[why], number) for why, number in found.spared.items()],
        )


def people_of(tenant: Tenant, ids: list[str]) -> list[User]:
    """The people with these ids, in one order. Raises Http404 unless each of them is one of the tenant's."""
    try:
        wanted = {UUID(one) for one in ids}
    except ValueError:
        return not_here()  # type: ignore[no-any-return]
    found = list(User.objects.filter(tenant=tenant, pk__in=wanted).order_by("pk"))
    return found if len(found) == len(wanted) else not_here()


PAGES: Final[tuple[tuple[str, str, type[StatusPages]], ...]] = (
    ("mfa-status/<uuid:tenant_id>/<slug:which>/remind/", "mfa_status_remind", RemindFromList),
    ("mfa-status/<uuid:tenant_id>/reminders/<uuid:round_id>/", "mfa_status_round", RoundPage),
)
"""Below the admin, as in `status_pages`."""
