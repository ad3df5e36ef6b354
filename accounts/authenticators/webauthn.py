"""WebAuthn: enrolling security keys and passkeys, and proving them. No HTTP, and nothing is recorded here.

The way of every ceremony: `begin_*` stores a row and returns the browser's options; `complete_enrolment` or
`verify_assertion` uses that row up, commits that, and then verifies; they refuse to run inside a transaction
and change nothing else. What they return is validated, and the flow keeps it inside its own unit of work:
`store` a new credential, `accept` an assertion (which is where the signature counter decides).

Section numbers are those of WebAuthn Level 3.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.authenticators import webauthn_options as options
from accounts.authenticators.aaguids import product_name
from accounts.authenticators.webauthn_attestation import Statement, verify_statement
from accounts.authenticators.webauthn_ceremonies import (
    Purpose,
    Scope,
    UserVerification,
    begin,
    purge_expired,
    take,
)
from accounts.authenticators.webauthn_data import (
    AuthenticatorData,
    ClientData,
    Signed,
    read_answer,
    read_registration,
    read_signed,
)
from accounts.authenticators.webauthn_demands import KeyDemands
from accounts.authenticators.webauthn_errors import (
    AttestationUntrusted,
    BackupEligibilityChanged,
    BackupStateInvalid,
    CloneSuspected,
    CredentialTaken,
    EmbeddedPage,
    NoCredentials,
    NotAttested,
    NotDiscoverable,
    NotPresent,
    NotVerified,
    PersonInactive,
    SecondFactorOnly,
    UnknownCredential,
    WebAuthnError,
    WrongOrigin,
    WrongPerson,
    WrongRelyingParty,
    WrongType,
)
from accounts.authenticators.webauthn_keys import accept_public_key, verify_signature
from accounts.authenticators.webauthn_roots import vouch_for
from accounts.models import Binding, Ceremony, User, WebAuthnCredential

__all__ = [
    "Assertion",
    "KeyDemands",
    "NewCredential",
    "Purpose",
    "accept",
    "begin_assertion",
    "begin_enrolment",
    "begin_passkey",
    "complete_enrolment",
    "purge_expired",
    "store",
    "verify_assertion",
]

CREATE: Final = "webauthn.create"
GET: Final = "webauthn.get"


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A verified registration: all of it that is kept (§7.1 step 27). `public_key` is a COSE_Key.

    `attestation` is the format of its statement; `attested`: its maker vouched for it, up to a root of this site.
    """

    credential_id: bytes
    public_key: bytes
    algorithm: int
    aaguid: UUID
    transports: tuple[str, ...]
    user_verified: bool
    passwordless: bool
    backup_eligible: bool
    backed_up: bool
    sign_count: int
    attestation: str
    attested: bool

    @property
    def product(self) -> str:
        """What the authenticator is sold as, as far as it says so and we know; else empty."""
        return product_name(self.aaguid)


@dataclass(frozen=True, slots=True)
class Assertion:
    """A verified assertion. It proves nothing until `accept` has looked at the counter."""

    binding: Binding
    user_verified: bool
    new_counter: int
    backed_up: bool


def begin_enrolment(person: User, *, session_id: UUID, passwordless: bool, demands: KeyDemands) -> options.Options:
    """Options for a new key (second factor) or a passkey, which must verify its user and be discoverable."""
    verification = UserVerification.REQUIRED if passwordless else demands.verification
    scope = Scope.of(Purpose.ENROL, session_id, person)
    challenge = begin(scope, verification, passwordless=passwordless)
    return options.creation(person, challenge, passwordless=passwordless, verification=verification, demands=demands)


def complete_enrolment(person: User, *, session_id: UUID, answer: object, demands: KeyDemands) -> NewCredential:
    """Verify the answer to `begin_enrolment` (§7.1); `answer` is its JSON text, or that parsed.

    `demands` are those of this moment, whatever they were when the ceremony began. The ceremony is used up
    whatever comes of it. Raises a WebAuthnError; RuntimeError inside a transaction.
    """
    shell = read_answer(answer)
    ceremony = take(shell.client_data.challenge, Scope.of(Purpose.ENROL, session_id, person))
    _check_client_data(shell.client_data, CREATE)
    registration = read_registration(shell)
    data = registration.authenticator_data
    _check_authenticator(data, ceremony)
    public_key, algorithm = accept_public_key(registration.credential.public_key)
    statement = verify_statement(registration, shell.client_data.digest)
    if ceremony.passwordless and registration.discoverable is False:
        raise NotDiscoverable
    new = NewCredential(
        credential_id=registration.credential.credential_id,
        public_key=public_key,
        algorithm=algorithm,
        aaguid=registration.credential.aaguid,
        transports=registration.transports,
        user_verified=data.user_verified,
        passwordless=ceremony.passwordless,
        backup_eligible=data.backup_eligible,
        backed_up=data.backed_up,
        sign_count=data.sign_count,
        attestation=statement.format.value,
        attested=vouch_for(statement.chain),
    )
    _require(new, demands, statement)
    return new


