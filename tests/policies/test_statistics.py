"""The figures of the rollout: what the database counts is what the engine says, person by person."""

import itertools
import random
import uuid
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts import enrolment_state
from accounts.models import Binding, RecoveryCode, Role, Tenant, User, WebAuthnCredential
from policies import demands, facts
from policies.rollout import conditions, statistics
from policies.rollout.conditions import conditions_of
from policies.terms import Exclude, Excluded, Facts, Reason, Rules, Strength
from tests.bench import crowd
from tests.factories import TenantFactory, UserFactory, enrol_recovery_codes, enrol_totp, publish_rules
from tests.policies import strategies
from tests.policies.scene import DAY, HOUR, NOW, OTHER_PRODUCT, PRODUCT, SHE, TICK

pytestmark = pytest.mark.django_db

Kind = Binding.Kind
DICE = random.Random()  # noqa: S311  # they fall the same way in every run


def varied(tenant: Tenant, number: int) -> list[User]:
    """People in every state, at the edges of every term that the strategies know."""
    DICE.seed(number)
    finance = Group.objects.get_or_create(name="finance")[0]
    people = [_person(tenant, SHE if one == 0 else uuid.uuid4()) for one in range(number)]
    User.objects.bulk_create(people)
    for person in people:
        for kind in DICE.choice([(), (), (Kind.TOTP,), (Kind.WEBAUTHN,), tuple(Kind), (Kind.WEBAUTHN,) * 2]):
            _bind(person, kind)
        if DICE.random() < 0.3:
            person.groups.add(finance)
        enrolment_state.refresh(person)
    return list(User.objects.filter(tenant=tenant).select_related("tenant"))


def _person(tenant: Tenant, pk: uuid.UUID) -> User:
    person = User(
        pk=pk,
        tenant=tenant,
        email=f"{pk}@example.com",
        password="!",
        role=DICE.choice([Role.USER, Role.USER, Role.USER, Role.ADMINISTRATOR]),
        is_superuser=DICE.random() < 0.1,
        first_sign_in_at=DICE.choice([NOW - 200 * DAY, None, NOW - HOUR, NOW - 7 * DAY, NOW - 7 * DAY + TICK]),
        grace_closed_at=DICE.choice([None, None, None, NOW - DAY]),
        grace_cap=DICE.choice([None, None, None, NOW, NOW + HOUR]),
        grace_extended_to=DICE.choice([None, None, NOW, NOW + 20 * DAY]),
    )
    person.known_since = DICE.choice([NOW - 300 * DAY, NOW - 14 * DAY, NOW - DAY, NOW - DAY - TICK, NOW])
    return person


def _bind(person: User, kind: str) -> None:
    one = Binding.objects.create(
        person=person,
        kind=kind,
        locked_at=DICE.choice([None, None, None, NOW]),
        sealed_under=DICE.choice(["", "", "gone"]) if kind == Kind.TOTP else "",
    )
    if kind == Kind.RECOVERY_CODE:
        used = DICE.choice([None, NOW])
        RecoveryCode.objects.create(binding=one, digest=one.pk.hex, used_at=used)
    elif kind == Kind.WEBAUTHN:
        WebAuthnCredential.objects.create(
            binding=one,
            credential_id=one.pk.bytes,
            public_key=b"",
            algorithm=-7,
            aaguid=DICE.choice([PRODUCT, OTHER_PRODUCT, uuid.uuid4()]),
            user_verified=DICE.random() < 0.6,
            backup_eligible=DICE.random() < 0.4,
            backed_up=False,
            attested=DICE.random() < 0.5,
        )


def said(rules: Rules, one: Facts) -> set[str]:
    """What `policies.demands` says of a person, by the names of the conditions."""
    own = demands.personal(rules, one)
    deadline = demands.deadline_of(rules, one)
    at_first_sign_in = demands.deadline_of(rules, replace(one, first_sign_in_at=one.first_sign_in_at or NOW))
    in_grace = deadline is not None and deadline > NOW
    names = {
        "demanded": demands.is_demanded(rules, one, NOW),
        "excluded": demands.waived(own, one, NOW) is Reason.EXCLUDED,
        "ready": len(demands.acceptable(rules, one)) >= own.minimum_factors,
        "in_grace": in_grace,
        "not_begun": not in_grace and at_first_sign_in is not None and at_first_sign_in > NOW,
    }
    return {name for name, holds in names.items() if holds}


