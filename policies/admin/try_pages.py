"""Trying a draft: the page, the run that is answered line by line, and the list of everybody to download."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.text import slugify
from django.utils.translation import gettext as _

from policies import sentences
from policies.admin import trying
from policies.admin.downloads import Format, download, streamed
from policies.admin.policy_pages import PolicyPage, page_url
from policies.admin.trying import ENDINGS, Run
from policies.flows import drafts, exports, publish
from policies.flows.exports import Export
from policies.models import MFAPolicy, PolicyDraft
from policies.rollout import trial

LINES: Final = "application/x-ndjson"
RESULT: Final = "admin/policies/mfapolicy/try_result.html"


class TryPage(PolicyPage):
    """What would be tried, and the button; the result, where the run is asked for without script."""

    def get(self, request: HttpRequest) -> HttpResponse:
        draft = drafts.draft_of(self.policy)
        people, sign_ins = trial.size(self.policy)
        return self.try_page(draft, people=people, sign_ins=sign_ins)

    def try_page(self, draft: PolicyDraft | None, **context: Any) -> HttpResponse:
        page = "admin/policies/mfapolicy/try.html"
        return self.show(page, title=_("Try the draft"), step="try", draft=draft, **context)


class TryRun(TryPage):
    """Runs the draft over everybody: in lines for the page's script, as a whole page for everyone else."""

    http_method_names = ["post", "get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Whoever reloads what a post answered is led to where it began."""
        return redirect(page_url(self.policy.pk, "try"))

    def post(self, request: HttpRequest) -> HttpResponseBase:
        draft = drafts.draft_of(self.policy)
        if draft is None:
            return redirect(page_url(self.policy.pk, "try"))
        if request.headers.get("Accept") == LINES:
            return streamed(request, lines_of(self.policy, draft, translation.get_language()), LINES)
        run = Run(self.policy, draft, timezone.now())
        for _progress in run.steps():
            pass
        return self.try_page(draft, **context_of(run))


class TryPeople(PolicyPage):
    """Everybody, with how their sign-in ends today and under the draft, as a list; `?who=stopped` for those alone."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        draft = drafts.draft_of(self.policy)
        if draft is None:
            return redirect(page_url(self.policy.pk, "try"))
        only_stopped = request.GET.get("who") == "stopped"
        export = Export(
            request.session,  # type: ignore[arg-type]
            self.actor,
            self.policy.tenant,
            "trial-stopped" if only_stopped else "trial",
            Format.CSV,
            may=partial(publish.may_publish, policy=self.policy),
        )
        # who is stopped is only known when all are tried
        exports.begin(export, rows=None if only_stopped else trial.size(self.policy)[0])
        rows = people_rows(self.policy, draft, export, only_stopped=only_stopped)
        return download(request, export, rows, name=slugify(f"try {self.policy.code} {timezone.localdate()}"))


def people_rows(policy: MFAPolicy, draft: PolicyDraft, export: Export, *, only_stopped: bool) -> Iterator[list[Any]]:
    """The list's head and its rows, as the people are tried."""
    now = timezone.now()
    yield [_("Email"), _("Name"), _("Role"), _("Today"), _("With the draft"), _("Newly stopped"), _("Why")]
    tried = trial.people_tried(policy, trying.rules_of(policy, draft, now), now)
    for batch in export.each(tried, counted=True):
        for one in batch:
            if only_stopped and not one.is_newly_stopped:
                continue
            why = " ".join(map(str, sentences.of(one.after.decision.reasons, one.person.email)))
            stopped = _("yes") if one.is_newly_stopped else _("no")
            before, after = ENDINGS[one.before.ending], ENDINGS[one.after.ending]
            yield [one.person.email, one.person.name, one.person.get_role_display(), before, after, stopped, why]


def lines_of(policy: MFAPolicy, draft: PolicyDraft, language: str | None) -> Iterator[bytes]:
    """The run as lines of JSON: `{"done", "total"}` after each batch, at last `{"html"}` with the result."""
    run = Run(policy, draft, timezone.now())
    for progress in run.steps():
        yield _line(progress._asdict())
    with translation.override(language):  # the middleware that chose it is done with this request
        yield _line({"html": render_to_string(RESULT, context_of(run))})


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"


def context_of(run: Run) -> dict[str, Any]:
    """What the template of the result shows."""
    stopped = [
        {"person": one.person, "why": sentences.of(one.after.decision.reasons, one.person.email)}
        for one in run.people.newly_stopped
    ]
    return {
        "policy": run.policy,
        "result": run,
        "stopped": stopped,
        "administrators": run.administrators,
    }
