"""The alarm of accounts for emergencies (break-glass): nobody uses one unnoticed."""

from typing import TYPE_CHECKING, Final

from accounts import notices
from accounts.flows import people, throttles
from accounts.models import User
from audit.kinds import Kind
from audit.log import Outcome, record, unit_of_work
from policies.terms import Decision, Reason

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

_TOLD: Final = "break_glass"  # what the alarm of this session last said, so that it says each thing once


def tell(session: "SessionStore", person: User, decision: Decision) -> None:
    """Raise the alarm where a decision of a sign-in is about an account for emergencies; nothing otherwise.

    Once for a sign-in that gets in, and once before, when its password was right and more is asked: the latter is all
    that is ever seen of somebody who knows the password and has no key. Each is recorded. Who gets in is always told by
    mail, who is stopped once in a quarter of an hour for each account. Mail is queued, and never in the way.
    """
    if Reason.BREAK_GLASS not in decision.reasons:
        return
    said = "let_in" if decision.is_allowed else "stopped"
    if session.get(_TOLD) == said:
        return
    session[_TOLD] = said
    _ring(session, person, decision)


@unit_of_work
def _ring(session: "SessionStore", person: User, decision: Decision) -> None:
    record(
        Kind.BREAK_GLASS_USED,
        actor=person,
        target=person,
        outcome=Outcome.OK if decision.is_allowed else Outcome.REFUSED,
        decision=decision.outcome.value,
        reasons=[reason.value for reason in decision.reasons],
        policy_version=decision.policy_version or 0,
        session=str(session.row.public_id),
    )
    if not decision.is_allowed and not throttles.is_first(throttles.BREAK_GLASS_MAIL, str(person.pk)):
        return
    for administrator in people.who_answers_for(person):
        notices.send("break_glass_used", administrator, what=person.email, let_in=int(decision.is_allowed))
