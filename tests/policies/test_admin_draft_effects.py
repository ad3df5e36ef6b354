"""The numbers beside each choice: as one would count by hand, and as cheap for many people as for few."""

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from accounts.assurance import Method
from accounts.models import Binding, RecoveryCode, Role, Tenant, User, WebAuthnCredential
from policies import document as documents
from policies import facts
from policies.admin.effect_sentences import told_by
from policies.admin.effects import Effects, Product, effects_of
from policies.demands import deadline_of
from policies.terms import Enrolled, Facts, Rules
from tests.factories import TenantFactory, UserFactory

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
PRODUCTS = [UUID(int=number) for number in range(3)]
chance = random.Random()  # noqa: S311  # a crowd is no secret


@pytest.fixture(autouse=True)
def same_crowd(seeded: None) -> None:
    """The crowd of a run follows from its seed."""
    chance.seed(random.getrandbits(64))


def own(person: User, kind: str, **fields: Any) -> Binding:
    """An authenticator as it stands after its enrolment."""
    key = {name: fields.pop(name) for name in ("user_verified", "synced", "attested", "aaguid") if name in fields}
    binding = Binding.objects.create(person=person, kind=kind, **fields)
    if kind == Binding.Kind.WEBAUTHN:
        WebAuthnCredential.objects.create(
            binding=binding,
            credential_id=binding.pk.bytes,
            public_key=b"",
            algorithm=-7,
            aaguid=key.get("aaguid", PRODUCTS[0]),
            user_verified=key.get("user_verified", True),
            backup_eligible=key.get("synced", False),
            backed_up=key.get("synced", False),
            attested=key.get("attested", True),
        )
    return binding


def crowd(tenant: Tenant, count: int) -> None:
    """People in every state, by chance; some of them are not to be counted."""
    groups = [Group.objects.get_or_create(name=f"group {number} of {tenant.slug}")[0] for number in range(2)]
    for _ in range(count):
        person = someone(tenant)
        person.groups.set(chance.sample(groups, chance.randint(0, 2)))
        for kind in chance.sample([*Binding.Kind.values, Binding.Kind.WEBAUTHN.value], chance.randint(0, 4)):
            something(person, kind)


def someone(tenant: Tenant) -> User:
    now = timezone.now()
    moments = [None, now - 20 * DAY, now - 5 * DAY, now + 5 * DAY]
    return User.objects.create_user(
        email=f"{chance.getrandbits(64):x}@example.com",
        tenant=tenant,
        role=chance.choice([Role.USER, Role.USER, Role.USER, Role.ADMINISTRATOR]),
        is_superuser=chance.random() < 0.1,
        is_active=chance.random() < 0.9,
        known_since=chance.choice([now - 30 * DAY, now - 10 * DAY, now - 8 * DAY, now]),
        first_sign_in_at=chance.choice([None, now - DAY]),
        grace_closed_at=chance.choice([None, None, None, now - DAY]),
        grace_cap=chance.choice([None, *moments]),
        grace_extended_to=chance.choice([None, *moments]),
    )


def something(person: User, kind: str) -> None:
    if kind != Binding.Kind.WEBAUTHN and person.bindings.filter(kind=kind, unbound_at=None).exists():
        return
    binding = own(
        person,
        kind,
        sealed_under=chance.choice(["", "", next(iter(facts.key_ids())), "lostkey1"]),
        locked_at=chance.choice([None] * 5 + [timezone.now()]),
        unbound_at=chance.choice([None] * 5 + [timezone.now()]),
        user_verified=chance.random() < 0.5,
        synced=chance.random() < 0.5,
        attested=chance.random() < 0.5,
        aaguid=chance.choice(PRODUCTS),
    )
    if kind == Binding.Kind.RECOVERY_CODE:
        for used_at in chance.sample([None, timezone.now()], chance.randint(0, 2)):
            RecoveryCode.objects.create(binding=binding, digest=f"{chance.getrandbits(256):064x}", used_at=used_at)


def recount(tenant: Tenant, since: datetime | None, days: int, now: datetime) -> Effects:
    """The same numbers, one person after the other, from what the engine is told."""
    people = list(User.objects.filter(tenant=tenant, is_active=True))
    known = facts.gather_many(people)
    rules = Rules(version=1, grace_days=days, enforced_since=since or now)
    counted = [_Counted(person, known[person.pk], rules, now) for person in people]
    numbers = {name: sum(getattr(one, name) for one in counted) for name in _Counted.NAMES}
    keys = {aaguid: {str(one.pk) for one in people if aaguid in _products(one)} for aaguid in PRODUCTS}
    products = sorted(keys.items(), key=lambda item: (-len(item[1]), item[0]))
    groups = {
        name: sum(name in known[one.pk].groups for one in people)
        for name in Group.objects.values_list("name", flat=True)
    }
    return Effects(
        **numbers,
        products=tuple(Product(aaguid, len(owners)) for aaguid, owners in products if owners),
        groups={name: count for name, count in groups.items() if count},
    )


def _products(person: User) -> set[UUID]:
    live = Binding.objects.filter(person=person, unbound_at=None, kind=Binding.Kind.WEBAUTHN)
    return {binding.credential.aaguid for binding in live}


