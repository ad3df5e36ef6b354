"""The lists behind the figures of the MFA status, to look at and to download."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin import labels
from accounts.admin.scope import not_here
from accounts.enrolment_state import Factors
from accounts.models import Binding, Role, Tenant, User
from policies.admin.spreadsheets import csv_lines
from policies.admin.status_pages import StatusPages, list_url
from policies.admin.try_pages import streamed
from policies.rollout.listed import Which, in_batches, listed

ON_A_PAGE: Final = 50
TITLES: Final[dict[Which, str | Promise]] = {
    Which.MISSING: gettext_lazy("Not ready for what is demanded"),
    Which.OVERDUE: gettext_lazy("Overdue"),
    Which.IN_GRACE: gettext_lazy("In grace"),
    Which.EXCLUDED: gettext_lazy("Excluded for a time"),
    Which.WITHOUT: gettext_lazy("Without a second factor"),
    Which.APP_ONLY: gettext_lazy("App only, no passkey or key"),
    Which.ONE_LOSS_AWAY: gettext_lazy("One lost device away from being locked out"),
    Which.FEW_CODES: gettext_lazy("Few recovery codes"),
    Which.NEVER_SIGNED_IN: gettext_lazy("Never signed in"),
}
OWNED: Final = {
    Factors.KEY: Binding.Kind.WEBAUTHN,
    Factors.APP: Binding.Kind.TOTP,
    Factors.RECOVERY_CODES: Binding.Kind.RECOVERY_CODE,
}


class StatusList(StatusPages):
    """One list of a tenant: `?q=` a part of address or name, `?role=`, `?after=` the address to go on from."""

    def get(self, request: HttpRequest, tenant_id: UUID, which: str) -> HttpResponse:
        tenant, chosen = self.tenant(tenant_id), which_of(which)
        asked = asked_of(request)
        people = listed(tenant, chosen, timezone.now(), **asked)
        after = request.GET.get("after", "")[:254]
        page = list((people.filter(email__gt=after) if after else people)[: ON_A_PAGE + 1])
        shown = page[:ON_A_PAGE]
        return self.show(
            "list.html",
            title=TITLES[chosen],
            subtitle=str(tenant),
            tenant=tenant,
            list=chosen.value,
            rows=[{"person": one, "methods": labels.pills(methods_of(one))} for one in shown],
            after=after,
            roles=Role.choices,
            lists=[(list_url(tenant.pk, one), TITLES[one], one is chosen) for one in Which],
            csv_url=f"{reverse('admin:mfa_status_csv', args=[tenant.pk, chosen.value])}?{query_of(asked)}",
            first_url=f"?{query_of(asked)}",
            next_url=f"?{query_of(asked, after=shown[-1].email)}" if len(page) > ON_A_PAGE else "",
            **asked,
        )


class StatusCsv(StatusPages):
    """The same list as a file, streamed: everybody in it, whatever page one was on."""

    def get(self, request: HttpRequest, tenant_id: UUID, which: str) -> HttpResponseBase:
        tenant, chosen = self.tenant(tenant_id), which_of(which)
        rows = rows_of(tenant, chosen, asked_of(request))
        response = streamed(request, (one.encode() for one in csv_lines(rows)), "text/csv; charset=utf-8")
        name = slugify(f"{tenant.slug} {chosen} {timezone.localdate()}")
        response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        return response


def which_of(text: str) -> Which:
    """The list of that name. Raises Http404."""
    return Which(text) if text in set(Which) else not_here()


def asked_of(request: HttpRequest) -> dict[str, str]:
    """What is searched for; a role that there is not filters nothing."""
    role = request.GET.get("role", "")
    return {
        "search": request.GET.get("q", "").strip()[:150],
        "role": role if role in Role.values else "",
    }


def query_of(asked: dict[str, str], **more: str) -> str:
    """The same search as a query string."""
    return urlencode({"q": asked["search"], "role": asked["role"], **more})


def rows_of(tenant: Tenant, which: Which, asked: dict[str, str]) -> Iterator[list[Any]]:
    """The head and the rows. Words are chosen now: while the rows go out the request's language is gone."""
    head = [_("Email"), _("Name"), _("Role"), _("Methods"), _("Recovery codes left"), _("Enrolled since")]
    roles = {value: str(label) for value, label in Role.choices}
    kinds = {bit: str(labels.SHORT[kind]) for bit, kind in OWNED.items()}
    return _rows(tenant, [*head, _("First sign-in")], (roles, kinds), which, asked)


def _rows(
    tenant: Tenant, head: list[str], words: tuple[dict[str, str], dict[Factors, str]], which: Which, asked: Any
) -> Iterator[list[Any]]:
    roles, kinds = words
    yield head
    for batch in in_batches(listed(tenant, which, timezone.now(), **asked)):
        for one in batch:
            owned = ", ".join([kind for bit, kind in kinds.items() if one.factors & bit])
            left = "" if one.codes_left is None else one.codes_left
            times = [_day(tenant, one.mfa_enrolled_at), _day(tenant, one.first_sign_in_at)]
            yield [one.email, one.name, roles.get(one.role, one.role), owned, left, *times]


def _day(tenant: Tenant, moment: Any) -> str:
    return "" if moment is None else str(moment.astimezone(tenant.zone).date())


def methods_of(person: User) -> list[str | Promise]:
    """The short names of what a person owns, as their row says."""
    return [labels.SHORT[kind] for bit, kind in OWNED.items() if person.factors & bit]


PAGES: Final[tuple[tuple[str, str, type[StatusPages]], ...]] = (
    ("mfa-status/<uuid:tenant_id>/<slug:which>/", "mfa_status_list", StatusList),
    ("mfa-status/<uuid:tenant_id>/<slug:which>.csv", "mfa_status_csv", StatusCsv),
)
"""Below the admin, as in `status_pages`."""
