"""Whether the counters on people's rows say what their authenticators say, and putting them right where they do not.

Flows keep them right; what edits the tables past the flows (SQL by hand, rows brought in from elsewhere) does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts import enrolment_state
from accounts.enrolment_state import State
from accounts.flows import people
from accounts.models import Tenant, User
from audit.kinds import Kind
from audit.log import record, unit_of_work

BATCH = 1000  # people


@dataclass(frozen=True, slots=True)
class Difference:
    """One person whose row says something else than a recount does."""

    person: User
    stated: State
    expected: State


def everybody(tenant: Tenant | None = None) -> QuerySet[User]:
    """Whom a check looks at: the people of one tenant or of all, switched off or not."""
    return User.objects.all() if tenant is None else User.objects.filter(tenant=tenant)


def check(tenant: Tenant | None = None, *, repair: bool = False, size: int = BATCH) -> Iterator[list[Difference]]:
    """What is wrong, one list for each batch of `size` people in the order of their ids, two queries each.

    A difference is looked at once more with the person's row held, so that a flow at work is not taken for one; with
    `repair` it is put right in the same unit of work, and recorded. Broken off anywhere, it can begin again.
    """
    for batch in _batches(everybody(tenant).order_by("pk"), size):
        expected = enrolment_state.expected(batch)
        doubtful = [person for person in batch if enrolment_state.stated(person) != expected[person.pk]]
        looked_at = [_look(person, repair=repair) for person in doubtful]
        yield [one for one in looked_at if one is not None]


@unit_of_work
def _look(person: User, *, repair: bool) -> Difference | None:
    locked = people.everyone_held().filter(pk=person.pk).first()
    if locked is None:
        return None
    found = Difference(locked, enrolment_state.stated(locked), enrolment_state.expected([locked])[locked.pk])
    if found.stated == found.expected:
        return None
    if repair:
        enrolment_state.refresh(locked)
        before, after = _told(found.stated), _told(found.expected)
        record(Kind.ENROLMENT_STATE_REPAIRED, target=locked, before=before, after=after)
    return found


def _told(state: State) -> dict[str, Any]:
    return {"factors": int(state.factors), "codes_left": state.codes_left, "mfa_enrolled_at": state.mfa_enrolled_at}


def _batches(people: QuerySet[User], size: int) -> Iterator[list[User]]:
    batch = list(people[:size])
    while batch:
        yield batch
        batch = list(people.filter(pk__gt=batch[-1].pk)[:size]) if len(batch) == size else []
