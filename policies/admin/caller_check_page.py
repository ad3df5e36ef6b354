"""A call with a person: the agent's code to read out, and a field for what the person reads back."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.errors import AccountsError
from accounts.flows import caller_checks
from accounts.flows.caller_checks import CheckOver, Side
from accounts.forms import CodeForm
from accounts.models import CallerCheck, User
from accounts.words import WordsField
from policies.admin.people_pages import PeoplePage


class TicketForm(forms.Form):
    """What the call is about."""

    ticket = WordsField(
        label=gettext_lazy("Support ticket"),
        max_length=60,
        help_text=gettext_lazy("The person sees it, and it becomes part of the record."),
    )


class CallerCheckPage(PeoplePage):
    """Begin a check, mail its codes, or enter the person's code; `do` in the form says which."""

    def get(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        person = self.person(object_id)
        return self.page(person, TicketForm(), CodeForm())

    def post(self, request: HttpRequest, object_id: Any) -> HttpResponseBase:
        person, ticket, code = self.person(object_id), TicketForm(), CodeForm()
        try:
            match request.POST.get("do"):
                case "mail":
                    caller_checks.mail_codes(self.mine(person) or self.over(), actor=self.actor)
                    messages.success(request, _("The codes are on their way to the person’s mail addresses."))
                case "enter":
                    code = CodeForm(request.POST)
                    if not code.is_valid():
                        return self.page(person, ticket, code)
                    caller_checks.recognise_person(
                        self.mine(person) or self.over(), self.actor, code.cleaned_data["code"]
                    )
                    messages.success(request, _("You are talking to %(person)s.") % {"person": person})
                case _:
                    ticket = TicketForm(request.POST)
                    if not ticket.is_valid():
                        return self.page(person, ticket, code)
                    caller_checks.start(person, actor=self.actor, ticket=ticket.cleaned_data["ticket"])
        except AccountsError as refusal:
            messages.error(request, str(refusal))
        return redirect(caller_check_url(person))

    def person(self, object_id: Any) -> User:
        """Raises Http404 out of scope."""
        found: User = self.admin.get_object(self.request, str(object_id))
        return found

    def mine(self, person: User) -> CallerCheck | None:
        """The check that this agent has under way with the person."""
        check = caller_checks.open_for(person)
        return check if check is not None and check.agent_id == self.actor.pk else None

    @staticmethod
    def over() -> CallerCheck:
        raise CheckOver

    def page(self, person: User, ticket: TicketForm, code: CodeForm) -> HttpResponse:
        now, check = timezone.now(), self.mine(person)
        return self.show(
            "admin/accounts/user/caller_check.html",
            title=_("Check a call"),
            person=person,
            person_url=self.admin.url_of(person),
            check=check,
            passed=caller_checks.passed_lately(self.actor, person),
            mine=caller_checks.code_of(check, Side.AGENT, now) if check is not None else "",
            seconds=caller_checks.seconds_left(now),
            ticket_form=ticket,
            form=code,
        )


def caller_check_url(person: User) -> str:
    """The page for a call with this person."""
    return reverse("admin:accounts_user_caller_check", args=[person.pk])