class _Counted:
    """What one person counts as."""

    NAMES = [name for name in Effects.__dataclass_fields__ if name not in ("products", "groups")]

    def __init__(self, person: User, stated: Facts, rules: Rules, now: datetime) -> None:
        usable = [one for one in stated.enrolled if one.usable]
        keys = [one for one in usable if one.method is Method.WEBAUTHN]
        app = any(one.method is Method.TOTP for one in usable)
        codes = any(one.method is Method.RECOVERY_CODE for one in usable)
        staff, method = person.is_staff, bool(keys) or app
        deadline = deadline_of(rules, stated)
        self.people = True
        self.administrators = staff
        self.without_method = not method
        self.administrators_without_method = staff and not method
        self.administrators_without_key = staff and not keys
        self.users_without_key = not staff and not keys
        self.with_key, self.with_app, self.with_codes = bool(keys), app, codes
        self.only_app = app and not keys
        self.only_codes = codes and not method
        self.one_method = len(keys) + app == 1
        self.never_signed_in = person.first_sign_in_at is None
        self.with_synced = any(one.synced for one in keys)
        self.only_synced = _all(keys, "synced", True)
        self.only_unverified = _all(keys, "user_verified", False)
        self.only_unattested = _all(keys, "attested", False)
        assert rules.enforced_since is not None
        self.here_before = not staff and not method and person.known_since < rules.enforced_since
        self.time_over = self.here_before and (deadline is None or deadline <= now)


def _all(keys: list[Enrolled], name: str, value: bool) -> bool:
    return bool(keys) and all(getattr(one, name) is value for one in keys)


@pytest.mark.parametrize("days", [0, 5, 9, 14])
@pytest.mark.parametrize("ago", [None, 9, 9.5])
def test_the_numbers_are_those_of_a_count_by_hand(tenant: Tenant, days: int, ago: float | None) -> None:
    crowd(tenant, 60)
    crowd(TenantFactory(), 5)
    now = timezone.now()
    since = None if ago is None else now - ago * DAY
    document = documents.default_document() | {"grace_days": days}
    assert effects_of(tenant.policy, document, since, now) == recount(tenant, since, days, now)


@pytest.mark.postgres
def test_the_numbers_are_the_same_on_postgresql(tenant: Tenant) -> None:
    assert connection.vendor == "postgresql"
    crowd(tenant, 60)
    now = timezone.now()
    found = effects_of(tenant.policy, documents.default_document(), now - 9 * DAY, now)
    assert found == recount(tenant, now - 9 * DAY, 14, now)


def test_the_numbers_cost_three_queries_for_everybody(tenant: Tenant, django_assert_num_queries: Any) -> None:
    policy = tenant.policy
    for count in (0, 1, 20):
        crowd(tenant, count)
        with django_assert_num_queries(3):
            effects_of(policy, documents.default_document(), None, timezone.now())


def test_the_numbers_are_said_beside_the_rules_they_are_about(tenant: Tenant) -> None:
    now = timezone.now()
    boss = UserFactory(tenant=tenant, role=Role.ADMINISTRATOR)
    own(
        UserFactory(tenant=tenant),
        Binding.Kind.WEBAUTHN,
        synced=True,
        aaguid=UUID("8876631b-d4a0-427f-5773-0ec71c9e0279"),
    )
    User.objects.filter(tenant=tenant).update(known_since=now - 30 * DAY)
    late = UserFactory(tenant=tenant, known_since=now - 30 * DAY)
    User.objects.filter(pk=late.pk).update(known_since=now - 30 * DAY, grace_cap=now - DAY)
    boss.groups.add(Group.objects.create(name="finance"))
    told = said(tenant, now - 10 * DAY, now)
    assert told["enforcement"] == ["3 people are in this tenant.", "2 people have no method yet."]
    assert told["scope"] == ["2 users", "1 administrator", "finance: 1 person"]
    assert told["allowed"] == ["1 person has a key or passkey."]
    assert told["strength"] == ["1 user has no key.", "1 administrator has no key."]
    assert told["synced_passkeys"] == ["1 person has such a passkey.", "1 person has no other key."]
    assert told["aaguids_allowed"] == ["Solo: 1 person"]
    assert told["administrators_grace_days"] == ["1 administrator has no method."]
    before, ends, over = told["grace_days"]
    assert before == "1 person who was here before has no method."
    assert ends.startswith("14 days end on ")
    assert over == "For 1 of them the time would be over."


def test_good_news_are_said_as_such(tenant: Tenant) -> None:
    boss = UserFactory(tenant=tenant, role=Role.ADMINISTRATOR)
    own(boss, Binding.Kind.WEBAUTHN)
    own(boss, Binding.Kind.TOTP)
    told = said(tenant, None, timezone.now())
    assert told["enforcement"] == ["1 person is in this tenant.", "Everybody has a method."]
    assert told["strength"] == ["Every user has a key.", "Every administrator has a key."]
    assert told["administrators_grace_days"] == ["Every administrator has a method."]
    assert told["minimum_factors"] == ["Everybody has a method."]
    assert told["grace_days"] == [
        "Everybody who was here before has a method.",
        "The days begin when something is demanded for the first time.",
    ]
    assert told["attested"] == told["user_verification"] == []


def said(tenant: Tenant, since: datetime | None, now: datetime) -> Any:
    document = documents.default_document()
    return told_by(effects_of(tenant.policy, document, since, now), document, since, now)
