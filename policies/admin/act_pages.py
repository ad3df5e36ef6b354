"""The pages on which an administrator asks for an act on somebody's account: they show what it does and takes."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin.scope import not_here
from accounts.errors import AccountsError, NotAllowed, NotFresh
from accounts.flows import caller_checks, interventions, reset
from accounts.flows import intervention_rules as rules
from accounts.flows.intervention_rules import NotProtected
from accounts.flows.interventions import Act, Wanted
from accounts.models import Binding, Intervention, User
from policies.admin.act_forms import ActForm, AddressForm, PassForm
from policies.admin.people_pages import PeoplePage

State = Intervention.State


@dataclass(frozen=True, slots=True)
class Prospect:
    """One of the people, what goes with the act, and what it takes."""

    preview: reset.Preview
    demands: rules.Demands

    @property
    def person(self) -> User:
        return self.preview.person

    @property
    def hours(self) -> int:
        return self.demands.wait // timedelta(hours=1)


class AskPage(PeoplePage):
    """Ask for one kind of act on one person. A fresh second factor is needed before anything is shown."""

    kind: ClassVar[Act]
    form_class: ClassVar[type[ActForm]] = ActForm
    title: ClassVar[str | Promise]

    def get(self, request: HttpRequest, **ids: Any) -> HttpResponse:
        people = self.chosen(**ids)
        if not all(rules.may_ask(self.actor, person) for person in people):
            return self.refuse(NotAllowed())
        self.require_proof()
        return self.form_page(people, self.form(people))

    def post(self, request: HttpRequest, **ids: Any) -> HttpResponse:
        people = self.chosen(**ids)
        form = self.form(people, request.POST)
        if not form.is_valid():
            self.require_proof()
            return self.form_page(people, form)
        try:
            act = self.ask(people[0], form)
        except (NotAllowed, NotFresh, NotProtected):
            raise
        except AccountsError as refusal:
            form.add_error("address" if "address" in form.fields else None, str(refusal))
            return self.form_page(people, form)
        self.tell([act])
        return redirect("admin:accounts_intervention_change", act.pk)

    def chosen(self, **ids: Any) -> list[User]:
        """The people it is about. Raises Http404 out of scope."""
        return [self.admin.get_object(self.request, str(ids["object_id"]))]

    def what(self, person: User) -> dict[str, Any]:
        """What the act takes that the address of the page says."""
        return {}

    def require_proof(self) -> None:
        rules.require_proof(self.actor, self.request.session)  # type: ignore[arg-type]

    def form(self, people: list[User], *typed: Any) -> ActForm:
        check = caller_checks.passed_lately(self.actor, people[0]) if len(people) == 1 else None
        return self.form_class(*typed, people=people, check=check)

    def ask(self, person: User, form: ActForm) -> Intervention:
        wanted = Wanted(kind=self.kind, person=person, **self.what(person), **form.what)
        session: Any = self.request.session
        return interventions.ask(wanted, actor=self.actor, session=session, word=form.word)

    def tell(self, acts: list[Intervention]) -> None:
        """Say how many were done, and how many wait for what."""
        count = [act.state for act in acts].count
        if done := count(State.DONE):
            messages.success(self.request, self.words_when_done(done))
        if asked := count(State.ASKED):
            words = ngettext(
                "%(count)s request needs a second administrator, who has been told.",
                "%(count)s requests need a second administrator; they have been told.",
                asked,
            )
            messages.info(self.request, words % {"count": asked})
        if waiting := count(State.WAITING):
            words = ngettext(
                "%(count)s request waits for its time; the person has been told, and can cancel it.",
                "%(count)s requests wait for their time; the people have been told, and can cancel them.",
                waiting,
            )
            messages.info(self.request, words % {"count": waiting})

    def words_when_done(self, done: int) -> str:
        return _("Done. The person has been told.")

    def refuse(self, refusal: AccountsError) -> HttpResponse:
        messages.error(self.request, str(refusal))
        return self.to_list()

    def form_page(self, people: list[User], form: ActForm) -> HttpResponse:
        now = timezone.now()
        found = [Prospect(reset.preview(one), rules.demands_on(one, self.kind, now)) for one in people]
        is_one = len(people) == 1
        return self.show(
            "admin/accounts/user/act.html",
            title=self.title,
            kind=self.kind.value,
            people=found,
            person=people[0] if is_one else None,
            person_url=self.admin.url_of(people[0]) if is_one else "",
            form=form,
            cancel_url=self.admin.url_of(people[0]) if is_one else reverse("admin:accounts_user_changelist"),
            **self.more_context(people),
        )

    def more_context(self, people: list[User]) -> dict[str, Any]:
        return {}


class ResetPage(AskPage):
    """Reset the two-step verification of some people, each in its own transaction."""

    kind = Act.RESET
    title = gettext_lazy("Reset two-step verification")

    def chosen(self, **ids: Any) -> list[User]:
        return self.people()

    def post(self, request: HttpRequest, **ids: Any) -> HttpResponse:
        people = self.chosen()
        form = self.form(people, request.POST)
        if not form.is_valid():
            self.require_proof()
            return self.form_page(people, form)
        self.tell([act for person in people if (act := self.asked(person, form)) is not None])
        return self.to_list()

    def asked(self, person: User, form: ActForm) -> Intervention | None:
        """What the flow made of it; a refusal becomes a message. Raises NotFresh, NotProtected."""
        try:
            return self.ask(person, form)
        except (NotFresh, NotProtected):
            raise
        except AccountsError as refusal:
            messages.error(self.request, _("Not reset: %(person)s. %(why)s") % {"person": person, "why": refusal})
            return None

    def words_when_done(self, done: int) -> str:
        words = ngettext("%(count)s person was reset.", "%(count)s people were reset.", done)
        return words % {"count": done} + " " + _("They enrol again at their next sign-in.")


class RemovalPage(AskPage):
    """Take one authenticator of somebody away."""

    kind = Act.REMOVAL
    title = gettext_lazy("Remove an authenticator")
    binding: Binding

    def chosen(self, **ids: Any) -> list[User]:
        """Raises Http404 also for another's authenticator, and for one that is gone."""
        (person,) = super().chosen(**ids)
        self.binding = person.bindings.filter(pk=ids["binding_id"], unbound_at=None).first() or not_here()
        return [person]

    def what(self, person: User) -> dict[str, Any]:
        return {"binding": self.binding}

    def more_context(self, people: list[User]) -> dict[str, Any]:
        factors = people[0].bindings.filter(unbound_at=None).exclude(kind=Binding.Kind.RECOVERY_CODE)
        return {"binding": self.binding, "is_last": not factors.exclude(pk=self.binding.pk).exists()}


