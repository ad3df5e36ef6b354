"""What `policies.demands` says of one person, as conditions on the rows of people: for counting and listing them all.

Every condition selects exactly the people of whom the function it names says so (proved over a crowd in
`tests/policies/test_statistics.py`). Rules are read once; the database does the rest, however many people there are.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThanOrEqual

from accounts.assurance import SECOND_FACTORS, Method, Strength, strength_with
from accounts.enrolment_state import VALUES, Factors, having
from accounts.models import Binding, Role, User
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
    will be once they first sign in. The last two are said of everybody too, ready or not. `perhaps_missing`
    is met by everybody who is `missing` and by few others, and an index finds them. `asks_everybody`: it is plain from
    the rules that everybody is `demanded` and nobody `excluded`, so that need not be counted.
    """

    demanded: Q
    excluded: Q
    ready: Q
    in_grace: Q
    not_begun: Q
    perhaps_missing: Q
    asks_everybody: bool

    @property
    def missing(self) -> Q:
        """People who do not own what is demanded of them."""
        return self.demanded & ~self.ready

    @property
    def overdue(self) -> Q:
        """Those of them whom the next sign-in stops: their grace is over, or they have none."""
        return self.missing & ~self.in_grace & ~self.not_begun


def conditions_of(rules: Rules, now: datetime, *, since: Since, lost: Collection[str]) -> Conditions:
    """The conditions under these rules at `now`.

    `since` is `rules.enforced_since`, or the column that holds it where people of several tenants are asked. `lost` is
    what `facts.lost_key_ids` says.
    """
    special = Q(pk__in=rules.break_glass) if rules.break_glass else NOBODY
    excluded = _any(_excluded(one) for one in rules.excludes if now < one.until) & ~ADMINISTRATORS
    in_scope = _in_scope(rules) & ~special
    begun, not_begun = (NOBODY, NOBODY) if since is None else (_open(rules, now, since), _not_begun(rules, now, since))
    closed = ~special & Q(grace_closed_at=None)
    return Conditions(
        demanded=special | (in_scope & ~excluded),
        excluded=in_scope & excluded,
        ready=(~special & _ready(rules, lost)) | (special & _owns((Method.WEBAUTHN,), KeyRules(), 1, lost)),
        in_grace=closed & begun,
        not_begun=closed & not_begun & ~begun,
        perhaps_missing=special | ~_is_surely_ready(rules, lost),
        asks_everybody=_in_scope(rules) == EVERYBODY and not any(now < one.until for one in rules.excludes),
    )


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


def _ready(rules: Rules, lost: Collection[str]) -> Q:
    """`demands.acceptable` of each, and as many as it takes; by the strength that is demanded of their roles."""
    return _any(people & _owns_enough(rules, demand, lost) for demand, people in _by_demand(rules).items())


def _by_demand(rules: Rules) -> dict[Strength, Q]:
    by_demand: dict[Strength, Q] = {}
    for role in Role.values:
        for is_superuser in (False, True):
            roles = {role, ADMINISTRATOR} if is_superuser else {role}
            demand = max(rules.strength.get(one, Strength.MULTI_FACTOR) for one in roles)
            by_demand[demand] = by_demand.get(demand, NOBODY) | Q(role=role, is_superuser=is_superuser)
    return by_demand if len(by_demand) > 1 else dict.fromkeys(by_demand, EVERYBODY)


def _owns_enough(rules: Rules, demand: Strength, lost: Collection[str]) -> Q:
    return _owns(_strong(rules, demand), rules.keys, rules.minimum_factors, lost)


def _strong(rules: Rules, demand: Strength) -> list[Method]:
    return [one for one in rules.allowed if strength_with(one) >= demand and one is not Method.RECOVERY_CODE]


def _owns(methods: Any, keys: KeyRules, minimum: int, lost: Collection[str]) -> Q:
    """At least so many authenticators of these methods that can be used, and keys only as the rules want them.

    Where any will do, `User.factors` answers for all but the few who have one that cannot be used.
    """
    wanted = [BIT[one] for one in methods if one in BIT]
    if not wanted:
        return NOBODY
    good = _bound(methods).filter(_is_usable(lost), _is_accepted(keys), person=OuterRef("pk"))
    if minimum > 1:
        number = good.order_by().values("person").annotate(number=Count("pk")).values("number")
        return having(*wanted) & Q(GreaterThanOrEqual(Coalesce(Subquery(number), 0), minimum))
    plain = Q(factors__in=_sufficient(methods, keys, minimum)) & _opened(lost)
    return plain | (having(*wanted) & ~_has_a_locked_one_only() & Q(Exists(good)))


def _sufficient(methods: Any, keys: KeyRules, minimum: int) -> frozenset[int]:
    """The values of `User.factors` which say by themselves that somebody owns it, if no key is lost."""
    if minimum > 1 or _asks(keys) or keys != KeyRules(user_verification=keys.user_verification):
        return frozenset()
    wanted = reduce(or_, [BIT[one] for one in methods if one in BIT], Factors(0))
    return frozenset(value for value in VALUES if value & wanted and not value & Factors.LOCKED)


def _is_surely_ready(rules: Rules, lost: Collection[str]) -> Q:
    """Of whatever role: by `User.factors` alone."""
    if lost:
        return NOBODY
    strong = [_strong(rules, demand) for demand in _by_demand(rules)]
    sufficient = [_sufficient(methods, rules.keys, rules.minimum_factors) for methods in strong]
    return ~Q(factors__in=set(VALUES) - frozenset.intersection(*sufficient))


def _has_a_locked_one_only() -> Q:
    return Q(factors__in=[value for value in VALUES if value & Factors.LOCKED and not value & Factors.SEVERAL])


def _bound(methods: Any) -> QuerySet[Binding]:
    return Binding.objects.filter(unbound_at=None, kind__in=list(methods)).order_by()


def _opened(lost: Collection[str]) -> Q:
    """People of whom nothing is sealed under a lost key."""
    sealed = Binding.objects.filter(sealed_under__in=lost, unbound_at=None).order_by()
    return ~Q(pk__in=sealed.values("person")) if lost else Q()


def _is_usable(lost: Collection[str]) -> Q:
    """`facts.as_enrolled`, of what is no set of recovery codes."""
    return Q(locked_at=None) & ~Q(sealed_under__in=lost)


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
