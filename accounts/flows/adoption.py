"""Taking over what another site stored: allauth's own rows in plain text, and bare Fernet tokens.

Such secrets are bound to nobody, so they open only while `settings.MFA_ADOPT_FOREIGN_SECRETS` is on. Each person is a
unit of work of its own: their app is sealed for its new row, their unused recovery codes are kept as slow digests, the
seed is gone, and an event says so. A run that was cut short is simply run again.
"""

import hmac
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts import enrolment_state, keyring
from accounts.authenticators import recovery_codes, totp
from accounts.flows import key_work, people, rotation
from accounts.flows.key_work import Report, Step
from accounts.key_census import unadopted, waiting_to_be_adopted
from accounts.key_errors import ForeignSecretsClosed
from accounts.keyring import Reason, UnreadableSecret
from accounts.models import Binding, RecoveryCode, User
from accounts.sealed import TOTP, places
from accounts.sealed_rows import Fault, fault_of, foreign, open_row, read
from audit.kinds import Kind
from audit.log import record, unit_of_work

TYPES: Final = {"totp": Binding.Kind.TOTP, "recovery_codes": Binding.Kind.RECOVERY_CODE}
IN_ALLAUTH: Final = "allauth's rows"
NO_FACTOR: Final = "no_factor"  # recovery codes of somebody who has nothing that they could stand in for
ALREADY_BOUND: Final = "already_bound"  # the person has set up the same here meanwhile


@dataclass(frozen=True, slots=True)
class Shape:
    """How the other site made recovery codes of a seed: how many, of how many digits (allauth's defaults)."""

    codes: int = 10
    digits: int = 8


def adopt(report: Report, *, shape: Shape = Shape()) -> Iterator[Step]:
    """Do it, person by person, and then whatever stands foreign in rows of ours.

    Raises ForeignSecretsClosed, WrongKeys or WrongOrder before anything is changed, and KeyWorkFailed.
    """
    _require_open()
    key_work.require_right_keys()
    report.total = waiting_to_be_adopted()
    with key_work.recorded(key_work.ADOPTION, report, waiting_to_be_adopted):
        for person_id in _owners():
            yield report.add(_take_over(person_id, shape))
        for step in rotation.everywhere(which=foreign):
            yield report.add(step)


def preview(report: Report, *, shape: Shape = Shape()) -> Iterator[Step]:
    """What `adopt` would find: everything is opened in memory, and nothing is written. Raises as `adopt` does."""
    _require_open()
    key_work.require_right_keys_as_they_are()
    report.total = report.left = waiting_to_be_adopted()
    for row in unadopted().order_by("pk").iterator(chunk_size=500):
        yield report.add(_tried(row, shape), alarm=False)
    for place in places():
        after = None
        while rows := read(place, foreign(place), after=after):
            faults = [found for row in rows if (found := _fault_in_place(place, row)) is not None]
            yield report.add(Step(place.label, len(rows) - len(faults), tuple(faults)), alarm=False)
            after = rows[-1].pk


def _require_open() -> None:
    if not settings.MFA_ADOPT_FOREIGN_SECRETS:
        raise ForeignSecretsClosed


def _owners() -> Iterator[uuid.UUID]:
    """Everybody who has something to take over, in the order of their ids."""
    last = None
    while True:
        waiting = unadopted().order_by("user_id").values_list("user_id", flat=True)
        found = (waiting if last is None else waiting.filter(user_id__gt=last)).first()
        if found is None:
            return
        yield found
        last = found


@unit_of_work
def _take_over(person_id: uuid.UUID, shape: Shape) -> Step:
    """Everything of one person; the app first, because codes need something to stand in for."""
    person = people.everyone_held().filter(pk=person_id).first()
    rows = unadopted().filter(user_id=person_id).order_by("-type").select_for_update()
    faults = [found for row in rows if person is not None and (found := _bind(person, row, shape)) is not None]
    done = len(rows) - len(faults)
    if person is not None and done:
        enrolment_state.refresh(person)
        people.raise_security_version(person)
    return Step(IN_ALLAUTH, done, tuple(faults))


@sensitive_variables()
def _bind(person: User, row: Authenticator, shape: Shape) -> Fault | None:
    """Give one of allauth's rows the binding that makes it ours; or say why not, and leave it as it is."""
    kind = TYPES.get(row.type)
    live = Binding.objects.filter(person=person, unbound_at=None)
    if live.filter(kind=kind).exists():
        return _fault(row, ALREADY_BOUND)
    if kind == Binding.Kind.RECOVERY_CODE and not live.exclude(kind=kind).exists():
        return _fault(row, NO_FACTOR)
    try:
        if kind == Binding.Kind.TOTP:
            binding = _bind_app(person, row, _secret_of(row))
        else:
            binding = _bind_codes(person, row, _codes_of(row, shape))
    except UnreadableSecret as error:
        return _fault(row, error.reason)
    record(Kind.AUTHENTICATOR_ADOPTED, target=person, authenticator=binding.pk, method=binding.kind)
    return None


@sensitive_variables()
def _bind_app(person: User, row: Authenticator, secret: str) -> Binding:
    """Codes up to this moment count as used: the other site may have accepted them."""
    own_id = uuid.uuid4()
    ciphertext = keyring.seal(secret, TOTP.context(own_id, person.pk))
    row.data = {"secret": ciphertext}
    row.save(update_fields=["data"])
    facts = {"last_counter": totp.step_at(timezone.now()), "sealed_under": keyring.key_id_of(ciphertext)}
    return _new_binding(person, row, id=own_id, **facts)


@sensitive_variables()
def _bind_codes(person: User, row: Authenticator, codes: list[str]) -> Binding:
    binding = _new_binding(person, row)
    digests = {recovery_codes.weak_digest_of(code, binding.pk.bytes) for code in codes}
    RecoveryCode.objects.bulk_create(RecoveryCode(binding=binding, digest=one, weak=True) for one in digests)
    row.data = {}
    row.save(update_fields=["data"])
    return binding


def _new_binding(person: User, row: Authenticator, **facts: Any) -> Binding:
    since = {"bound_at": row.created_at, "last_used_at": row.last_used_at}
    return Binding.objects.create(authenticator=row, person=person, kind=TYPES[row.type], **since, **facts)


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
    """As `allauth.mfa.recovery_codes.internal.auth.RecoveryCodes.generate_codes` does: one HMAC-SHA-1, fed further."""
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
def _tried(row: Authenticator, shape: Shape) -> Step:
    try:
        if row.type == "totp":
            _secret_of(row)
        else:
            _codes_of(row, shape)
    except UnreadableSecret as error:
        return Step(IN_ALLAUTH, 0, (_fault(row, error.reason),))
    return Step(IN_ALLAUTH, 1)


@sensitive_variables()
def _fault_in_place(place: Any, row: Any) -> Fault | None:
    try:
        open_row(keyring.current(), place, row, foreign=True)
    except UnreadableSecret as error:
        return fault_of(place, row, error)
    return None


def _fault(row: Authenticator, reason: str) -> Fault:
    return Fault(str(row.type), Authenticator._meta.db_table, str(row.pk), str(row.user_id), "", str(reason))
