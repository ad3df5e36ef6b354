"""How far each tenant is: counted by the database, in three queries at most for every different policy and a few more.

Everything is counted as it is now, from an index that holds what counts (`person_counted`): nothing is estimated.

People that are switched off are not counted. What is demanded, until when, and what will do is `rollout.conditions`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import reduce
from itertools import chain
from operator import add, or_
from typing import Any, Final, cast
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, F, Q, QuerySet

from accounts.enrolment_state import Factors
from accounts.models import Binding, User
from policies import facts
from policies.models import PolicyVersion
from policies.rollout.conditions import Conditions, Since, conditions_of
from policies.terms import LOCAL, Rules

FEW_CODES: Final = 3  # so many or fewer are left
NO_CODES: Final = Q(codes_left=None) | Q(codes_left=0)
METHODS: Final = {Factors.KEY: Binding.Kind.WEBAUTHN, Factors.APP: Binding.Kind.TOTP}
"""What of `Factors` people sign in with; recovery codes stand in for these."""

AUTHENTICATORS: Final = tuple(METHODS)
SINGLE: Final = frozenset(
    int(one | codes | locked)
    for one in METHODS
    for codes in (0, Factors.RECOVERY_CODES)
    for locked in (0, Factors.LOCKED)
)
"""What `User.factors` is for people with one authenticator."""


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
    with _counting_at_once():
        owned = _owned(ids)
        demanded = _demanded(ids, now, {tenant_id: figures["people"] for tenant_id, figures in owned.items()})
    return {one: Status(**(owned.get(one, {}) | demanded.get(one, {}))) for one in ids}


@contextmanager
def _counting_at_once() -> Iterator[None]:
    """PostgreSQL would compile what these queries compare, for longer than it takes to count a hundred thousand.

    And it would look up the groups of each person, where those of everybody are a table of some megabytes.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL jit = off")
                cursor.execute("SET LOCAL work_mem = '64MB'")
        yield


def total(statuses: Iterable[Status]) -> Status:
    """All of them together."""
    return reduce(add, statuses, Status())


def active(tenant_ids: Iterable[UUID]) -> QuerySet[User]:
    """The people who are counted."""
    return User.objects.filter(tenant__in=list(tenant_ids), is_active=True).order_by()


def one_loss_away() -> Q:
    """People with one authenticator, and no recovery code left for the day it is lost."""
    return NO_CODES & Q(factors__in=SINGLE)


def few_codes() -> Q:
    """People whose set of recovery codes is nearly used up, or is."""
    return Q(codes_left__lte=FEW_CODES)


def _owned(ids: set[UUID]) -> dict[UUID, dict[str, Any]]:
    """What people's rows tell, in one query, in the order of the index `person_counted`."""
    rows = active(ids).values("tenant", "factors", "role", "codes_left")
    rows = rows.annotate(number=Count("*"), signed_in=Count("first_sign_in_at"))
    found: dict[UUID, dict[str, Any]] = defaultdict(_nothing_yet)
    for row in rows:
        _count_in(found[row["tenant"]], row)
    return found


def _nothing_yet() -> dict[str, Any]:
    counted = dict.fromkeys(("people", "enrolled", "with_codes", "one_loss_away", "few_codes", "never_signed_in"), 0)
    return {**counted, "by_method": Counter(), "by_role": Counter(), "enrolled_by_role": Counter()}


def _count_in(figures: dict[str, Any], row: Mapping[str, Any]) -> None:
    number, owned, codes = row["number"], row["factors"], row["codes_left"]
    figures["people"] += number
    figures["few_codes"] += number if codes is not None and codes <= FEW_CODES else 0
    figures["never_signed_in"] += number - row["signed_in"]
    figures["one_loss_away"] += number if owned in SINGLE and not codes else 0
    figures["by_role"][row["role"]] += number
    figures["with_codes"] += number if owned & _CODES else 0
    for bit, method in _BITS:
        figures["by_method"][method] += number if owned & bit else 0
    if owned & _ANY:
        figures["enrolled"] += number
        figures["enrolled_by_role"][row["role"]] += number


_BITS: Final = tuple((int(one), str(method)) for one, method in METHODS.items())
_ANY: Final = int(reduce(or_, AUTHENTICATORS))
_CODES: Final = int(Factors.RECOVERY_CODES)
"""As plain numbers: a site of a thousand tenants has ten thousand rows, and flags take their time."""


# -- what the policies say -----------------------------------------------------------------------------------------


def _demanded(ids: set[UUID], now: datetime, people: Mapping[UUID, int]) -> dict[UUID, dict[str, int]]:
    """Tenants with the same rules are asked together, in three queries at most, whenever enforcement began for each."""
    found: dict[UUID, dict[str, int]] = defaultdict(dict)
    lost = facts.lost_key_ids()
    for rules, members in _alike(facts.rules_by_tenant(ids, now)):
        everybody, since = active(members), cast("Since", rules.enforced_since)
        if since == _SOME_TIME:
            everybody, since = _with_their_version(everybody, now), F("tenant__policy__versions__enforced_since")
        asked = conditions_of(rules, now, since=since, lost=lost)
        if asked.asks_everybody:
            found |= {one: {"demanded": people[one]} for one in members if one in people}
        _count_demanded(everybody, asked, found)
    return found


def _alike(rules: Mapping[UUID, Rules]) -> list[tuple[Rules, list[UUID]]]:
    """The tenants by what their rules are; the one of its kind keeps the time at which enforcement began."""
    found: list[tuple[Rules, list[UUID]]] = []
    for tenant_id, own in rules.items():
        general = _general(own)
        same = next((members for known, members in found if known == general), None)
        found.append((general, [tenant_id])) if same is None else same.append(tenant_id)
    return [(rules[members[0]] if len(members) == 1 else general, members) for general, members in found]


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
    missing = {"missing": Q(), "in_grace": asked.in_grace, "not_begun": asked.not_begun}
    rows = [_numbers(people.filter(asked.perhaps_missing, asked.missing), missing)]
    if not asked.asks_everybody:  # a query each: what is asked of every row before it is counted is planned better
        rows += [_numbers(people.filter(asked.demanded), {"demanded": Q()})]
        rows += [_numbers(people.filter(asked.excluded), {"excluded": Q()})]
    for row in chain.from_iterable(rows):
        into[row.pop("tenant")] |= row


def _numbers(people: QuerySet[User], conditions: Mapping[str, Q]) -> list[dict[str, Any]]:
    counted = {name: Count("pk", filter=condition) for name, condition in conditions.items()}
    return [dict(row) for row in people.values("tenant").annotate(**counted)]
