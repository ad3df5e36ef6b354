"""Publishing a draft: what it changes, whether it would be refused, and the words that put it in force."""

from datetime import timedelta
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import time_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from accounts.errors import AccountsError, NotFresh
from policies import document as documents
from policies import floor as floors
from policies.admin.policy_pages import PolicyPage
from policies.admin.publish_form import PublishForm
from policies.admin.versions import Standing
from policies.admin.wording import NAMES, Wording, readable
from policies.document import DocumentError
from policies.errors import LocksOut, StaleDraft
from policies.flows import drafts, publish
from policies.models import PolicyDraft, PolicyVersion

TYPED: Final = "typed_to_publish"  # in the session: what a stale proof kept from being published
CONFIRMED_WITHIN: Final[timedelta] = publish.CONFIRM_WITHIN


class PublishPage(PolicyPage):
    """The last step of a change. It is shown with a fresh factor only, and what is refused loses nothing."""

    def get(self, request: HttpRequest) -> HttpResponse:
        self.require_fresh()
        typed = request.session.pop(TYPED, None)
        draft = drafts.draft_of(self.policy)
        if draft is None:
            return self.without_draft()
        initial = typed["said"] if typed and typed["policy"] == str(self.policy.pk) else {}
        return self.form_page(draft, initial=initial)

    def post(self, request: HttpRequest) -> HttpResponse:
        draft = drafts.draft_of(self.policy)
        if draft is None:
            return self.without_draft()
        form = PublishForm(request.POST, switches_off=self.switches_off(draft))
        if form.is_valid():
            try:
                return self.published(form)
            except NotFresh:
                said = {name: form.cleaned_data[name] for name in ("reason", "how", "until_confirmed")}
                request.session[TYPED] = {"policy": str(self.policy.pk), "said": said}
                raise
            except (AccountsError, DocumentError) as refusal:
                for sentence in sentences_of(refusal):
                    form.add_error(None, sentence)
                if isinstance(refusal, StaleDraft):
                    return self.after_another(form)
        self.require_fresh()
        return self.form_page(draft, form)

    def published(self, form: PublishForm) -> HttpResponse:
        """Publish the draft. Raises whatever the flow refuses."""
        said = form.cleaned_data
        version = drafts.publish(
            self.policy,
            actor=self.actor,
            session=self.request.session,  # type: ignore[arg-type]
            revision=said["revision"],
            reason=said["reason"],
            mode=said["how"],
            until_confirmed=said["until_confirmed"],
        )
        messages.success(self.request, _outcome(version, until_confirmed=said["until_confirmed"]))
        return self.to_policy()

    def after_another(self, form: PublishForm) -> HttpResponse:
        """The draft as it is now, with what was typed: whoever looks at it anew may publish that."""
        draft = drafts.draft_of(self.policy)
        if draft is None:
            return self.without_draft()
        data = self.request.POST.copy()
        data["revision"] = str(draft.revision)
        form.data = data
        return self.form_page(draft, form)

    def without_draft(self) -> HttpResponse:
        messages.info(self.request, _("There is no draft to publish. Change the policy first."))
        return self.to_policy()

    def switches_off(self, draft: PolicyDraft) -> bool:
        """Whether publishing the draft ends a demand there is."""
        before = publish.version_in_force(self.policy)
        return before is not None and _demands(before) and not _demands(draft)

    def form_page(
        self, draft: PolicyDraft, form: PublishForm | None = None, initial: dict[str, Any] | None = None
    ) -> HttpResponse:
        before = publish.version_in_force(self.policy)
        wording = Wording(self.policy, [before, draft])
        change, off = wording.change(before, draft), self.switches_off(draft)
        asks = {
            "revision": draft.revision,
            "how": PolicyVersion.Mode.ENFORCE,
            "until_confirmed": off or _bites(before, draft),
        }
        return self.show(
            "admin/policies/mfapolicy/publish.html",
            title=_("Publish the draft"),
            step="publish",
            draft=draft,
            before=before,
            change=change,
            waiting=Standing.of(self.policy, timezone.now()).waiting,
            is_outdated=before is not None and draft.based_on != before.number,
            would_be_refused=self.refusals(draft),
            administrators=self.administrators(draft),
            form=form or PublishForm(initial={**asks, **(initial or {})}, switches_off=off),
        )

    def refusals(self, draft: PolicyDraft) -> list[str]:
        """Why it would be refused if it were published now, in sentences."""
        why = publish.refusal(self.policy, draft.document, enabled=draft.enabled, now=timezone.now())
        also = [_("On trial it can be published all the same: that stops nobody.")] if isinstance(why, LocksOut) else []
        return [] if why is None else sentences_of(why) + also

    def administrators(self, draft: PolicyDraft) -> dict[str, Any]:
        """The administrators who would get in by what they own, and those who would not."""
        now = timezone.now()
        rules = publish.rules_if_published(self.policy, draft.document, enabled=draft.enabled, now=now)
        getting_in, left_out = publish.locked_out(self.policy, rules, now)
        return {"getting_in": getting_in, "left_out": left_out}


def sentences_of(refusal: Exception) -> list[str]:
    """What a flow refused, one sentence for each thing that is wrong."""
    if isinstance(refusal, DocumentError):
        return [
            _("%(rule)s: %(why)s") % {"rule": capfirst(str(NAMES.get(key, key))), "why": why}
            for key, why in refusal.errors.items()
        ]
    return [str(refusal)]


def _demands(state: PolicyVersion | PolicyDraft) -> bool:
    """Whether anything is required under a state. What cannot be read is taken to demand."""
    document = readable(state.document)
    return state.enabled and (document is None or documents.demands(document))


def _bites(before: PolicyVersion | None, draft: PolicyDraft) -> bool:
    """Whether the draft is stricter in anything than what is in force."""
    old, new = None if before is None else readable(before.document), readable(draft.document)
    if before is None or old is None or new is None:
        return True
    return bool(floors.tightened(old, new)) or (draft.enabled and not before.enabled)


def _outcome(version: PolicyVersion, *, until_confirmed: bool) -> str:
    named = {"number": version.number, "time": ""}
    if version.mode == PolicyVersion.Mode.REPORT:
        return _("Version %(number)d is on trial: it is judged from now on, and stops nobody.") % named
    if not until_confirmed:
        return _("Version %(number)d is in force, from everybody’s next request on.") % named
    named["time"] = time_format(timezone.localtime(version.created_at + CONFIRMED_WITHIN), "H:i")
    return _("Version %(number)d is in force until %(time)s. Sign in again and confirm it before then.") % named
