"""What every change of somebody's factors shares: rows that begin and end, and what follows.

The callers hold the person's row (`people.lock`), so that enrolment, reset and policy changes take turns and
leave either the old or the new state (security 61).
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from allauth.mfa.models import Authenticator
from django.utils import timezone

from accounts import enrolment_state, notices
from accounts.assurance import Method, Proof
from accounts.errors import EnrolmentExpired, MethodNotAllowed, NotFresh
from accounts.flows import admissions, people
from accounts.models import Binding, PendingEnrolment, Session, User
from accounts.policy import policy
from audit import context
from audit.kinds import Kind
from audit.log import record

if TYPE_CHECKING:
    from accounts.session_store import SessionStore


REPLACEMENT_WINDOW = timedelta(minutes=30)


def require_fresh(person: User, session: "SessionStore") -> None:
    """Raise NotFresh unless this session just proved enough to touch factors (security 51)."""
    if not policy().is_fresh(person, session):
        raise NotFresh


def require_may_bind(person: User, session: "SessionStore", method: Method) -> None:
    """Raise MethodNotAllowed, EnrolmentGuarded or NotFresh unless this person may add or replace this factor now.

    Whom a recovery code let in may bind one factor without another proof: their phone may be gone.
    """
    if method not in policy().allowed_methods(person):
        raise MethodNotAllowed
    admissions.require(person, session)
    if not may_replace(person, session):
        require_fresh(person, session)


def may_replace(person: User, session: "SessionStore") -> bool:
    """Whether this sign-in was by a recovery code, not long ago, and has not replaced anything yet."""
    since = timezone.now() - REPLACEMENT_WINDOW
    return session.row.replacement_open and any(
        proof.method is Method.RECOVERY_CODE and proof.at > since for proof in session.proofs_of(person)
    )


def lock_unchanged(person: User, session: "SessionStore") -> User:
    """Lock the person's row; raise EnrolmentExpired if their security changed since this request began.

    A reset, a removal or an enrolment that finished first wins; nothing it did is undone.
    """
    locked = people.lock(person)
    alive = Session.objects.filter(public_id=session.row.public_id, ended_at=None).exists()
    if not alive or locked.security_version != person.security_version:
        raise EnrolmentExpired
    return locked


def new_binding(
    person: User, kind: str, *, name: str = "", data: dict[str, str] | None = None, **fields: object
) -> Binding:
    """A binding with its allauth companion row. `data` is what allauth's row shows: never a secret in clear."""
    allauth_type = Authenticator.Type.RECOVERY_CODES if kind == Binding.Kind.RECOVERY_CODE else kind
    here = context.current()
    authenticator = Authenticator.objects.create(user=person, type=allauth_type, data=data or {})
    return Binding.objects.create(
        authenticator=authenticator,
        person=person,
        kind=kind,
        name=name,
        bound_ip=here.ip or None,
        bound_by=person.pk,
        **fields,
    )


def bound(
    person: User,
    session: "SessionStore",
    binding: Binding,
    *,
    event: Kind = Kind.AUTHENTICATOR_ADDED,
    user_verified: bool = False,
    **facts: Any,
) -> Proof:
    """What follows every new factor: state, version, event, notice, and the proof for this session.

    `facts` go into the event beside kind and name.
    """
    enrolment_state.refresh(person)
    admissions.use_up(person, session)
    people.raise_security_version(person)
    record(
        event,
        actor=person,
        target=person,
        authenticator=str(binding.pk),
        method=binding.kind,
        name=binding.name,
        user_verified=user_verified if binding.kind == Binding.Kind.WEBAUTHN else None,
        **facts,
    )
    notices.send("authenticator_added", person, what=str(binding))
    proof = Proof(
        method=Method(binding.kind),
        at=binding.bound_at,
        binding=binding.pk,
        user_verified=user_verified,
        bound_at=binding.bound_at,
    )
    session.prove(person, proof)
    _use_up_replacement(session)
    return proof


def _use_up_replacement(session: "SessionStore") -> None:
    """In this transaction, not with the session at the end of the request: another request must not find it open."""
    if session.row.replacement_open:
        Session.objects.filter(public_id=session.row.public_id).update(replacement_open=False)
        session.change(replacement_open=False)


def unbind(binding: Binding, *, actor: User | None, reason: str) -> None:
    """Take an authenticator out of use; its record stays (security 58)."""
    authenticator = binding.authenticator
    here = context.current()
    Binding.objects.filter(pk=binding.pk, unbound_at=None).update(
        authenticator=None,
        unbound_at=timezone.now(),
        unbound_ip=here.ip or None,
        unbound_by=actor.pk if actor else None,
        unbound_reason=reason,
    )
    if authenticator is not None:
        authenticator.delete()


def strip(person: User, *, actor: User | None, reason: str) -> list[Binding]:
    """Unbind everything a person has, pending set-ups too; returns what there was."""
    live = list(Binding.objects.filter(person=person, unbound_at=None).select_related("authenticator"))
    for binding in live:
        unbind(binding, actor=actor, reason=reason)
    PendingEnrolment.objects.filter(person=person).delete()
    unbound(person)
    people.raise_security_version(person)
    return live


def unbound(person: User) -> None:
    """What follows every removal: recovery codes alone are no factor and go with the last one; what is left counts."""
    if enrolment_state.refresh(person).mfa_enrolled_at is not None:
        return
    codes = list(Binding.objects.filter(person=person, unbound_at=None).select_related("authenticator"))
    for one in codes:
        unbind(one, actor=None, reason="last_factor_gone")
    if codes:
        enrolment_state.refresh(person)
