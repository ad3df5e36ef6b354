"""Security keys and passkeys: add, rename, prove as a second factor, and sign in with a passkey alone.

Every answer is verified before a unit of work begins, because that uses its ceremony up for good
(docs/adr/0002); what follows from it is one unit. A refusal changes nothing and is recorded.
"""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from accounts.assurance import SECOND_FACTORS, Method, Proof
from accounts.authenticators import webauthn
from accounts.authenticators.webauthn import Assertion, NewCredential, Purpose
from accounts.authenticators.webauthn_errors import CloneSuspected, WebAuthnError
from accounts.errors import AccountsError, MethodNotAllowed, NotEnrolled, TooManyRequests
from accounts.flows import binding as bindings
from accounts.flows import people, throttles, wrong_factors
from accounts.flows.occasions import Occasion
from accounts.models import Binding, Ceremony, User
from accounts.policy import policy
from audit.kinds import Kind
from audit.log import record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

Options = dict[str, Any]
OPTIONS_BY_NETWORK = throttles.Limit("passkey-options", 600, timedelta(minutes=5))  # every sign-in page asks once


def begin_adding(person: User, session: "SessionStore", *, passwordless: bool) -> Options:
    """The browser's options for a new key, or for a passkey that is to sign in by itself (`passwordless`).

    Raises MethodNotAllowed or NotFresh.
    """
    _require_may_add(person, session, passwordless=passwordless)
    return webauthn.begin_enrolment(
        person, session_id=session.row.public_id, passwordless=passwordless, demands=policy().key_rules(person)
    )


def add(person: User, session: "SessionStore", answer: str, *, name: str = "") -> Proof:
    """Bind the key that gave this answer; without a name it gets that of its product.

    Whether it is a passkey was decided when the ceremony began; whether it is enough is decided by the rules of now.
    Raises a WebAuthnError (recorded), MethodNotAllowed, NotFresh or EnrolmentExpired.
    """
    try:
        new = webauthn.complete_enrolment(
            person, session_id=session.row.public_id, answer=answer, demands=policy().key_rules(person)
        )
        return _bind(person, session, new, name or new.product)
    except WebAuthnError as refusal:
        record(
            Kind.AUTHENTICATOR_REFUSED,
            actor=person,
            target=person,
            method=Method.WEBAUTHN,
            reason=refusal.code,
        )
        raise


@unit_of_work
def rename(person: User, session: "SessionStore", binding_id: uuid.UUID, name: str) -> None:
    """Give one of the person's keys another name. Raises NotFresh or NotEnrolled."""
    bindings.require_fresh(person, session)
    locked = people.lock(person)
    binding = key_of(locked, binding_id)
    before = binding.name
    if before == name:
        return
    binding.name = name
    binding.save(update_fields=["name"])
    record(
        Kind.AUTHENTICATOR_RENAMED,
        actor=locked,
        target=locked,
        authenticator=str(binding.pk),
        method=binding.kind,
        before=before,
        after=name,
    )


def key_of(person: User, binding_id: uuid.UUID) -> Binding:
    """One live key of this person. Raises NotEnrolled for anything else, somebody else's keys included."""
    live = Binding.objects.filter(person=person, kind=Binding.Kind.WEBAUTHN, unbound_at=None)
    binding = live.select_related("credential").filter(pk=binding_id).first()
    if binding is None:
        raise NotEnrolled
    return binding


def begin(person: User, session: "SessionStore", *, purpose: Ceremony.Purpose) -> Options:
    """The browser's options to prove one of this person's keys. Raises NoCredentials."""
    return webauthn.begin_assertion(
        person,
        session_id=session.row.public_id,
        purpose=purpose,
        demands=policy().key_rules(person),
        alone=_stands_alone(person, session),
    )


def check(person: User, session: "SessionStore", answer: str, *, purpose: Ceremony.Purpose) -> Proof:
    """Prove a key by this answer; returns the proof for the session. Raises a WebAuthnError, recorded."""
    occasion = Occasion(session, purpose)
    try:
        assertion = webauthn.verify_assertion(
            person,
            session_id=session.row.public_id,
            purpose=purpose,
            answer=answer,
            demands=policy().key_rules(person),
        )
        return _accept(person, assertion, occasion, beside_another=not _stands_alone(person, session))
    except WebAuthnError as refusal:
        _refused(person, refusal, occasion)
        raise


def try_out(person: User, session: "SessionStore", answer: str) -> Binding:
    """The key that shows by this answer that it works, and proves nothing by it. Raises a WebAuthnError, recorded."""
    purpose = Purpose.DRILL
    try:
        assertion = webauthn.verify_assertion(
            person, session_id=session.row.public_id, purpose=purpose, answer=answer, demands=policy().key_rules(person)
        )
        return _works(person, assertion)
    except WebAuthnError as refusal:
        _refused(person, refusal, Occasion(session, purpose))
        raise


@unit_of_work
def _works(person: User, assertion: Assertion) -> Binding:
    binding = webauthn.accept(assertion, noted_as="checked_at")
    record(Kind.DRILL_PASSED, actor=person, target=person, authenticator=str(binding.pk), method=binding.kind)
    return binding


