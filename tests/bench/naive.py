"""The figures of the status pages as one would write them without the counters: EXISTS over the authenticators.

The same `Status`, figure by figure, each in the query that PostgreSQL answers best. That nothing else comes
out is held by `tests/bench/test_masses.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Final
from unittest import mock
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from accounts.models import Binding, RecoveryCode
from policies.rollout import conditions, statistics
from policies.rollout.statistics import FEW_CODES, Status
from policies.terms import KeyRules

Kind = Binding.Kind
CODES: Final = Q(kind=Kind.RECOVERY_CODE)
METHODS: Final = (Kind.WEBAUTHN, Kind.TOTP)


def status_of(tenant_ids: Iterable[UUID], now: datetime) -> dict[UUID, Status]:
    """As `statistics.status_of`, and not compiled either; with more memory for each statement it would be slower."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL jit = off")
        return _status_of(set(tenant_ids), now)


def _status_of(ids: set[UUID], now: datetime) -> dict[UUID, Status]:
    found: dict[UUID, dict[str, Any]] = {one: defaultdict(Counter) for one in ids}
    for name, condition in _conditions(ids).items():
        for tenant_id, number in _counted(ids, condition, "tenant"):
            found[tenant_id][name] = number
    for method in METHODS:
        for tenant_id, number in _counted(ids, Exists(_live(kind=method)), "tenant"):
            found[tenant_id]["by_method"][str(method)] = number
    for name, condition in {"by_role": Q(), "enrolled_by_role": Exists(_live(~CODES))}.items():
        for tenant_id, role, number in _counted(ids, condition, "tenant", "role"):
            found[tenant_id][name][role] = number
    people = {tenant_id: figures.get("people", 0) for tenant_id, figures in found.items()}
    with mock.patch.object(conditions, "_owns", _owns):
        for tenant_id, figures in statistics._demanded(ids, now, people).items():
            found[tenant_id] |= figures
    return {tenant_id: Status(**figures) for tenant_id, figures in found.items()}


def _conditions(ids: set[UUID]) -> dict[str, Any]:
    live = Binding.objects.filter(person__tenant__in=ids, unbound_at=None).order_by()
    single = live.exclude(CODES).values("person").annotate(number=Count("pk")).filter(number=1)
    unused = _live(CODES).filter(Exists(RecoveryCode.objects.filter(binding=OuterRef("pk"), used_at=None)))
    left = live.filter(CODES).values("person").annotate(left=Count("codes", filter=Q(codes__used_at=None)))
    return {
        "people": Q(),
        "enrolled": Exists(_live(~CODES)),
        "with_codes": Exists(_live(CODES)),
        "one_loss_away": Q(pk__in=single.values("person")) & ~Exists(unused),
        "few_codes": Q(pk__in=left.filter(left__lte=FEW_CODES).values("person")),
        "never_signed_in": Q(first_sign_in_at=None),
    }


def _live(*conditions: Q, **more: Any) -> QuerySet[Binding]:
    return Binding.objects.filter(*conditions, person=OuterRef("pk"), unbound_at=None, **more).order_by()


def _counted(ids: set[UUID], condition: Any, *by: str) -> QuerySet[Any, Any]:
    return statistics.active(ids).filter(condition).values_list(*by).annotate(number=Count("pk"))


def _owns(methods: Any, keys: KeyRules, minimum: int, lost: Collection[str]) -> Q:
    """What a policy accepts, for policies that want one authenticator."""
    good = conditions._bound(methods).filter(conditions._is_usable(lost), conditions._is_accepted(keys))
    return Q(Exists(good.filter(person=OuterRef("pk"))))
