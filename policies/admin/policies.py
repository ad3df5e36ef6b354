"""Policies: what is in force in plain sentences, who made it so and why, and the form that publishes the next."""

import json
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.admin import labels
from accounts.admin.filters import TenantFilter
from accounts.admin.scope import ScopedAdmin, person_of
from accounts.errors import AccountsError, NotFresh
from accounts.flows import binding as bindings
from accounts.policy import policy as asked
from accounts.views.base import refused, with_next
from audit.models import AuditEvent
from policies import document as documents
from policies import facts, summary
from policies.admin.policy_form import PolicyForm
from policies.admin.policy_pages import PolicyPage
from policies.flows import publish
from policies.models import MFAPolicy, PolicyVersion

RECENT = 20  # versions on the policy's page
PAGES: tuple[tuple[str, str, type[PolicyPage]], ...] = ()
"""Below a policy's id: the path, the name of the URL (`admin:policies_mfapolicy_<name>`), and the page."""


@admin.register(MFAPolicy)
class PolicyAdmin(ScopedAdmin):
    """One policy for each tenant, made with it. Changing it publishes a version, in force at once."""

    tenant_path = "tenant"
    list_display = ("tenant", "level", "switched_on", "version")
    list_filter = (TenantFilter,)
    list_display_links = ("tenant",)
    search_fields = ("tenant__name", "code")
    search_help_text = _("Search by tenant or identifier")
    ordering = ("tenant__name",)
    change_form_template = "admin/policies/mfapolicy/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        newest = PolicyVersion.objects.filter(facts.is_in_force(timezone.now()))
        policies = super().get_queryset(request).select_related("tenant")
        return policies.prefetch_related(Prefetch("versions", queryset=newest, to_attr="in_force"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(f"<uuid:object_id>/{where}", view(page.as_view(admin=self)), name=f"policies_mfapolicy_{name}")
            for where, name, page in PAGES
        ] + super().get_urls()

    def has_change_permission(self, request: HttpRequest, obj: MFAPolicy | None = None) -> bool:
        """Whoever sees a policy answers for it: the flow says so once more."""
        return self.admits(person_of(request))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The policy's page: read by whoever may see it, changed with a fresh factor only."""
        if object_id is None:
            raise PermissionDenied
        policy = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, policy):
            raise PermissionDenied
        try:
            return self.published(request, policy) if request.method == "POST" else self.page(request, policy)
        except NotFresh as refusal:
            return refused(request, refusal)

    def published(self, request: HttpRequest, policy: Any) -> HttpResponse:
        """Publish what the form says. Raises NotFresh."""
        bindings.require_fresh(person_of(request), request.session)  # type: ignore[arg-type]
        form = PolicyForm(request.POST, current=in_force(policy))
        if form.is_valid() and self.was_published(request, policy, form):
            messages.success(request, _("The policy is in force, from everybody’s next request on."))
            return redirect(self.url_of(policy))
        return self.page(request, policy, form)

    def was_published(self, request: HttpRequest, policy: MFAPolicy, form: PolicyForm) -> bool:
        """Whether the flow did it; what it refuses is shown in the form."""
        said = {name: form.cleaned_data[name] for name in ("document", "reason", "enabled", "based_on")}
        try:
            publish.publish(policy, actor=person_of(request), session=request.session, **said)  # type: ignore[arg-type]
        except AccountsError as refusal:
            form.add_error(None, str(refusal))
        return form.is_valid()

    def page(self, request: HttpRequest, policy: Any, form: PolicyForm | None = None) -> HttpResponse:
        version = in_force(policy)
        actor = person_of(request)
        is_fresh = asked().is_fresh(actor, request.session)  # type: ignore[arg-type]
        context = {
            **self.admin_site.each_context(request),
            "title": _("MFA policy"),
            "subtitle": str(policy.tenant),
            "opts": self.opts,
            "original": policy,
            "version": version,
            "sentences": sentences(version),
            "form": (form or PolicyForm(current=version)) if is_fresh else None,
            "switch": switch(version.enabled),
            "confirm_url": with_next("mfa_reauthenticate", request.path),
            "start_url": request.path,
            "history": policy.versions.all()[:RECENT],
            "history_url": self.url_of(policy, "history"),
        }
        return TemplateResponse(request, self.change_form_template, context)

    @admin.display(description=_("level"))
    def level(self, policy: Any) -> str | Promise:
        return sentences(policy.in_force[0])[0] if policy.in_force else _("None: nobody is let in")

    @admin.display(description=_("switched on"))
    def switched_on(self, policy: Any) -> SafeString:
        return switch(bool(policy.in_force) and policy.in_force[0].enabled)


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ScopedAdmin):
    """Every version ever in force, to read. None is ever changed."""

    tenant_path = "policy__tenant"
    list_display = ("number", "tenant", "author_label", "reason", "switched_on", "created_at")
    list_filter = (TenantFilter,)
    ordering = ("-created_at",)
    fields = readonly_fields = (
        "tenant",
        "number",
        "switched_on",
        "in_words",
        "author_label",
        "reason",
        "created_at",
        "schema",
        "as_document",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("policy__tenant")

    def events_of(self, thing: PolicyVersion) -> QuerySet[AuditEvent]:
        """Events name the policy as their target, and the version among their facts."""
        return AuditEvent.objects.filter(target_id=str(thing.policy_id), payload__version=thing.number)

    @admin.display(description=_("tenant"), ordering="policy__tenant__name")
    def tenant(self, version: PolicyVersion) -> str:
        return str(version.policy.tenant)

    @admin.display(description=_("switched on"))
    def switched_on(self, version: PolicyVersion) -> SafeString:
        return switch(version.enabled)

    @admin.display(description=_("in words"))
    def in_words(self, version: PolicyVersion) -> SafeString:
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((one,) for one in sentences(version))))

    @admin.display(description=_("document"))
    def as_document(self, version: PolicyVersion) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(version.document, ensure_ascii=False, indent=2))


def in_force(policy: Any) -> PolicyVersion:
    """The newest version; where there is none, an unsaved one to begin from."""
    if policy.in_force:
        newest: PolicyVersion = policy.in_force[0]
        return newest
    return PolicyVersion(policy=policy, number=policy.version, document=documents.default_document(), enabled=True)


def switch(enabled: bool) -> SafeString:
    """Whether a policy, or a version of it, is switched on."""
    return labels.pill("ok", _("On")) if enabled else labels.pill("bad", _("Off"))


def sentences(version: PolicyVersion) -> list[str]:
    """What a version demands, in sentences; one sentence for a document that this site cannot read."""
    document = documents.upgraded(version.document)
    try:
        documents.validate(document)
    except documents.DocumentError:
        return [str(_("This version cannot be read here: the strictest rules apply."))]
    return summary.sentences(document, facts.supported_methods())
