"""The owner takes a factor away, or does without two-step verification where the policy permits."""

import uuid
from typing import TYPE_CHECKING, Any

from accounts import notices
from accounts.errors import AccountsError, CannotTurnOff, LastAuthenticator, NotEnrolled
from accounts.flows import binding as bindings
from accounts.flows import people
from accounts.models import Binding, User
from accounts.policy import policy
from audit.kinds import Kind
from audit.log import record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore


def remove(person: User, session: "SessionStore", binding_id: uuid.UUID) -> None:
    """Remove one authenticator. Raises NotFresh, NotEnrolled, or LastAuthenticator (recorded) while it is needed."""
    bindings.require_fresh(person, session)
    refusal = _remove(person, binding_id)
    if refusal is not None:
        raise refusal


@unit_of_work
def _remove(person: User, binding_id: uuid.UUID) -> AccountsError | None:
    locked = people.lock(person)
    live = Binding.objects.select_related("authenticator").filter(person=locked, unbound_at=None)
    binding = live.filter(pk=binding_id).first()
    if binding is None:
        return NotEnrolled()
    about: dict[str, Any] = {"authenticator": str(binding.pk), "method": binding.kind}
    if not policy().may_remove(locked, binding.pk):
        record(Kind.AUTHENTICATOR_REMOVAL_REFUSED, actor=locked, target=locked, reason=LastAuthenticator.code, **about)
        return LastAuthenticator()
    bindings.unbind(binding, actor=locked, reason="removed")
    bindings.unbound(locked)
    people.raise_security_version(locked)
    record(Kind.AUTHENTICATOR_REMOVED, actor=locked, target=locked, left=live.count(), **about)
    notices.send("authenticator_removed", locked, what=str(binding))
    return None


@unit_of_work
def turn_off(person: User, session: "SessionStore") -> None:
    """Remove every factor at once, by a current one; other sessions end. Raises NotFresh or CannotTurnOff."""
    bindings.require_fresh(person, session)
    locked = people.lock(person)
    if not policy().may_turn_off(locked):
        raise CannotTurnOff
    removed = bindings.strip(locked, actor=locked, reason="turned_off")
    people.end_all_sessions(locked, actor=locked, reason="two_step_turned_off", but=session.row.public_id)
    record(Kind.TWO_STEP_TURNED_OFF, actor=locked, target=locked, removed=len(removed))
    notices.send("two_step_turned_off", locked, what="")
