"""How far each tenant is: counted by the database, in as many queries as there are different policies and three more.

People that are switched off are not counted. What is demanded, until when, and what will do is `rollout.conditions`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import reduce
from operator import add
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from accounts.enrolment_state import Factors
from accounts.models import Binding, User
from policies import facts
from policies.models import PolicyVersion
from policies.rollout.conditions import Conditions, conditions_of
from policies.terms import LOCAL, Rules

FEW_CODES: Final = 3  # so many or fewer are left
NO_CODES: Final = Q(codes_left=None) | Q(codes_left=0)
AUTHENTICATORS: Final = tuple(one for one in Factors if one is not Factors.RECOVERY_CODES)
METHODS: Final = {one: Binding.Kind(kind) for kind, one in (("webauthn", Factors.KEY), ("totp", Factors.APP))}
"""What of `Factors` people sign in with; recovery codes stand in for these."""


@dataclass(frozen=True, slots=True)
class Status:
    """How many people there are, and how many of them are what the name says. Two can be added.

    `enrolled`: have a second factor (recovery codes alone are none). `by_method` and `by_role` count people, the latter
    with how many are enrolled; somebody with two methods is in both. `one_loss_away`: have one authenticator
    and no recovery code left: its loss locks them out. `few_codes`: have a set with three codes or fewer.
    `never_signed_in`: since the site began to note it.

    `demanded`, `excluded` and `missing` (do not own what is demanded) as `Conditions` says; `missing` is `in_grace`,
    `not_begun` (new people who have not signed in yet) and `overdue` together.
    """

    people: int = 0
    enrolled: int = 0
    with_codes: int = 0
    one_loss_away: int = 0
    few_codes: int = 0
    never_signed_in: int = 0
    demanded: int = 0
    excluded: int = 0
    missing: int = 0
    in_grace: int = 0
    not_begun: int = 0
    by_method: Counter[str] = field(default_factory=Counter)
    by_role: Counter[str] = field(default_factory=Counter)
    enrolled_by_role: Counter[str] = field(default_factory=Counter)

    @property
    def overdue(self) -> int:
        return self.missing - self.in_grace - self.not_begun

    @property
    def without(self) -> int:
        """People without any second factor, whether or not one is demanded."""
        return self.people - self.enrolled

    @property
    def by_source(self) -> dict[str, int]:
        """By how people sign in: everybody does so here, as long as there is no other way."""
        return {LOCAL: self.people}

    def __add__(self, other: "Status") -> "Status":
        return Status(*[getattr(self, one.name) + getattr(other, one.name) for one in fields(Status)])


def status_of(tenant_ids: Iterable[UUID], now: datetime) -> dict[UUID, Status]:
    """The status of each of these tenants at `now`; of a tenant without a policy nothing is demanded here."""
    ids = set(tenant_ids)
    found: dict[UUID, dict[str, Any]] = {one: {} for one in ids}
    for counted in (_owned(ids), _one_loss_away(ids), _demanded(ids, now)):
        for tenant_id, figures in counted.items():
            found[tenant_id] |= figures
    return {tenant_id: Status(**figures) for tenant_id, figures in found.items()}


def total(statuses: Iterable[Status]) -> Status:
    """All of them together."""
    return reduce(add, statuses, Status())


def active(tenant_ids: Iterable[UUID]) -> QuerySet[User]:
    """The people who are counted."""
    return User.objects.filter(tenant__in=list(tenant_ids), is_active=True).order_by()


def one_loss_away() -> Q:
    """People with one authenticator, and no recovery code left for the day it is lost."""
    keys = Binding.objects.filter(kind=Binding.Kind.WEBAUTHN, unbound_at=None).order_by()
    with_two = keys.values("person").annotate(number=Count("pk")).filter(number__gt=1).values("person")
    single = [mask | codes for mask in AUTHENTICATORS for codes in (0, Factors.RECOVERY_CODES)]
    with_key = [mask for mask in single if mask & Factors.KEY]
    return NO_CODES & Q(factors__in=single) & ~(Q(factors__in=with_key) & Q(pk__in=with_two))


def few_codes() -> Q:
    """People whose set of recovery codes is nearly used up, or is."""
    return Q(codes_left__lte=FEW_CODES)


def _owned(ids: set[UUID]) -> dict[UUID, dict[str, Any]]:
    """What `User.factors` tells, in one query."""
    few, never = Count("pk", filter=few_codes()), Count("pk", filter=Q(first_sign_in_at=None))
    rows = active(ids).values("tenant", "factors", "role").annotate(number=Count("pk"), few=few, never=never)
    found: dict[UUID, dict[str, Any]] = defaultdict(_nothing_yet)
    for row in rows:
        _count_in(found[row["tenant"]], row)
    return found


def _nothing_yet() -> dict[str, Any]:
    counted = dict.fromkeys(("people", "enrolled", "with_codes", "few_codes", "never_signed_in"), 0)
    return {**counted, "by_method": Counter(), "by_role": Counter(), "enrolled_by_role": Counter()}


def _count_in(figures: dict[str, Any], row: Mapping[str, Any]) -> None:
    number, owned = row["number"], Factors(row["factors"])
    figures["people"] += number
    figures["few_codes"] += row["few"]
    figures["never_signed_in"] += row["never"]
    figures["by_role"][row["role"]] += number
    figures["with_codes"] += number if owned & Factors.RECOVERY_CODES else 0
    for one, method in METHODS.items():
        figures["by_method"][str(method)] += number if owned & one else 0
    if any(owned & one for one in AUTHENTICATORS):
        figures["enrolled"] += number
        figures["enrolled_by_role"][row["role"]] += number


def _one_loss_away(ids: set[UUID]) -> dict[UUID, dict[str, Any]]:
    rows = active(ids).filter(one_loss_away()).values_list("tenant").annotate(number=Count("pk"))
    return {tenant_id: {"one_loss_away": number} for tenant_id, number in rows}


# -- what the policies say -----------------------------------------------------------------------------------------


def rules_at(tenant_ids: Iterable[UUID], now: datetime) -> dict[UUID, Rules]:
    """The rules in force at `now` for each of these tenants, in one query; a tenant without a policy is missing."""
    versions = PolicyVersion.objects.filter(facts.is_in_force(now), policy__tenant__in=list(tenant_ids))
    return {one.policy.tenant_id: facts.rules_from(one) for one in versions.select_related("policy")}


def _demanded(ids: set[UUID], now: datetime) -> dict[UUID, dict[str, int]]:
    """Tenants with the same rules are asked together, in two queries, whenever enforcement began for each."""
    alike: list[tuple[Rules, list[UUID]]] = []
    for tenant_id, rules in rules_at(ids, now).items():
        general = _general(rules)
        same = next((members for known, members in alike if known == general), None)
        alike.append((general, [tenant_id])) if same is None else same.append(tenant_id)
    found: dict[UUID, dict[str, int]] = defaultdict(dict)
    for rules, members in alike:
        people = active(members)
        since = None
        if rules.enforced_since is not None:
            people = _with_their_version(people, now)
            since = F("tenant__policy__versions__enforced_since")
        _count_demanded(people, conditions_of(rules, now, since=since), found)
    return found


_SOME_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)


def _general(rules: Rules) -> Rules:
    """The rules without what no number depends on; `enforced_since` says only whether there is such a time."""
    since = None if rules.enforced_since is None else _SOME_TIME
    return replace(
        rules, version=0, enforced_since=since, in_force_until=None, contact="", snoozes=0, passkey_login=False
    )


def _with_their_version(people: QuerySet[User], now: datetime) -> QuerySet[User]:
    in_force = PolicyVersion.objects.filter(facts.is_in_force(now)).values("pk")
    return people.filter(tenant__policy__versions__in=in_force)


def _count_demanded(people: QuerySet[User], asked: Conditions, into: dict[UUID, dict[str, int]]) -> None:
    everybody = people.values("tenant").annotate(
        demanded=Count("pk", filter=asked.demanded), excluded=Count("pk", filter=asked.excluded)
    )
    missing = (
        people.filter(asked.missing)
        .values("tenant")
        .annotate(
            missing=Count("pk"),
            in_grace=Count("pk", filter=asked.in_grace),
            not_begun=Count("pk", filter=asked.not_begun),
        )
    )
    for row in (*everybody, *missing):
        figures: dict[str, Any] = dict(row)
        into[figures.pop("tenant")] |= figures
