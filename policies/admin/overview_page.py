"""A policy's own page: what is in force, what waits, what is on trial, what is being changed, and what was."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.session_store import SessionStore
from policies.admin.policy_pages import PolicyPage, page_url
from policies.admin.versions import Standing
from policies.admin.wording import Wording
from policies.errors import NotShown
from policies.flows import confirm, drafts
from policies.models import MFAPolicy, PolicyDraft, PolicyVersion
from policies.rollout.under_way import would_stop

VERSIONS: Final = 20  # on one page
SOON: Final = timedelta(days=14)


class OverviewPage(PolicyPage):
    """Everything about a policy that one looks for first; changes nothing itself."""

    changes = False

    def get(self, request: HttpRequest) -> HttpResponse:
        now = timezone.now()
        standing = Standing.of(self.policy, now)
        page = Paginator(self.policy.versions.all(), VERSIONS).get_page(request.GET.get("p"))
        before = standing.predecessors(self.policy, page.object_list)
        numbers = [standing.in_force, standing.on_trial]
        current = {one.number: one for one in self.policy.versions.filter(number__in=numbers)}
        draft = drafts.draft_of(self.policy)
        wording = Wording(self.policy, [*page.object_list, *before.values(), *current.values(), draft])
        in_force, trial = current.get(standing.in_force), current.get(standing.on_trial)
        return self.show(
            "admin/policies/mfapolicy/change_form.html",
            title=_("Policy of %(tenant)s") % {"tenant": self.policy.tenant},
            standing=standing,
            in_force=_in_force(wording, in_force, now),
            waiting=self.waiting(in_force, now),
            lapsed=self.policy.version if standing.in_force != self.policy.version else 0,
            trial=_on_trial(self.policy, wording, in_force, trial),
            draft=_drafted(wording, in_force, draft),
            page=page,
            versions=[
                {
                    "version": one,
                    "state": standing.pill(one),
                    "change": wording.change(before.get(one.number), one),
                    "is_current": one.number in numbers,
                }
                for one in page.object_list
            ],
            history_url=page_url(self.policy.pk, "history"),
        )

    def waiting(self, version: PolicyVersion | None, now: datetime) -> dict[str, Any] | None:
        """What the box about the confirmation says; None where nothing waits."""
        by = self.policy.confirm_by
        if version is None or by is None or by <= now:
            return None
        session: SessionStore = self.request.session  # type: ignore[assignment]
        since = session.row.signed_in_at
        is_shown = confirm.is_about(self.policy, self.actor) and confirm.gets_in_for_good(self.actor, session)
        return {
            "version": version,
            "by": by,
            "minutes": max(1, round((by - now).total_seconds() / 60)),
            "before": self.policy.fallback_version,
            "refusal": "" if is_shown else str(NotShown()),
            "signed_in_since": since is not None and since > version.created_at,
        }


def _in_force(wording: Wording, version: PolicyVersion | None, now: datetime) -> dict[str, Any] | None:
    if version is None:
        return None
    sentences, more = wording.enforced(version)
    document = wording.document(version)
    return {
        "version": version,
        "name": document["name"] if document else "",
        "sentences": sentences,
        "floor_demands_more": more,
        "ending": wording.ending_soon(version, now, SOON),
        "break_glass": wording.break_glass(version),
    }


def _on_trial(
    policy: MFAPolicy, wording: Wording, in_force: PolicyVersion | None, version: PolicyVersion | None
) -> dict[str, Any] | None:
    if version is None:
        return None
    return {
        "version": version,
        "change": wording.change(in_force, version),
        "would_stop": would_stop(policy),
    }


def _drafted(wording: Wording, in_force: PolicyVersion | None, draft: PolicyDraft | None) -> dict[str, Any] | None:
    return None if draft is None else {"draft": draft, "change": wording.change(in_force, draft)}
