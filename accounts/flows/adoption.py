"""Taking over what another site stored: allauth's own rows in plain text, and bare Fernet tokens.

Such secrets are bound to nobody, so they open only while `settings.MFA_ADOPT_FOREIGN_SECRETS` is on. Each person is a
batch and a unit of work of its own, in the order of their ids: more would be held too long, as the digests are slow.
Their app is sealed for its new row, their unused recovery codes are kept as slow digests, the seed is gone, and an
event says so. What others hold is left out and met again later; whoever changes a row meanwhile wins; what was written
is read back and opened before it is committed. A run that was cut short is simply run again; several share the work.
"""

import hmac
import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Final

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts import enrolment_state, keyring
from accounts.authenticators import recovery_codes, totp
from accounts.flows import key_work, people, rotation
from accounts.flows.key_work import Report, Step
from accounts.key_census import unadopted, waiting_to_be_adopted
from accounts.key_errors import ForeignSecretsClosed
from accounts.keyring import Reason, UnreadableSecret, framed
from accounts.models import Binding, RecoveryCode, User
from accounts.resealing import Changes, NotWritten, require_written
from accounts.sealed import TOTP, places
from accounts.sealed_rows import Fault, fault_of, foreign, open_row, read
from audit.kinds import Kind
from audit.log import record, unit_of_work

TYPES: Final = {"totp": Binding.Kind.TOTP, "recovery_codes": Binding.Kind.RECOVERY_CODE}
IN_ALLAUTH: Final = "allauth's rows"
AT_ONCE: Final = 500  # people, or rows, that are looked up in one query
IN_ORDER: Final = ("-type", "pk")  # the app first, because codes need something to stand in for
NO_FACTOR: Final = "no_factor"  # recovery codes of somebody who has nothing that they could stand in for
ALREADY_BOUND: Final = "already_bound"  # the person has set up the same here meanwhile


@dataclass(frozen=True, slots=True)
class Shape:
    """How the other site made recovery codes of a seed: how many, of how many digits (allauth's defaults)."""

    codes: int = 10
    digits: int = 8


Keep = Callable[[Authenticator, list[str]], bool]  # a row and what it holds: whether it is ours from now on


class _Refused(Exception):
    """A row that could be opened, and is none to take over: the reason."""


def adopt(report: Report, *, shape: Shape = Shape()) -> Generator[Step]:
    """Do it, person by person, and then whatever stands foreign in rows of ours.

    Raises ForeignSecretsClosed, WrongKeys or WrongOrder before anything is changed, and KeyWorkFailed.
    """
    _require_open()
    key_work.require_right_keys()
    report.total = waiting_to_be_adopted()
    with key_work.recorded(key_work.ADOPTION, report, waiting_to_be_adopted):
        for step in rotation.until_done(lambda: _pass(shape), lambda: unadopted().count()):
            yield report.add(step)
        for step in rotation.everywhere(which=foreign):
            yield report.add(step)


def preview(report: Report, *, shape: Shape = Shape()) -> Generator[Step]:
    """What `adopt` would do: everything is opened in memory, and nothing is written. Raises as `adopt` does."""
    _require_open()
    key_work.require_right_keys_as_they_are()
    report.total = report.left = waiting_to_be_adopted()
    everything = unadopted().order_by("user_id", *IN_ORDER).iterator(chunk_size=AT_ONCE)
    for person_id, rows in groupby(everything, key=lambda row: row.user_id):
        yield report.add(_judged(person_id, list(rows), shape, lambda _row, _secrets: True), alarm=False)
    for place in places():
        after = None
        while rows_of_ours := read(place, foreign(place), after=after):
            faults = [found for row in rows_of_ours if (found := _fault_in_place(place, row)) is not None]
            yield report.add(Step(place.label, len(rows_of_ours) - len(faults), tuple(faults)), alarm=False)
            after = rows_of_ours[-1].pk


def _require_open() -> None:
    if not settings.MFA_ADOPT_FOREIGN_SECRETS:
        raise ForeignSecretsClosed


