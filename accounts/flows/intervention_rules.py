"""Who may act on somebody else's account, who has to agree, and how long it waits.

Never oneself, a superior, or another tenant's people. An act on an administrator always takes a second one, who is
somebody else than who asks: nobody's absence waives that (docs/adr/0018).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

from accounts.errors import AccountsError
from accounts.flows import binding as bindings
from accounts.flows import caller_checks, help_rules, people, rights
from accounts.models import CallerCheck, Intervention, User
from accounts.words import one_line

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

UNDECIDED_FOR: Final = timedelta(days=7)
OVERDUE_FOR: Final = timedelta(days=7)  # when nobody carried out what was agreed on, it is asked for anew
NEVER_WAIT: Final = frozenset({Intervention.Kind.ACCESS_PASS})


class ReasonMissing(AccountsError):
    """An act without a reason, or without saying how the person was recognised."""

    code = "reason_missing"
    message = _("Say why, and how you made sure who asked: it becomes part of the record.")


class NotProtected(AccountsError):
    """An administrator who has no second factor of their own."""

    code = "not_protected"
    message = _("Set up two-step verification for yourself first: your password alone is not enough for this.")


class NoCallerCheck(AccountsError):
    """A caller check is named that this administrator did not pass with this person lately."""

    code = "no_caller_check"
    message = _("You did not pass a caller check with this person within the last half hour. Do that first.")


class AskedAlready(AccountsError):
    """The same is asked for and open."""

    code = "asked_already"
    message = _("Somebody asked for this already. Look at the open requests.")


class NotOpen(AccountsError):
    """It was decided, cancelled, carried out or lapsed."""

    code = "not_open"
    message = _("This request is not open any more: it was decided, cancelled or carried out, or its time ran out.")


class NotIndependent(AccountsError):
    """An approver who may be the requester's own second account."""

    code = "not_independent"
    message = _(
        "Somebody else has to approve this: your rights are newer than the request, or one of you two gave them "
        "to the other. A platform administrator can always be asked."
    )


@dataclass(frozen=True, slots=True)
class Demands:
    """What an act on somebody takes."""

    needs_approval: bool
    wait: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """On whose word an administrator acts: why, and how they made sure who asked."""

    reason: str
    verified_how: str
    ticket: str = ""

    def readable(self) -> "Word":
        """On one line each. Raises UnreadableWords, or ReasonMissing where one is missing or no choice."""
        word = Word(
            reason=one_line(self.reason), verified_how=one_line(self.verified_how), ticket=one_line(self.ticket)
        )
        if not word.reason or word.verified_how not in Intervention.VerifiedHow.values:
            raise ReasonMissing
        return word


def require_proof(actor: User, session: "SessionStore") -> None:
    """Raises NotProtected or NotFresh unless this session just proved a second factor of this administrator."""
    if actor.mfa_enrolled_at is None:
        raise NotProtected
    bindings.require_fresh(actor, session)


def demands_on(person: User, kind: str, now: datetime) -> Demands:
    """What an act of this kind on this person takes, asked for at `now`."""
    rules = help_rules.in_force(person.tenant_id, now)
    is_one = rights.counts_as_administrator(person, now)
    wait = timedelta(0) if kind in NEVER_WAIT else rules.wait(of_administrator=is_one)
    return Demands(rules.needs_approval(of_administrator=is_one), wait)


def may_ask(actor: User, person: User) -> bool:
    """Whether this administrator may act on this person's account at all."""
    return actor.pk != person.pk and people.manages(actor, person)


def may_decide(actor: User, act: Intervention) -> bool:
    """Whether this administrator answers for the person, and is neither they nor who asked."""
    return actor.pk != act.requested_by and may_ask(actor, act.person)


def require_independent(actor: User, act: Intervention) -> None:
    """Raises NotIndependent unless this administrator counts as somebody else than who asked."""
    requester = User.objects.filter(pk=act.requested_by).first()
    if requester is None or not rights.is_independent(actor, requester, act.requested_at):
        raise NotIndependent


def check_behind(word: Word, *, actor: User, person: User) -> CallerCheck | None:
    """The caller check that this rests on, if there was one. Raises NoCallerCheck where it is named and was none."""
    found = caller_checks.passed_lately(actor, person)
    if found is None and word.verified_how == Intervention.VerifiedHow.CALLER_CHECK:
        raise NoCallerCheck
    return found
