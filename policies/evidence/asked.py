"""What somebody asks of the record: which events, by what stands in a list's address or was kept with an export."""

import ipaddress
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self, cast
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.models.people import normalise_address
from accounts.scope import events_seen_by, tenants_called
from audit.catalogue import CATALOGUE
from audit.declarations import Category, Outcome
from audit.reading import INDEXED, Selection, Value, between, is_large, recorded, recorded_by

LONGEST: Final = 320  # characters of one value: the longest mail address
MOST_TENANTS: Final = 25  # of which each is read by itself
MOST_BRANCHES: Final = 40  # of what is asked of a person or an address
PERIODS: Final = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
"""How far back, counted from now."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, as text; empty is what was not asked for. What a value cannot mean filters nothing.

    `person` is a mail address or an id, of who acted or whom it happened to. `since` and `until` are ISO 8601: a
    moment without its zone is in the zone of the page, and what is named as an end (a day, a minute) is in it.
    """

    q: str = ""
    tenant: str = ""
    category: str = ""
    kind: str = ""
    outcome: str = ""
    person: str = ""
    ip: str = ""
    period: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The question in a query string, or in what `kept` gave."""
        return cls(**{name: str(values.get(name) or "").strip()[:LONGEST] for name in cls.__slots__})

    @property
    def kept(self) -> dict[str, str]:
        """What was asked for, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value}

    def at(self, now: datetime) -> Self:
        """The same question, meaning the same events whenever it is read."""
        since, until = _span(self, now)
        ends = min(until, now) if until else now
        return replace(self, period="", since=since.isoformat() if since else "", until=ends.isoformat())


def selection_of(asked: Asked, *, seen_by: User, now: datetime) -> Selection:
    """The events that are asked for, of those that this person may read."""
    return selection_in(tenants_asked(asked, seen_by=seen_by), asked, seen_by=seen_by, now=now)


def tenants_asked(asked: Asked, *, seen_by: User) -> list[UUID] | None:
    """The ids of the tenants that are asked for; None where that is not asked, or needs not be: of one's own."""
    if not asked.tenant or not seen_by.is_superuser:
        return None
    return list(tenants_called(asked.tenant).values_list("pk", flat=True))


def is_too_wide(asked: Asked, named: list[UUID] | None) -> bool:
    """Whether nothing narrows the events but a name that very many tenants share: no index has theirs in order."""
    return named is not None and len(named) > MOST_TENANTS and not (asked.q or asked.person or asked.ip)


def selection_in(named: list[UUID] | None, asked: Asked, *, seen_by: User, now: datetime) -> Selection:
    """As `selection_of`, with the tenants (`tenants_asked`) known.

    The first of several branches is taken from whatever finds the fewest events; the rest are conditions.
    """
    only = _only(named, seen_by)
    conditions = events_seen_by(seen_by) & between(*_span(asked, now))
    if only is not None:
        conditions &= Q(tenant_id=only)
    tenants = _tenants(named) if only is None else None
    asked_for = (_found(asked.q, seen_by), _person(asked), _address(asked), tenants)
    narrowing = [one for one in asked_for if one is not None]
    for branches in narrowing[1:]:
        conditions &= _any(branches)
    if narrowing:
        return _narrowed(asked, narrowing[0], conditions)
    if not _is_by_kind(asked, only):
        return Selection(conditions & _of_kind(asked))
    return Selection(conditions, _kinds(asked, only))


def _narrowed(asked: Asked, branches: tuple[Q, ...], conditions: Q) -> Selection:
    """These branches, each parted by kinds and outcomes where some are asked for.

    Who has very many events may have none of those. Where there would be too many branches, the events are walked.
    """
    indexed = {value: branch for branch in branches if (value := _indexed(branch)) is not None}
    there = _there(asked, list(indexed)) if indexed else None
    if there is None or sum(map(len, there.values())) > MOST_BRANCHES:
        return Selection(conditions & _of_kind(asked), branches)
    parted = [branch & one for value, branch in indexed.items() for one in there[value]]
    others = [branch & _of_kind(asked) for branch in branches if _indexed(branch) is None]
    return Selection(conditions, (*others, *parted))


def _indexed(branch: Q) -> Value | None:
    """The column of a branch, and what stands there; None where no index has it together with kinds."""
    [(column, value)] = cast("list[Value]", branch.children)
    return (column, value) if column in INDEXED else None


def _there(asked: Asked, values: list[Value]) -> dict[Value, list[Q]] | None:
    """Conditions on kind and outcome for each of these values; None where nothing of the sort is asked for."""
    wanted, outcomes = _wanted(asked), {asked.outcome} & set(Outcome)
    if wanted is None and not outcomes:
        return None
    if asked.kind in CATALOGUE:
        return {value: [Q(kind=asked.kind, outcome=one) for one in sorted(outcomes or Outcome)] for value in values}
    if not is_large():
        return None
    return {
        value: [
            Q(kind=kind, outcome=one) for kind, one in known if _is_among(kind, wanted) and _is_among(one, outcomes)
        ]
        for value, known in recorded_by(values).items()
    }


