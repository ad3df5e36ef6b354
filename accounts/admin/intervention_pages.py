"""The pages that decide about an act on somebody's account: agree, decline, or take it back."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import View

from accounts.admin.scope import person_of
from accounts.errors import AccountsError, NotAllowed, NotFresh
from accounts.flows import intervention_rules as rules
from accounts.flows import interventions, reset
from accounts.models import Intervention, User
from accounts.views.base import refused

if TYPE_CHECKING:
    from accounts.admin.interventions import InterventionAdmin

State = Intervention.State


class SureForm(forms.Form):
    """That somebody who agrees knows what they agree to."""

    sure = forms.BooleanField(
        label=gettext_lazy("I have made sure that this is right, and not on the word of who asks for it alone.")
    )


class DecisionPage(View, ABC):
    """One decision about an act that is open; what it is, stands above the button."""

    admin: "InterventionAdmin" = None  # type: ignore[assignment]  # given to as_view
    http_method_names = ["get", "head", "post"]
    title: ClassVar[str | Promise]
    tone: ClassVar[str] = ""
    form_class: ClassVar[type[forms.Form]] = forms.Form

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.actor = person_of(request)
        self.act: Intervention = self.admin.get_object(request, str(kwargs["object_id"]))
        try:
            return super().dispatch(request, *args, **kwargs)
        except (NotFresh, rules.NotProtected) as refusal:
            return refused(request, refusal)
        except AccountsError as refusal:
            messages.error(request, str(refusal))
            return self.back()

    def get(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        self.require()
        return self.page(self.form_class())

    def post(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        form = self.form_class(request.POST)
        if not form.is_valid():
            self.require()
            return self.page(form)
        messages.success(request, self.decide())
        return self.back()

    def require(self) -> None:
        """Raises what keeps this administrator from deciding, before anything is shown to be pressed."""
        if not self.act.is_open:
            raise rules.NotOpen

    @abstractmethod
    def decide(self) -> str:
        """Have the flow do it; what to say then."""

    def back(self) -> HttpResponse:
        return redirect(self.admin.url_of(self.act))

    @property
    def session(self) -> Any:
        return self.request.session

    def page(self, form: forms.Form) -> HttpResponse:
        shared = {**self.admin.admin_site.each_context(self.request), "opts": self.admin.opts}
        about = {
            "act": self.act,
            "rows": self.admin.rows_of(self.act),
            "preview": reset.preview(self.act.person) if self.act.kind == Intervention.Kind.RESET else None,
            "title": self.title,
            "tone": self.tone,
            "form": form,
            "cancel_url": self.admin.url_of(self.act),
        }
        return TemplateResponse(self.request, "admin/accounts/intervention/decide.html", {**shared, **about})


class ApprovePage(DecisionPage):
    """A second administrator agrees."""

    title = gettext_lazy("Agree")
    tone = "danger"
    form_class = SureForm

    def require(self) -> None:
        super().require()
        if not rules.may_decide(self.actor, self.act):
            raise NotAllowed
        rules.require_independent(self.actor, self.act)
        rules.require_proof(self.actor, self.session)

    def decide(self) -> str:
        act = interventions.approve(self.act, actor=self.actor, session=self.session)
        if act.state == State.DONE:
            return _("Agreed, and done. The person has been told.")
        if act.state == State.WAITING:
            return _("Agreed. It waits for its time; the person can still cancel it.")
        return _("It could not be carried out any more: what it rested on has changed.")


class DeclinePage(DecisionPage):
    """Another administrator puts an end to it."""

    title = gettext_lazy("Decline")
    tone = "primary"

    def require(self) -> None:
        super().require()
        if not rules.may_decide(self.actor, self.act):
            raise NotAllowed
        rules.require_proof(self.actor, self.session)

    def decide(self) -> str:
        interventions.decline(self.act, actor=self.actor, session=self.session)
        return _("Declined. Nothing was done, and who asked for it knows.")


class CancelPage(DecisionPage):
    """Who asked for it, or the person it is about, takes it back."""

    title = gettext_lazy("Cancel the request")
    tone = "primary"

    def require(self) -> None:
        super().require()
        if not interventions.may_cancel(self.actor, self.act):
            raise NotAllowed

    def decide(self) -> str:
        interventions.cancel(self.act, actor=self.actor)
        return _("Cancelled. Nothing was done.")


PAGES: Final[dict[str, type[DecisionPage]]] = {"approve": ApprovePage, "decline": DeclinePage, "cancel": CancelPage}


def decisions_of(actor: User, act: Intervention) -> list[str]:
    """Which of these pages are for this administrator and this act."""
    allowed = {
        "approve": act.state == State.ASKED and rules.may_decide(actor, act),
        "decline": act.is_open and rules.may_decide(actor, act),
        "cancel": act.is_open and interventions.may_cancel(actor, act),
    }
    return [name for name in PAGES if allowed[name]]