class AddressPage(AskPage):
    """Give somebody another mail address."""

    kind = Act.ADDRESS
    form_class = AddressForm
    title = gettext_lazy("Change the mail address")


class PasswordPage(AskPage):
    """Demand a new password of somebody."""

    kind = Act.PASSWORD
    title = gettext_lazy("Demand a new password")


class PassPage(AskPage):
    """Issue an access pass for somebody."""

    kind = Act.ACCESS_PASS
    form_class = PassForm
    title = gettext_lazy("Issue an access pass")


PAGES: dict[Act, tuple[str, type[AskPage]]] = {
    Act.ADDRESS: ("change-address", AddressPage),
    Act.PASSWORD: ("demand-password", PasswordPage),
    Act.ACCESS_PASS: ("issue-pass", PassPage),
}
REMOVE = "accounts_user_remove_authenticator"


def urls(admin: Any) -> list[URLPattern]:
    """The addresses of these pages in the people's admin."""
    view = admin.admin_site.admin_view
    removal = "<uuid:object_id>/authenticators/<uuid:binding_id>/remove/"
    return [
        path("reset-mfa/", view(ResetPage.as_view(admin=admin)), name="accounts_user_reset_mfa"),
        path(removal, view(RemovalPage.as_view(admin=admin)), name=REMOVE),
        *(
            path(f"<uuid:object_id>/{where}/", view(page.as_view(admin=admin)), name=_name(kind))
            for kind, (where, page) in PAGES.items()
        ),
    ]


def links(person: User) -> list[tuple[str, str | Promise]]:
    """Where each kind of act on a person is asked for, but the removals, with what it is called."""
    one_by_one = [(reverse(f"admin:{_name(kind)}", args=[person.pk]), page.title) for kind, (_w, page) in PAGES.items()]
    return [(reset_url(person.pk), ResetPage.title), *one_by_one]


def removal_url(binding: Binding) -> str:
    """The page that takes this authenticator away."""
    return reverse(f"admin:{REMOVE}", args=[binding.person_id, binding.pk])


def reset_url(*ids: Any) -> str:
    """The page that resets these people."""
    return f"{reverse('admin:accounts_user_reset_mfa')}?{urlencode({'ids': ','.join(map(str, ids))})}"


def _name(kind: Act) -> str:
    return f"accounts_user_{kind.value}"
