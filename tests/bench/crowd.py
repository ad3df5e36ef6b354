"""A tenant full of people in every state, made in bulk: what a trial of a policy is measured and tested on."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Model
from django.utils import timezone

from accounts.enrolment_state import OF_KIND, Factors
from accounts.models import Binding, RecoveryCode, Role, Tenant, User, WebAuthnCredential

SEVERAL = 5000  # rows of one INSERT
CODES = 2  # of each set
Kind = Binding.Kind
OWNED: tuple[tuple[str, ...], ...] = (
    *[(Kind.TOTP, Kind.RECOVERY_CODE)] * 9,
    *[(Kind.WEBAUTHN,)] * 3,
    (Kind.WEBAUTHN, Kind.WEBAUTHN, Kind.TOTP, Kind.RECOVERY_CODE),
    (Kind.RECOVERY_CODE,),
    ("locked",),
    *[()] * 5,
)
"""What twenty people own, one after the other."""


def gather(tenant: Tenant, count: int) -> None:
    """Add `count` people to the tenant: a twentieth each of what `OWNED` lists, every hundredth an administrator."""
    group = Group.objects.get_or_create(name="Sales")[0]
    for start in range(0, count, SEVERAL):
        _add(tenant, group, range(start, min(start + SEVERAL, count)))


def _add(tenant: Tenant, group: Group, numbers: range) -> None:
    people = [_person(tenant, number) for number in numbers]
    bindings = [one for person, number in zip(people, numbers, strict=True) for one in _bindings(person, number)]
    _count(people, bindings)
    _insert(people, bindings)
    _insert([_credential(one) for one in bindings if one.kind == Kind.WEBAUTHN])
    _insert([code for one in bindings if one.kind == Kind.RECOVERY_CODE for code in _codes(one)])
    through: Any = User.groups.through
    _insert([through(user=person, group=group) for person in people[::4]])


def _insert(*tables: list[Any]) -> None:
    for rows in tables:
        if rows:
            type(rows[0]).objects.bulk_create(rows, batch_size=SEVERAL)


def _count(people: list[User], bindings: list[Binding]) -> None:
    """The counters that the flows would have kept."""
    by_id = {person.pk: person for person in people}
    for one in bindings:
        person = by_id[one.person_id]
        person.factors |= OF_KIND[Kind(one.kind)]
        if one.kind == Kind.RECOVERY_CODE:
            person.codes_left = CODES
        else:
            person.factors |= Factors.SEVERAL if person.mfa_enrolled_at else 0
            person.factors |= Factors.LOCKED if one.locked_at else 0
            person.mfa_enrolled_at = min(one.bound_at, person.mfa_enrolled_at or one.bound_at)


def _person(tenant: Tenant, number: int) -> User:
    role = Role.ADMINISTRATOR if number % 100 == 0 else Role.USER
    address = f"crowd-{number}-{tenant.slug}@example.com"
    return User(tenant=tenant, email=address, name=f"Person {number}", role=role, password="!")


def _bindings(person: User, number: int) -> Iterator[Binding]:
    now = timezone.now()
    for age, kind in enumerate(OWNED[number % len(OWNED)]):
        locked = now if kind == "locked" else None
        since = now - timedelta(days=100 - age)
        yield Binding(person=person, kind=Kind.TOTP if locked else kind, bound_at=since, locked_at=locked)


def _credential(binding: Binding) -> Model:
    is_synced = binding.pk.int % 2 == 0
    return WebAuthnCredential(
        binding=binding,
        credential_id=binding.pk.bytes,
        public_key=b"",
        algorithm=-7,
        aaguid=UUID(int=binding.pk.int % 7),
        user_verified=binding.pk.int % 5 > 0,
        backup_eligible=is_synced,
        backed_up=is_synced,
    )


def _codes(binding: Binding) -> list[Model]:
    return [RecoveryCode(binding=binding, digest=f"{binding.pk.hex}{number:032x}") for number in range(CODES)]