NAMES = ("demanded", "excluded", "ready", "in_grace", "not_begun")


def test_the_database_says_of_everybody_what_the_engine_says(tenant):
    people = varied(tenant, 150)
    known, lost = facts.gather_many(people), facts.lost_key_ids()
    seen: Counter[str] = Counter()

    @settings(max_examples=120, suppress_health_check=list(HealthCheck))
    @given(strategies.rule_sets, st.booleans())
    @example(Rules(version=1), False)
    @example(Rules(version=1, excludes=(Exclude(Excluded.ROLE, "user", NOW + DAY),)), False)
    @example(Rules(version=1, strength={"administrator": Strength.PHISHING_RESISTANT}), False)
    @example(Rules(version=1, break_glass=frozenset({SHE})), False)
    def agree(rules: Rules, by_column: bool) -> None:
        TenantVersion.since(tenant, rules.enforced_since)
        since = conditions.F("tenant__policy__versions__enforced_since") if by_column else rules.enforced_since
        asked = conditions_of(rules, NOW, since=since if rules.enforced_since else None, lost=lost)
        rows = User.objects.filter(tenant=tenant)
        if by_column:
            rows = rows.filter(tenant__policy__versions__number=tenant.policy.version)
        for name in NAMES:
            found = set(rows.filter(getattr(asked, name)).values_list("pk", flat=True))
            expected = {pk for pk, one in known.items() if name in said(rules, one)}
            assert found == expected, name
            seen[name] += len(found)

    agree()
    assert set(seen) == set(NAMES) and min(seen.values()) > 0


def ids(rows: QuerySet[User]) -> set[uuid.UUID]:
    return set(rows.values_list("pk", flat=True))


class TenantVersion:
    """The version in force, rewritten as no flow would: a policy's past is what the property asks about."""

    @staticmethod
    def since(tenant: Tenant, moment: object) -> None:
        tenant.policy.versions.filter(number=tenant.policy.version).update(enforced_since=moment)


class TestTheFigures:
    def test_they_add_up_to_a_naive_recount(self, tenant):
        publish_rules(tenant, grace_days=14, new_grace_days=7)
        TenantVersion.since(tenant, NOW - DAY)
        people = varied(tenant, 120)
        User.objects.filter(pk__in=[one.pk for one in people[:7]]).update(is_active=False)
        found = statistics.status_of([tenant.pk], NOW)[tenant.pk]
        assert found == recounted(tenant)
        assert 0 < found.overdue < found.missing < found.demanded <= found.people == 113

    def test_a_crowd_is_counted_by_what_it_owns(self, tenant):
        crowd.gather(tenant, 100)
        for person in User.objects.filter(tenant=tenant):
            enrolment_state.refresh(person)
        found = statistics.status_of([tenant.pk], timezone.now())[tenant.pk]
        assert (found.people, found.enrolled, found.without, found.overdue) == (100, 70, 30, 35)
        assert found.by_method == {"webauthn": 20, "totp": 55}
        assert (found.with_codes, found.few_codes, found.one_loss_away) == (55, 55, 20)
        assert found.by_role == {"user": 99, "administrator": 1}
        assert found.by_source == {"password": 100}
        assert found.never_signed_in == 100

    def test_two_keys_or_a_code_are_no_single_loss(self, tenant):
        """Of four people the first alone is one lost device from being locked out."""
        one, two, coded, spent = [UserFactory(tenant=tenant) for _ in range(4)]
        for person in (one, two, two):
            _bind(person, Kind.WEBAUTHN)
        for person in (coded, spent):
            enrol_totp(person)
            enrol_recovery_codes(person)
        RecoveryCode.objects.filter(binding__person=spent).update(used_at=NOW)
        for person in (one, two, coded, spent):
            enrolment_state.refresh(person)
        lost = User.objects.filter(statistics.one_loss_away(), tenant=tenant)
        assert set(lost) == {one, spent}

    def test_nothing_is_a_status_too(self, tenant):
        assert statistics.status_of([], timezone.now()) == {}
        bare = Tenant.objects.create(name="No policy", slug="no-policy")
        UserFactory(tenant=bare)
        found = statistics.status_of([bare.pk, tenant.pk], timezone.now())
        assert (found[bare.pk].people, found[bare.pk].demanded) == (1, 0)
        assert found[tenant.pk] == statistics.Status()
        assert statistics.total(found.values()).people == 1

    def test_each_tenant_has_its_own_people_rules_and_beginning(self):
        lenient = TenantFactory(rules={"enforcement": "optional"})
        old, young = [TenantFactory(rules={"grace_days": 10}) for _ in range(2)]
        for tenant, count in ((lenient, 2), (old, 3), (young, 4)):
            for _ in range(count):
                person = UserFactory(tenant=tenant)
                User.objects.filter(pk=person.pk).update(known_since=NOW - 300 * DAY)
        TenantVersion.since(old, NOW - 11 * DAY)
        TenantVersion.since(young, NOW - 9 * DAY)
        found = statistics.status_of([lenient.pk, old.pk, young.pk], NOW)
        numbers = {pk: (one.demanded, one.in_grace, one.overdue) for pk, one in found.items()}
        assert numbers == {lenient.pk: (0, 0, 0), old.pk: (3, 0, 3), young.pk: (4, 4, 0)}

    def test_it_takes_the_same_queries_for_more_people_and_more_tenants(self):
        tenants = [TenantFactory(rules={"grace_days": 10}) for _ in range(5)]

        def taken(of: list[Tenant], count: int) -> int:
            for tenant, _ in itertools.product(of, range(count)):
                UserFactory(tenant=tenant)
            with CaptureQueriesContext(connection) as captured:
                statistics.status_of([one.pk for one in of], timezone.now() + timedelta(days=1))
            return len(captured)

        assert [taken(tenants[:1], 1), taken(tenants[:1], 5), taken(tenants, 3)] == [6, 6, 6]


