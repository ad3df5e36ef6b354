"""Notices in the admin: which mail was owed to whom, and what became of it."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts import notices
from accounts.admin import labels
from accounts.admin.filters import ChoiceFilter, Choices, TenantFilter
from accounts.admin.looks import LookedAtAdmin
from accounts.flows import viewing
from accounts.models import Notice

State = Notice.State
TONES: Final[dict[str, str]] = {State.SENT: "ok", State.UNSURE: "grace", State.FAILED: "bad"}


class StateFilter(ChoiceFilter):
    """Notices by what became of them."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(State.choices)

    def condition(self, value: str) -> Q:
        return Q(state=value)


@admin.register(Notice)
class NoticeAdmin(LookedAtAdmin):
    """What people were told by mail, and whether it reached their server. Read-only."""

    tenant_path = "person__tenant"
    look, look_through = viewing.NOTICE, viewing.NOTICES
    list_display = ("queued_at", "to", "about", "what_became", "next_attempt", "trouble")
    list_filter = (TenantFilter, StateFilter)
    list_select_related = ("person__tenant",)
    search_fields = ("address", "person__email", "person__name")
    search_help_text = _("Search by mail address or name")
    ordering = ("-queued_at", "-pk")
    fields = readonly_fields = (
        "whom",
        "to",
        "about",
        "what_became",
        "attempts",
        "next_attempt",
        "trouble",
        "queued_at",
        "finished_at",
    )

    @admin.display(description=_("person"), ordering="person__email")
    def whom(self, notice: Notice) -> SafeString:
        return labels.person_link(notice.person)

    @admin.display(description=_("mail address"), ordering="address")
    def to(self, notice: Notice) -> SafeString:
        return format_html("<bdi>{}</bdi>", notice.address)

    @admin.display(description=_("subject"))
    def about(self, notice: Notice) -> str:
        return notices.subject_of(notice)

    @admin.display(description=_("state"), ordering="state")
    def what_became(self, notice: Notice) -> SafeString:
        return labels.pill(TONES.get(notice.state, "info"), State(notice.state).label)

    @admin.display(description=_("next attempt"))
    def next_attempt(self, notice: Notice) -> Any:
        return notice.due_at if notice.state == State.QUEUED else None
