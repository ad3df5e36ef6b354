"""The acts of administrators on somebody else's account, from being asked for to their end.

One way for all of them: somebody asks, with a fresh factor, a reason, and how they made sure who asked them; where it
is demanded a second one agrees and time passes, in which the person can cancel it from their mail; then it is carried
out. At that moment everything is looked at again, with the person's row held, and what does not hold any more lapses.

The person's row is locked first, so that acts, cancelling and enrolling take turns; a state is left by one conditional
UPDATE; and the unique constraints of the table say who of two administrators was first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import cancelling
from accounts.errors import AccountsError, LinkInvalid, NotAllowed
from accounts.flows import carrying_out, people
from accounts.flows import intervention_rules as rules
from accounts.flows import intervention_states as states
from accounts.flows.intervention_rules import AskedAlready, NotOpen, Word
from accounts.flows.intervention_states import OPEN, State
from accounts.models import Binding, Intervention, User
from audit.kinds import Kind
from audit.log import Outcome, record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

Act = Intervention.Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for, and about whom. What the kind does not need is left out."""

    kind: Act
    person: User
    binding: Binding | None = None
    address: str = ""
    minutes: int | None = None

    def drawn_up(self, person: User) -> Intervention:
        """The act as a row that is not saved."""
        what = {"kind": self.kind, "binding": self.binding, "address": self.address, "minutes": self.minutes}
        return Intervention(person=person, tenant=person.tenant, **what)


# -- asking ------------------------------------------------------------------------------------------------------


def ask(wanted: Wanted, *, actor: User, session: "SessionStore | None", word: Word) -> Intervention:
    """Ask for an act. It is carried out at once where nobody has to agree and nothing is waited for.

    Without a `session` it was asked for on the command line, where nobody proves who they are; the record says so.
    Raises NotAllowed (recorded), NotProtected, NotFresh, ReasonMissing, UnreadableWords, NoCallerCheck, AskedAlready,
    or what stands in the way of the act itself.
    """
    if not rules.may_ask(actor, wanted.person):
        _refuse(wanted.kind, wanted.person, actor=actor, refusal=NotAllowed())
    if session is not None:
        rules.require_proof(actor, session)
    return _ask(wanted, actor=actor, by_command=session is None, word=word.readable())


def require_possible(wanted: Wanted) -> None:
    """Raises what stands in the way of the act itself, for a page that would ask for it."""
    carrying_out.DOING[wanted.kind].require_possible(wanted.drawn_up(wanted.person), wanted.person)


@unit_of_work
def _ask(wanted: Wanted, *, actor: User, by_command: bool, word: Word) -> Intervention:
    person, now = people.lock(wanted.person), timezone.now()
    if not rules.may_ask(_as_stored(actor), person):
        raise NotAllowed
    act = wanted.drawn_up(person)
    carrying_out.DOING[act.kind].require_possible(act, person)
    demands = rules.demands_on(person, act.kind, now)
    act.caller_check = rules.check_behind(word, actor=actor, person=person)
    act.reason, act.verified_how, act.ticket = word.reason, word.verified_how, word.ticket or _ticket_of(act)
    act.by_command, act.requested_at = by_command, now
    act.requested_by, act.requested_by_label = actor.pk, str(actor)
    act.needs_approval, act.not_before = demands.needs_approval, now + demands.wait
    act.state = State.ASKED if demands.needs_approval else State.WAITING
    act.expires_at = now + rules.UNDECIDED_FOR if demands.needs_approval else act.not_before + rules.OVERDUE_FOR
    _save_first(act)
    record(Kind.INTERVENTION_ASKED, actor=actor, target=person, **states.facts(act), **states.word_of(act))
    if not carrying_out.settled(act, person, now):
        states.tell_of_request(act)
    return act


def _ticket_of(act: Intervention) -> str:
    return act.caller_check.ticket if act.caller_check is not None else ""


def _save_first(act: Intervention) -> None:
    try:
        with transaction.atomic():
            act.save(force_insert=True)
    except IntegrityError as error:
        raise AskedAlready from error


# -- deciding ----------------------------------------------------------------------------------------------------


def approve(act: Intervention, *, actor: User, session: "SessionStore") -> Intervention:
    """A second administrator agrees; returns the act as it stands then, perhaps carried out or lapsed.

    Raises NotAllowed or NotIndependent (both recorded), NotProtected, NotFresh, or NotOpen: what was cancelled stays
    cancelled.
    """
    _require_decider(act, actor)
    rules.require_proof(actor, session)
    try:
        rules.require_independent(_as_stored(actor), act)
    except rules.NotIndependent as refusal:
        _refuse(act.kind, act.person, actor=actor, refusal=refusal)
    return _approve(act, actor=actor)


