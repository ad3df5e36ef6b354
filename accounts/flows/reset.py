"""Resetting somebody's two-step verification: by an administrator who says why and how they knew who asked.

Shows and sets no secret: it removes factors, ends sessions and mails a link. Grace never reopens, so the person has
to enrol at their next sign-in, for which a password alone is not enough any more (`flows.admissions`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts import notices
from accounts.errors import AccountsError, NotAllowed
from accounts.flows import admissions, anchors, enrolment_links, people
from accounts.flows import binding as bindings
from accounts.models import Binding, RecoveryCode, Session, User
from accounts.session_store import end
from accounts.words import one_line
from audit.kinds import Kind
from audit.log import Outcome, record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore


class ReasonMissing(AccountsError):
    """A reset without a reason, or without saying how the person was recognised."""

    code = "reason_missing"
    message = _("Say why, and how you made sure who asked: it becomes part of the record.")


@dataclass(frozen=True, slots=True)
class Preview:
    """What a reset of one person would take away."""

    person: User
    removes: list[str | Promise]
    sessions: int


def preview(person: User) -> Preview:
    """What is there to lose; changes nothing."""
    live = Binding.objects.filter(person=person, unbound_at=None)
    removes: list[str | Promise] = [str(b) for b in live.exclude(kind=Binding.Kind.RECOVERY_CODE)]
    codes = RecoveryCode.objects.filter(binding__in=live, used_at=None).count()
    if codes:
        removes.append(ngettext("%(count)s recovery code", "%(count)s recovery codes", codes) % {"count": codes})
    return Preview(person, removes, Session.objects.filter(person=person, ended_at=None).count())


def reset(person: User, *, actor: User, session: "SessionStore", reason: str, verified_how: str) -> None:
    """Remove every factor of a person and end their sessions.

    Raises NotAllowed (recorded), NotFresh, UnreadableWords or ReasonMissing.

    Nobody resets themselves, another tenant's people, or a platform administrator without being one.
    """
    if not may_reset(actor, person):
        record(
            Kind.MFA_RESET_REFUSED,
            actor=actor,
            target=person,
            outcome=Outcome.REFUSED,
            reason=NotAllowed.code,
        )
        raise NotAllowed
    bindings.require_fresh(actor, session)
    reason, verified_how = one_line(reason), one_line(verified_how)
    if not reason or not verified_how:
        raise ReasonMissing
    _reset(person, actor=actor, reason=reason, verified_how=verified_how)


def may_reset(actor: User, person: User) -> bool:
    """Whether this administrator may reset this person."""
    return actor.pk != person.pk and people.manages(actor, person)


@unit_of_work
def _reset(person: User, *, actor: User, reason: str, verified_how: str) -> None:
    locked = people.lock(person)
    removed = bindings.strip(locked, actor=actor, reason="reset")
    close_grace(locked)
    admissions.void(locked, reason="reset", actor=actor)
    admissions.guard(locked)
    ended = end(Session.objects.filter(person=locked))
    record(
        Kind.MFA_RESET,
        actor=actor,
        target=locked,
        reason=reason,
        verified_how=verified_how,
        removed=len(removed),
        sessions=ended,
    )
    notices.send("mfa_reset", locked, by_other=True)
    enrolment_links.send(locked)


def close_grace(person: User) -> None:
    """No grace for this person any more, nor for anybody re-created under an address of theirs."""
    person.grace_closed_at = person.grace_closed_at or timezone.now()
    person.save(update_fields=["grace_closed_at"])
    anchors.store(person)
