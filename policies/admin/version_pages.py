"""One version of a policy, and what can be done with versions: confirm the one that waits, go back to an old one."""

import json
from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import AccountsError
from policies.admin.policy_pages import PolicyPage, page_url
from policies.admin.versions import Standing
from policies.admin.wording import Wording
from policies.document import DocumentError
from policies.errors import StaleDraft
from policies.flows import confirm, drafts
from policies.models import PolicyVersion

LONGEST_NUMBER: Final = 10  # digits


class VersionPage(PolicyPage):
    """One version for ever: what it says, who published it and why, and what it changed."""

    changes = False

    def get(self, request: HttpRequest, number: int) -> HttpResponse:
        version = get_object_or_404(PolicyVersion, policy=self.policy, number=number)
        standing = Standing.of(self.policy, timezone.now())
        before = standing.predecessors(self.policy, [version]).get(number)
        wording = Wording(self.policy, [version, before])
        return self.show(
            "admin/policies/mfapolicy/version.html",
            title=_("Version %(number)d") % {"number": number},
            version=version,
            state=standing.pill(version),
            sentences=wording.sentences(version),
            change=wording.change(before, version),
            before=before,
            has_draft=drafts.draft_of(self.policy) is not None,
            document=json.dumps(version.document, ensure_ascii=False, indent=2),
        )


class BeginDraft(PolicyPage):
    """Make a draft of a version, which is how one goes back to it."""

    def post(self, request: HttpRequest, number: int) -> HttpResponse:
        version = get_object_or_404(PolicyVersion, policy=self.policy, number=number)
        try:
            drafts.begin(self.policy, version, actor=self.actor)
        except StaleDraft:
            messages.error(request, _("There is a draft already. Publish it or discard it first."))
        except DocumentError:
            words = _("Version %(number)d says what can no longer be published. Edit what is in force instead.")
            messages.error(request, words % {"number": number})
        else:
            words = _("This draft says what version %(number)d says. Try it, then publish it.")
            messages.success(request, words % {"number": number})
            return redirect(page_url(self.policy.pk, "draft"))
        return self.to_policy()


class RebaseDraft(PolicyPage):
    """Let the draft go on from what is in force now, which the person saw beside it."""

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            drafts.rebase(self.policy, actor=self.actor, revision=_revision(request))
        except StaleDraft:
            messages.error(request, _("Somebody else changed or removed this draft meanwhile. Look at it once more."))
            return self.to_policy()
        return redirect(page_url(self.policy.pk, "publish"))


class DiscardDraft(PolicyPage):
    """Drop the draft, as it was when the person looked at it."""

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            drafts.discard(self.policy, actor=self.actor, revision=_revision(request))
        except StaleDraft:
            messages.error(request, _("Somebody else changed or removed this draft meanwhile. Look at it once more."))
        else:
            messages.success(request, _("The draft is gone. What is in force stays as it is."))
        return self.to_policy()


class ConfirmVersion(PolicyPage):
    """Keep the version that waits for it."""

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            confirm.confirm(self.policy, actor=self.actor, session=request.session)  # type: ignore[arg-type]
        except AccountsError as refusal:
            self.say_why_not(refusal)
        else:
            messages.success(request, _("Confirmed. The version stays in force."))
        return self.to_policy()


def _revision(request: HttpRequest) -> int:
    """The draft's as the person saw it; 0, which no draft has, for anything else."""
    text = request.POST.get("revision", "")
    return int(text) if text.isdecimal() and len(text) < LONGEST_NUMBER else 0
