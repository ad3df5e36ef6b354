# ruff: noqa: S608  # names of tables and columns, no input
"""A site full of tenants and people, made by the database itself: PostgreSQL alone, a million in minutes.

Real rows of every table that the lists and figures read, a twentieth of the people each of what `crowd.OWNED` lists,
and counters that say so (`tests/bench/test_masses.py` has them checked by `accounts.flows.state_check`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import AutoField, Model
from django.utils import timezone

from accounts.enrolment_state import OF_KIND, Factors
from accounts.models import Binding, RecoveryCode, Tenant, User, WebAuthnCredential
from policies.facts import key_ids
from policies.models import EnrolmentSnapshot
from policies.rollout.forecast import DAYS
from tests.bench.crowd import CODES, OWNED
from tests.factories import TenantFactory

Kind = Binding.Kind
OF_A_TENANT: Final = 1000  # people, on average
RULES: Final[tuple[dict[str, Any], ...]] = (
    {"grace_days": 14, "new_grace_days": 7},
    {"enforcement": "optional"},
    {"strength": {"administrator": "phishing_resistant"}},
    {"scope": {"everyone": False, "roles": ["administrator"], "groups": ["Sales"], "staff": False, "sources": []}},
)
"""What the tenants' policies say beside the default, one after the other; the big one's is the first."""

FIRST_NAMES: Final = "alma bela carlo dana emil fadi greta hana ivo jana karim lena milo nour olga pavel rana samir"
SURNAMES: Final = "adler bauer costa dubois eklund fischer garcia haddad ivanov jansen khalil lindner moreau novak"


def settle(people: int) -> Tenant:
    """That many people in a thousandth as many tenants (two at least); returns the one with a tenth of them all."""
    now = timezone.now()
    number = max(people // OF_A_TENANT, 2)
    tenants = [TenantFactory(rules=RULES[one % len(RULES)]) for one in range(number)]
    _list_people(tenants, _sizes(people, number), now)
    with _without_trigrams():
        _add_people(now)
    _add_authenticators()
    _add_snapshots(now)
    _run("DROP TABLE masses, owned")
    return tenants[0]


def _sizes(people: int, tenants: int) -> list[int]:
    """A tenth for the first; the rest in equal parts, what is over for the last."""
    big = people // 10
    each, over = divmod(people - big, tenants - 1)
    return [big, *[each] * (tenants - 2), each + over]


def _list_people(tenants: list[Tenant], sizes: list[int], now: datetime) -> None:
    """Who is to be made and what they own, in two tables for this connection alone, which every INSERT reads.

    In no order: the people of a tenant came one by one, and lie between those of the others.
    """
    _run(
        "CREATE TEMPORARY TABLE masses AS SELECT gen_random_uuid() AS person, gen_random_uuid() AS code_set,"
        f" tenant, slug, number, mod(number, {len(OWNED)}) AS slot"
        " FROM unnest(%s::uuid[], %s::text[], %s::int[]) AS sizes (tenant, slug, size),"
        " generate_series(0, size - 1) AS number ORDER BY person",
        [one.pk for one in tenants],
        [one.slug for one in tenants],
        sizes,
    )
    _run("CREATE TEMPORARY TABLE owned (slot int, kind text, factor int, since timestamptz, locked timestamptz)")
    for slot, kinds in enumerate(OWNED):
        for age, kind in enumerate(kinds):
            real, locked = (Kind.TOTP, now) if kind == "locked" else (Kind(kind), None)
            since = now - timedelta(days=100 - age)
            _run("INSERT INTO owned VALUES (%s, %s, %s, %s, %s)", slot, str(real), int(OF_KIND[real]), since, locked)
    _run("ANALYZE masses")


def _add_people(now: datetime) -> None:
    first, last = _one_of(FIRST_NAMES, "number"), _one_of(SURNAMES, "number / 7")
    like = User(password="!", known_since=now - timedelta(days=300))
    columns = {
        "id": "person",
        "tenant_id": "tenant",
        "email": f"{first} || '.' || {last} || number || '@' || slug || '.example'",
        "name": f"initcap({first}) || ' ' || initcap({last})",
        "role": "CASE mod(number, 100) WHEN 0 THEN 'administrator' ELSE 'user' END",
        "first_sign_in_at": f"CASE WHEN mod(number, 10) < 9 THEN '{now - timedelta(days=200)}'::timestamptz END",
        "webauthn_handle": "sha512(person::text::bytea)",
        "factors": "coalesce(has.factors, 0)",
        "codes_left": f"CASE WHEN has.factors & {int(Factors.RECOVERY_CODES)} > 0 THEN {CODES} END",
        "mfa_enrolled_at": "has.since",
    }
    beside = f"FILTER (WHERE kind <> '{Kind.RECOVERY_CODE}')"
    state = f"min(since) {beside} AS since, bit_or(factor)"
    state += f" + CASE WHEN count(*) {beside} > 1 THEN {int(Factors.SEVERAL)} ELSE 0 END"
    state += f" + CASE WHEN count(locked) {beside} > 0 THEN {int(Factors.LOCKED)} ELSE 0 END AS factors"
    _multiply(like, columns, f"masses LEFT JOIN (SELECT slot, {state} FROM owned GROUP BY slot) AS has USING (slot)")
    group = Group.objects.get_or_create(name="Sales")[0]
    through: Any = User.groups.through
    _multiply(through(group=group), {"user_id": "person"}, "masses WHERE mod(number, 4) = 0")


def _add_authenticators() -> None:
    codes, keys = f"kind = '{Kind.RECOVERY_CODE}'", f"kind = '{Kind.WEBAUTHN}'"
    columns = {
        "id": f"CASE WHEN {codes} THEN code_set ELSE gen_random_uuid() END",
        "person_id": "person",
        "kind": "kind",
        "bound_at": "since",
        "locked_at": "locked",
        "sealed_under": f"CASE kind WHEN '{Kind.TOTP}' THEN '{min(key_ids())}' ELSE '' END",
    }
    _multiply(Binding(), columns, "masses JOIN owned USING (slot)")
    columns = {
        "binding_id": "id",
        "credential_id": "uuid_send(id)",
        "aaguid": "md5(mod(hashtext(id::text), 7)::text)::uuid",
        "user_verified": "mod(hashtext(id::text), 5) <> 0",
        "backup_eligible": "mod(hashtext(id::text), 2) = 0",
        "backed_up": "mod(hashtext(id::text), 2) = 0",
    }
    key = WebAuthnCredential(public_key=b"", algorithm=-7)
    _multiply(key, columns, f"{Binding._meta.db_table} WHERE {keys} AND person_id IN (SELECT person FROM masses)")
    columns = {"binding_id": "code_set", "digest": "encode(sha256((code_set::text || code)::bytea), 'hex')"}
    each = f"generate_series(1, {CODES}) AS code"
    _multiply(RecoveryCode(), columns, f"masses JOIN owned USING (slot), {each} WHERE {codes}")


def _add_snapshots(now: datetime) -> None:
    """Of every day that the pages show and of every tenant: what a site has once it has run for a quarter."""
    columns = {
        "tenant_id": "tenant",
        "day": f"'{now.date()}'::date - ago",
        "people": "size",
        "enrolled": "size / 2",
        "demanded": "size",
        "missing": f"size / 4 + size * ago / {DAYS * 4}",
    }
    like = EnrolmentSnapshot(overdue=0, excluded=0, one_loss_away=0)
    sizes = "(SELECT tenant, count(*) AS size FROM masses GROUP BY tenant) AS sizes"
    _multiply(like, columns, f"{sizes}, generate_series(1, {DAYS - 1}) AS ago")


@contextmanager
def _without_trigrams() -> Iterator[None]:
    """Such an index is made in a third of the time that it takes to keep it up row by row.

    What waits for the end of the transaction, the checks of foreign keys, is done before it is made.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE 'person_%_trigrams'")
        known = dict(cursor.fetchall())
    for name in known:
        _run(f"DROP INDEX {name}")
    yield
    _run("SET CONSTRAINTS ALL IMMEDIATE")
    for definition in known.values():
        _run(definition)


def _one_of(words: str, number: str) -> str:
    return f"(string_to_array('{words}', ' '))[1 + mod({number}, {len(words.split())})]"


def _multiply(like: Model, columns: dict[str, str], source: str) -> None:
    """A row like this one for each of the source's, but for these columns, which are SQL."""
    alike = [one for one in like._meta.concrete_fields if one.column not in columns and not isinstance(one, AutoField)]
    _run(
        f"INSERT INTO {like._meta.db_table} ({', '.join([*columns, *[one.column for one in alike]])})"
        f" SELECT {', '.join([*columns.values(), *['%s'] * len(alike)])} FROM {source}",
        *[one.get_db_prep_save(getattr(like, one.attname), connection) for one in alike],
    )


def _run(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
