"""An administrator takes one authenticator of somebody away: a key that was lost while the phone is still there."""

from django.db.models import QuerySet

from accounts import notices
from accounts.errors import NotEnrolled
from accounts.flows import binding as bindings
from accounts.flows import enrolment_links, people, reset
from accounts.models import Binding, Intervention, User
from audit.kinds import Kind
from audit.log import record


def require_possible(act: Intervention, person: User) -> None:
    """Raises NotEnrolled unless the authenticator is this person's, and live."""
    if _its(act, person) is None:
        raise NotEnrolled


def carry_out(act: Intervention, person: User, *, actor: User) -> None:
    """Remove it, and end every session of the person, whose row is held: some may rest on it (security 57).

    After the last one it is as after a reset. Raises NotEnrolled.
    """
    binding = _its(act, person)
    if binding is None:
        raise NotEnrolled
    bindings.unbind(binding, actor=actor, reason="removed_by_administrator")
    bindings.unbound(person)
    people.raise_security_version(person)
    is_last = person.mfa_enrolled_at is None
    shut = reset.shut_out if is_last else reset.sign_out_everywhere
    ended = shut(person, actor=actor, reason="removal")
    record(
        Kind.AUTHENTICATOR_REMOVED,
        actor=actor,
        target=person,
        authenticator=str(binding.pk),
        method=binding.kind,
        left=_live(person).count(),
        sessions=ended,
        intervention=str(act.pk),
    )
    notices.send("authenticator_taken_away", person, what=str(binding), by_other=True, is_last=is_last)
    if is_last:
        enrolment_links.send(person)


def _its(act: Intervention, person: User) -> Binding | None:
    return None if act.binding_id is None else _live(person).filter(pk=act.binding_id).first()


def _live(person: User) -> "QuerySet[Binding]":
    return Binding.objects.select_related("authenticator").filter(person=person, unbound_at=None)