def store(binding: Binding, new: NewCredential) -> WebAuthnCredential:
    """Keep a new credential with its binding, whose `last_counter` it sets.

    The database's unique constraint decides whether the credential is new, for anybody (§7.1 step 26): raises
    CredentialTaken, and the binding is then the caller's to roll back.
    """
    credential = WebAuthnCredential(
        binding=binding,
        credential_id=new.credential_id,
        public_key=new.public_key,
        algorithm=new.algorithm,
        aaguid=new.aaguid,
        transports=list(new.transports),
        user_verified=new.user_verified,
        passwordless=new.passwordless,
        backup_eligible=new.backup_eligible,
        backed_up=new.backed_up,
        attestation=new.attestation,
        attested=new.attested,
    )
    try:
        with transaction.atomic():
            credential.save(force_insert=True)
            binding.last_counter = new.sign_count
            binding.save(update_fields=["last_counter"])
    except IntegrityError as error:
        raise CredentialTaken from error
    return credential


def begin_assertion(
    person: User, *, session_id: UUID, purpose: Ceremony.Purpose, demands: KeyDemands, alone: bool = False
) -> options.Options:
    """Options to prove one of this person's keys, as second factor, to reauthenticate, or to see that it works.

    As second factor the accepted ones are asked for; all of them where none is accepted, since what one owns must be
    proved before a better one is enrolled. `alone`: no other factor stands beside it, so it must verify its user
    (§7.2 step 17). Raises NoCredentials when there is no key that could answer.
    """
    if purpose not in (Purpose.SECOND_FACTOR, Purpose.REAUTHENTICATE, Purpose.DRILL):
        raise ValueError(purpose)
    allowed = live = options.live_credentials(person)
    if not live:
        raise NoCredentials
    if purpose == Purpose.SECOND_FACTOR:
        allowed = [one for one in live if demands.accepts(one)] or live
    verification = UserVerification.REQUIRED if alone else _asked_of(allowed, demands)
    challenge = begin(Scope.of(purpose, session_id, person), verification)
    return options.request(challenge, allowed=allowed, verification=verification)


def begin_passkey(*, session_id: UUID) -> options.Options:
    """Options to sign in with a passkey and nothing else: whoever answers, their user must be verified."""
    challenge = begin(Scope.of(Purpose.PASSKEY, session_id, None), UserVerification.REQUIRED)
    return options.request(challenge, allowed=(), verification=UserVerification.REQUIRED)


def verify_assertion(
    person: User | None,
    *,
    session_id: UUID,
    purpose: Ceremony.Purpose,
    answer: object,
    demands: KeyDemands | None = None,
) -> Assertion:
    """Verify the answer to `begin_assertion`, or to `begin_passkey` when `person` is None (§7.2).

    `demands` are those of this moment: a key that they accept must verify its user where they require it. The
    ceremony is used up whatever comes of it; nothing else changes: pass the result to `accept`. Raises a
    WebAuthnError, with the binding where it is known; RuntimeError inside a transaction.
    """
    shell = read_answer(answer)
    ceremony = take(shell.client_data.challenge, Scope.of(purpose, session_id, person))
    _check_client_data(shell.client_data, GET)
    signed = read_signed(shell)
    credential = _credential_of(signed, person)
    try:
        _check_signed(signed, credential, ceremony, shell.client_data.digest)
        if demands is not None:
            _check_verification(signed, credential, demands)
    except WebAuthnError as error:
        error.binding = credential.binding
        raise
    data = signed.authenticator_data
    return Assertion(credential.binding, data.user_verified, data.sign_count, data.backed_up)