def _is_among(one: str, asked_for: set[str] | None) -> bool:
    return not asked_for or one in asked_for


def _only(named: list[UUID] | None, seen_by: User) -> UUID | None:
    """The tenant whose events alone are asked for, or may be seen."""
    if not seen_by.is_superuser:
        return seen_by.tenant_id
    return named[0] if named is not None and len(named) == 1 else None


def _any(branches: tuple[Q, ...]) -> Q:
    together = Q(pk__in=[])
    for branch in branches:
        together |= branch
    return together


def _wanted(asked: Asked) -> set[str] | None:
    """The kinds that are asked for; None for all of them."""
    if asked.kind in CATALOGUE:
        return {asked.kind}
    return set(kinds_about(asked.category)) if asked.category in set(Category) else None


def _is_by_kind(asked: Asked, only: UUID | None) -> bool:
    """Whether the events are found by their kinds: also those of one tenant that went wrong, which may be none."""
    went_wrong = asked.outcome in {Outcome.REFUSED, Outcome.FAILED}
    return _wanted(asked) is not None or (only is not None and went_wrong)


def _kinds(asked: Asked, only: UUID | None) -> tuple[Q, ...]:
    """A branch for each kind with each outcome, of those that there are: what is not there is not looked for."""
    wanted, outcomes = _wanted(asked), {asked.outcome} & set(Outcome) or set(Outcome)
    there = [one for one in recorded(only) if one[1] in outcomes and (wanted is None or one[0] in wanted)]
    return tuple(Q(kind=kind, outcome=outcome) for kind, outcome in there)


def _of_kind(asked: Asked) -> Q:
    """The same as a condition on events that are found by something else."""
    wanted = _wanted(asked)
    condition = Q(outcome=asked.outcome) if asked.outcome in set(Outcome) else Q()
    return condition if wanted is None else condition & Q(kind__in=sorted(wanted))


def kinds_about(category: str | None) -> list[str]:
    """The kinds of a category; of every category for None."""
    return sorted(kind for kind, declared in CATALOGUE.items() if category in {None, declared.category})


def _tenants(ids: list[UUID] | None) -> tuple[Q, ...] | None:
    """A branch for each; of very many, their events are read as they come (`is_too_wide`)."""
    if ids is None:
        return None
    if len(ids) > MOST_TENANTS:
        return (Q(tenant_id__in=ids),)
    return tuple(Q(tenant_id=pk) for pk in ids)


def _person(asked: Asked) -> tuple[Q, ...] | None:
    """By id, and by the address they have now or had then: events outlive people."""
    if not asked.person:
        return None
    if (one := _uuid(asked.person)) is not None:
        return _acting_or_meant({str(one)})
    address = normalise_address(asked.person)
    ids = {str(pk) for pk in User.objects.filter(email=address).values_list("pk", flat=True)}
    return (*_acting_or_meant(ids), Q(actor_label=address), Q(target_label=address))


def _address(asked: Asked) -> tuple[Q, ...] | None:
    return (Q(ip=_shortest(asked.ip)),) if asked.ip else None


def _found(term: str, seen_by: User) -> tuple[Q, ...] | None:
    """Exact look-ups alone: a search for a part would read every row."""
    if not term:
        return None
    one = _uuid(term)
    ids = {term if one is None else str(one)}
    found = (*_acting_or_meant(ids), *(Q(request_id=each) for each in ids))
    if one is not None:
        own = (Q(tenant_id=one),) if seen_by.is_superuser else ()
        return (*found, Q(pk=one), *own)
    labels = sorted({term, term.lower()})
    return (*found, *(Q(actor_label=each) for each in labels), *(Q(target_label=each) for each in labels))


def _acting_or_meant(ids: set[str]) -> tuple[Q, ...]:
    return (*(Q(actor_id=one) for one in sorted(ids)), *(Q(target_id=one) for one in sorted(ids)))


def _span(asked: Asked, now: datetime) -> tuple[datetime | None, datetime | None]:
    since, until = _moment(asked.since, is_end=False), _moment(asked.until, is_end=True)
    if asked.period in PERIODS:
        begun = now - PERIODS[asked.period]
        since = begun if since is None else max(since, begun)
    return since, until


def _moment(text: str, *, is_end: bool) -> datetime | None:
    """The moment at which what is named begins; where it is an end, the one after it. None for what is none."""
    try:
        named = datetime.fromisoformat(text)
        if is_end and named.tzinfo is None:
            named += timedelta(days=1) if len(text) <= len("2026-01-31") else timedelta(minutes=1)
        moment = named if named.tzinfo else timezone.make_aware(named)
        return moment if 1970 < moment.year < 9000 else None
    except (OverflowError, ValueError):
        return None


def _shortest(address: str) -> str:
    """An address as it is recorded; what is none is nobody's."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
