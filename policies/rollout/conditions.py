"""What `policies.demands` says of one person, as conditions on the rows of people: for counting and listing them all.

Every condition selects exactly the people of whom the function it names says so (proved over a crowd in
`tests/policies/test_statistics.py`). Rules are read once; the database does the rest, however many people there are.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThanOrEqual

from accounts.assurance import SECOND_FACTORS, Method, Strength, strength_with
from accounts.enrolment_state import Factors, having
from accounts.models import Binding, Role, User
from policies import facts
from policies.terms import (
    ADMINISTRATOR,
    LOCAL,
    Enforcement,
    Exclude,
    Excluded,
    KeyRules,
    Rules,
    UserVerification,
)

NOBODY: Final = Q(pk__in=())
EVERYBODY: Final = ~NOBODY
ADMINISTRATORS: Final = Q(role=ADMINISTRATOR) | Q(is_superuser=True)
BIT: Final = {
    Method.WEBAUTHN: Factors.KEY,
    Method.TOTP: Factors.APP,
    Method.RECOVERY_CODE: Factors.RECOVERY_CODES,
}
"""What `User.factors` says of each method that people can own today."""

Since = datetime | F | None


@dataclass(frozen=True, slots=True)
class Conditions:
    """One tenant's rules at one moment, asked of everybody.

    `demanded`: `demands.is_demanded`. `excluded`: nothing is demanded because of an exclude. `ready`: they own what is
    demanded, were it demanded (`acceptable`, as many as it takes). `in_grace`: `deadline_of` is ahead. `not_begun`: it
    will be once they first sign in. The last two are said of everybody too, ready or not.
    """

    demanded: Q
    excluded: Q
    ready: Q
    in_grace: Q
    not_begun: Q

    @property
    def missing(self) -> Q:
        """People who do not own what is demanded of them."""
        return self.demanded & ~self.ready

    @property
    def overdue(self) -> Q:
        """Those of them whom the next sign-in stops: their grace is over, or they have none."""
        return self.missing & ~self.in_grace & ~self.not_begun


def conditions_of(rules: Rules, now: datetime, *, since: Since) -> Conditions:
    """The conditions under these rules at `now`.

    `since` is `rules.enforced_since`, or the column that holds it where people of several tenants are asked.
    """
    special = Q(pk__in=rules.break_glass) if rules.break_glass else NOBODY
    excluded = _any(_excluded(one) for one in rules.excludes if now < one.until) & ~ADMINISTRATORS
    in_scope = _in_scope(rules) & ~special
    begun, not_begun = (NOBODY, NOBODY) if since is None else (_open(rules, now, since), _not_begun(rules, now, since))
    closed = ~special & Q(grace_closed_at=None)
    return Conditions(
        demanded=special | (in_scope & ~excluded),
        excluded=in_scope & excluded,
        ready=(~special & _ready(rules)) | (special & _owns((Method.WEBAUTHN,), KeyRules(), 1)),
        in_grace=closed & begun,
        not_begun=closed & not_begun & ~begun,
    )


def has(*factors: Factors) -> Q:
    """People who have at least one of these."""
    return having(reduce(or_, factors, Factors(0)))


def _any(conditions: Any) -> Q:
    return reduce(or_, conditions, NOBODY)


def _in_scope(rules: Rules) -> Q:
    """Whom the policy asks, excludes aside; emergencies are asked in any case."""
    scope = rules.scope
    if not rules.enabled or rules.enforcement is Enforcement.OPTIONAL:
        return NOBODY
    if scope.everyone or LOCAL in scope.sources:  # everybody signs in here
        return EVERYBODY
    named = [*map(_in_role, scope.roles), *([ADMINISTRATORS] if scope.staff else [])]
    return _any([*named, _in_groups(scope.groups)] if scope.groups else named)


def _excluded(one: Exclude) -> Q:
    if one.kind is Excluded.PERSON:
        return Q(pk=one.value)
    if one.kind is Excluded.ROLE:
        return _in_role(one.value)
    if one.kind is Excluded.GROUP:
        return _in_groups([one.value])
    return EVERYBODY if one.value == LOCAL else NOBODY


def _in_role(role: str) -> Q:
    return ADMINISTRATORS if role == ADMINISTRATOR else Q(role=role)


def _in_groups(names: Any) -> Q:
    return Q(Exists(User.groups.through.objects.filter(user=OuterRef("pk"), group__name__in=names)))


# -- what they own -----------------------------------------------------------------------------------------------


def _ready(rules: Rules) -> Q:
    """`demands.acceptable` of each, and as many as it takes; by the strength that is demanded of their roles."""
    by_demand: dict[Strength, Q] = {}
    for role in Role.values:
        for is_superuser in (False, True):
            roles = {role, ADMINISTRATOR} if is_superuser else {role}
            demand = max(rules.strength.get(one, Strength.MULTI_FACTOR) for one in roles)
            by_demand[demand] = by_demand.get(demand, NOBODY) | Q(role=role, is_superuser=is_superuser)
    if len(by_demand) == 1:
        by_demand = dict.fromkeys(by_demand, EVERYBODY)
    return _any(people & _owns_enough(rules, demand) for demand, people in by_demand.items())


def _owns_enough(rules: Rules, demand: Strength) -> Q:
    strong = [one for one in rules.allowed if strength_with(one) >= demand and one is not Method.RECOVERY_CODE]
    return _owns(strong, rules.keys, rules.minimum_factors)


def _owns(methods: Any, keys: KeyRules, minimum: int) -> Q:
    """At least so many authenticators of these methods that can be used, and keys only as the rules want them.

    Where any will do, `User.factors` answers for all but the few who have one that cannot be used.
    """
    wanted = [BIT[one] for one in methods if one in BIT]
    if not wanted:
        return NOBODY
    good = _bound(methods).filter(_usable(), _is_accepted(keys), person=OuterRef("pk"))
    if minimum > 1:
        number = good.order_by().values("person").annotate(number=Count("pk")).values("number")
        return has(*wanted) & Q(GreaterThanOrEqual(Coalesce(Subquery(number), 0), minimum))
    if keys == KeyRules(user_verification=keys.user_verification) and not _asks(keys):
        doubtful = _bound(methods).exclude(_usable()).values("person")
        return has(*wanted) & (~Q(pk__in=doubtful) | Q(Exists(good)))
    return has(*wanted) & Q(Exists(good))


def _bound(methods: Any) -> QuerySet[Binding]:
    return Binding.objects.filter(unbound_at=None, kind__in=list(methods)).order_by()


def _usable() -> Q:
    """`facts.as_enrolled`, of what is no set of recovery codes."""
    return Q(locked_at=None) & (Q(sealed_under="") | Q(sealed_under__in=facts.key_ids()))


def _asks(keys: KeyRules) -> bool:
    return keys.user_verification is UserVerification.REQUIRED


def _is_accepted(keys: KeyRules) -> Q:
    """`demands.is_accepted`, of an authenticator whose method is."""
    good = Q()
    if _asks(keys):
        good &= Q(credential__user_verified=True)
    if keys.attested:
        good &= Q(credential__attested=True)
    if keys.allowed:
        good &= Q(credential__aaguid__in=keys.allowed)
    if keys.denied:
        good &= ~Q(credential__aaguid__in=keys.denied)
    if not keys.synced:
        good &= Q(credential__backup_eligible=False)
    return Q(kind__in=SECOND_FACTORS - {Method.WEBAUTHN}) | good if good else Q()


# -- until when --------------------------------------------------------------------------------------------------


def _open(rules: Rules, now: datetime, since: Since) -> Q:
    """`demands.deadline_of` is ahead, of people whose grace no reset closed and who are no emergency account."""
    by_policy = _granted(rules, now, since, "first_sign_in_at") & _uncapped(now)
    if not rules.extensions:
        return by_policy
    return by_policy | (Q(grace_extended_to__gt=now) & ~ADMINISTRATORS)


def _granted(rules: Rules, now: datetime, since: Since, first_sign_in: str) -> Q:
    """The days that the policy gives are not over; those of new people count from their first sign-in."""
    was_here = Q(known_since__lt=since)
    return _any(
        people & days_ahead
        for people, old_days, new_days in _days(rules)
        for days_ahead in (
            was_here & _within(since, old_days, now),
            ~was_here & (Q(**{f"{first_sign_in}__gt": now - timedelta(days=new_days)}) if new_days else NOBODY),
        )
    )


def _days(rules: Rules) -> list[tuple[Q, int, int]]:
    theirs = rules.administrators_grace_days
    return [(ADMINISTRATORS, theirs, theirs), (~ADMINISTRATORS, rules.grace_days, rules.new_grace_days)]


def _within(since: Since, days: int, now: datetime) -> Q:
    if not days:
        return NOBODY
    begun = now - timedelta(days=days)
    if isinstance(since, datetime):
        return EVERYBODY if since > begun else NOBODY
    return Q(**{f"{since.name}__gt": begun})  # type: ignore[union-attr]  # the caller has seen to None


def _uncapped(now: datetime) -> Q:
    return Q(grace_cap=None) | Q(grace_cap__gt=now)


def _not_begun(rules: Rules, now: datetime, since: Since) -> Q:
    """New people who have not signed in yet, and will have days when they do."""
    given = _any(people for people, _old, new_days in _days(rules) if new_days)
    return ~Q(known_since__lt=since) & Q(first_sign_in_at=None) & _uncapped(now) & given
