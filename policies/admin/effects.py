"""The numbers beside each choice of a policy: how many people of a tenant it would meet, and as what.

Of active people alone, counted by the database: the same few queries for ten people and for a hundred thousand. What
a change would really do to whom is what *Try* says, by the engine; these are for thinking about it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Exists, F, FilteredRelation, OuterRef, Q, QuerySet

from accounts.models import Binding, RecoveryCode, Role, User
from policies.facts import key_ids
from policies.models import MFAPolicy

MOST_PRODUCTS: Final = 50  # listed; the rest is rare


@dataclass(frozen=True, slots=True)
class Product:
    """Keys of one AAGUID: how many people of the tenant have any."""

    aaguid: UUID
    people: int


@dataclass(frozen=True, slots=True)
class Effects:
    """People of one tenant, counted. A method is a key or an app that can be used; recovery codes are none.

    `administrators` can use the administration. `only_synced`, `only_unverified` and `only_unattested` have keys, and
    all of them are so. `here_before` are people, not administrators, known before anything was demanded who have no
    method; `time_over` those of them whose grace is over under the document that was asked about.
    """

    people: int
    administrators: int
    without_method: int
    administrators_without_method: int
    administrators_without_key: int
    users_without_key: int
    with_key: int
    with_app: int
    with_codes: int
    only_app: int
    only_codes: int
    one_method: int
    never_signed_in: int
    with_synced: int
    only_synced: int
    only_unverified: int
    only_unattested: int
    here_before: int
    time_over: int
    products: tuple[Product, ...]
    groups: Mapping[str, int]


def effects_of(
    policy: MFAPolicy, document: Mapping[str, Any], enforced_since: datetime | None, now: datetime
) -> Effects:
    """The numbers for a policy's tenant at `now`, with the grace that a valid document gives. Three queries.

    `enforced_since`: when the policy first demanded anything; None: it would be from `now` on.
    """
    over = _over(document, enforced_since or now, now)
    counted = {
        name: Count("pk", filter=condition) for name, condition in _conditions(enforced_since or now, over).items()
    }
    numbers = _owners(policy).aggregate(**counted)
    return Effects(**numbers, products=_products(policy), groups=_groups(policy))


def _people(policy: MFAPolicy) -> QuerySet[User]:
    return User.objects.filter(tenant=policy.tenant_id, is_active=True)


def _owners(policy: MFAPolicy) -> QuerySet[Any]:
    """Every active person with how many keys, apps and code sets of theirs can be used, in one GROUP BY."""
    usable = Q(own__locked_at=None, own__sealed_under__in=["", *key_ids()])
    key = usable & Q(own__kind=Binding.Kind.WEBAUTHN)
    left = RecoveryCode.objects.filter(binding=OuterRef("own__pk"), used_at=None)
    codes = usable & Q(own__kind=Binding.Kind.RECOVERY_CODE) & Q(Exists(left))
    live = FilteredRelation("bindings", condition=Q(bindings__unbound_at=None))
    return (
        _people(policy)
        .annotate(own=live)
        .annotate(
            keys=Count("own", filter=key),
            apps=Count("own", filter=usable & Q(own__kind=Binding.Kind.TOTP)),
            codes=Count("own", filter=codes),
            synced=Count("own", filter=key & Q(own__credential__backup_eligible=True)),
            unverified=Count("own", filter=key & Q(own__credential__user_verified=False)),
            unattested=Count("own", filter=key & Q(own__credential__attested=False)),
        )
    )


def _conditions(since: datetime, over: Q) -> dict[str, Q]:
    """Who is counted as what, in the terms of `_owners`."""
    staff = Q(role=Role.ADMINISTRATOR) | Q(is_superuser=True)
    keyless, no_method = Q(keys=0), Q(keys=0, apps=0)
    here_before = ~staff & no_method & Q(known_since__lt=since)
    return {
        "people": Q(),
        "administrators": staff,
        "without_method": no_method,
        "administrators_without_method": staff & no_method,
        "administrators_without_key": staff & keyless,
        "users_without_key": ~staff & keyless,
        "with_key": ~keyless,
        "with_app": Q(apps__gt=0),
        "with_codes": Q(codes__gt=0),
        "only_app": keyless & Q(apps__gt=0),
        "only_codes": no_method & Q(codes__gt=0),
        "one_method": Q(keys=1, apps=0) | Q(keys=0, apps=1),
        "never_signed_in": Q(first_sign_in_at=None),
        "with_synced": Q(synced__gt=0),
        "only_synced": ~keyless & Q(synced=F("keys")),
        "only_unverified": ~keyless & Q(unverified=F("keys")),
        "only_unattested": ~keyless & Q(unattested=F("keys")),
        "here_before": here_before,
        "time_over": here_before & over,
    }


def _over(document: Mapping[str, Any], since: datetime, now: datetime) -> Q:
    """Whose grace as people who were here before is over: `policies.demands.deadline_of`, told to the database."""
    days: int = document["grace_days"]
    closed = Q(grace_closed_at__isnull=False)
    granted = Q(grace_cap__lte=now) if days and since + timedelta(days=days) > now else Q(pk__isnull=False)
    return closed | (granted & (Q(grace_extended_to=None) | Q(grace_extended_to__lte=now)))


def _products(policy: MFAPolicy) -> tuple[Product, ...]:
    keys = Binding.objects.filter(person__in=_people(policy), unbound_at=None, kind=Binding.Kind.WEBAUTHN)
    counted = keys.values_list("credential__aaguid").annotate(people=Count("person", distinct=True))
    return tuple(
        Product(aaguid, people) for aaguid, people in counted.order_by("-people", "credential__aaguid")[:MOST_PRODUCTS]
    )


def _groups(policy: MFAPolicy) -> dict[str, int]:
    memberships = User.groups.through.objects.filter(user__in=_people(policy))
    return dict(memberships.values_list("group__name").annotate(people=Count("user")))
