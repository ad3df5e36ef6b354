"""The gate: every view is closed but those that carry a mark, and the policy decides on every request.

`process_view` runs after the URL is resolved, so it judges the callable that would run, however the path was
spelt. The grant makes the common case a few comparisons; everything else asks the engine.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from accounts.flows import sign_in
from accounts.gates import Gate, GatedRequest, Standing, gate_of
from accounts.middleware import person_in
from accounts.models import User
from accounts.problems import problem, wants_json
from audit.kinds import Kind
from audit.log import Outcome as EventOutcome
from audit.log import record, unit_of_work
from policies import demands, enforcement, explanations, sentences
from policies.enforcement import Judgement
from policies.flows import emergencies, sign_ins, snoozes
from policies.terms import Decision, Outcome, Reason

_STOPPED = "stopped"  # what was last recorded as a stop in this session, so that reloading does not flood the record
_WOULD_STOP = "would_stop"  # the version on trial whose stop was recorded in this session
_TRUSTED = "let_in_by_trust"  # whether it was recorded that a trusted browser let this session in
_NOBODY = Standing()


class EnforcementMiddleware:
    """Lets a request through to its view, or answers with the page that helps."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: GatedRequest) -> Any:
        request.gate = _NOBODY
        return self.get_response(request)

    def process_view(
        self, request: GatedRequest, view: Callable[..., Any], args: object, kwargs: object
    ) -> HttpResponse | None:
        gate = gate_of(view)
        if gate is Gate.PUBLIC:
            return None
        person = person_in(request)
        if not isinstance(person, User):
            return self.from_nobody(request, gate)
        now, session = timezone.now(), request.session
        if enforcement.holds_grant(session, person, now):
            row = session.row
            if row.grant_deadline is not None:
                request.gate = snoozes.standing(session, person, row.grant_deadline, now)
            session.touch(now)
            return None
        return self.judged(request, gate, enforcement.judge(session, person, now), now)

    def from_nobody(self, request: GatedRequest, gate: Gate) -> HttpResponse | None:
        """No session: to sign in, or to the second factor of a sign-in that is under way."""
        if gate is Gate.PENDING and sign_in.pending(request) is not None:
            return None
        wanted = request.GET.get("next", "") if gate is Gate.PENDING else request.get_full_path()
        return self.stop(request, "sign_in_required", reverse("account_login"), HTTPStatus.UNAUTHORIZED, wanted)

    def judged(self, request: GatedRequest, gate: Gate, judgement: Judgement, now: Any) -> HttpResponse | None:
        """What the decision means for this view."""
        decision, session = judgement.decision, request.session
        if enforcement.is_idle(session, judgement, now):
            return self.signed_out(request, judgement)
        session.touch(now)
        request.gate = Standing(
            step_up=decision.outcome is Outcome.STEP_UP,
            enrol=decision.outcome is Outcome.ENROL,
            explain=partial(explanations.to_themselves, judgement, request.user),
        )
        if decision.is_allowed:
            self.let_in(request, judgement)
            return None
        self.note(request, judgement)
        if (gate is Gate.PENDING and decision.outcome is not Outcome.DENY) or (
            gate is Gate.ENROL_ONLY and decision.outcome is Outcome.ENROL
        ):
            return None
        return self.refuse(request, judgement)

    def signed_out(self, request: GatedRequest, judgement: Judgement) -> HttpResponse:
        """End a session that lay unused; the sign-in page says that, and for how long it may."""
        wanted = request.get_full_path()
        sign_in.end_idle(request)
        if judgement.rules is not None and not wants_json(request):
            limit = demands.idle_limit(judgement.rules, judgement.facts)
            messages.info(request, sentences.signed_out_after(limit))
        return self.stop(request, "session_idle", reverse("account_login"), HTTPStatus.UNAUTHORIZED, wanted)

    def let_in(self, request: GatedRequest, judgement: Judgement) -> None:
        """Keep the grant; of a sign-in, and of the end of a stop, the facts; once a session that it was on grace.

        What a version on trial would have stopped is kept and recorded once a session too, and never stopped.
        """
        session = request.session
        was_stopped = session.pop(_STOPPED, None) is not None
        is_sign_in = was_stopped or sign_ins.ENTERED not in session
        session[sign_ins.ENTERED] = True
        if is_sign_in:
            emergencies.tell(session, request.user, judgement.decision)
        enforcement.keep(session, request.user, judgement)
        is_news = judgement.would_stop is not None and session.get(_WOULD_STOP) != judgement.would_stop
        if is_sign_in or is_news:
            sign_ins.keep(session, request.user, judgement)
        if is_news and judgement.report is not None:
            session[_WOULD_STOP] = judgement.would_stop
            _record(Kind.ENFORCEMENT_WOULD_STOP, EventOutcome.OK, request, judgement.report)
        if Reason.TRUSTED_BROWSER in judgement.decision.reasons and not session.get(_TRUSTED):
            session[_TRUSTED] = True
            _record_trust(request, judgement.decision)
        if judgement.decision.outcome is Outcome.ALLOW_IN_GRACE:
            self.let_in_for_now(request, judgement)

    def let_in_for_now(self, request: GatedRequest, judgement: Judgement) -> None:
        """In grace: the banner, and once a session an event."""
        decision, session = judgement.decision, request.session
        if judgement.rules is not None and decision.deadline is not None:
            snoozes.keep(session, judgement.rules)
            in_grace = snoozes.standing(session, request.user, decision.deadline, decision.at)
            request.gate = replace(in_grace, explain=request.gate.explain)
        if not session.get("in_grace"):
            session["in_grace"] = True
            _record(Kind.ENFORCEMENT_GRACE_ALLOWED, EventOutcome.OK, request, decision)

    def note(self, request: GatedRequest, judgement: Judgement) -> None:
        """Record a stop when it is a new one for this session."""
        decision = judgement.decision
        mark = f"{decision.outcome}:{','.join(decision.reasons)}:{decision.policy_version}"
        if request.session.get(_STOPPED) != mark:
            request.session[_STOPPED] = mark
            sign_ins.keep(request.session, request.user, judgement)
            if request.session.row.grant_policy_version is None:
                emergencies.tell(request.session, request.user, decision)
            _record(Kind.ENFORCEMENT_STOPPED, EventOutcome.REFUSED, request, decision)

    def refuse(self, request: GatedRequest, judgement: Judgement) -> HttpResponse:
        """To the page that helps: second factor, enrolment, or the one that says why not."""
        decision, wanted = judgement.decision, request.get_full_path()
        if decision.outcome is Outcome.STEP_UP:
            url = reverse("mfa_authenticate")
            return self.stop(request, "step_up_required", url, HTTPStatus.UNAUTHORIZED, wanted, decision)
        if decision.outcome is Outcome.ENROL:
            url = reverse("mfa_enrol")
            return self.stop(request, "enrolment_required", url, HTTPStatus.FORBIDDEN, wanted, decision)
        if wants_json(request):
            return problem("access_denied", HTTPStatus.FORBIDDEN, help_url=reverse("help"), **_said_by(decision))
        return denied_page(request, judgement, request.user)

    def stop(
        self,
        request: GatedRequest,
        code: str,
        url: str,
        status: HTTPStatus,
        wanted: str,
        decision: Decision | None = None,
    ) -> HttpResponse:
        """A redirect that keeps where the person wanted to go, or a problem document for programs."""
        if wants_json(request):
            return problem(code, status, help_url=url, **({} if decision is None else _said_by(decision)))
        if request.method not in ("GET", "HEAD") or not wanted:
            return HttpResponseRedirect(url)
        return HttpResponseRedirect(f"{url}?{urlencode({'next': wanted})}")


