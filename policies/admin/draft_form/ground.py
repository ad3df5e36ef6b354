"""What a policy's form stands on: the document it begins from, what its tenant has, and what the platform demands."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth.models import Group
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from policies import document as documents
from policies import floor as floors
from policies.admin.installed import Installed, installed
from policies.admin.wording import readable
from policies.models import MFAPolicy
from policies.terms import Excluded

MOST_GROUPS: Final = 500  # on one page


@dataclass(frozen=True, slots=True)
class Ground:
    """`document` is valid, and on the platform's `floor`; `enabled` stands beside it.

    `people` are the addresses of those in the tenant whom the document names, by their ids; `groups` the names of
    the groups that may be chosen.
    """

    policy: MFAPolicy
    document: Mapping[str, Any]
    enabled: bool
    floor: Mapping[str, Any]
    installed: Installed
    groups: Sequence[str]
    people: Mapping[str, str]

    @property
    def zone(self) -> ZoneInfo:
        """The tenant's time zone: in it a day begins and ends."""
        return self.policy.tenant.zone

    @property
    def today(self) -> date:
        return timezone.now().astimezone(self.zone).date()

    def day_of(self, moment: str) -> date:
        """The tenant's day in which a stored moment lies."""
        return datetime.fromisoformat(moment).astimezone(self.zone).date()

    def address_of(self, person: str) -> str:
        """How somebody whom the document names is shown: by address, or by id if they are no longer there."""
        return self.people.get(person, person)

    def is_weaker(self, key: str, value: Any) -> bool:
        """Whether this value of a rule would be below the platform's floor."""
        return key in self.floor and bool(floors.below({key: value}, {key: self.floor[key]}))

    def strong_enough(self, key: str, values: Iterable[Any]) -> list[Any]:
        """Those of the values that the platform's floor lets a tenant choose."""
        return [value for value in values if not self.is_weaker(key, value)]

    @property
    def methods(self) -> list[str]:
        """The methods that may be chosen, in the document's order."""
        within = self.floor.get("allowed", documents.METHODS)
        return [one for one in documents.METHODS if one in self.installed.methods and one in within]


def ground_of(policy: MFAPolicy, document: Any, *, enabled: bool, actor: User) -> Ground:
    """The ground for a stored document; the default one stands in for what this site cannot read. Two queries."""
    floor = floors.current()
    stated = floors.raised(readable(document) or documents.default_document(), floor)
    return Ground(
        policy=policy,
        document=stated,
        enabled=enabled or floors.forbids_switching_off(floor),
        floor=floor,
        installed=installed(),
        groups=_groups(policy, actor, groups_in(stated)),
        people=_people(policy, stated),
    )


def groups_in(document: Mapping[str, Any]) -> list[str]:
    """Every group that a valid document names, each once."""
    excluded = [entry["value"] for entry in document["excludes"] if entry["kind"] == Excluded.GROUP]
    tested = [name for test in document["tests"] for name in test["groups"]]
    return list(dict.fromkeys([*document["scope"]["groups"], *excluded, *tested]))


def _groups(policy: MFAPolicy, actor: User, named: Collection[str]) -> list[str]:
    """Groups belong to the platform: a tenant's administrator is told of those that somebody of theirs is in."""
    seen = Q() if actor.is_superuser else Q(user__tenant=policy.tenant_id)
    found = Group.objects.filter(seen).order_by("name").distinct().values_list("name", flat=True)[:MOST_GROUPS]
    return sorted({*found, *named})


def people_in(document: Mapping[str, Any]) -> list[str]:
    """The ids of everybody whom a valid document names."""
    excluded = [entry["value"] for entry in document["excludes"] if entry["kind"] == Excluded.PERSON]
    return [*excluded, *document["break_glass"]]


def _people(policy: MFAPolicy, document: Mapping[str, Any]) -> dict[str, str]:
    people = User.objects.filter(tenant=policy.tenant_id, pk__in=[UUID(one) for one in people_in(document)])
    return {str(pk): email for pk, email in people.values_list("pk", "email")}
