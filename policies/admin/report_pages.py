"""Whom the version on trial (report only) would have stopped, and the end of the trial."""

from typing import Any, Final

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from accounts.errors import AccountsError
from accounts.models import User
from policies import facts, receipts, sentences
from policies.admin.policy_pages import PolicyPage
from policies.admin.wording import Wording
from policies.engine import decide
from policies.flows import confirm, publish
from policies.models import DecidedSignIn, PolicyVersion
from policies.sentences import Words
from policies.terms import Rules

PEOPLE: Final = 50  # on one page


class ReportPage(PolicyPage):
    """The people whom the version on trial would have stopped, each once, with the reason and when it was last."""

    changes = False

    def get(self, request: HttpRequest) -> HttpResponse:
        version = self.policy.versions.filter(number=self.policy.report_version or 0).first()
        if version is None:
            return self.show("admin/policies/mfapolicy/report.html", title=_("On trial"), version=None)
        stopped = DecidedSignIn.objects.filter(tenant=self.policy.tenant_id, would_stop=version.number)
        people = stopped.values("person_id").annotate(last=Max("at"), times=Count("pk")).order_by("-last", "person_id")
        page = Paginator(people, PEOPLE).get_page(request.GET.get("p"))
        in_force = publish.version_in_force(self.policy)
        wording = Wording(self.policy, [version, in_force])
        return self.show(
            "admin/policies/mfapolicy/report.html",
            title=_("On trial: version %(number)d") % {"number": version.number},
            version=version,
            change=wording.change(in_force, version),
            page=page,
            people=stopped_on(page, version),
        )


class StopReport(PolicyPage):
    """No longer judge the version on trial."""

    def post(self, request: HttpRequest) -> HttpResponse:
        reason = request.POST.get("reason", "")[: PolicyVersion._meta.get_field("reason").max_length]
        try:
            confirm.stop_report(self.policy, actor=self.actor, session=request.session, reason=reason)  # type: ignore[arg-type]
        except AccountsError as refusal:
            self.say_why_not(refusal)
        else:
            messages.success(request, _("The trial is over. What is in force stays as it is."))
        return self.to_policy()


def stopped_on(page: "Page[Any]", version: PolicyVersion) -> list[dict[str, Any]]:
    """The people of one page with what the version would have said at their last sign-in; two queries."""
    ids = [one["person_id"] for one in page]
    people = User.objects.filter(tenant=version.policy.tenant_id).in_bulk(ids)
    lasts = Q(pk__in=[])
    for one in page:
        lasts |= Q(person_id=one["person_id"], at=one["last"])
    rows = DecidedSignIn.objects.filter(lasts, tenant=version.policy.tenant_id, would_stop=version.number)
    newest = {row.person_id: row for row in rows}
    rules = facts.rules_from(version)
    return [
        {
            "person": people.get(one["person_id"]),
            "last": one["last"],
            "times": one["times"],
            "why": _why(newest.get(one["person_id"]), rules, people.get(one["person_id"])),
        }
        for one in page
    ]


def _why(row: DecidedSignIn | None, rules: Rules, person: User | None) -> list[Words]:
    """The reasons that the version on trial had, in sentences; none for facts that cannot be read here."""
    try:
        decided = None if row is None else decide(rules, receipts.facts_from(row.facts), row.at)
    except (KeyError, TypeError, ValueError):
        return []
    return [] if decided is None or person is None else sentences.of(decided.reasons, person.email)
