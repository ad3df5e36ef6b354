"""Why somebody was stopped or let in: what would happen at their next sign-in, and what happened at past ones."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin import labels
from accounts.admin.scope import not_here, person_of
from accounts.flows import viewing
from accounts.gates import Explanation
from accounts.models import User
from policies import explanations, facts, kept, sentences
from policies.admin.people_moments import as_seen
from policies.admin.people_pages import PeoplePage
from policies.engine import decide
from policies.explanations import Reader
from policies.flows import publish
from policies.models import DecidedSignIn, MFAPolicy, PolicyDraft
from policies.rollout import simulation
from policies.sentences import Words
from policies.terms import Decision, Outcome, Rules

if TYPE_CHECKING:
    pass

SHOWN: Final = 20  # sign-ins on a person's page, the newest
PAGE: Final = 50
OUTCOMES: Final[dict[Outcome, tuple[str, Words]]] = {
    Outcome.ALLOW: ("ok", gettext_lazy("Let in")),
    Outcome.ALLOW_IN_GRACE: ("grace", gettext_lazy("In grace")),
    Outcome.STEP_UP: ("", gettext_lazy("Asked")),
    Outcome.ENROL: ("bad", gettext_lazy("Must set up")),
    Outcome.DENY: ("bad", gettext_lazy("Not let in")),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One past decision in a list; without reasons where a newer version of the site wrote it."""

    url: str
    when: str
    outcome: SafeString
    reasons: list[Words]
    version: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What other rules make of the same facts."""

    title: str
    explanation: Explanation
    differs: bool


def section(request: HttpRequest, person: User) -> dict[str, Any]:
    """What a person's page shows of this: the next sign-in, and the newest past ones. Four queries."""
    found, now = facts.situation(person), timezone.now()
    forecast = simulation.sign_in(found.rules, found.facts, now)
    actor = person_of(request)
    decision = as_seen(forecast.decision, person, actor)
    reader = reader_of(person, decision)
    words = sentences.ENDINGS[forecast.ending]
    past, more = kept.page_of(kept.sign_ins_of(person, actor), None, SHOWN)
    return {
        "next_sign_in": explanations.explained(decision, reader, found.rules, outcome=words),
        "next_version_url": version_url(person, decision.policy_version),
        "past_sign_ins": lines(person, past),
        "more_sign_ins": reverse("admin:accounts_user_sign_ins", args=[person.pk]) if more else "",
        "zone": reader.zone.key,
    }


def reader_of(person: User, decision: Decision) -> Reader:
    """Somebody who reads about this person, with the names of what is in the receipt; one query."""
    return Reader(person.tenant.zone, person.get_short_name(), explanations.names_of(decision.facts))


def lines(person: User, rows: list[DecidedSignIn]) -> list[Line]:
    """Rows as a list shows them."""
    return [_line(person, row) for row in rows]


def _line(person: User, row: DecidedSignIn) -> Line:
    decision = kept.decision_of(row)
    name = person.get_short_name()
    return Line(
        url=reverse("admin:accounts_user_sign_in", args=[person.pk, row.pk]),
        when=explanations.moment(row.at, person.tenant.zone),
        outcome=labels.pill("", row.outcome) if decision is None else labels.pill(*OUTCOMES[decision.outcome]),
        reasons=[] if decision is None else sentences.of(decision.reasons, name),
        version=row.policy_version,
    )


def version_url(person: User, number: int | None, tenant_id: Any = None) -> str:
    """The page of a version of a tenant's policy (the person's own where none is named); empty where there is none."""
    policy = MFAPolicy.objects.filter(tenant=tenant_id or person.tenant_id).first()
    if policy is None or number is None:
        return ""
    return reverse("admin:policies_mfapolicy_version", args=[policy.pk, number])


class SignInsPage(PeoplePage):
    """Every sign-in of a person that is kept, newest first, page by page."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        person: User = self.admin.get_object(request, str(object_id))
        viewing.looked_at(viewing.SIGN_INS, person, actor=self.actor)
        place = kept.Place.read(request.GET.get("after", ""))
        rows, more = kept.page_of(kept.sign_ins_of(person, self.actor), place, PAGE)
        return self.show(
            "admin/accounts/user/sign_ins.html",
            title=_("Past sign-ins"),
            person=person,
            person_url=self.admin.url_of(person),
            past_sign_ins=lines(person, rows),
            zone=person.tenant.time_zone,
            more=more,
            is_first=place is None,
        )


class SignInPage(PeoplePage):
    """One decision with the facts of then, and what the rules of today and of the draft make of the same facts."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, object_id: Any, sign_in_id: int) -> HttpResponse:
        person: User = self.admin.get_object(request, str(object_id))
        row = kept.sign_ins_of(person, self.actor).filter(pk=sign_in_id).first() or not_here()
        viewing.looked_at(viewing.SIGN_IN, person, actor=self.actor, sign_in=row.pk, session=row.session)
        decision = kept.decision_of(row)
        context: dict[str, Any] = {}
        if decision is not None:
            reader = reader_of(person, decision)
            context = {
                "then": explanations.explained(self.seen(person, decision), reader, kept.rules_of(row)),
                "anew": [
                    verdict(decision, *rules, reader, seen=partial(self.seen, person)) for rules in other_rules(row)
                ],
                "version_url": version_url(person, decision.policy_version, row.tenant_id),
            }
        return self.show(
            "admin/accounts/user/sign_in.html",
            title=_("Sign-in of %(when)s") % {"when": explanations.moment(row.at, person.tenant.zone)},
            person=person,
            person_url=self.admin.url_of(person),
            list_url=reverse("admin:accounts_user_sign_ins", args=[person.pk]),
            zone=person.tenant.time_zone,
            would_stop=row.would_stop,
            **context,
        )

    def seen(self, person: User, decision: Decision) -> Decision:
        """Without what the actor may not see."""
        return as_seen(decision, person, self.actor)


def other_rules(row: DecidedSignIn) -> list[tuple[str, Rules | None]]:
    """The rules of today in the tenant of a sign-in, and those of its draft if there is one, each with a title."""
    found: list[tuple[str, Rules | None]] = [(_("By the rules of today"), facts.rules_of(row.tenant_id))]
    draft = PolicyDraft.objects.select_related("policy").filter(policy__tenant=row.tenant_id).first()
    if draft is not None:
        now = timezone.now()
        rules = publish.rules_if_published(draft.policy, draft.document, enabled=draft.enabled, now=now)
        found.append((_("By the draft, were it published now"), rules))
    return found


def verdict(
    decision: Decision,
    title: str,
    rules: Rules | None,
    reader: Reader,
    *,
    seen: Callable[[Decision], Decision],
) -> Verdict:
    """The facts of a receipt judged by other rules, at the moment of the receipt; told as far as it may be `seen`."""
    anew = decide(rules, decision.facts, decision.at)
    words = explanations.explained(seen(anew), reader, rules, outcome=sentences.WOULD_BE[anew.outcome])
    return Verdict(title, words, anew.outcome is not decision.outcome)
