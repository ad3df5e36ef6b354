"""Whom a reminder is for: people of whom something is demanded, who have not set it up, while their time runs.

Who is overdue is reminded only where an administrator wants it; who is inactive, excluded or has done it, never.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.utils import timezone

from accounts.models import Tenant, User
from accounts.rows import attach
from policies import demands, facts
from policies.terms import Facts, Rules

BATCH: Final = 500


class Spared(StrEnum):
    """Why somebody gets no reminder."""

    INACTIVE = "inactive"
    NOT_DEMANDED = "not_demanded"
    ENROLLED = "enrolled"
    NO_DEADLINE = "no_deadline"
    OVERDUE = "overdue"
    LATELY = "lately"
    NO_ADDRESS = "no_address"
    NOT_YOURS = "not_yours"


@dataclass(frozen=True, slots=True)
class Prospect:
    """One person, when their time ends (None: they have none), and why they get no reminder, if so."""

    person: User
    deadline: datetime | None
    spared: Spared | None = None


def prospects(people: Iterable[User], *, overdue_too: bool = False) -> list[Prospect]:
    """Who of these is to be reminded now, apart from what they got lately; a constant number of queries.

    Their tenants should be there.
    """
    people, now = list(people), timezone.now()
    rules = facts.rules_by_tenant(person.tenant_id for person in people)
    known = facts.gather_many(people)
    return [prospect(one, rules.get(one.tenant_id), known[one.pk], now, overdue_too=overdue_too) for one in people]


def prospect(person: User, rules: Rules | None, known: Facts, now: datetime, *, overdue_too: bool) -> Prospect:
    """One person, judged by these rules at `now`."""
    deadline = None if rules is None else demands.deadline_of(rules, known)
    if not (known.is_active and known.tenant_is_active):
        return Prospect(person, deadline, Spared.INACTIVE)
    if rules is None or not demands.is_demanded(rules, known, now):
        return Prospect(person, deadline, Spared.NOT_DEMANDED)
    if len(demands.acceptable(rules, known)) >= demands.personal(rules, known).minimum_factors:
        return Prospect(person, deadline, Spared.ENROLLED)
    if deadline is not None and deadline > now:
        return Prospect(person, deadline)
    if deadline is None and not _is_over(rules, known, now):
        return Prospect(person, None, Spared.NO_DEADLINE)
    return Prospect(person, deadline, None if overdue_too else Spared.OVERDUE)


def _is_over(rules: Rules, known: Facts, now: datetime) -> bool:
    """Whether somebody without a deadline had their time: it was none, or a reset ended it."""
    ended = demands.end_of_grace(rules, known)
    return known.grace_closed_at is not None or (ended is not None and ended <= now)


def batches(tenant: Tenant, *, after: UUID | None = None, size: int = BATCH) -> Iterator[list[User]]:
    """The active people of a tenant in the order of their ids, from behind `after` on; one query a batch."""
    people = User.objects.filter(tenant=tenant.pk, is_active=True).order_by("pk")
    while batch := list((people if after is None else people.filter(pk__gt=after))[:size]):
        for person in batch:
            attach(person, "tenant", tenant)
        yield batch
        after = batch[-1].pk
