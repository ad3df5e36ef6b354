"""Carrying out acts on accounts, at once or when their time has come.

At that moment everything is looked at again, with the person's row held: who asked and who agreed still answer for the
person, whose rights are what they were; what the act takes is there. What does not hold any more lapses.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.errors import AccountsError
from accounts.flows import access_passes, addresses, new_passwords, reset, taking_away
from accounts.flows import intervention_rules as rules
from accounts.flows import intervention_states as states
from accounts.flows.intervention_states import OPEN, State
from accounts.models import Intervention, User
from audit.kinds import Kind
from audit.log import record, unit_of_work

Act = Intervention.Kind


class Doing(NamedTuple):
    """What an act of one kind does: the first raises what stands in its way, the second does it."""

    require_possible: Callable[[Intervention, User], None]
    carry_out: Callable[..., None]


def _require_pass(act: Intervention, person: User) -> None:
    access_passes.require_lifetime(access_passes.minutes_for(act))
    access_passes.require_nothing_enrolled(person)


def _issue_pass(act: Intervention, person: User, *, actor: User) -> None:
    access_passes.issue(act)


DOING: Final[dict[str, Doing]] = {
    Act.RESET: Doing(reset.require_possible, reset.carry_out),
    Act.REMOVAL: Doing(taking_away.require_possible, taking_away.carry_out),
    Act.ADDRESS: Doing(addresses.require_possible, addresses.carry_out),
    Act.PASSWORD: Doing(new_passwords.require_possible, new_passwords.carry_out),
    Act.ACCESS_PASS: Doing(_require_pass, _issue_pass),
}


def due(now: datetime) -> QuerySet[Intervention]:
    """What is to be carried out, or was left undecided for too long."""
    ready = Q(state=State.WAITING, not_before__lte=now) | Q(state__in=OPEN, expires_at__lte=now)
    return Intervention.objects.filter(ready).select_related("person__tenant").order_by("not_before", "pk")


@unit_of_work
def settle(act: Intervention) -> None:
    """Do what an act is due for; nothing where somebody else was faster."""
    person, held = states.hold(act)
    settled(held, person, timezone.now())


def settled(act: Intervention, person: User, now: datetime) -> bool:
    """Carry out what nothing stands in the way of any more, or let it lapse; whether it is over."""
    if act.state not in OPEN:
        return True
    if act.expires_at <= now:
        _lapse(act, person, "expired")
    elif act.state == State.WAITING and act.not_before <= now:
        _carry_out(act, person, now)
    return act.state not in OPEN


def _carry_out(act: Intervention, person: User, now: datetime) -> None:
    if trouble := _what_changed(act, person, now):
        _lapse(act, person, trouble)
        return
    requester, was_awaited = User.objects.get(pk=act.requested_by), act.requested_at < now
    try:
        with transaction.atomic():
            if not states.move(act, State.DONE, by=requester):
                return
            DOING[act.kind].require_possible(act, person)
            DOING[act.kind].carry_out(act, person, actor=requester)
    except AccountsError as refusal:
        act.refresh_from_db()
        act.person = person
        _lapse(act, person, refusal.code)
        return
    if was_awaited:
        states.tell_requester(act)


def _what_changed(act: Intervention, person: User, now: datetime) -> str:
    """Why an act that was fine when it was asked for is not any more, as a code; empty where it is."""
    concerned = [pk for pk in (act.requested_by, act.approved_by) if pk is not None]
    found = {one.pk: one for one in User.objects.select_related("tenant").filter(pk__in=concerned)}
    requester = found.get(act.requested_by)
    approver = found.get(act.approved_by) if act.approved_by is not None else None
    if person.tenant_id != act.tenant_id:
        return "person_moved"
    if requester is None or not rules.may_ask(requester, person):
        return "requester_lost_rights"
    if act.needs_approval and (approver is None or not rules.may_ask(approver, person)):
        return "approver_lost_rights"
    demands = rules.demands_on(person, act.kind, now)
    if demands.needs_approval and act.approved_at is None:
        return "needs_approval_now"
    return "waits_longer_now" if act.requested_at + demands.wait > now else ""


def _lapse(act: Intervention, person: User, trouble: str) -> None:
    if states.leave(act, State.LAPSED, by=None, trouble=trouble):
        record(Kind.INTERVENTION_LAPSED, target=person, trouble=trouble, **states.facts(act))
