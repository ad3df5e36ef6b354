"""An access pass of a person: shown once to whoever asked for it, and revoked by whoever answers for the person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from accounts.admin import labels
from accounts.errors import AccountsError, NotFresh
from accounts.flows import access_passes
from accounts.flows import intervention_rules as rules
from accounts.flows.intervention_rules import NotProtected
from accounts.models import AccessPass, User
from policies.admin.people_pages import PeoplePage


@dataclass(frozen=True, slots=True)
class Shown:
    """How a pass stands, as the page says it."""

    held: AccessPass
    by: str | Promise
    minutes: int
    state: str

    @property
    def is_open(self) -> bool:
        return self.state in ("unseen", "good")


class AccessPassPage(PeoplePage):
    """The newest pass of one person; `do` in the form says whether it is to be shown or revoked."""

    def get(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        person = self.person(object_id)
        rules.require_proof(self.actor, request.session)  # type: ignore[arg-type]
        return self.page(person)

    def post(self, request: HttpRequest, object_id: Any) -> HttpResponseBase:
        person = self.person(object_id)
        held = access_passes.newest_of(person)
        try:
            if held is not None and request.POST.get("do") == "show":
                session: Any = request.session
                return self.page(person, access_passes.show(held, actor=self.actor, session=session))
            if held is not None and request.POST.get("do") == "revoke":
                access_passes.revoke(held, actor=self.actor)
                messages.success(request, _("The pass is revoked."))
        except (NotFresh, NotProtected):
            raise
        except AccountsError as refusal:
            messages.error(request, str(refusal))
        return redirect(access_pass_url(person))

    def person(self, object_id: Any) -> User:
        """Raises Http404 out of scope."""
        found: User = self.admin.get_object(self.request, str(object_id))
        return found

    def page(self, person: User, characters: str = "") -> HttpResponse:
        """The state of the pass; with its characters in the one answer that ever has them."""
        held = access_passes.newest_of(person)
        response = self.show(
            "admin/accounts/user/access_pass.html",
            title=_("Access pass"),
            person=person,
            person_url=self.admin.url_of(person),
            characters=characters,
            shown=None if held is None else self.shown(held, timezone.now()),
            may_show=held is not None and access_passes.may_show(held, self.actor),
        )
        add_never_cache_headers(response)
        return response

    def shown(self, held: AccessPass, now: datetime) -> Shown:
        """Of who asked for it no more is told than this administrator may know."""
        by = labels.doer(held.issued_by, held.person, self.actor)
        return Shown(held, by, access_passes.minutes_of(held), access_passes.state_of(held, now))


def access_pass_url(person: User) -> str:
    """The page of a person's pass."""
    return reverse("admin:accounts_user_show_pass", args=[person.pk])