@pytest.mark.postgres
def test_the_figures_of_a_tenant_are_counted_from_an_index() -> None:
    tenant = TenantFactory(rules={"grace_days": 10})
    with CaptureQueriesContext(connection) as captured:
        statistics.status_of([tenant.pk], NOW)
    counting = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
    assert len(counting) == 2
    with connection.cursor() as cursor:
        for kind in ("seqscan", "bitmapscan", "indexscan"):
            cursor.execute(f"SET LOCAL enable_{kind} = off")
        for sql in counting:
            cursor.execute(f"EXPLAIN {sql}")
            assert "Index Only Scan using person_counted" in str(cursor.fetchall())


def test_a_key_that_nobody_has_any_more_is_lost(tenant):
    first, second = UserFactory(tenant=tenant), UserFactory(tenant=tenant)
    enrol_totp(first)
    assert facts.lost_key_ids() == set()
    for person, key in ((first, "gone"), (second, "older")):
        Binding.objects.create(person=person, kind=Kind.WEBAUTHN, sealed_under=key)
    assert facts.lost_key_ids() == {"gone", "older"}


def recounted(tenant: Tenant) -> statistics.Status:
    """The same figures, one person after the other."""
    people = list(User.objects.filter(tenant=tenant, is_active=True).select_related("tenant"))
    rules, known = facts.rules_of(tenant.pk), facts.gather_many(people)
    words = {person.pk: said(rules, known[person.pk]) for person in people}
    figures: Counter[str] = Counter()
    methods, roles, enrolled_roles = Counter(webauthn=0, totp=0), Counter(), Counter()
    for person in people:
        live = list(Binding.objects.filter(person=person, unbound_at=None))
        kinds = {one.kind for one in live}
        factors = [one for one in live if one.kind != Kind.RECOVERY_CODE]
        left = RecoveryCode.objects.filter(binding__in=live, used_at=None).count()
        missing = "demanded" in words[person.pk] and "ready" not in words[person.pk]
        roles[person.role] += 1
        enrolled_roles[person.role] += bool(factors)
        methods.update(kinds - {Kind.RECOVERY_CODE})
        figures.update(
            people=1,
            enrolled=bool(factors),
            with_codes=Kind.RECOVERY_CODE in kinds,
            one_loss_away=len(factors) == 1 and left == 0,
            few_codes=Kind.RECOVERY_CODE in kinds and left <= 3,
            never_signed_in=person.first_sign_in_at is None,
            demanded="demanded" in words[person.pk],
            excluded="excluded" in words[person.pk],
            missing=missing,
            in_grace=missing and "in_grace" in words[person.pk],
            not_begun=missing and "not_begun" in words[person.pk],
        )
    return statistics.Status(**figures, by_method=methods, by_role=roles, enrolled_by_role=enrolled_roles)
