"""Resetting somebody's two-step verification. Who may have it done, and when, `flows.interventions` says.

Shows and sets no secret: it removes factors, ends sessions and mails a link. Grace never reopens, so the person has
to enrol at their next sign-in, for which a password alone is not enough any more (`flows.admissions`).
"""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import ngettext

from accounts import notices
from accounts.flows import admissions, anchors, browsers, enrolment_links
from accounts.flows import binding as bindings
from accounts.models import Binding, Intervention, RecoveryCode, Session, User
from accounts.session_store import end
from audit.kinds import Kind
from audit.log import record


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


def require_possible(act: Intervention, person: User) -> None:
    """Nothing stands in the way: done again, it ends what was proved since, and mails another link."""


def carry_out(act: Intervention, person: User, *, actor: User) -> None:
    """Remove every factor of a person, whose row is held, and end their sessions."""
    removed = bindings.strip(person, actor=actor, reason="reset")
    ended = shut_out(person, actor=actor, reason="reset")
    record(
        Kind.MFA_RESET,
        actor=actor,
        target=person,
        reason=act.reason,
        verified_how=act.verified_how,
        removed=len(removed),
        sessions=ended,
        intervention=str(act.pk),
    )
    notices.send("mfa_reset", person, by_other=True)
    enrolment_links.send(person)


def shut_out(person: User, *, actor: User, reason: str) -> int:
    """Nothing is enrolled any more: no grace, no pass, no link, no trust, no session; how many of those ended.

    From now on a password alone does not enrol. The caller has a link mailed.
    """
    close_grace(person)
    admissions.void(person, reason=reason, actor=actor)
    admissions.guard(person)
    return sign_out_everywhere(person, actor=actor, reason=reason)


def sign_out_everywhere(person: User, *, actor: User, reason: str) -> int:
    """End every session of a person, and the trust in their browsers (recorded); returns how many sessions ended.

    The caller records the sessions with what ended them.
    """
    browsers.end_all_trust(person, actor=actor, reason=reason)
    return end(Session.objects.filter(person=person))


def close_grace(person: User) -> None:
    """No grace for this person any more, nor for anybody re-created under an address of theirs."""
    person.grace_closed_at = person.grace_closed_at or timezone.now()
    person.save(update_fields=["grace_closed_at"])
    anchors.store(person)
