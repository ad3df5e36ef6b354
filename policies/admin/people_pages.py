"""The pages that take something away from people: they show what, and ask why. A fresh factor is needed first."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views import View

from accounts.admin.scope import not_here, person_of
from accounts.errors import NotAllowed, NotFresh
from accounts.flows import binding as bindings
from accounts.flows import deletion, reset
from accounts.flows.intervention_rules import NotProtected
from accounts.models import User
from accounts.views.base import refused
from policies.admin.people_forms import DeletionForm

if TYPE_CHECKING:
    from policies.admin.people import PersonAdmin

MOST_AT_ONCE = 50  # people on one page: their ids have to fit into an address


class PeoplePage(View):
    """A page of the people's admin about some of them; asks for a fresh factor before it shows anything."""

    admin: "PersonAdmin" = None  # type: ignore[assignment]  # given to as_view
    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.actor = person_of(request)
        try:
            return super().dispatch(request, *args, **kwargs)
        except (NotFresh, NotProtected) as refusal:
            return refused(request, refusal)
        except NotAllowed as refusal:
            messages.error(request, str(refusal))
            return self.to_list()

    def require_fresh(self) -> None:
        bindings.require_fresh(self.actor, self.request.session)  # type: ignore[arg-type]

    def show(self, template: str, **context: Any) -> HttpResponse:
        shared = {**self.admin.admin_site.each_context(self.request), "opts": self.admin.opts}
        return TemplateResponse(self.request, template, {**shared, **context})

    def to_list(self) -> HttpResponse:
        return redirect("admin:accounts_user_changelist")

    def people(self) -> list[User]:
        """Those whose ids `?ids=` lists. Raises Http404 unless all of them are in scope, and not too many at once."""
        ids = [one for one in self.request.GET.get("ids", "").split(",") if one]
        if not 0 < len(ids) <= MOST_AT_ONCE:
            not_here()
        return list(self.admin.chosen(self.request, ids))


class DeletionPage(PeoplePage):
    """Delete one person."""

    def person(self, object_id: str) -> User:
        """Raises Http404 out of scope, PermissionDenied for who may be seen and not deleted."""
        found: User = self.admin.get_object(self.request, unquote(object_id))
        if not self.admin.has_delete_permission(self.request, found):
            raise PermissionDenied
        self.require_fresh()
        return found

    def get(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self.person(object_id)
        return self.form_page(person, DeletionForm(people=[person]))

    def post(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self.person(object_id)
        form = DeletionForm(request.POST, people=[person])
        if not form.is_valid():
            return self.form_page(person, form)
        address, reason = person.email, form.cleaned_data["reason"]
        deletion.delete(person, actor=self.actor, session=request.session, reason=reason)  # type: ignore[arg-type]
        messages.success(request, _("%(email)s was deleted.") % {"email": address})
        return self.to_list()

    def form_page(self, person: User, form: DeletionForm) -> HttpResponse:
        return self.show(
            "admin/accounts/user/delete_confirmation.html",
            title=_("Delete a person"),
            preview=reset.preview(person),
            person=person,
            person_url=self.admin.url_of(person),
            form=form,
            cancel_url=self.admin.url_of(person),
        )
