"""Deleting a person: by a platform administrator, who says why. Their part of the record stays."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from accounts.errors import AccountsError, NotAllowed
from accounts.flows import anchors, people
from accounts.flows import binding as bindings
from accounts.models import User
from accounts.words import one_line
from audit.kinds import Kind
from audit.log import record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore


class ReasonMissing(AccountsError):
    """A deletion without a reason."""

    code = "reason_missing"
    message = _("Say why: it becomes part of the record.")


def may_delete(actor: User, person: User) -> bool:
    """Whether this actor may delete this person: platform administrators, and never themselves."""
    return actor.is_superuser and actor.is_active and actor.pk != person.pk


@unit_of_work
def delete(person: User, *, actor: User, session: "SessionStore", reason: str) -> None:
    """Delete a person with their factors and sessions. Raises NotAllowed, NotFresh, UnreadableWords, ReasonMissing.

    What was recorded stays, and so does what each of their addresses leaves behind (`flows.anchors`): under none of
    them somebody gets a new grace, or a longer one.
    """
    if not may_delete(actor, person):
        raise NotAllowed
    bindings.require_fresh(actor, session)
    reason = one_line(reason)
    if not reason:
        raise ReasonMissing
    locked = people.lock(person)
    anchors.leave(locked)
    record(Kind.PERSON_DELETED, actor=actor, target=locked, reason=reason)
    locked.delete()
