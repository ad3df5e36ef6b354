"""Help for who cannot go on, and the call to the administrators of who has lost everything. Open to everybody.

Before a password was right these pages are neutral: whom to ask, and how long it takes, is a tenant's.
"""

from datetime import timedelta
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from accounts.errors import TooManyRequests
from accounts.flows import help_requests, sign_in
from accounts.flows import intervention_rules as rules
from accounts.forms import HelpForm
from accounts.gates import GatedRequest
from accounts.models import Intervention, User
from accounts.policy import policy
from accounts.views.base import Page


class HelpPage(Page):
    """A page that knows who asks, if their password was right."""

    @property
    def person(self) -> User | None:
        if self.request.user.is_authenticated:
            return self.me
        stage = sign_in.pending(self.request)
        found: User | None = None if stage is None else stage.login.user
        return found

    @property
    def contact(self) -> str:
        """Whom the person's tenant names."""
        return "" if self.person is None else policy().contact(self.person)


class HelpView(HelpPage):
    """Lost phone, new phone, wrong clock: what to do, and whom to ask."""

    def get(self, request: GatedRequest) -> HttpResponse:
        return self.show("accounts/help.html", person=self.person, contact=self.contact)


class LostView(HelpPage):
    """Nothing left to sign in with: what helps, in which order, and how long it takes."""

    def get(self, request: GatedRequest) -> HttpResponse:
        return self.page(HelpForm(person=self.person))

    def post(self, request: GatedRequest) -> HttpResponseBase:
        """Tell the administrators; the answer is the same whether or not there are any."""
        person = self.person
        form = HelpForm(request.POST, person=person)
        if not form.is_valid():
            return self.page(form)
        try:
            if person is not None:
                help_requests.ask_for(person)
            else:
                help_requests.ask(form.cleaned_data["email"])
        except TooManyRequests as pause:
            form.add_error(None, str(pause))
            return self.page(form)
        return redirect("help_sent")

    def page(self, form: HelpForm) -> HttpResponse:
        """The three ways, and the form."""
        person = self.person
        takes = None if person is None else rules.demands_on(person, Intervention.Kind.RESET, timezone.now())
        hours = 0 if takes is None else takes.wait // timedelta(hours=1)
        said: dict[str, Any] = {"form": form, "person": person, "contact": self.contact}
        return self.show("accounts/lost.html", takes=takes, hours=hours, **said)


class HelpSentView(HelpPage):
    """That they are told, if there are any."""

    def get(self, request: GatedRequest) -> HttpResponse:
        return self.show("accounts/lost_sent.html", contact=self.contact)
