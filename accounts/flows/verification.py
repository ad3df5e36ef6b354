"""Checking codes: count the try, look, and keep what makes a code good once.

Each check holds the person's row and the authenticator's from first look to last write, so parallel tries take turns,
and commits its counter and event before a refusal is raised. A wrong code counts against that authenticator
alone; the others stay usable.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from accounts import canary, enrolment_state, keyring, notices, sealed
from accounts.assurance import Method, Proof
from accounts.authenticators import recovery_codes, totp
from accounts.errors import (
    AccountsError,
    CodeAlreadyUsed,
    Locked,
    NotEnrolled,
    Paused,
    SecretsUnavailable,
    Unreadable,
    WrongCode,
    WrongRecoveryCode,
)
from accounts.flows import occasions, people, wrong_factors
from accounts.flows.occasions import Occasion
from accounts.models import Binding, RecoveryCode, User
from accounts.rows import Select, attach
from audit.kinds import Kind
from audit.log import Outcome, record, unit_of_work

PAUSE_FROM = 5  # consecutive failures
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)

R = TypeVar("R")
Look = Callable[[Binding, str, datetime, Occasion], AccountsError | None]


def check_code(person: User, method: Method, entered: str, *, occasion: Occasion = occasions.UNKNOWN) -> Proof:
    """Prove a factor by a code; returns the proof for the session.

    Raises WrongCode, CodeAlreadyUsed, Paused, Locked or Unreadable, each recorded; also NotEnrolled and
    SecretsUnavailable, which tried nothing.
    """
    return with_code(person, method, entered, lambda proof: proof, occasion=occasion)


def with_code(
    person: User,
    method: Method,
    entered: str,
    then: Callable[[Proof], R],
    *,
    occasion: Occasion = occasions.UNKNOWN,
) -> R:
    """As `check_code`, and what a right code is good for in the same unit of work: returns what `then` returns.

    The code is used up with that, or not at all. A refusal is committed first, and raised here.
    """
    if method is Method.TOTP and not canary.is_healthy():
        raise SecretsUnavailable
    refusal, result = _attempt(person, method, entered, then, occasion)
    if refusal is not None:
        raise refusal
    return cast("R", result)


def pause_after(failures: int) -> timedelta | None:
    """How long an authenticator waits after so many failures in a row: 30 s from the fifth, doubling to 1 h."""
    if failures < PAUSE_FROM:
        return None
    pause: timedelta = FIRST_PAUSE * 2 ** min(failures - PAUSE_FROM, 10)
    return min(pause, LONGEST_PAUSE)


def totp_context(binding: Binding) -> keyring.Context:
    """What a TOTP secret is sealed for: this row, this owner."""
    return sealed.TOTP.context(binding.pk, binding.person_id)


@unit_of_work
def _attempt(
    person: User, method: Method, entered: str, then: Callable[[Proof], R], occasion: Occasion
) -> tuple[AccountsError | None, R | None]:
    outcome = _tried(person, method, entered, timezone.now(), occasion)
    return (outcome, None) if isinstance(outcome, AccountsError) else (None, then(outcome))


def _tried(person: User, method: Method, entered: str, now: datetime, occasion: Occasion) -> Proof | AccountsError:
    if method is Method.RECOVERY_CODE:
        person = people.lock(person)  # spending one is counted there; every flow takes the person before their factors
    binding = _held(person, method)
    if binding is None:
        return NotEnrolled()
    if (barred := _barred(person, binding, now, occasion)) is not None:
        return barred
    refusal = _LOOKS[method](binding, entered, now, occasion)
    if refusal is None:
        proof = Proof(method=method, at=now, binding=binding.pk, bound_at=binding.bound_at)
        _note_success(person, binding, proof, occasion)
        return proof
    if not isinstance(refusal, Unreadable | SecretsUnavailable):
        _note_failure(person, binding, refusal, now, occasion)
    return refusal


@unit_of_work
def look_up_code(person: User, entered: str, *, occasion: Occasion = occasions.UNKNOWN) -> Binding | AccountsError:
    """Whether this is an unused recovery code of this person, which it stays: the set, or what it is refused with.

    Wrong ones count as they do when signing in, and a paused or locked set looks at none; a right one forgives nothing.
    """
    locked = people.lock(person)
    binding = _held(locked, Method.RECOVERY_CODE)
    if binding is None:
        return NotEnrolled()
    now = timezone.now()
    if (barred := _barred(locked, binding, now, occasion)) is not None:
        return barred
    symbols = recovery_codes.normalise(entered)
    unspent = RecoveryCode.objects.filter(binding=binding, used_at=None)
    if symbols is not None and unspent.filter(digest=recovery_codes.digest_of(symbols)).exists():
        Binding.objects.filter(pk=binding.pk).update(checked_at=now)
        record(Kind.DRILL_PASSED, actor=locked, target=locked, authenticator=str(binding.pk), method=binding.kind)
        return binding
    refusal = WrongRecoveryCode()
    _note_failure(locked, binding, refusal, now, occasion)
    return refusal


def _held(person: User, method: Method) -> Binding | None:
    """The person's one authenticator of this kind, its row held, and before it the person's."""
    found = _HELD.first(person.pk, method.value)
    if found is None:
        return None
    owner, binding, authenticator = found
    attach(binding, "person", owner)
    attach(binding, "authenticator", authenticator)
    return cast("Binding", binding)


_HELD = Select(
    f"{User._meta.db_table} p JOIN {Binding._meta.db_table} b ON b.person_id = p.id"
    f" LEFT JOIN {Authenticator._meta.db_table} a ON a.id = b.authenticator_id"
    " WHERE p.id = %s AND b.kind = %s AND b.unbound_at IS NULL",
    held=("p", "b"),
    p=User,
    b=Binding,
    a=Authenticator,
)


def _barred(person: User, binding: Binding, now: datetime, occasion: Occasion) -> AccountsError | None:
    barred: AccountsError | None = None
    if binding.locked_at is not None:
        barred = Locked()
    elif binding.paused_until is not None and binding.paused_until > now:
        barred = Paused(binding.paused_until)
    if barred is not None:
        until = binding.paused_until if isinstance(barred, Paused) else None
        said = {"reason": barred.code, "until": until}
        _record(Kind.SECOND_FACTOR_THROTTLED, person, binding, occasion, Outcome.REFUSED, **said)
    return barred


def _look_at_totp(binding: Binding, entered: str, now: datetime, occasion: Occasion) -> AccountsError | None:
    """None when the code is right and unused: the step moves on in one conditional UPDATE (RFC 6238 §5.2)."""
    code = totp.normalise(entered)
    if code is None:
        return WrongCode()
    try:
        secret = keyring.unseal(_stored_secret(binding), totp_context(binding))
    except keyring.UnreadableSecret as error:
        unreadable = Kind.AUTHENTICATOR_UNREADABLE
        _record(unreadable, binding.person, binding, occasion, Outcome.FAILED, reason=error.reason)
        return SecretsUnavailable() if _lacks_key(binding, error) else Unreadable()
    step = totp.matching_step(secret, code, now)
    if step is None:
        return WrongCode()
    fresh = Binding.objects.filter(pk=binding.pk, last_counter__lt=step, unbound_at=None)
    return None if fresh.update(last_counter=step, **_forgiven(now)) else CodeAlreadyUsed()


def _lacks_key(binding: Binding, error: keyring.UnreadableSecret) -> bool:
    """Whether the key is gone that the row itself names: a fault of the site. Another name was not written by us."""
    named = _stored_secret(binding).partition("$")[0]
    return error.reason is keyring.Reason.UNKNOWN_KEY and named == binding.sealed_under


def _stored_secret(binding: Binding) -> str:
    """What stands where allauth keeps it; empty when that is damaged, which no key opens."""
    data = binding.authenticator.data if binding.authenticator is not None else None
    return str(data.get("secret", "")) if isinstance(data, dict) else ""


def _look_at_recovery_code(binding: Binding, entered: str, now: datetime, occasion: Occasion) -> AccountsError | None:
    """None when one unused code of this set was spent: one conditional UPDATE, whoever else tries it too."""
    unspent = RecoveryCode.objects.filter(binding=binding, used_at=None)
    spent = unspent.filter(digest__in=_possible_digests(binding, entered, unspent)).update(used_at=now)
    if spent != 1:
        return WrongRecoveryCode()
    Binding.objects.filter(pk=binding.pk).update(**_forgiven(now))
    return None


def _possible_digests(binding: Binding, entered: str, unspent: QuerySet[RecoveryCode]) -> list[str]:
    """The digests of what was typed: of a code of ours, and while a code of another site is left, of one of those."""
    digests = []
    if (symbols := recovery_codes.normalise(entered)) is not None:
        digests.append(recovery_codes.digest_of(symbols))
    foreign = recovery_codes.normalise_foreign(entered)
    if foreign is not None and unspent.filter(weak=True).exists():
        digests.append(recovery_codes.weak_digest_of(foreign, binding.pk.bytes))
    return digests


def _forgiven(now: datetime) -> dict[str, Any]:
    """What a right code leaves on its authenticator."""
    return {"failures": 0, "paused_until": None, "last_used_at": now}


_LOOKS: dict[Method, Look] = {Method.TOTP: _look_at_totp, Method.RECOVERY_CODE: _look_at_recovery_code}


def _note_success(person: User, binding: Binding, proof: Proof, occasion: Occasion) -> None:
    strength = occasion.strength_with(person, proof)
    _record(Kind.SECOND_FACTOR_ACCEPTED, person, binding, occasion, Outcome.OK, strength=strength)
    wrong_factors.ended_by(person, binding)
    if binding.kind == Method.RECOVERY_CODE:
        left = enrolment_state.refresh(person).codes_left
        said: dict[str, Any] = {"authenticator": str(binding.pk), "left": left, **occasion.facts()}
        record(Kind.RECOVERY_CODES_USED, actor=person, target=person, **said)
        notices.send("recovery_codes_used", person, left=left)


def _note_failure(person: User, binding: Binding, refusal: AccountsError, now: datetime, occasion: Occasion) -> None:
    failures = binding.failures + 1
    pause = pause_after(failures)
    locked = failures >= settings.MFA_LOCK_AFTER_FAILURES
    Binding.objects.filter(pk=binding.pk).update(
        failures=failures, paused_until=now + pause if pause else None, locked_at=now if locked else None
    )
    _record(Kind.SECOND_FACTOR_FAILED, person, binding, occasion, Outcome.REFUSED, reason=refusal.code)
    wrong_factors.tell(person)
    if locked:
        enrolment_state.refresh(person)
        _record(Kind.AUTHENTICATOR_LOCKED, person, binding, occasion, Outcome.REFUSED, failures=failures)


def _record(
    kind: Kind, person: User, binding: Binding, occasion: Occasion, outcome: Outcome, **payload: object
) -> None:
    record(
        kind,
        actor=person,
        target=person,
        outcome=outcome,
        authenticator=str(binding.pk),
        method=binding.kind,
        **occasion.facts(),
        **payload,
    )
