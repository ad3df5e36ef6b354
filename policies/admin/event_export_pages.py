"""Exports of the record: asked for from the list, at once or by a worker, and fetched by whoever asked alone."""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import View

from accounts.admin.scope import not_here, person_of
from accounts.errors import AccountsError
from accounts.session_store import SessionStore
from audit.identifiers import moment_of
from audit.selections import CONTENT_TYPES, Format
from policies.admin.downloads import streamed
from policies.evidence.asked import Asked
from policies.exporting import RecordExport
from policies.flows import event_exports, event_files
from policies.flows.event_exports import EventExport, Outgoing

if TYPE_CHECKING:
    from policies.admin.events import AuditEventAdmin

LABELS: Final[dict[str, str | Promise]] = {
    "q": gettext_lazy("Search"),
    "tenant": gettext_lazy("tenant"),
    "category": gettext_lazy("subject"),
    "kind": gettext_lazy("kind"),
    "outcome": gettext_lazy("outcome"),
    "person": gettext_lazy("person"),
    "ip": gettext_lazy("IP address"),
    "since": gettext_lazy("Not before"),
    "until": gettext_lazy("Not after"),
}
LIST: Final = "admin:audit_auditevent_changelist"


class ExportPages(View):
    """What these pages share: what somebody else asked for is not there."""

    admin: "AuditEventAdmin" = None  # type: ignore[assignment]  # given to as_view
    http_method_names = ["get", "head"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.actor = person_of(request)
        return super().dispatch(request, *args, **kwargs)

    def mine(self, export_id: UUID) -> RecordExport:
        """Raises Http404 for another person's, and for one whose time is over."""
        found: RecordExport = event_files.of(self.actor).filter(pk=export_id).first() or not_here()
        return found

    def export_of(self, asked: Asked, form: Format) -> EventExport:
        """Raises NotAllowed."""
        session: SessionStore = self.request.session  # type: ignore[assignment]
        return event_exports.export_of(asked, form, session=session, actor=self.actor)

    def show(self, template: str, **context: Any) -> HttpResponse:
        shared = {**self.admin.admin_site.each_context(self.request), "opts": self.admin.opts}
        return TemplateResponse(self.request, f"admin/audit/auditevent/{template}", {**shared, **context})


class StartPage(ExportPages):
    """Asks for an export of what a list shows: all of it, whatever page one was on."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Whoever reloads what a post answered is led to where it began."""
        return redirect(LIST)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        now = timezone.now()
        shown = Asked.of(request.POST.dict())
        asked, form = shown.at(now), _format_of(request.POST.get("format", ""))
        try:
            export = self.export_of(asked, form)
            if event_exports.is_for_a_worker(export, asked, now):
                return redirect("admin:audit_auditevent_export_page", event_files.ask(export, asked).pk)
        except AccountsError as refusal:
            messages.error(request, str(refusal))
            return redirect(f"{reverse(LIST)}?{urlencode(shown.kept)}")
        event_exports.begin(export, asked, by_worker=False)
        return _file(request, Outgoing(export, asked, now), form)


class ExportsPage(ExportPages):
    """What one asked for and can still fetch."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show("exports.html", title=_("Exports"), exports=event_files.of(self.actor))


class ExportPage(ExportPages):
    """How far a file is, and the way to it."""

    def get(self, request: HttpRequest, export_id: UUID) -> HttpResponse:
        wanted = self.mine(export_id)
        return self.show(
            "export.html",
            title=_("Export of events"),
            export=wanted,
            reached=moment_of(wanted.reached) if wanted.reached else None,
            hours=int(event_files.KEPT_FOR.total_seconds() // 3600),
            asked=[(LABELS[name], value) for name, value in wanted.asked.items()],
        )


class ExportFile(ExportPages):
    """The file, once it is complete."""

    def get(self, request: HttpRequest, export_id: UUID) -> HttpResponseBase:
        wanted = self.mine(export_id)
        if not wanted.is_ready:
            return redirect("admin:audit_auditevent_export_page", wanted.pk)
        form = Format(wanted.format)
        session: SessionStore = request.session  # type: ignore[assignment]
        try:
            pieces = event_files.download(wanted, session=session, actor=self.actor)
        except AccountsError as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:audit_auditevent_export_page", wanted.pk)
        return _file(request, pieces, form)


def _format_of(text: str) -> Format:
    return Format(text) if text in set(Format) else not_here()


def _file(request: HttpRequest, pieces: Any, form: Format) -> HttpResponseBase:
    response = streamed(request, pieces, CONTENT_TYPES[form])
    response["Content-Disposition"] = f'attachment; filename="events-{timezone.localdate()}.{form}"'
    return response


def urls(admin: "AuditEventAdmin") -> list[URLPattern]:
    """Below the list of events."""
    view = admin.admin_site.admin_view
    return [
        path("export/", view(StartPage.as_view(admin=admin)), name="audit_auditevent_export"),
        path("exports/", view(ExportsPage.as_view(admin=admin)), name="audit_auditevent_exports"),
        path("exports/<uuid:export_id>/", view(ExportPage.as_view(admin=admin)), name="audit_auditevent_export_page"),
        path(
            "exports/<uuid:export_id>/file/",
            view(ExportFile.as_view(admin=admin)),
            name="audit_auditevent_export_file",
        ),
    ]
