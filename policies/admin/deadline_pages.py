"""The page that gives people more time: it shows each deadline before and after, and who is left out and why."""

from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.errors import NotAllowed
from accounts.flows.people import manages
from accounts.models import User
from accounts.words import WordsField
from policies.admin.people_forms import LONGEST_REASON
from policies.admin.people_moments import may_see
from policies.admin.people_pages import PeoplePage
from policies.flows import deadlines
from policies.flows.deadlines import LeftOut, NotAhead, Prospect

USUAL: Final = timedelta(days=7)
WHY_LEFT_OUT: Final[dict[LeftOut, str | Promise]] = {
    LeftOut.ADMINISTRATOR: _("Administrators get no more time than the policy gives."),
    LeftOut.CLOSED: _("A reset ended their time for good."),
    LeftOut.NOT_DEMANDED: _("Nothing is demanded of them, so there is no deadline."),
    LeftOut.ENROLLED: _("They have set up what is demanded."),
    LeftOut.LONG_ENOUGH: _("They have at least as long already."),
    LeftOut.TOO_FAR: _("That would be more than 90 days ahead."),
    LeftOut.FLOOR: _("The platform lets nobody have more time than the policy gives."),
}


class Days(NamedTuple):
    """Today, and the last day that is offered."""

    today: date
    usual: date


class ExtensionForm(forms.Form):
    """Until which day, and why."""

    last_day = forms.DateField(
        label=_("Last day"),
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Until the end of that day, at most 90 days ahead. Nobody's time gets shorter."),
    )
    reason = WordsField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea({"rows": 3}),
        help_text=_("It becomes part of the record."),
    )

    def __init__(self, *args: Any, days: Days, only_look: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.only_look = only_look
        self.fields["reason"].required = not only_look
        self.first, self.last = days.today, days.today + deadlines.FURTHEST - timedelta(days=1)
        self.usual = self.fields["last_day"].initial = min(days.usual, self.last)
        self.fields["last_day"].widget.attrs |= {"min": self.first.isoformat(), "max": self.last.isoformat()}

    def clean_last_day(self) -> date:
        typed: date = self.cleaned_data["last_day"]
        if not self.first <= typed <= self.last:
            raise forms.ValidationError(str(NotAhead()), code=NotAhead.code)
        return typed

    @property
    def day(self) -> date:
        """What was typed, if it will do; else the usual."""
        typed: date | None = self.cleaned_data.get("last_day") if self.is_bound and not self.errors else None
        return typed or self.usual


class ExtensionPage(PeoplePage):
    """Give the chosen people more time. “Show what changes” changes nothing."""

    def get(self, request: HttpRequest) -> HttpResponse:
        people = self.people()
        if not all(manages(self.actor, person) for person in people):
            messages.error(request, str(NotAllowed()))
            return self.to_list()
        self.require_fresh()
        return self.form_page(people, ExtensionForm(days=self.days(people)))

    def post(self, request: HttpRequest) -> HttpResponse:
        people = self.people()
        form = ExtensionForm(request.POST, days=self.days(people), only_look="look" in request.POST)
        if form.only_look or not form.is_valid():
            self.require_fresh()
            return self.form_page(people, form)
        said = {"until": form.day, "reason": form.cleaned_data["reason"]}
        try:
            found = deadlines.extend(people, actor=self.actor, session=request.session, **said)  # type: ignore[arg-type]
        except NotAhead as refusal:
            form.add_error("last_day", str(refusal))
            return self.form_page(people, form)
        except NotAllowed as refusal:
            messages.error(request, str(refusal))
            return self.to_list()
        self.tell(found)
        return redirect(self.where_from(people))

    def days(self, people: list[User]) -> Days:
        """Where these people are (of several tenants, where the administrator is): today, and the usual last day.

        That is a week from the latest of their deadlines, or from today.
        """
        is_one = len({person.tenant_id for person in people}) == 1
        zone = (people[0] if is_one else self.actor).tenant.zone
        latest = [one.before for one in deadlines.prospects(people, USUAL) if one.before and one.left_out is None]
        begins = max([*latest, timezone.now()])
        return Days(timezone.localdate(timezone=zone), timezone.localdate(begins + USUAL, zone))

    def where_from(self, people: list[User]) -> str:
        """The page of one person, the list for several."""
        return self.admin.url_of(people[0]) if len(people) == 1 else reverse("admin:accounts_user_changelist")

    def tell(self, found: list[Prospect]) -> None:
        """How many got more time, and who did not and why."""
        done = sum(one.left_out is None for one in found)
        if done:
            words = ngettext("%(count)s person got more time.", "%(count)s people got more time.", done)
            messages.success(self.request, words % {"count": done})
        for one in found:
            if one.left_out is not None:
                about = {"person": one.person, "why": WHY_LEFT_OUT[one.left_out]}
                messages.warning(self.request, _("No more time for %(person)s. %(why)s") % about)

    def form_page(self, people: list[User], form: ExtensionForm) -> HttpResponse:
        return self.show(
            "admin/accounts/user/extend_deadline.html",
            title=_("Extend the deadline"),
            rows=[
                {
                    "of": one,
                    "why": WHY_LEFT_OUT[one.left_out] if one.left_out else "",
                    "is_told": may_see(one.before, one.person, self.actor),
                }
                for one in self.looked_at(people, form)
            ],
            now=timezone.now(),
            form=form,
            cancel_url=self.where_from(people),
            **({"person": people[0], "person_url": self.where_from(people)} if len(people) == 1 else {}),
        )

    def looked_at(self, people: list[User], form: ExtensionForm) -> list[Prospect]:
        """What would come of it; where the day that was typed is over in one of several tenants, of the usual one."""
        try:
            return deadlines.prospects(people, form.day)
        except NotAhead as refusal:
            form.add_error("last_day", str(refusal))
            return deadlines.prospects(people, form.day)


def extension_url(*ids: Any) -> str:
    """The page that gives these people more time."""
    return f"{reverse('admin:accounts_user_extend_deadline')}?{urlencode({'ids': ','.join(map(str, ids))})}"
