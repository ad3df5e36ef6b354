"""Reminders in the admin: asking for them, and what became of each."""

from collections import Counter
from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin import labels
from accounts.admin.filters import ChoiceFilter, Choices, TenantFilter
from accounts.admin.scope import ScopedAdmin, person_of
from accounts.errors import NotAllowed
from accounts.models import User
from accounts.moments import zoned_moment
from policies.flows import reminders
from policies.models import Reminder
from policies.rollout.remindable import Spared

MOST_AT_ONCE: Final = 500
WHY_SPARED: Final[dict[Spared, str | Promise]] = {
    Spared.INACTIVE: _("they cannot sign in"),
    Spared.NOT_DEMANDED: _("nothing is demanded of them"),
    Spared.ENROLLED: _("they have set up what is demanded"),
    Spared.NO_DEADLINE: _("their time begins with their first sign-in"),
    Spared.OVERDUE: _("their time is over"),
    Spared.LATELY: _("they were reminded lately"),
    Spared.NO_ADDRESS: _("they have no verified address"),
    Spared.NOT_YOURS: _("they administer the platform, and you do not"),
}
PILLS: Final[dict[str, str]] = {
    Reminder.State.SENT: "ok",
    Reminder.State.UNSURE: "grace",
    Reminder.State.FAILED: "bad",
    Reminder.State.SPARED: "",
}


class StateFilter(ChoiceFilter):
    """Reminders by what became of them."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(Reminder.State.choices)

    def condition(self, value: str) -> Q:
        return Q(state=value)


@admin.register(Reminder)
class ReminderAdmin(ScopedAdmin):
    """Who was reminded when, and what became of it. Read-only."""

    tenant_path = "tenant"
    change_list_template = "admin/policies/reminding_list.html"
    change_form_template = "admin/policies/reminding_form.html"
    list_display = ("queued_at", "whom", "tenant", "what_became", "why", "day", "attempts", "next_attempt")
    list_filter = (TenantFilter, StateFilter)
    list_select_related = ("person", "tenant")
    search_fields = ("person__email", "person__name")
    search_help_text = _("Search by mail address or name")
    ordering = ("-queued_at",)
    empty_list = _("Nobody was reminded yet. A campaign does it by itself; a list of people does it at once.")
    fields = readonly_fields = (
        "whom",
        "day",
        "what_became",
        "attempts",
        "next_attempt",
        "why",
        "queued_at",
        "finished_at",
        "actor_label",
    )

    def get_list_display(self, request: HttpRequest) -> Any:
        """One's own tenant need not be named in every line."""
        if person_of(request).is_superuser:
            return self.list_display
        return tuple(column for column in self.list_display if column != "tenant")

    @admin.display(description=_("person"), ordering="person__email")
    def whom(self, reminder: Reminder) -> str:
        return reminder.person.email

    @admin.display(description=_("state"), ordering="state")
    def what_became(self, reminder: Reminder) -> SafeString:
        return pill(reminder)

    @admin.display(description=_("next attempt"))
    def next_attempt(self, reminder: Reminder) -> Any:
        return reminder.due_at if reminder.state == Reminder.State.QUEUED else None

    @admin.display(description=_("why"))
    def why(self, reminder: Reminder) -> str | Promise:
        return trouble_of(reminder)


class RemindsPeople:
    """The action “Send a reminder” of a list of people."""

    @admin.action(description=_("Send a reminder"))
    def send_reminder(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Queue a mail for each who still owes something, overdue ones too, and say who was left out and why."""
        chosen = list(queryset.select_related("tenant").prefetch_related(None)[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            messages.error(request, _("Choose at most %(most)s people at once.") % {"most": MOST_AT_ONCE})
            return
        try:
            found = reminders.ask(chosen, actor=person_of(request))
        except NotAllowed as refusal:
            messages.error(request, str(refusal))
            return
        counted = Counter(one.spared for one in found if one.spared is not None)
        if done := len(found) - counted.total():
            words = ngettext("%(count)s reminder is on its way.", "%(count)s reminders are on their way.", done)
            messages.success(request, words % {"count": done})
        for why, number in counted.items():
            words = ngettext(
                "No reminder for %(count)s person: %(why)s.", "No reminder for %(count)s people: %(why)s.", number
            )
            messages.warning(request, words % {"count": number, "why": WHY_SPARED[why]})


def latest_of(person: User) -> SafeString | Promise:
    """The last reminder of a person and what became of it, for their page; one query."""
    last = Reminder.objects.filter(person=person).order_by("-queued_at").first()
    if last is None:
        return _("None")
    when = zoned_moment(timezone.localtime(last.finished_at or last.queued_at, person.tenant.zone))
    return format_html("{} {} {}", pill(last), when, trouble_of(last))


def pill(reminder: Reminder) -> SafeString:
    """What became of a reminder, in a word or two."""
    return labels.pill(PILLS.get(reminder.state, "info"), Reminder.State(reminder.state).label)


def trouble_of(reminder: Reminder) -> str | Promise:
    """Why it was not sent (yet): our own reason in words, or what the mail server said."""
    if reminder.state == Reminder.State.SPARED and reminder.trouble in set(Spared):
        return WHY_SPARED[Spared(reminder.trouble)]
    return reminder.trouble
