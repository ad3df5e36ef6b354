"""What a sign-in was decided on, kept so that it can be explained later and tried under other rules."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import QuerySet

from accounts.models import User
from policies import enforcement, receipts
from policies.enforcement import Judgement
from policies.models import DecidedSignIn
from policies.terms import Outcome, Reason

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

KEPT_FOR: Final = timedelta(days=90)
ENTERED: Final = "entered"  # whether a session was let in before: proving a factor again is no other sign-in
_TOLD_AT_THE_GATE: Final = {Reason.TRUSTED_BROWSER, Reason.BREAK_GLASS}


def enter(session: "SessionStore", person: User, judgement: Judgement) -> None:
    """What a sign-in that is let in outright takes along, so that the page it leads to is not judged once more.

    Everybody else is granted nothing and judged at the gate, and so is whose way in has more to it: an alarm, an event
    of a trusted browser, a version on trial that would have stopped them. Within the caller's unit of work.
    """
    decision = judgement.decision
    if decision.outcome is not Outcome.ALLOW or judgement.would_stop or _TOLD_AT_THE_GATE & set(decision.reasons):
        return
    session[ENTERED] = True
    enforcement.keep(session, person, judgement)
    keep(session, person, judgement)


def keep(session: "SessionStore", person: User, judgement: Judgement) -> None:
    """One decision of a sign-in with its facts."""
    decision = judgement.decision
    DecidedSignIn.objects.create(
        tenant_id=person.tenant_id,
        person_id=person.pk,
        session=session.row.public_id,
        at=decision.at,
        facts=receipts.stored(decision.facts),
        outcome=decision.outcome.value,
        reasons=[reason.value for reason in decision.reasons],
        satisfied_by=[method.value for method in decision.satisfied_by],
        deadline=decision.deadline,
        policy_version=decision.policy_version,
        would_stop=judgement.would_stop,
    )


def expired(now: datetime) -> QuerySet[DecidedSignIn]:
    """What is too old to be explained or tried again, and is removed (`manage.py purge_expired`)."""
    return DecidedSignIn.objects.filter(at__lt=now - KEPT_FOR)
