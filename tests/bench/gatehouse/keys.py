"""Secrets by the thousand, sealed anew in every way there is: rows a second of each, and who signs in meanwhile.

The environment has two keys, so that every process can open what another left behind: at the end of each measurement
everything is under the first of them again. PostgreSQL alone.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any, Final, NoReturn
from uuid import UUID, uuid4

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Model
from psycopg.types.json import Jsonb

from accounts import crew, keyring
from accounts.authenticators import totp
from accounts.flows import rotation
from accounts.flows.key_work import Report
from accounts.keyring import KeyRing
from accounts.models import Binding, Tenant, User
from accounts.resealing import Changes, hold, write
from accounts.sealed import TOTP
from accounts.sealed_rows import BATCH, not_under, open_row, read
from tests.accounts.sealed_scene import new_key

AT_A_TIME: Final = 20_000  # people, made in one transaction
SAVED: Final = 500  # rows, which take `save()` about as long as a rotation takes ten thousand
NOBODYS: Final = "00000000"  # the id of a key that there is not
OPENED: Final = 2000
OPENINGS: Final = 15  # rounds

Rates = dict[str, float]
Walk = tuple[Callable[[], tuple[Any, ...]], Callable[..., None]]  # what comes before the clock, and what it measures


def make(count: int) -> None:
    """That many people with an app each, copied into the tables: a million in a few minutes."""
    for done in range(0, count, AT_A_TIME):
        _make(min(AT_A_TIME, count - done))
    _tidy()


def rates() -> Rates:
    """Rows a second of each way, one after the other over the same tables, and MiB that a rotation adds."""
    crew.give_way()  # as the threads of a rotation do: on a busy machine nobody is to come first
    start = _memory("VmRSS")
    found = {"update": _updates_alone(), "cryptography": _cryptography_alone()}
    first, second = settings.MFA_ENCRYPTION_KEYS
    settings.MFA_ENCRYPTION_KEYS = [second, first]
    for name, way, number in (("save", _save, SAVED), ("bulk_update", _bulk_update, SAVED * 4)):
        found[name] = _rate(lambda way=way, number=number: way(_next(number)))  # type: ignore[misc]
    _forget_peak()
    found["rotate"] = _rate(_rotate)
    found["memory"] = _memory("VmHWM") - start
    settings.MFA_ENCRYPTION_KEYS = [first, second]
    found["two workers"] = _rate(lambda: _rotate(workers=2))
    return found


def sign_ins(walk: Walk, count: int) -> dict[str, float]:
    """Milliseconds within which 95 % of sign-ins are done: with nothing beside them, and beside a rotation."""
    alone = _p95(walk, count)
    with _rotation_beside():
        beside = _p95(walk, count)
    _rotate()
    return {"alone": alone, "beside": beside}


def turn() -> NoReturn:
    """Rotate there and back until the process is ended; says on its output that it has begun."""
    print("begun", flush=True)
    while True:
        settings.MFA_ENCRYPTION_KEYS = settings.MFA_ENCRYPTION_KEYS[::-1]
        _rotate()


def openings() -> dict[str, list[float]]:
    """Seconds of CPU in which a ring of one key, and one of five whose last it is, open the same secrets."""
    key = new_key()
    rings = {"one": KeyRing([key]), "five": KeyRing([*(new_key() for _ in range(4)), key])}
    binding = Binding.objects.filter(kind=Binding.Kind.TOTP).first()
    assert binding is not None
    context = TOTP.context(binding.pk, binding.person_id)
    sealed = [rings["one"].seal("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", context) for _ in range(OPENED)]
    found: dict[str, list[float]] = {name: [] for name in rings}
    for number in range(OPENINGS + 1):
        for name in rings if number % 2 else reversed(rings):
            start = time.process_time()
            for ciphertext in sealed:
                rings[name].unseal(ciphertext, context)
            found[name].append(time.process_time() - start)
    return {name: rounds[1:] for name, rounds in found.items()}


@transaction.atomic
def _make(number: int) -> None:
    people, bindings = ([uuid4() for _ in range(number)] for _ in range(2))
    first = (Authenticator.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
    owned = list(zip(people, bindings, range(first, first + number), strict=True))
    key_id, tenant = keyring.primary_key_id(), Tenant.objects.get(is_default=True)
    _copy(
        User(tenant=tenant, password="!"),
        ({"id": one, "email": f"{one.hex}@acme.example", "webauthn_handle": os.urandom(64)} for one in people),
    )
    _copy(
        Authenticator(type="totp"),
        ({"id": pk, "user_id": one, "data": Jsonb({"secret": _sealed(own, one)})} for one, own, pk in owned),
    )
    _copy(
        Binding(kind=Binding.Kind.TOTP, sealed_under=key_id, last_counter=0),
        ({"id": own, "person_id": one, "authenticator_id": pk} for one, own, pk in owned),
    )
    with connection.cursor() as cursor:
        table = Authenticator._meta.db_table
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, first + number])


def _sealed(binding: UUID, person: UUID) -> str:
    return keyring.seal(totp.new_secret(), TOTP.context(binding, person))


def _copy(usual: Model, rows: Iterable[dict[str, Any]]) -> None:
    """Rows that are as this one is, but for the columns that they name."""
    fields, quoted = usual._meta.concrete_fields, connection.ops.quote_name
    columns = {each.attname: each.get_db_prep_save(each.pre_save(usual, add=True), connection) for each in fields}
    names = ", ".join(quoted(field.column) for field in fields)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {quoted(usual._meta.db_table)} ({names}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row([*(columns | row).values()])


def _updates_alone() -> float:
    """The UPDATE of a rotation with nothing opened and nothing sealed, there and back: the limit of them all."""
    _tidy()
    done, spent = 0, 0.0
    for name in (NOBODYS, keyring.primary_key_id()):
        after: str | None = None
        while True:
            with transaction.atomic():
                batch = hold(TOTP, TOTP.rows(), after=after)
                if not batch.keys:
                    break
                new = [f"{name}${stored.partition('$')[2]}" for stored in batch.stored]
                start = time.perf_counter()
                done += len(write(TOTP, Changes(batch.keys, batch.homes, batch.stored, new, ()), name))
            spent += time.perf_counter() - start
            after = batch.homes[-1]
    return done / spent


def _cryptography_alone() -> float:
    """The library's Fernet, by one thread: as many tokens as a batch has, opened and sealed."""
    opens, seals = Fernet(Fernet.generate_key()), Fernet(Fernet.generate_key())
    framed = TOTP.context(uuid4(), uuid4()).frame() + totp.new_secret().encode()
    tokens = [opens.encrypt(framed) for _ in range(BATCH)]
    start = time.process_time()
    for token in tokens:
        seals.encrypt(opens.decrypt(token))
    return len(tokens) / (time.process_time() - start)


