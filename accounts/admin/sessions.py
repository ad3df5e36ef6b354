"""Sessions, to look at and to end. They go by their public id: the key, and its digest, are shown nowhere."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts import agents, assurance
from accounts.admin import labels
from accounts.admin.filters import SessionStatusFilter, TenantFilter
from accounts.admin.looks import LookedAtAdmin
from accounts.admin.scope import note_refusal, person_of
from accounts.errors import NotAllowed
from accounts.flows import sessions, viewing
from accounts.models import Session, User
from accounts.views.presentation import LABELS
from audit.models import AuditEvent


@admin.register(Session)
class SessionAdmin(LookedAtAdmin):
    """Who is signed in from where, and what they proved."""

    tenant_path = "person__tenant"
    id_field = "public_id"
    look, look_through = viewing.SESSION, viewing.SESSIONS
    list_display = ("last_seen_at", "owner", "status", "strength", "ip", "browser_name")
    list_filter = (TenantFilter, SessionStatusFilter)
    search_fields = ("person__email", "person__name")
    search_help_text = _("Search by mail address or name")
    ordering = ("-last_seen_at",)
    actions = ("end_sessions",)
    fields = readonly_fields = (
        "public_id",
        "owner",
        "status",
        "strength",
        "proved",
        "created_at",
        "signed_in_at",
        "last_seen_at",
        "expire_date",
        "ended_at",
        "ip",
        "agent",
    )

    def visible_to(self, person: User) -> Q:
        """Signed-in sessions: one that nobody is signed in to yet is nobody's."""
        return super().visible_to(person) & Q(person__isnull=False)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("person").defer("session_data")

    def events_of(self, thing: Session) -> QuerySet[AuditEvent]:
        """Events name the person as their target, and the session among their facts."""
        return AuditEvent.objects.filter(target_id=str(thing.person_id), payload__session=str(thing.public_id))

    @admin.action(description=_("End the chosen sessions"))
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        mine = request.session.row.public_id  # type: ignore[attr-defined]
        ids = set(queryset.values_list("public_id", flat=True))
        if mine in ids:
            messages.warning(request, _("Your own session goes on: sign out to end it."))
        try:
            ended = sessions.end_each(ids - {mine}, actor=person_of(request))
        except NotAllowed as refusal:
            note_refusal(request, refusal)
            messages.error(request, str(refusal))
            return
        words = ngettext("%(count)s session was ended.", "%(count)s sessions were ended.", ended)
        messages.success(request, words % {"count": ended})

    @admin.display(description=_("person"), ordering="person__email")
    def owner(self, session: Session) -> SafeString:
        return labels.person_link(session.person)  # type: ignore[arg-type]

    @admin.display(description=_("proved"))
    def strength(self, session: Session) -> SafeString:
        return labels.strength_of(session)

    @admin.display(description=_("status"))
    def status(self, session: Session) -> SafeString:
        return labels.status_of(session)

    @admin.display(description=_("browser"))
    def browser_name(self, session: Session) -> str:
        return agents.spoken(session.agent)

    @admin.display(description=_("by"))
    def proved(self, session: Session) -> SafeString:
        words: list[str | Promise] = [
            LABELS.get(proof.method, proof.method.value) for proof in assurance.from_json(session.proofs)
        ]
        return labels.pills(words)
