"""The way so far, from the daily snapshots, and where it leads: how many will be missing on a day to come."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from statistics import linear_regression
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import Sum

from policies.models import EnrolmentSnapshot
from policies.terms import Rules

DAYS: Final = 90  # that are shown
RECENT: Final = timedelta(days=28)  # from which the pace is taken
SHORTEST: Final = timedelta(days=7)  # a pace of less than that says nothing


class Day(NamedTuple):
    """One day's figures, of all the tenants asked about together."""

    day: date
    people: int
    enrolled: int
    missing: int


def trend(tenant_ids: Iterable[UUID], today: date) -> list[Day]:
    """The snapshots of the last 90 days up to `today`, oldest first, in one query; days without any are left out."""
    rows = EnrolmentSnapshot.objects.filter(
        tenant__in=list(tenant_ids), day__gt=today - timedelta(days=DAYS), day__lte=today
    )
    summed = rows.order_by("day").values_list("day").annotate(Sum("people"), Sum("enrolled"), Sum("missing"))
    return [Day(*row) for row in summed]


def missing_on(day: date, days: Iterable[Day], *, today: date, missing: int) -> int | None:
    """How many will be missing on a day to come if it goes on as in the last four weeks; None: too early to say.

    A straight line by least squares gives the pace, from the `missing` of today. Never more than there are people, as
    of the last day, and never fewer than none.
    """
    recent = [one for one in days if today - RECENT <= one.day <= today]
    if day <= today or not recent or today - recent[0].day < SHORTEST:
        return None
    known: Mapping[date, int] = {one.day: one.missing for one in recent} | {today: missing}
    slope = linear_regression([(one - today).days for one in known], list(known.values())).slope
    expected = round(missing + slope * (day - today).days)
    return min(max(expected, 0), max(recent[-1].people, missing))


def deadline_ahead(rules: Rules | None, now: datetime) -> datetime | None:
    """The day on which grace ends for the people who were here when enforcement began; None if there is none to come.

    New people, administrators and whoever was given more time have their own.
    """
    if rules is None or rules.enforced_since is None or not rules.enabled or not rules.grace_days:
        return None
    ends = rules.enforced_since + timedelta(days=rules.grace_days)
    return ends if ends > now else None