def denied_page(request: HttpRequest, judgement: Judgement, person: User, *, with_facts: bool = True) -> HttpResponse:
    """Why somebody cannot go on, and whom to ask; `with_facts` where they are signed in."""
    why = explanations.to_themselves(judgement, person, with_facts=with_facts)
    return render(request, "policies/denied.html", {"why": why}, status=HTTPStatus.FORBIDDEN)


def _said_by(decision: Decision) -> dict[str, Any]:
    """What a problem document tells programs of a decision: codes, and the end of grace."""
    return {
        "detail": str(sentences.YOUR_OUTCOMES[decision.outcome]),
        "reasons": [reason.value for reason in explanations.reasons_told(decision)],
        "satisfied_by": [method.value for method in decision.satisfied_by],
        "deadline": None if decision.deadline is None else decision.deadline.isoformat(),
        "policy_version": decision.policy_version,
    }


@unit_of_work
def _record(kind: Kind, outcome: EventOutcome, request: GatedRequest, decision: Decision) -> None:
    record(
        kind,
        actor=request.user,
        target=request.user,
        outcome=outcome,
        decision=decision.outcome.value,
        reasons=[reason.value for reason in decision.reasons],
        policy_version=decision.policy_version or 0,
        session=str(request.session.row.public_id),
    )


@unit_of_work
def _record_trust(request: GatedRequest, decision: Decision) -> None:
    row = request.session.row
    record(
        Kind.BROWSER_TRUST_USED,
        actor=request.user,
        target=request.user,
        browser=str(row.browser),
        session=str(row.public_id),
        policy_version=decision.policy_version or 0,
    )
