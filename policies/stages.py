"""The login stage that asks for the second factor before anybody has a session."""

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from accounts import browser_cookie
from accounts.allauth_compat import LoginStage
from accounts.flows import sign_in
from audit.kinds import Kind
from audit.log import Outcome as EventOutcome
from audit.log import record
from policies import enforcement
from policies.flows import emergencies, sign_ins
from policies.middleware import denied_page
from policies.terms import Decision, Outcome


class SecondFactorStage(LoginStage):
    """After the first factor: asks the engine, exactly as the gate will on the next request.

    Somebody who owns a factor waits here without a session; somebody who has none to prove goes on, and meets
    enrolment at the gate; whoever the policy denies goes no further.
    """

    key = sign_in.SECOND_FACTOR_STAGE
    urlname = "mfa_authenticate"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        person: Any = self.login.user
        if person is None:  # allauth pretends a login, so that nobody learns whether an address is known
            return None, True
        session: Any = self.request.session
        token = browser_cookie.token_in(self.request)
        judgement = enforcement.judge(session, person, timezone.now(), token=token)
        outcome = judgement.decision.outcome
        if outcome is Outcome.STEP_UP:
            sign_in.bind(self, person)
            sign_ins.keep(session, person, judgement)
            emergencies.tell(session, person, judgement.decision)
            record(
                Kind.SECOND_FACTOR_DEMANDED,
                actor=person,
                target=person,
                methods=[method.value for method in judgement.decision.satisfied_by],
                **_said_of(judgement.decision, session),
            )
            return HttpResponseRedirect(reverse(self.urlname)), True
        if outcome is Outcome.DENY:
            reasons = [reason.value for reason in judgement.decision.reasons]
            sign_ins.keep(session, person, judgement)
            emergencies.tell(session, person, judgement.decision)
            record(
                Kind.SIGN_IN_REFUSED,
                actor=person,
                target=person,
                outcome=EventOutcome.REFUSED,
                reason=reasons[0],
                **_said_of(judgement.decision, session),
            )
            return denied_page(self.request, judgement, person, with_facts=False), False
        return None, True


def _said_of(decision: Decision, session: Any) -> dict[str, Any]:
    """What the record keeps of a decision: under which version, and why."""
    return {
        "decision": decision.outcome.value,
        "reasons": [reason.value for reason in decision.reasons],
        "policy_version": decision.policy_version,
        "session": str(session.row.public_id),
    }