@unit_of_work
def _refused(person: User, refusal: WebAuthnError, occasion: Occasion) -> None:
    _record_refusal(Kind.SECOND_FACTOR_FAILED, person, refusal, occasion)
    wrong_factors.tell(person)


def begin_passkey(session: "SessionStore") -> Options:
    """The browser's options to sign in with a passkey, whoever it is. Raises TooManyRequests.

    The challenge hangs on this session, so the session is kept from here on.
    """
    throttles.count_recorded((OPTIONS_BY_NETWORK, throttles.here()))
    if session.session_key is None:
        session.create()
    return webauthn.begin_passkey(session_id=session.row.public_id)


def check_passkey(session: "SessionStore", answer: str) -> tuple[User, Proof]:
    """Whose passkey this is, and the proof it gives.

    Raises a WebAuthnError, MethodNotAllowed or TooManyRequests, recorded. Failures count against the network
    they come from, never against a key or a person.
    """
    attempt, occasion = (throttles.PASSKEY_BY_NETWORK, throttles.here()), Occasion(session, Purpose.PASSKEY)
    _count_passkey(attempt)
    try:
        assertion = webauthn.verify_assertion(
            None, session_id=session.row.public_id, purpose=Purpose.PASSKEY, answer=answer
        )
        outcome = _accept_passkey(assertion, occasion)
    except WebAuthnError as refusal:
        owner = refusal.binding.person if refusal.binding else None
        _record_refusal(Kind.SIGN_IN_PASSKEY_REFUSED, owner, refusal, occasion)
        raise
    if isinstance(outcome, AccountsError):
        raise outcome
    throttles.forgive(attempt)
    return assertion.binding.person, outcome


def _count_passkey(attempt: tuple[throttles.Limit, str]) -> None:
    try:
        throttles.count(attempt)
    except TooManyRequests as pause:
        if pause.is_new:
            said: dict[str, Any] = {"method": Method.WEBAUTHN, "scope": pause.scope, "until": pause.until}
            record(Kind.SIGN_IN_THROTTLED, **said)
        raise


def _require_may_add(person: User, session: "SessionStore", *, passwordless: bool) -> None:
    bindings.require_may_bind(person, session, Method.WEBAUTHN)
    if passwordless and not policy().passkey_login_allowed(person):
        raise MethodNotAllowed


@unit_of_work
def _bind(person: User, session: "SessionStore", new: NewCredential, name: str) -> Proof:
    _require_may_add(person, session, passwordless=new.passwordless)
    locked = bindings.lock_unchanged(person, session)
    binding = bindings.new_binding(locked, Binding.Kind.WEBAUTHN, name=name, data={"name": name})
    webauthn.store(binding, new)
    return bindings.bound(
        locked,
        session,
        binding,
        user_verified=new.user_verified,
        aaguid=str(new.aaguid),
        attestation=new.attestation,
        attested=new.attested,
        passwordless=new.passwordless,
        backed_up=new.backed_up,
    )


def _stands_alone(person: User, session: "SessionStore") -> bool:
    """Whether no other factor of this session says who it is, so that the key has to (security 35)."""
    return all(proof.method in SECOND_FACTORS for proof in session.proofs_of(person))


@unit_of_work
def _accept(person: User, assertion: Assertion, occasion: Occasion, *, beside_another: bool) -> Proof:
    proof = _proof_of(webauthn.accept(assertion, beside_another=beside_another), assertion)
    record(
        Kind.SECOND_FACTOR_ACCEPTED,
        actor=person,
        target=person,
        authenticator=str(proof.binding),
        method=proof.method,
        user_verified=proof.user_verified,
        strength=occasion.strength_with(person, proof),
        **occasion.facts(),
    )
    return proof


@unit_of_work
def _accept_passkey(assertion: Assertion, occasion: Occasion) -> Proof | AccountsError:
    """The counter moves even where the policy then refuses: the key did answer."""
    binding = webauthn.accept(assertion)
    if policy().passkey_login_allowed(binding.person):
        return _proof_of(binding, assertion)
    refusal = MethodNotAllowed()
    record(
        Kind.SIGN_IN_PASSKEY_REFUSED,
        target=binding.person,
        authenticator=str(binding.pk),
        method=Method.WEBAUTHN,
        reason=refusal.code,
        **occasion.facts(),
    )
    return refusal


def _proof_of(binding: Binding, assertion: Assertion) -> Proof:
    return Proof(
        method=Method.WEBAUTHN,
        at=timezone.now(),
        binding=binding.pk,
        user_verified=assertion.user_verified,
        bound_at=binding.bound_at,
    )


@unit_of_work
def _record_refusal(kind: Kind, person: User | None, refusal: WebAuthnError, occasion: Occasion) -> None:
    """A refused answer; a key that counted backwards is an alarm beside it."""
    facts: dict[str, Any] = {
        "authenticator": str(refusal.binding.pk) if refusal.binding else None,
        "method": Method.WEBAUTHN,
        "reason": refusal.code,
        **occasion.facts(),
    }
    record(kind, actor=person, target=person, **facts)
    if isinstance(refusal, CloneSuspected):
        facts |= {"stored": refusal.stored, "received": refusal.received}
        record(Kind.AUTHENTICATOR_CLONED_SUSPECTED, actor=person, target=person, **facts)
