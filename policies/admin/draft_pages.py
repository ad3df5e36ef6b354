"""The page on which an administrator edits a policy's draft, and the sentences that follow what is typed.

A draft is in force nowhere: saving it asks for an administrator of the tenant, and nothing more. The page asks for a
fresh factor before it shows the form, so that nobody types for ten minutes and is then sent away.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.authenticators.aaguids import PRODUCTS
from audit.kinds import Kind
from audit.models import AuditEvent
from policies import document as documents
from policies.admin.draft_form import DraftForm, ground_of
from policies.admin.draft_form.sections import complaints, sections_of
from policies.admin.effect_sentences import Told, told_by
from policies.admin.effects import effects_of
from policies.admin.policy_pages import PolicyPage, page_url
from policies.admin.wording import Change, State, Wording
from policies.errors import StaleDraft
from policies.flows import drafts, publish
from policies.models import MFAPolicy, PolicyDraft, PolicyVersion

TEMPLATE: Final = "admin/policies/mfapolicy/draft.html"


@dataclass
class Typed:
    """What a form states, as `Wording` words it."""

    document: Any
    enabled: bool


@dataclass(frozen=True)
class Beginning:
    """What an edit begins from: the draft, or what is in force where there is none."""

    draft: PolicyDraft | None
    in_force: PolicyVersion | None
    number: int

    @property
    def state(self) -> State:
        """The draft, or what is in force; the default where there is neither."""
        return self.draft or self.in_force or Typed(documents.default_document(), True)

    @property
    def marks(self) -> dict[str, Any]:
        """What a form carries to say what it was begun from."""
        if self.draft is None:
            return {"draft": "", "revision": 0, "based_on": self.number}
        return {"draft": str(self.draft.pk), "revision": self.draft.revision, "based_on": self.draft.based_on}

    def says(self, form: DraftForm) -> bool:
        """Whether the draft is what a valid form states: sent twice, it was saved by the first."""
        draft, typed = self.draft, form.cleaned_data["enabled"]
        return draft is not None and (draft.document, draft.enabled) == (form.document, typed)

    @property
    def is_outrun(self) -> bool:
        """Whether another version came into force since the draft was begun: it cannot be published as it is."""
        return self.draft is not None and self.draft.based_on != self.number


def beginning_of(policy: MFAPolicy) -> Beginning:
    """What an edit of this policy would begin from now. Two queries."""
    number = publish.number_in_force(policy, timezone.now())
    return Beginning(drafts.draft_of(policy), publish.version_in_force(policy), number)


class EditingPage(PolicyPage):
    """What the form and its summary share: both make a document of what is typed, on the same ground."""

    def form(self, beginning: Beginning, data: Any = None, **kwargs: Any) -> DraftForm:
        """The form on what the edit begins from; with `data`, what was sent."""
        state = beginning.state
        ground = ground_of(self.policy, state.document, enabled=state.enabled, actor=self.actor)
        return DraftForm(data, ground=ground, **beginning.marks, **kwargs)


class DraftPage(EditingPage):
    """The form. GET shows the draft, or what is in force as its beginning; POST saves, or shows more empty rows."""

    def get(self, request: HttpRequest) -> HttpResponse:
        self.require_fresh()
        beginning = beginning_of(self.policy)
        return self.page(beginning, self.form(beginning))

    def post(self, request: HttpRequest) -> HttpResponse:
        beginning = beginning_of(self.policy)
        form = self.form(beginning, _with_marks_seen(request.POST))
        if "more" in request.POST:
            return self.page(beginning, self.form(beginning, typed=form.typed()))
        if not form.is_valid():
            return self.page(beginning, form)
        try:
            self.save(beginning, form)
        except StaleDraft:
            beginning = beginning_of(self.policy)
            if not beginning.says(form):
                return self.page(beginning, form, stale=self.stale(beginning, form))
        messages.success(request, _("The draft is saved. Nothing has changed for anybody yet."))
        return redirect(page_url(self.policy.pk, "try" if "try" in request.POST else "draft"))

    def save(self, beginning: Beginning, form: DraftForm) -> None:
        """Save what a valid form states. Raises StaleDraft.

        A draft that was dropped and begun anew is another one, though it counts its revisions from 1 again.
        """
        if form.cleaned_data["draft"] != beginning.marks["draft"]:
            raise StaleDraft
        drafts.save(
            self.policy,
            form.document,
            enabled=form.cleaned_data["enabled"],
            actor=self.actor,
            revision=form.cleaned_data["revision"],
            based_on=form.cleaned_data["based_on"],
        )

    def page(self, beginning: Beginning, form: DraftForm, stale: "Stale | None" = None) -> HttpResponse:
        wording = Wording(self.policy, [beginning.in_force, beginning.state])
        return self.show(
            TEMPLATE,
            title=_("Edit the policy"),
            step="draft",
            form=form,
            beginning=beginning,
            sections=sections_of(form, self.told(form, beginning)),
            complaints=complaints(form),
            sentences=wording.sentences(beginning.state),
            change=wording.change(beginning.in_force, beginning.state) if beginning.draft else Change(),
            stale=stale,
            summary_url=page_url(self.policy.pk, "draft_summary"),
            products=sorted(set(PRODUCTS.values()), key=str.casefold),
        )

    def told(self, form: DraftForm, beginning: Beginning) -> Told:
        """What stands beside the rules of a form."""
        since, now = beginning.in_force.enforced_since if beginning.in_force else None, timezone.now()
        document = form.ground.document
        effects = effects_of(self.policy, document, since, now)
        return told_by(effects, document, since, now.astimezone(form.ground.zone))

    def stale(self, beginning: Beginning, form: DraftForm) -> "Stale":
        """Who came first, when, and how what they saved differs from what a valid form states."""
        mine = Typed(form.document, form.cleaned_data["enabled"])
        wording = Wording(self.policy, [beginning.state, mine])
        return Stale(*self.came_first(beginning, form), wording.change(beginning.state, mine), beginning.marks)

    def came_first(self, beginning: Beginning, form: DraftForm) -> tuple[str, str, datetime | None]:
        """What happened meanwhile, who did it, and when."""
        if beginning.draft is not None:
            return "saved", beginning.draft.author_label, beginning.draft.updated_at
        if beginning.in_force is not None and beginning.number != form.cleaned_data["based_on"]:
            return "published", beginning.in_force.author_label, beginning.in_force.created_at
        gone = AuditEvent.objects.filter(kind=Kind.POLICY_DRAFT_DISCARDED, target_id=str(self.policy.pk)).first()
        return "discarded", gone.actor_label if gone else "", gone.at if gone else None


@dataclass(frozen=True)
class Stale:
    """Why nothing was saved: somebody saved, published or discarded (`what`) while this form was filled in.

    `change` leads from theirs to what was typed; `marks` are for whoever looked at it and saves all the same.
    """

    what: str
    who: str
    when: datetime | None
    change: Change
    marks: dict[str, Any]


class SummaryView(EditingPage):
    """What is typed, in sentences, as JSON. It reads as saving would, and changes nothing."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> JsonResponse:
        beginning = beginning_of(self.policy)
        form = self.form(beginning, request.POST)
        if not form.is_valid():
            wrong = {where.partition("_")[2]: sentence for where, _label, sentence in complaints(form)}
            return JsonResponse({"sentences": [], "added": [], "removed": [], "errors": wrong})
        typed = Typed(form.document, form.cleaned_data["enabled"])
        wording = Wording(self.policy, [beginning.in_force, typed])
        change = wording.change(beginning.in_force, typed)
        return JsonResponse(
            {
                "sentences": wording.sentences(typed),
                "added": [*_switched(change), *change.added, *_also(change)],
                "removed": change.removed,
                "errors": {},
            }
        )


def _with_marks_seen(sent: QueryDict) -> QueryDict:
    """What was sent; with "replace" as begun from what the person was shown of the other's changes."""
    if "replace" not in sent:
        return sent
    seen = sent.copy()
    for name in ("draft", "revision", "based_on"):
        seen[name] = sent.get(f"seen_{name}", "")
    return seen


def _switched(change: Change) -> list[str]:
    sentences = {"on": _("The policy is switched on"), "off": _("The policy is switched off: nothing is demanded")}
    return [sentences[change.switched]] if change.switched else []


def _also(change: Change) -> list[str]:
    return [_("Changed as well: %(rules)s") % {"rules": ", ".join(change.also)}] if change.also else []