def _pass(shape: Shape) -> Iterator[Step]:
    for person_id in _owners():
        yield _take_over(person_id, shape)


def _owners() -> Iterator[uuid.UUID]:
    """Everybody who has something to take over, in the order of their ids."""
    ids = unadopted().order_by("user_id").values_list("user_id", flat=True).distinct()
    found = list(ids[:AT_ONCE])
    while found:
        yield from found
        found = list(ids.filter(user_id__gt=found[-1])[:AT_ONCE])


@unit_of_work
def _take_over(person_id: uuid.UUID, shape: Shape) -> Step:
    """Everything of one person, or nothing while somebody holds any of it: codes hang on what stands beside them."""
    person = people.everyone_held(skip_locked=True).filter(pk=person_id).first()
    waiting = unadopted().filter(user_id=person_id).order_by(*IN_ORDER)
    rows = list(waiting.select_for_update(skip_locked=True)) if person else []
    if person is None or len(rows) < waiting.count():
        return Step(IN_ALLAUTH, 0)
    step = _judged(person_id, rows, shape, partial(_bind, person))
    if step.done:
        enrolment_state.refresh(person)
        people.raise_security_version(person)
    return step


@sensitive_variables()
def _judged(person_id: uuid.UUID, rows: list[Authenticator], shape: Shape, keep: Keep) -> Step:
    """Open what may be taken over of one person, and keep it: a run and a dry run differ in `keep` alone."""
    live = Binding.objects.filter(person=person_id, unbound_at=None)
    owned, faults, done = set(live.values_list("kind", flat=True)), [], 0
    for row in rows:
        try:
            secrets = _opened_of(row, owned, shape)
        except (UnreadableSecret, _Refused) as error:
            faults.append(_fault(row, error.reason if isinstance(error, UnreadableSecret) else str(error)))
            continue
        if keep(row, secrets):
            owned.add(TYPES[row.type])
            done += 1
    return Step(IN_ALLAUTH, done, tuple(faults))


@sensitive_variables()
def _opened_of(row: Authenticator, owned: set[str], shape: Shape) -> list[str]:
    """What this row holds, if somebody who owns these kinds here may keep it. Raises UnreadableSecret and _Refused."""
    kind = TYPES.get(row.type)
    if kind is None:
        raise UnreadableSecret(Reason.MALFORMED)
    if kind in owned:
        raise _Refused(ALREADY_BOUND)
    if kind == Binding.Kind.TOTP:
        return [_secret_of(row)]
    if not owned:
        raise _Refused(NO_FACTOR)
    return _codes_of(row, shape)


@sensitive_variables()
def _bind(person: User, row: Authenticator, secrets: list[str]) -> bool:
    """Give one of allauth's rows the binding that makes it ours, unless somebody changed it meanwhile."""
    since = {"bound_at": row.created_at, "last_used_at": row.last_used_at}
    binding = Binding(authenticator=row, person=person, kind=TYPES[row.type], **since)
    bind = _bind_app if binding.kind == Binding.Kind.TOTP else _bind_codes
    if not bind(binding, row, secrets):
        return False
    record(Kind.AUTHENTICATOR_ADOPTED, target=person, authenticator=binding.pk, method=binding.kind)
    return True


@sensitive_variables()
def _bind_app(binding: Binding, row: Authenticator, secrets: list[str]) -> bool:
    """Codes up to this moment count as used: the other site may have accepted them. Raises NotWritten."""
    ring, context, home = keyring.current(), TOTP.context(binding.pk, binding.person_id), str(row.pk)
    ciphertext = keyring.seal(secrets[0], context)
    if not _swap(row, {"secret": ciphertext}):
        return False
    binding.last_counter, binding.sealed_under = totp.step_at(timezone.now()), ring.primary_id
    binding.save(force_insert=True)
    sealed = [framed(secrets[0], context.frame())]
    changes = Changes([str(binding.pk)], [home], [ciphertext], [ciphertext], sealed)
    require_written(ring, TOTP, changes, {home})
    return True


