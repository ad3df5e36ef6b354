"""The counters on a person's row that say what they own, for lists and statistics: this module alone writes them.

They repeat what `Binding` and `RecoveryCode` say, which stay the truth: sign-in and the gate never read the
counters. Every flow that binds, unbinds, locks or spends calls `refresh` in its own unit of work, holding the person's
row.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from enum import IntFlag
from functools import cache, reduce
from operator import or_
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, Q

from accounts.models import Binding, User


class Factors(IntFlag):
    """What `User.factors` is made of: a bit for each kind of authenticator, and two more. Values never change.

    Recovery codes aside, `SEVERAL`: there are two or more, of whatever kinds; `LOCKED`: one of them at least is locked.
    """

    KEY = 1
    APP = 2
    RECOVERY_CODES = 4
    SEVERAL = 8
    LOCKED = 16


VALUES = range(1 << len(Factors))
"""All that `User.factors` can be."""

OF_KIND = {
    Binding.Kind.WEBAUTHN: Factors.KEY,
    Binding.Kind.TOTP: Factors.APP,
    Binding.Kind.RECOVERY_CODE: Factors.RECOVERY_CODES,
}


def having(*factors: Factors) -> Q:
    """The condition on people who own at least one of these kinds: the few values that say so, which an index finds."""
    return Q(factors__in=_values_with(factors))


@cache
def _values_with(factors: tuple[Factors, ...]) -> list[int]:
    return [value for value in VALUES if any(value & one for one in factors)]


class State(NamedTuple):
    """What the three columns of `User` with these names say, or should say."""

    factors: Factors
    codes_left: int | None
    mfa_enrolled_at: datetime | None


class Owned(NamedTuple):
    """A live authenticator, and how many codes it has left."""

    kind: str
    bound_at: datetime
    locked_at: datetime | None
    left: int


def stated(person: User) -> State:
    """What this person's row says."""
    return State(Factors(person.factors), person.codes_left, person.mfa_enrolled_at)


def expected(people: Iterable[User]) -> dict[UUID, State]:
    """What the rows of these people should say, by their ids, recounted in one query.

    Locked authenticators are owned, and count. Recovery codes alone are no enrolment. Since when somebody is enrolled
    stays what it was, as long as that is no later than their oldest live factor.
    """
    people = list(people)
    unused = Count("codes", filter=Q(codes__used_at=None))
    live = Binding.objects.filter(person__in=[person.pk for person in people], unbound_at=None).order_by()
    owned = defaultdict[UUID, list[Owned]](list)
    for person_id, *one in live.annotate(left=unused).values_list("person_id", *Owned._fields):
        owned[person_id].append(Owned(*one))
    return {person.pk: _state(owned[person.pk], person.mfa_enrolled_at) for person in people}


def refresh(person: User) -> State:
    """Write what the person owns now onto their row, and onto this object. The caller holds the row."""
    state = expected([person])[person.pk]
    User.objects.filter(pk=person.pk).update(**state._asdict())
    for name, value in state._asdict().items():
        setattr(person, name, value)
    return state


def _state(owned: list[Owned], since: datetime | None) -> State:
    codes = [one for one in owned if one.kind == Binding.Kind.RECOVERY_CODE]
    others = [one for one in owned if one not in codes]
    factors = reduce(or_, [OF_KIND[Binding.Kind(one.kind)] for one in owned], Factors(0))
    factors |= Factors.SEVERAL if len(others) > 1 else Factors(0)
    factors |= Factors.LOCKED if any(one.locked_at for one in others) else Factors(0)
    oldest = min([one.bound_at for one in others], default=None)
    return State(factors, codes[0].left if codes else None, oldest and min(oldest, since or oldest))