@unit_of_work
def _approve(act: Intervention, *, actor: User) -> Intervention:
    person, held = states.hold(act)
    now = timezone.now()
    if not rules.may_decide(_as_stored(actor), held):
        raise NotAllowed
    said = {"approved_at": now, "approved_by": actor.pk, "approved_by_label": str(actor)}
    until = max(now, held.not_before) + rules.OVERDUE_FOR
    undecided = Intervention.objects.filter(pk=held.pk, state=State.ASKED, expires_at__gt=now)
    if not undecided.update(state=State.WAITING, expires_at=until, **said):
        raise NotOpen
    held.refresh_from_db()
    record(Kind.INTERVENTION_APPROVED, actor=actor, target=person, **states.facts(held))
    carrying_out.settled(held, person, now)
    return held


def decline(act: Intervention, *, actor: User, session: "SessionStore") -> None:
    """Another administrator puts an end to it, also after it was approved.

    Raises NotAllowed, NotProtected, NotFresh or NotOpen.
    """
    _require_decider(act, actor)
    rules.require_proof(actor, session)
    _stop(act, State.DECLINED, kind=Kind.INTERVENTION_DECLINED, actor=actor, allowed=rules.may_decide)


def may_cancel(actor: User, act: Intervention) -> bool:
    """Whether they may take it back: who asked for it, and the person it is about."""
    return actor.is_active and actor.pk in (act.requested_by, act.person_id)


def cancel(act: Intervention, *, actor: User) -> None:
    """Take it back. Needs no fresh factor: it takes nothing from anybody. Raises NotAllowed or NotOpen."""
    if not may_cancel(actor, act):
        raise NotAllowed
    _stop(act, State.CANCELLED, kind=Kind.INTERVENTION_CANCELLED, actor=actor, allowed=may_cancel)


@unit_of_work
def _stop(
    act: Intervention, state: State, *, kind: Kind, actor: User, allowed: Callable[[User, Intervention], bool]
) -> None:
    person, held = states.hold(act)
    if not allowed(_as_stored(actor), held):
        raise NotAllowed
    if not states.leave(held, state, by=actor):
        raise NotOpen
    channel: dict[str, Any] = {"channel": "page"} if kind is Kind.INTERVENTION_CANCELLED else {}
    record(kind, actor=actor, target=person, **states.facts(held), **channel)


# -- the person's own word -----------------------------------------------------------------------------------------


def by_link(token: str) -> Intervention:
    """The open act that a mailed link is about. Raises LinkInvalid: cancelled, over, or nobody's link."""
    act_id = cancelling.act_in(token)
    if act_id is None:
        raise LinkInvalid
    found = Intervention.objects.filter(pk=act_id, state__in=OPEN).select_related("person__tenant").first()
    if found is None:
        raise LinkInvalid
    return found


def cancel_by_link(token: str) -> None:
    """Whoever reads the person's mail cancels it, without signing in. Raises LinkInvalid."""
    if not _cancel_by_link(by_link(token)):
        raise LinkInvalid


@unit_of_work
def _cancel_by_link(act: Intervention) -> bool:
    person = people.lock(act.person)
    return _cancel_each(person, Q(pk=act.pk), channel="mail") == 1


@unit_of_work
def cancel_all(person: User, *, channel: str) -> int:
    """Cancel all that is open about a person; returns how much. `channel` says by which word of theirs."""
    return _cancel_each(people.lock(person), Q(), channel=channel)


def _cancel_each(person: User, which: Q, *, channel: str) -> int:
    acts = list(Intervention.objects.filter(which, person=person, state__in=OPEN).order_by("requested_at"))
    for act in acts:
        act.person = person
        if states.leave(act, State.CANCELLED, by=None):
            record(Kind.INTERVENTION_CANCELLED, target=person, channel=channel, **states.facts(act))
    return len(acts)


def open_about(person: User) -> QuerySet[Intervention]:
    """What is open about a person, the oldest first."""
    return Intervention.objects.filter(person=person, state__in=OPEN).order_by("requested_at")


def find(act_id: UUID) -> Intervention | None:
    """An act by its id, with the person it is about."""
    return Intervention.objects.select_related("person__tenant").filter(pk=act_id).first()


def _require_decider(act: Intervention, actor: User) -> None:
    if not rules.may_decide(actor, act):
        _refuse(act.kind, act.person, actor=actor, refusal=NotAllowed())


def _refuse(kind: str, person: User, *, actor: User, refusal: AccountsError) -> None:
    """Record who tried what they may not, and raise it."""
    record(
        Kind.INTERVENTION_REFUSED, actor=actor, target=person, outcome=Outcome.REFUSED, act=kind, reason=refusal.code
    )
    raise refusal


def _as_stored(actor: User) -> User:
    return User.objects.select_related("tenant").get(pk=actor.pk)
