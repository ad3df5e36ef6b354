"""Policies: the list of them, and the pages below each one."""

from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.admin import labels
from accounts.admin.filters import TenantFilter
from accounts.admin.scope import ScopedAdmin, person_of
from policies import facts
from policies.admin.draft_pages import DraftPage, SummaryView
from policies.admin.overview_page import OverviewPage
from policies.admin.policy_pages import PolicyPage
from policies.admin.publish_page import PublishPage
from policies.admin.report_pages import ReportPage, StopReport
from policies.admin.try_pages import TryPage, TryPeople, TryRun
from policies.admin.version_pages import BeginDraft, ConfirmVersion, DiscardDraft, RebaseDraft, VersionPage
from policies.admin.wording import Wording
from policies.models import MFAPolicy, PolicyVersion

PAGES: Final[tuple[tuple[str, str, type[PolicyPage]], ...]] = (
    ("draft/", "draft", DraftPage),
    ("draft/summary/", "draft_summary", SummaryView),
    ("draft/discard/", "draft_discard", DiscardDraft),
    ("draft/rebase/", "draft_rebase", RebaseDraft),
    ("draft/begin/<int:number>/", "draft_begin", BeginDraft),
    ("try/", "try", TryPage),
    ("try/run/", "try_run", TryRun),
    ("try/people.csv", "try_people", TryPeople),
    ("publish/", "publish", PublishPage),
    ("confirm/", "confirm", ConfirmVersion),
    ("report/", "report", ReportPage),
    ("report/stop/", "report_stop", StopReport),
    ("versions/<int:number>/", "version", VersionPage),
)
"""Below a policy's id: the path, the name of the URL (`admin:policies_mfapolicy_<name>`), and the page."""


@admin.register(MFAPolicy)
class PolicyAdmin(ScopedAdmin):
    """One policy for each tenant, made with it. It is changed by publishing a draft, and never edited in place."""

    tenant_path = "tenant"
    list_display = ("tenant", "level", "switched_on", "version", "changing")
    list_filter = (TenantFilter,)
    list_display_links = ("tenant",)
    search_fields = ("tenant__name", "code")
    search_help_text = _("Search by tenant or identifier")
    ordering = ("tenant__name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        newest = PolicyVersion.objects.filter(facts.is_in_force(timezone.now()))
        policies = super().get_queryset(request).select_related("tenant", "draft")
        return policies.prefetch_related(Prefetch("versions", queryset=newest, to_attr="in_force"))

    def has_change_permission(self, request: HttpRequest, obj: MFAPolicy | None = None) -> bool:
        """Whoever sees a policy may open its page; what they may do there is said by the page, and by the flow."""
        return self.admits(person_of(request))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(f"<uuid:object_id>/{where}", view(page.as_view(admin=self)), name=f"policies_mfapolicy_{name}")
            for where, name, page in PAGES
        ] + super().get_urls()

    def changeform_view(  # type: ignore[override]
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        """The policy's own page. None is added by hand."""
        if object_id is None:
            raise PermissionDenied
        return OverviewPage.as_view(admin=self)(request, object_id=object_id)

    @admin.display(description=_("level"))
    def level(self, policy: Any) -> str | Promise:
        if not policy.in_force:
            return _("None: nobody is let in")
        return Wording(policy, ()).sentences(policy.in_force[0])[0]

    @admin.display(description=_("switched on"))
    def switched_on(self, policy: Any) -> SafeString:
        enabled = bool(policy.in_force) and policy.in_force[0].enabled
        return labels.pill("ok", _("On")) if enabled else labels.pill("bad", _("Off"))

    @admin.display(description=_("version"))
    def version(self, policy: Any) -> int:
        return policy.in_force[0].number if policy.in_force else 0

    @admin.display(description=_("being changed"))
    def changing(self, policy: Any) -> SafeString:
        """What is under way: a confirmation that is due, a trial, a draft."""
        states = []
        if policy.confirm_by is not None and policy.confirm_by > timezone.now():
            states.append(_("To be confirmed"))
        if policy.report_version is not None:
            states.append(_("On trial"))
        if getattr(policy, "draft", None) is not None:
            states.append(_("Draft"))
        return labels.pills(states) if states else labels.pill("", "—")
