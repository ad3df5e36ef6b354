"""The lists behind the figures of the MFA status, to look at and to download."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
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
from accounts.flows.people import answers_for
from accounts.models import Binding, Role, Tenant, User
from policies.admin.downloads import Format, download
from policies.admin.status_pages import StatusPages, list_url
from policies.flows import exports
from policies.flows.exports import Export
from policies.rollout.listed import Which, in_batches, listed

ON_A_PAGE: Final = 50
COUNTED: Final = 1000  # how far a list is counted
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
        asked = asked_of(request.GET)
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
            count=people[: COUNTED + 1].count(),
            most=COUNTED,
            remind_url=reverse("admin:mfa_status_remind", args=[tenant.pk, chosen.value]),
            rows=[{"person": one, "methods": labels.pills(methods_of(one))} for one in shown],
            after=after,
            roles=Role.choices,
            lists=[(list_url(tenant.pk, one), TITLES[one], one is chosen) for one in Which],
            files=[(one.upper(), f"{file_url(tenant, chosen, one)}?{query_of(asked)}") for one in Format],
            first_url=f"?{query_of(asked)}",
            next_url=f"?{query_of(asked, after=shown[-1].email)}" if len(page) > ON_A_PAGE else "",
            **asked,
        )


class StatusFile(StatusPages):
    """The same list as a file, streamed: everybody in it, whatever page one was on."""

    def get(self, request: HttpRequest, tenant_id: UUID, which: str, ending: str) -> HttpResponseBase:
        tenant, chosen = self.tenant(tenant_id), which_of(which)
        asked = asked_of(request.GET)
        people = listed(tenant, chosen, timezone.now(), **asked)
        export = Export(
            request.session,  # type: ignore[arg-type]
            self.actor,
            tenant,
            chosen.value,
            ending if ending in set(Format) else not_here(),
            may=partial(answers_for, tenant=tenant),
        )
        exports.begin(export, rows=people.count(), **asked)
        name = slugify(f"{tenant.slug} {chosen} {timezone.localdate()}")
        return download(request, export, rows_of(tenant, people, export), name=name)


def file_url(tenant: Tenant, which: Which, ending: Format) -> str:
    """The address of a list as a file."""
    return reverse("admin:mfa_status_file", args=[tenant.pk, which.value, ending.value])


def which_of(text: str) -> Which:
    """The list of that name. Raises Http404."""
    return Which(text) if text in set(Which) else not_here()


def asked_of(query: QueryDict) -> dict[str, str]:
    """What is searched for; a role that there is not filters nothing."""
    role = query.get("role", "")
    return {
        "search": query.get("q", "").strip()[:150],
        "role": role if role in Role.values else "",
    }


def query_of(asked: dict[str, str], **more: str) -> str:
    """The same search as a query string."""
    return urlencode({"q": asked["search"], "role": asked["role"], **more})


def rows_of(tenant: Tenant, people: QuerySet[User], export: Export) -> Iterator[list[Any]]:
    """The head and the rows. Words are chosen now: while the rows go out the request's language is gone."""
    head = [_("Email"), _("Name"), _("Role"), _("Methods"), _("Recovery codes left"), _("Enrolled since")]
    roles = {value: str(label) for value, label in Role.choices}
    kinds = {bit: str(labels.SHORT[kind]) for bit, kind in OWNED.items()}
    batches = export.each(in_batches(people), counted=True)
    return _rows(tenant, [*head, _("First sign-in")], (roles, kinds), batches)


def _rows(
    tenant: Tenant,
    head: list[str],
    words: tuple[dict[str, str], dict[Factors, str]],
    batches: Iterator[list[User]],
) -> Iterator[list[Any]]:
    roles, kinds = words
    yield head
    for batch in batches:
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
    ("mfa-status/<uuid:tenant_id>/<slug:which>.<slug:ending>", "mfa_status_file", StatusFile),
)
"""Below the admin, as in `status_pages`."""
