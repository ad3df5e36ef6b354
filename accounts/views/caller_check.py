"""Somebody who says they are from support is on the telephone: enter their code, then read them one's own."""

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from accounts.flows import caller_checks
from accounts.flows.caller_checks import CheckOver, Side, WrongCallerCode
from accounts.forms import LONGEST_CODE, CodeForm
from accounts.gates import GatedRequest
from accounts.models import CallerCheck
from accounts.views.base import Page


class CallerCheckView(Page):
    """First the caller's code is asked for, and only who entered it is shown what to read back."""

    def get(self, request: GatedRequest) -> HttpResponse:
        return self.page(caller_checks.open_for(self.me), CodeForm())

    def post(self, request: GatedRequest) -> HttpResponseBase:
        check, form = caller_checks.open_for(self.me), CodeForm(request.POST)
        if check is None:
            raise CheckOver
        try:
            caller_checks.recognise_agent(check, self.me, request.POST.get("code", "")[: LONGEST_CODE + 1])
        except WrongCallerCode as refusal:
            if form.is_valid():
                form.add_error("code", str(refusal))
            return self.page(caller_checks.open_for(self.me), form)
        return redirect("mfa_caller_check")

    def page(self, check: CallerCheck | None, form: CodeForm) -> HttpResponse:
        """What there is to do now: nothing, enter a code, or read one out."""
        now = timezone.now()
        is_known = check is not None and check.agent_proved_at is not None
        return self.show(
            "mfa/caller_check.html",
            check=check,
            form=form,
            mine=caller_checks.code_of(check, Side.PERSON, now) if check is not None and is_known else "",
            seconds=caller_checks.seconds_left(now),
        )