def _rotate(*, workers: int = 1) -> int:
    report = Report()
    for _step in rotation.rotate(report, workers=workers, backwards=True):
        pass
    assert report.left == 0, f"{report.left} rows are left"
    return report.done


def _next(number: int) -> list[Binding]:
    """Sealed anew in memory; who saves them has only that to do differently."""
    ring = keyring.current()
    rows = read(TOTP, not_under(TOTP, ring.primary_id), after=None, size=number)
    bindings = Binding.objects.select_related("authenticator").in_bulk([row.pk for row in rows])
    for row in rows:
        binding: Any = bindings[row.pk]
        secret = ring.seal(open_row(ring, TOTP, row), TOTP.context(row.pk, row.owner))
        binding.authenticator.data["secret"], binding.sealed_under = secret, ring.primary_id
    return list(bindings.values())


def _save(bindings: list[Binding]) -> int:
    for binding in bindings:
        with transaction.atomic():
            binding.authenticator.save(update_fields=["data"])  # type: ignore[union-attr]
            binding.save(update_fields=["sealed_under"])
    return len(bindings)


def _bulk_update(bindings: list[Binding]) -> int:
    model: Any = TOTP.home
    with transaction.atomic():
        model.objects.bulk_update([one.authenticator for one in bindings], ["data"], batch_size=BATCH)
        Binding.objects.bulk_update(bindings, ["sealed_under"], batch_size=BATCH)
    return len(bindings)


def _rate(way: Callable[[], int]) -> float:
    _tidy()
    start = time.perf_counter()
    done = way()
    return done / (time.perf_counter() - start)


def _tidy() -> None:
    """Nobody is to pay for the dead rows that the one before left."""
    with connection.cursor() as cursor:
        for model in (TOTP.model, TOTP.home):
            cursor.execute(f"VACUUM ANALYZE {connection.ops.quote_name(model._meta.db_table)}")


def _p95(walk: Walk, count: int) -> float:
    before, step = walk
    found = []
    for _ in range(count):
        arguments = before()
        start = time.perf_counter()
        step(*arguments)
        found.append((time.perf_counter() - start) * 1e3)
    return quantiles(found, n=20, method="inclusive")[-1]


@contextmanager
def _rotation_beside() -> Iterator[None]:
    command = [sys.executable, "-m", "tests.bench.gatehouse", "turn"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"begun\n"
            yield
            assert process.poll() is None, "the rotation ended before the sign-ins"
        finally:
            process.kill()


def _forget_peak() -> None:
    """Start the account of the most memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> float:
    """MiB, by the system's own account."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
