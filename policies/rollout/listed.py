"""The people behind the figures: who is in which list of a tenant, in the order of their addresses."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db.models import Q, QuerySet

from accounts.enrolment_state import Factors, having
from accounts.models import Tenant, User
from policies import facts
from policies.rollout import statistics
from policies.rollout.conditions import NOBODY, conditions_of
from policies.terms import Rules

BATCH: Final = 1000


class Which(StrEnum):
    """The lists, each with as many people as the figure of that name in `Status`."""

    MISSING = "missing"
    OVERDUE = "overdue"
    IN_GRACE = "in-grace"
    EXCLUDED = "excluded"
    WITHOUT = "without"
    APP_ONLY = "app-only"  # the weaker method: no passkey, no key
    ONE_LOSS_AWAY = "one-loss-away"
    FEW_CODES = "few-codes"
    NEVER_SIGNED_IN = "never-signed-in"


def listed(tenant: Tenant, which: Which, now: datetime, *, search: str = "", role: str = "") -> QuerySet[User]:
    """The people of a list, sorted by address: one query, and one for the rules. `search`: part of address or name."""
    people = statistics.active([tenant.pk]).filter(_condition(tenant, which, now))
    if search:
        people = people.filter(Q(email__icontains=search) | Q(name__icontains=search))
    if role:
        people = people.filter(role=role)
    return people.order_by("email")


def in_batches(people: QuerySet[User], size: int = BATCH) -> Iterator[list[User]]:
    """All of them, by key and never by OFFSET."""
    batch = list(people[:size])
    while batch:
        yield batch
        batch = list(people.filter(email__gt=batch[-1].email)[:size]) if len(batch) == size else []


def _condition(tenant: Tenant, which: Which, now: datetime) -> Q:
    match which:
        case Which.WITHOUT:
            return ~having(*statistics.AUTHENTICATORS)
        case Which.APP_ONLY:
            return having(Factors.APP) & ~having(Factors.KEY)
        case Which.ONE_LOSS_AWAY:
            return statistics.one_loss_away()
        case Which.FEW_CODES:
            return statistics.few_codes()
        case Which.NEVER_SIGNED_IN:
            return Q(first_sign_in_at=None)
    rules = facts.rules_by_tenant([tenant.pk], now).get(tenant.pk)
    return NOBODY if rules is None else _demanded(which, rules, now)


def _demanded(which: Which, rules: Rules, now: datetime) -> Q:
    asked = conditions_of(rules, now, since=rules.enforced_since, lost=facts.lost_key_ids())
    if which is Which.EXCLUDED:
        return asked.excluded
    if which is Which.IN_GRACE:
        return asked.missing & asked.in_grace
    return asked.overdue if which is Which.OVERDUE else asked.missing
