"""What the pages of a policy in the admin share: whose policy it is, who may change it, and the proof they ask for."""

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views import View

from accounts.admin.scope import person_of
from accounts.errors import AccountsError, NotFresh
from accounts.flows import binding as bindings
from accounts.views.base import with_next
from policies.flows import publish
from policies.models import MFAPolicy

if TYPE_CHECKING:
    from policies.admin.policies import PolicyAdmin


class PolicyPage(View):
    """A page about the policy that the URL names, which is there as `policy` before any method of the page runs.

    Who may not see it is told that there is none (404), whatever the method; with `changes` who may only read it
    is refused (403, recorded by the admin site). A NotFresh leads to the proof and back to this page.
    """

    admin: "PolicyAdmin" = None  # type: ignore[assignment]  # given to as_view
    http_method_names = ["get", "head", "post"]
    changes: ClassVar[bool] = True
    policy: MFAPolicy

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.actor = person_of(request)
        self.policy = self.admin.get_object(request, str(kwargs.pop("object_id")))
        if self.changes and not self.may_change:
            raise PermissionDenied
        try:
            return super().dispatch(request, *args, **kwargs)
        except NotFresh:
            return self.to_the_proof()

    @property
    def may_change(self) -> bool:
        """Whether the person answers for this policy, so that changing it is offered."""
        return publish.may_publish(self.actor, self.policy)

    def require_fresh(self) -> None:
        """Raise NotFresh unless this session just proved a factor."""
        bindings.require_fresh(self.actor, self.request.session)  # type: ignore[arg-type]

    def to_the_proof(self) -> HttpResponse:
        """To the proof, and from there back to this page; to the policy's own, where this one has none to show."""
        wanted = self.request.get_full_path() if hasattr(self, "get") else page_url(self.policy.pk)
        return redirect(with_next("mfa_reauthenticate", wanted))

    def show(self, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
        """A page from a template that extends `admin/policies/mfapolicy/page.html`, which needs a `title`."""
        shared = {
            **self.admin.admin_site.each_context(self.request),
            "opts": self.admin.opts,
            "policy": self.policy,
            "subtitle": str(self.policy.tenant),
            "may_change": self.may_change,
        }
        return TemplateResponse(self.request, template, {**shared, **context}, status=status)

    def to_policy(self) -> HttpResponse:
        """Back to the policy's own page."""
        return redirect(page_url(self.policy.pk))

    def say_why_not(self, refusal: AccountsError) -> None:
        """What a flow refused, in its own sentence, on the next page. A NotFresh is raised on."""
        if isinstance(refusal, NotFresh):
            raise refusal
        messages.error(self.request, str(refusal))


def page_url(policy_id: UUID | str, page: str = "change", *args: Any) -> str:
    """The address of one of a policy's pages: "change" (its own), "draft", "try", "publish" and so on."""
    return reverse(f"admin:policies_mfapolicy_{page}", args=[policy_id, *args])
