"""More time to enrol, given to people by whoever answers for them: rows of the ledger, each with a reason and an actor.

The deadline itself is `policies.demands.deadline_of`. An extension comes on top of what the policy gives, never takes
anything away, and reaches at most 90 days ahead. Administrators get none, nor does anybody whose grace a reset closed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.errors import NotAllowed
from accounts.flows import binding as bindings
from accounts.flows.people import manages
from accounts.models import User
from accounts.words import one_line
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies import demands, facts
from policies.errors import PolicyError, ReasonMissing
from policies.models import DeadlineExtension
from policies.terms import ADMINISTRATOR, Facts, Reason, Rules

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

FURTHEST: Final = timedelta(days=90)
LAST_MINUTE: Final = time(23, 59)

Until = datetime | date | timedelta
"""A moment; a day, to its end where the person's tenant is; or so much more than what is left."""


class NotAhead(PolicyError):
    """The new deadline is past, or too far away."""

    code = "deadline_not_ahead"
    message = _("Choose a time in the future, at most 90 days ahead.")


class LeftOut(StrEnum):
    """Why somebody gets no more time."""

    ADMINISTRATOR = "administrator"
    CLOSED = "closed"
    NOT_DEMANDED = "not_demanded"
    ENROLLED = "enrolled"
    LONG_ENOUGH = "long_enough"
    TOO_FAR = "too_far"
    FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Prospect:
    """One person's deadline as it is and as it would be; with `left_out` it stays what it is."""

    person: User
    before: datetime | None
    after: datetime | None
    left_out: LeftOut | None = None
    policy_version: int = 0


def prospects(people: Iterable[User], until: Until) -> list[Prospect]:
    """What more time would come to, person by person; a constant number of queries. Raises NotAhead."""
    if isinstance(until, timedelta) and not timedelta(0) < until <= FURTHEST:
        raise NotAhead
    people, now = list(people), timezone.now()
    rules = facts.rules_by_tenant(person.tenant_id for person in people)
    known = facts.gather_many(people)
    return [_prospect(person, rules.get(person.tenant_id), known[person.pk], until, now) for person in people]


def extend(
    people: Sequence[User], until: Until, *, actor: User, session: "SessionStore", reason: str
) -> list[Prospect]:
    """Give these people more time, and say for each what came of it; who is left out stays as they are.

    Raises NotAllowed (recorded) unless the actor answers for all of them, NotFresh, ReasonMissing, UnreadableWords or
    NotAhead: then nobody's deadline has changed. Their sessions are judged anew at once.
    """
    for person in people:
        if not manages(actor, person):
            record(Kind.DEADLINE_REFUSED, actor=actor, target=person, code=NotAllowed.code)
            raise NotAllowed
    bindings.require_fresh(actor, session)
    reason = one_line(reason)
    if not reason:
        raise ReasonMissing
    return _extend([person.pk for person in people], until, actor=actor, reason=reason)


def deadline_of(person: User) -> datetime | None:
    """The person's deadline as it is; one query."""
    found = facts.situation(person, owned=())
    return None if found.rules is None else demands.deadline_of(found.rules, found.facts)


def ledger_of(person: User, *, seen_by: User) -> QuerySet[DeadlineExtension]:
    """The extensions this person got, newest first; what another tenant gave them is for the platform to see."""
    rows = DeadlineExtension.objects.filter(person_id=person.pk)
    return rows if seen_by.is_superuser else rows.filter(tenant=seen_by.tenant_id)


@unit_of_work
def _extend(ids: list[UUID], until: Until, *, actor: User, reason: str) -> list[Prospect]:
    locked = User.objects.select_for_update(of=("self",)).select_related("tenant").filter(pk__in=ids).order_by("pk")
    if not all(manages(actor, person) for person in locked):  # somebody moved meanwhile
        raise NotAllowed
    found = prospects(locked, until)
    longer = [one for one in found if one.left_out is None]
    for one in longer:
        one.person.grace_extended_to = one.after
        one.person.security_version += 1
        _note(one, actor, reason)
    User.objects.bulk_update([one.person for one in longer], ["grace_extended_to", "security_version"])
    return found


def _note(one: Prospect, actor: User, reason: str) -> None:
    """The row of the ledger, and the event."""
    DeadlineExtension.objects.create(
        tenant_id=one.person.tenant_id,
        person_id=one.person.pk,
        person_label=str(one.person),
        before=one.before,
        until=one.after,  # type: ignore[misc]  # who is not left out has one
        reason=reason,
        actor_id=actor.pk,
        actor_label=str(actor),
    )
    record(
        Kind.DEADLINE_SET,
        actor=actor,
        target=one.person,
        deadline=one.after,
        previous=one.before,
        reason=reason,
        policy_version=one.policy_version,
    )


def _prospect(person: User, rules: Rules | None, known: Facts, until: Until, now: datetime) -> Prospect:
    before = None if rules is None else demands.deadline_of(rules, known)
    moment = _moment(until, person, max(before or now, now))
    if moment <= now or (moment > now + FURTHEST and not isinstance(until, timedelta)):
        raise NotAhead
    if rules is None:
        return Prospect(person, None, None, LeftOut.NOT_DEMANDED)
    after = demands.deadline_of(rules, replace(known, extended_to=moment))
    why = _left_out(rules, known, now)
    if why is None and (after is None or (before is not None and after <= before)):
        why = LeftOut.LONG_ENOUGH
    elif why is None and moment > now + FURTHEST:
        why = LeftOut.TOO_FAR
    return Prospect(person, before, before if why else after, why, rules.version)


def _moment(until: Until, person: User, begins: datetime) -> datetime:
    if isinstance(until, timedelta):
        return begins + until
    if isinstance(until, datetime):
        return until
    return datetime.combine(until, LAST_MINUTE, person.tenant.zone)


def _left_out(rules: Rules, known: Facts, now: datetime) -> LeftOut | None:
    """Why more time is not for this person, whatever it is; an exclude that is yet to end is no reason."""
    if ADMINISTRATOR in known.roles:
        return LeftOut.ADMINISTRATOR
    if known.grace_closed_at is not None:
        return LeftOut.CLOSED
    if not rules.extensions:
        return LeftOut.FLOOR
    own = demands.personal(rules, known)
    if own.enforced_since is None or demands.waived(own, known, now) not in (None, Reason.EXCLUDED):
        return LeftOut.NOT_DEMANDED
    has_enough = len(demands.acceptable(rules, known)) >= own.minimum_factors
    return LeftOut.ENROLLED if has_enough else None
