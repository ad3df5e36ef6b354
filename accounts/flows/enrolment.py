"""Binding an authenticator app: show a secret, confirm it by a code, perhaps in the place of an old one."""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import canary, keyring, sealed
from accounts.assurance import Method, Proof
from accounts.authenticators import totp
from accounts.errors import AccountsError, AlreadyEnrolled, EnrolmentExpired, SecretsUnavailable, WrongCode
from accounts.flows import binding as bindings
from accounts.flows import occasions
from accounts.flows.occasions import Occasion
from accounts.flows.verification import totp_context
from accounts.models import Binding, PendingEnrolment, User
from audit.kinds import Kind
from audit.log import Outcome, record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

PENDING_FOR = timedelta(minutes=15)
PENDING_TRIES = 20


@unit_of_work
def begin_totp(person: User, session: "SessionStore") -> str:
    """The secret to show, in base32: the one this session already began, or a new one.

    Kept sealed, for this session alone, for 15 minutes. Raises MethodNotAllowed, NotFresh, SecretsUnavailable.
    """
    if not (canary.is_healthy() and canary.may_seal()):
        raise SecretsUnavailable
    bindings.require_may_bind(person, session, Method.TOTP)
    row = _live_pending(person, session.row.public_id)
    if row is not None:
        try:
            return keyring.unseal(row.sealed, _pending_context(row))
        except keyring.UnreadableSecret:
            row.delete()
    return _new_pending(person, session.row.public_id)


def confirm_totp(person: User, session: "SessionStore", entered: str, *, replace: bool = False) -> Proof:
    """Bind the app whose code this is; with `replace`, in the place of the one there was.

    The code is burnt: it cannot be used again to sign in (security 3). Raises WrongCode (counted),
    EnrolmentExpired, AlreadyEnrolled, MethodNotAllowed, NotFresh or SecretsUnavailable.
    """
    outcome = _confirm_totp(person, session, entered, replace=replace)
    if isinstance(outcome, AccountsError):
        raise outcome
    return outcome


@unit_of_work
def _confirm_totp(person: User, session: "SessionStore", entered: str, *, replace: bool) -> Proof | AccountsError:
    current = Binding.objects.filter(person=person, kind=Binding.Kind.TOTP, unbound_at=None)
    if not replace and current.exists():
        return AlreadyEnrolled()
    bindings.require_may_bind(person, session, Method.TOTP)
    locked = bindings.lock_unchanged(person, session)
    if not canary.may_seal():
        return SecretsUnavailable()
    row = _live_pending(locked, session.row.public_id)
    if row is None:
        return EnrolmentExpired()
    try:
        secret = keyring.unseal(row.sealed, _pending_context(row))
    except keyring.UnreadableSecret:
        return EnrolmentExpired()
    code = totp.normalise(entered)
    step = totp.matching_step(secret, code, timezone.now()) if code else None
    if step is None:
        return _wrong_confirmation(locked, session, row)
    return _bind_totp(locked, session, secret, step)


def _bind_totp(person: User, session: "SessionStore", secret: str, step: int) -> Proof:
    """The new app takes the place of the old one, if there was one, in this transaction."""
    event = Kind.AUTHENTICATOR_ADDED
    live = Binding.objects.filter(person=person, kind=Binding.Kind.TOTP, unbound_at=None)
    for old in live.select_related("authenticator"):
        bindings.unbind(old, actor=person, reason="replaced")
        event = Kind.AUTHENTICATOR_REPLACED
    row = uuid.uuid4()
    ciphertext = keyring.seal(secret, totp_context(Binding(pk=row, person=person)))
    binding = bindings.new_binding(
        person,
        Binding.Kind.TOTP,
        data={"secret": ciphertext},
        id=row,
        last_counter=step,
        sealed_under=keyring.key_id_of(ciphertext),
    )
    PendingEnrolment.objects.filter(person=person).delete()
    return bindings.bound(person, session, binding, event=event)


def _new_pending(person: User, session_id: uuid.UUID) -> str:
    secret = totp.new_secret()
    row = PendingEnrolment(person=person, session_id=session_id, expires_at=timezone.now() + PENDING_FOR)
    row.sealed = keyring.seal(secret, _pending_context(row))
    row.sealed_under = keyring.key_id_of(row.sealed)
    PendingEnrolment.objects.filter(person=person, session_id=session_id).delete()
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:  # another tab began at the same moment; reloading shows what it began
        raise EnrolmentExpired from error
    return secret


def _pending_context(row: PendingEnrolment) -> keyring.Context:
    return sealed.PENDING_TOTP.context(row.pk, row.person_id)


def _live_pending(person: User, session_id: uuid.UUID) -> PendingEnrolment | None:
    live = PendingEnrolment.objects.filter(
        person=person, session_id=session_id, expires_at__gt=timezone.now(), failures__lt=PENDING_TRIES
    )
    return live.first()


def _wrong_confirmation(person: User, session: "SessionStore", row: PendingEnrolment) -> AccountsError:
    """Count it; a secret that was guessed at too often is dropped, and a new one begun.

    The event names no authenticator: there is none yet.
    """
    PendingEnrolment.objects.filter(pk=row.pk).update(failures=row.failures + 1)
    record(
        Kind.SECOND_FACTOR_FAILED,
        actor=person,
        target=person,
        outcome=Outcome.REFUSED,
        method=Binding.Kind.TOTP,
        reason=WrongCode.code,
        **Occasion(session, occasions.ENROLMENT).facts(),
    )
    return WrongCode()
