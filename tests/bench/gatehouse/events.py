"""A record to be read, of millions of events: each made and sealed as any other, then copied in by the thousand.

Half of it is one tenant's; of the others each has some thousand, spread over the same quarter of a year. Indexes are
made when everything is there: that takes a third of what keeping them up takes.
"""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, connections
from django.utils import timezone

from accounts.models import Tenant
from audit import chain, context, keys
from audit.catalogue import CATALOGUE
from audit.chain import to_json
from audit.drafts import COLUMNS, Draft
from audit.entries import Entry, entry_of
from audit.identifiers import uuid7
from audit.kinds import Kind
from audit.log import Outcome
from audit.models import AuditChain
from tests.audit.evidence import Person

FIRST: Final = 1 << 65  # the id of the large tenant
OF_A_CHAIN: Final = 5000  # events, of all chains but the first, which has half of everything
PEOPLE: Final = 50  # of each tenant, at least
OF_A_PERSON: Final = 1000  # events, where there are more people
AT_A_TIME: Final = 5000  # events
SPREAD: Final = timedelta(days=90)
RARE: Final = 500  # one event in so many
RAREST: Final = 50_000
BUSY: Final = "busy@0.example"  # who has one event in ten of the large tenant
BUSY_ADDRESS: Final = "192.0.2.20"  # whence one in twenty of all comes
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

_STEPS: Final[tuple[tuple[Kind, dict[str, Any]], ...]] = (
    (Kind.SIGN_IN_FAILED, {"method": "password", "failures": 3}),
    (Kind.SIGN_IN_FIRST_FACTOR_ACCEPTED, {"method": "password", "strength": "single_factor", "user_verified": False}),
    (
        Kind.SECOND_FACTOR_DEMANDED,
        {"methods": ["totp"], "decision": "step_up", "reasons": ["second_factor_owed"], "policy_version": 1},
    ),
    (Kind.SECOND_FACTOR_ACCEPTED, {"method": "totp", "purpose": "second_factor", "strength": "multi_factor"}),
    (
        Kind.SIGN_IN_COMPLETED,
        {
            "methods": ["password", "totp"],
            "amr": ["pwd", "otp", "mfa"],
            "aal": 2,
            "strength": "multi_factor",
            "decision": "allow",
            "reasons": ["second_factor_proved", "demand_met"],
            "policy_version": 1,
        },
    ),
    (Kind.SIGNED_OUT, {}),
)

Sizes = dict[UUID, int]


def fill(count: int) -> None:
    """Chains with so many events in all, made by two processes."""
    few = UUID(int=FIRST)
    sizes = {few: count // 2}
    sizes |= {UUID(int=FIRST + 1 + each): OF_A_CHAIN for each in range(count // 2 // OF_A_CHAIN)}
    Tenant.objects.bulk_create(Tenant(pk=pk, name=f"Firm {each}", slug=f"firm-{each}") for each, pk in enumerate(sizes))
    others = {pk: size for pk, size in sizes.items() if pk != few}
    with _without_indexes():
        _at_once([{few: sizes[few]}, others])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _at_once(parts: list[Sizes]) -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # of PostgreSQL
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_make, args=(part,)) for part in parts]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert not any(each.exitcode for each in workers)


def _make(sizes: Sizes) -> None:
    for pk, size in sizes.items():
        _make_chain(pk, size)
    connections.close_all()


def _make_chain(pk: UUID, size: int) -> None:
    number = max(PEOPLE, size // OF_A_PERSON)
    people = [Person(email=f"person-{each}@{pk.int - FIRST}.example", tenant_id=pk) for each in range(number)]
    busy = [Person(email=BUSY, tenant_id=pk)] if pk.int == FIRST else []
    key, previous, begins = keys.primary(), chain.GENESIS, timezone.now() - SPREAD
    for done in range(0, size, AT_A_TIME):
        entries = [
            _entry((number % 10 == 7 and busy) or people, number, _moment(begins, number, size))
            for number in range(done, min(done + AT_A_TIME, size))
        ]
        drafts = list(map(Draft, entries))
        for number, draft in enumerate(drafts, start=done + 1):
            previous = draft.seal(number, previous, key)
        _copy(drafts)
    AuditChain.objects.create(pk=pk, sequence=size, hash=previous)


def _moment(begins: datetime, number: int, size: int) -> datetime:
    """At any microsecond: one in ten ends with a zero, as with real ones."""
    return begins + SPREAD * (number / size) + timedelta(microseconds=number * 7919 % 1000)


def _entry(people: list[Person], number: int, at: datetime) -> Entry:
    """Mostly the steps of signing in and out, one after the other; a few others, and hardly any that failed."""
    person = people[number * 7 % len(people)]
    ip = BUSY_ADDRESS if number % 20 == 7 else f"198.51.{number % 100}.{number // 100 % 100}"
    here = context.RequestContext(ip=ip, user_agent=AGENT, request_id=str(uuid7(at)))
    with context.use(here):
        entry = _told(person, number)
    entry.at, entry.id = at, uuid7(at)
    return entry


def _told(person: Person, number: int) -> Entry:
    """What is recorded of a password that was wrong, a sign-in with two factors, and a sign-out, in turn."""
    if number % RARE == RARE - 1:
        outcome = Outcome.FAILED if number % RAREST == RAREST - 1 else None
        return entry_of(CATALOGUE[Kind.MFA_RESET], person, person, None, outcome, {"removed": 1, "reason": "lost"})
    session, app = UUID(int=FIRST + number // len(_STEPS)), UUID(int=FIRST + number % 97)
    kind, payload = _STEPS[number % len(_STEPS)]
    actor = None if kind is Kind.SIGN_IN_FAILED else person
    named = {"email": person.email} if actor is None else {"session": session}
    if kind in (Kind.SECOND_FACTOR_ACCEPTED, Kind.SIGN_IN_COMPLETED):
        named["authenticator"] = app
    return entry_of(CATALOGUE[kind], actor, person, None, None, payload | named)


def _copy(drafts: list[Draft]) -> None:
    names = ", ".join(COLUMNS)
    with connection.cursor() as cursor, cursor.copy(f"COPY audit_auditevent ({names}) FROM STDIN") as copy:  # type: ignore[attr-defined]
        for draft in drafts:
            values = [getattr(draft.entry, name) for name in COLUMNS]
            copy.write_row([to_json(each) if isinstance(each, dict) else each for each in values])


@contextmanager
def _without_indexes() -> Iterator[None]:
    """But those that are constraints."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = 'audit_auditevent'::regclass AND NOT indisunique"
        )
        known = dict(cursor.fetchall())
        for name in known:
            cursor.execute(f"DROP INDEX {name}")
    yield
    with connection.cursor() as cursor:
        for definition in known.values():
            cursor.execute(definition)