@sensitive_variables()
def _bind_codes(binding: Binding, row: Authenticator, secrets: list[str]) -> bool:
    """Keep the digests, and the seed no longer. Raises NotWritten."""
    digests = {recovery_codes.weak_digest_of(code, binding.pk.bytes) for code in secrets}
    if not _swap(row, {}):
        return False
    binding.save(force_insert=True)
    RecoveryCode.objects.bulk_create(RecoveryCode(binding=binding, digest=one, weak=True) for one in digests)
    emptied = Authenticator.objects.filter(pk=row.pk, binding=binding.pk, data={}).exists()
    kept = RecoveryCode.objects.filter(binding=binding.pk, weak=True, used_at=None)
    if not emptied or sorted(kept.values_list("digest", flat=True)) != sorted(digests):
        raise NotWritten(IN_ALLAUTH, str(row.pk), row._meta.db_table)
    return True


@sensitive_variables()
def _swap(row: Authenticator, data: dict[str, Any]) -> bool:
    """Store this where still stands what was read; whoever changed or removed the row meanwhile wins.

    Elsewhere than on PostgreSQL (SQLite, whose one writer holds everything anyway) equal JSON may be spelt differently.
    """
    unchanged = Authenticator.objects.filter(pk=row.pk, user=row.user_id, type=row.type)
    if connection.vendor == "postgresql":
        unchanged = unchanged.filter(data=row.data)
    elif unchanged.values_list("data", flat=True).first() != row.data:
        return False
    return unchanged.update(data=data) == 1


@sensitive_variables()
def _secret_of(row: Authenticator) -> str:
    return TOTP.tidied(_opened(_data_of(row).get("secret")))


@sensitive_variables()
def _codes_of(row: Authenticator, shape: Shape) -> list[str]:
    """The unused codes of a set, as allauth makes them of its seed, or as it keeps those it took over itself."""
    data = _data_of(row)
    migrated, used = data.get("migrated_codes"), data.get("used_mask", 0)
    if migrated is None and isinstance(used, int):
        codes = _made_of(_opened(data.get("seed")), shape)
        return [code for place, code in enumerate(codes) if not used & (1 << place)]
    if not isinstance(migrated, list):
        raise UnreadableSecret(Reason.MALFORMED)
    return [_code_of(_opened(each)) for each in migrated]


@sensitive_variables()
def _code_of(text: str) -> str:
    code = recovery_codes.normalise_foreign(text)
    if code is None:
        raise UnreadableSecret(Reason.MALFORMED)
    return code


def _data_of(row: Authenticator) -> dict[str, Any]:
    return row.data if isinstance(row.data, dict) else {}


@sensitive_variables()
def _made_of(seed: str, shape: Shape) -> Iterator[str]:
    """As allauth makes them of a seed: one HMAC-SHA-1, fed further."""
    state = hmac.new(seed.encode("ascii"), digestmod="sha1")
    length = min(shape.digits // 2, state.digest_size)
    for number in range(shape.codes):
        state.update(f"{number:3},".encode())
        yield f"{int.from_bytes(state.digest()[:length], 'big') % 10**shape.digits:0{shape.digits}d}"


@sensitive_variables()
def _opened(stored: object) -> str:
    if not isinstance(stored, str) or not stored:
        raise UnreadableSecret(Reason.MALFORMED)
    return keyring.current().adopt(stored, allowed=settings.MFA_ADOPT_FOREIGN_SECRETS)


@sensitive_variables()
def _fault_in_place(place: Any, row: Any) -> Fault | None:
    try:
        open_row(keyring.current(), place, row, foreign=True)
    except UnreadableSecret as error:
        return fault_of(place, row, error)
    return None


def _fault(row: Authenticator, reason: str) -> Fault:
    return Fault(str(row.type), Authenticator._meta.db_table, str(row.pk), str(row.user_id), "", str(reason))
