"""Excludes that near their end: reported to those who answer for the tenant, once some days before and once on the
last day, so that nobody is stopped by surprise and no exclude is forgotten.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from accounts import notices
from accounts.models import User
from audit.kinds import Kind
from audit.log import record, unit_of_work
from policies import document as documents
from policies import facts
from policies.flows.publish import administrators
from policies.models import ExclusionReport, MFAPolicy, PolicyVersion
from policies.terms import Enforcement, Exclude, Excluded

AHEAD: Final = timedelta(days=14)
LAST_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Nearing:
    """An exclude of a policy in force that ends soon. `whom` is an address, or the name of a group, role or source."""

    policy: MFAPolicy
    version: int
    kind: str
    value: str
    whom: str
    reason: str
    until: datetime
    last_day: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be reported, and the policies whose documents this process cannot read."""

    nearing: list[Nearing]
    unreadable: list[MFAPolicy]


def find(within: timedelta = AHEAD) -> Found:
    """What ends within this time, in the policies in force that demand anything, and is not reported yet."""
    now = timezone.now()
    in_force = PolicyVersion.objects.filter(facts.is_in_force(now), policy__tenant__is_active=True, enabled=True)
    found = Found([], [])
    for version in in_force.select_related("policy__tenant").order_by("policy__code"):
        rules = facts.rules_from(version)
        if not is_readable(version):
            found.unreadable.append(version.policy)
        elif rules.enforcement is not Enforcement.OPTIONAL:
            soon = [one for one in rules.excludes if now < one.until <= now + within]
            found.nearing.extend(_unreported(version, soon, now))
    return found


def is_readable(version: PolicyVersion) -> bool:
    """Whether this process understands the document; else the strictest rules apply, and nobody is excluded."""
    try:
        documents.validate(documents.upgraded(version.document))
    except documents.DocumentError:
        return False
    return True


def report(nearing: Iterable[Nearing]) -> Iterator[Nearing]:
    """Record and mail these, policy by policy, each in a transaction of its own; yields what was reported now.

    What another run has reported meanwhile is left alone, so a run that was cut short is simply repeated.
    """
    for policy, ending in groupby(nearing, key=attrgetter("policy")):
        yield from _report(policy, list(ending))


@unit_of_work
def _report(policy: MFAPolicy, ending: list[Nearing]) -> list[Nearing]:
    fresh = [one for one in ending if ExclusionReport.objects.get_or_create(policy=policy, **_key(one))[1]]
    for one in fresh:
        record(
            Kind.POLICY_EXCLUSION_ENDING,
            target=policy,
            tenant=policy.tenant_id,
            excluded=one.whom,
            until=one.until,
            reason=one.reason,
            version=one.version,
        )
    for person in administrators(policy) if fresh else ():
        notices.send("exclusions_ending", person, by_other=True, excludes=_told(fresh))
    return fresh


def _unreported(version: PolicyVersion, soon: list[Exclude], now: datetime) -> list[Nearing]:
    named = [UUID(one.value) for one in soon if one.kind is Excluded.PERSON]
    people = User.objects.filter(tenant=version.policy.tenant_id, pk__in=named)
    addresses = {str(person_id): email for person_id, email in people.values_list("pk", "email")}
    stated = documents.upgraded(version.document)["excludes"]
    reasons = {(entry["kind"], entry["value"]): entry["reason"] for entry in stated}
    reported = set(ExclusionReport.objects.filter(policy=version.policy).values_list(*_KEY))
    found = [
        Nearing(
            policy=version.policy,
            version=version.number,
            kind=one.kind.value,
            value=one.value,
            whom=addresses.get(one.value, "") if one.kind is Excluded.PERSON else one.value,
            reason=reasons[one.kind.value, one.value],
            until=one.until,
            last_day=one.until - now <= LAST_DAY,
        )
        for one in sorted(soon, key=attrgetter("until"))
    ]
    return [one for one in found if one.whom and tuple(_key(one).values()) not in reported]


_KEY: Final = ("kind", "value", "until", "last_day")


def _key(one: Nearing) -> dict[str, Any]:
    return {name: getattr(one, name) for name in _KEY}


def _told(ending: list[Nearing]) -> list[dict[str, str]]:
    """As the mail tells them; its task keeps JSON."""
    return [
        {"kind": one.kind, "whom": one.whom, "reason": one.reason, "until": one.until.isoformat()} for one in ending
    ]