def accept(assertion: Assertion, *, beside_another: bool = False, noted_as: str = "last_used_at") -> Binding:
    """Let a verified assertion count, inside the caller's unit of work; returns the binding as it now stands.

    `noted_as`: the column that says when. `beside_another`: this session proved another factor too, so a key that
    verifies its user for the first time is from now on known to (§7.2 step 24); with a PIN set after enrolment it need
    not be enrolled anew. One conditional UPDATE decides: the counter goes up, or was and is zero, as with synced
    passkeys (§7.2 step 22). Raises CloneSuspected otherwise, and UnknownCredential when the key was removed meanwhile.
    """
    binding, count = assertion.binding, assertion.new_counter
    live = Binding.objects.filter(pk=binding.pk, unbound_at=None, locked_at=None)
    advanced = Q(last_counter=None) | (Q(last_counter__lt=count) if count else Q(last_counter=0))
    if not live.filter(advanced).update(last_counter=count, **{noted_as: timezone.now()}):
        raise CloneSuspected(binding, count) if live.exists() else UnknownCredential(binding)
    changes = {"backed_up": assertion.backed_up}
    if beside_another and assertion.user_verified:
        changes["user_verified"] = True
    WebAuthnCredential.objects.filter(pk=binding.pk).update(**changes)
    binding.refresh_from_db()
    return binding


def _require(new: NewCredential, demands: KeyDemands, statement: Statement) -> None:
    """Refuse a new key that is not enough (§7.1 steps 23 and 24)."""
    refusal = demands.refusal_of(new)
    if isinstance(refusal, NotAttested) and statement.chain:
        raise AttestationUntrusted
    if refusal is not None:
        raise refusal


def _asked_of(allowed: Sequence[WebAuthnCredential], demands: KeyDemands) -> UserVerification:
    """How the keys of a request are to verify their user. Required of those that are accepted.

    A key that is not accepted, perhaps because it cannot verify anybody, only proves what its owner has: it is asked
    to, and may do without, unless the site itself requires it.
    """
    if demands.verification is not UserVerification.REQUIRED or all(demands.accepts(one) for one in allowed):
        return demands.verification
    return UserVerification.strictest(UserVerification.PREFERRED, UserVerification.of_second_factors())


def _check_verification(signed: Signed, credential: WebAuthnCredential, demands: KeyDemands) -> None:
    required = demands.verification is UserVerification.REQUIRED and demands.accepts(credential)
    if required and not signed.authenticator_data.user_verified:
        raise NotVerified


def _check_client_data(client: ClientData, kind: str) -> None:
    """§7.1 steps 7 to 11, §7.2 steps 10 to 14; the challenge was checked by the look-up of its ceremony."""
    if client.type != kind:
        raise WrongType
    if client.embedded:
        raise EmbeddedPage
    if client.origin not in settings.WEBAUTHN_ORIGINS:
        raise WrongOrigin


def _check_authenticator(data: AuthenticatorData, ceremony: Ceremony) -> None:
    """§7.1 steps 14 to 18, §7.2 steps 15 to 18: relying party, presence, verification, backup flags."""
    expected = hashlib.sha256(settings.WEBAUTHN_RP_ID.encode()).digest()
    if not hmac.compare_digest(data.rp_id_hash, expected):
        raise WrongRelyingParty
    if not data.user_present:
        raise NotPresent
    if ceremony.user_verification == UserVerification.REQUIRED and not data.user_verified:
        raise NotVerified
    if data.backed_up and not data.backup_eligible:
        raise BackupStateInvalid


def _credential_of(signed: Signed, person: User | None) -> WebAuthnCredential:
    """The live credential of this id; of this person, when there is one (§7.2 steps 5 and 6)."""
    live = WebAuthnCredential.objects.select_related("binding__person").filter(
        credential_id=signed.credential_id, binding__unbound_at=None, binding__locked_at=None
    )
    if person is not None:
        live = live.filter(binding__person=person)
    credential = live.first()
    if credential is None:
        raise UnknownCredential
    return credential


def _check_signed(signed: Signed, credential: WebAuthnCredential, ceremony: Ceremony, client_data_hash: bytes) -> None:
    """§7.2 steps 6 and 15 to 21. What depends on the owner's state is told only to who has the key."""
    owner, data = credential.binding.person, signed.authenticator_data
    is_passkey = ceremony.purpose == Purpose.PASSKEY
    if signed.user_handle is None:
        if is_passkey:
            raise WrongPerson
    elif not hmac.compare_digest(signed.user_handle, bytes(owner.webauthn_handle)):
        raise WrongPerson
    _check_authenticator(data, ceremony)
    verify_signature(bytes(credential.public_key), data.raw + client_data_hash, signed.signature)
    if data.backup_eligible != credential.backup_eligible:
        raise BackupEligibilityChanged
    if is_passkey and not (credential.passwordless and credential.user_verified):
        raise SecondFactorOnly
    if not owner.is_active:
        raise PersonInactive
