"""From a first factor to a session: what is noted on the way, and what ends a sign-in half-way."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.db.models import F, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact
from django.http import HttpRequest
from django.utils import timezone

from accounts import allauth_compat, assurance
from accounts.assurance import Method, Proof
from accounts.errors import TooManyRequests, WrongPassword
from accounts.flows import anchors, browsers
from accounts.gates import GatedRequest
from accounts.models import User
from accounts.models.people import normalise_address
from accounts.policy import policy
from audit.kinds import Kind
from audit.log import Outcome, record, unit_of_work

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

SECOND_FACTOR_STAGE = "mfa_authenticate"
UNKNOWN_ADDRESS = "unknown_address"
_BOUND_TO = "bound_to"


@dataclass(frozen=True, slots=True)
class Footing:
    """What a sign-in rests on; when any of it changes before the second factor, the sign-in ends (security 60)."""

    tenant: str
    policy_version: int
    security_version: int
    password: str

    @classmethod
    def of(cls, person: User) -> "Footing":
        """As it is now; `password` is Django's session hash, which changes with the password."""
        return cls(
            str(person.tenant_id),
            person.tenant.policy_version,
            person.security_version,
            person.get_session_auth_hash(),
        )


def start(session: "SessionStore", person: User, proof: Proof) -> None:
    """A first factor was right: a new session key, and nothing proved but this (security 63)."""
    if session.row.person_id is not None:
        session.flush()
    elif session.session_key is not None:
        session.cycle_key()
    session.start_proving(person, proof)
    record(
        Kind.SIGN_IN_FIRST_FACTOR_ACCEPTED,
        actor=person,
        target=person,
        session=str(session.row.public_id),
        method=proof.method,
        authenticator=None if proof.binding is None else str(proof.binding),
        user_verified=proof.user_verified,
        strength=assurance.strength_of([proof]).name.lower(),
    )


def password_proof() -> Proof:
    """The proof that a right password just gave."""
    return Proof(method=Method.PASSWORD, at=timezone.now(), binding=None)


def bind(stage: Any, person: User) -> None:
    """Note on a pending sign-in what it rests on."""
    stage.state[_BOUND_TO] = asdict(Footing.of(person))


def pending(request: HttpRequest) -> Any | None:
    """The login stage of a sign-in that waits for its second factor, or None; looked up once a request.

    A sign-in whose footing changed meanwhile, or whose person or tenant was switched off, is ended here.
    """
    known = vars(request)
    if "pending_sign_in" not in known:
        known["pending_sign_in"] = _pending(request)
    return known["pending_sign_in"]


def _pending(request: HttpRequest) -> Any | None:
    stage = allauth_compat.get_pending_stage(request, cast("SessionStore", request.session).proving)
    if stage is None or stage.key != SECOND_FACTOR_STAGE or stage.login.user is None:
        return None
    person = cast("User", stage.login.user)
    is_on = person.is_active and person.tenant.is_active
    if is_on and stage.state.get(_BOUND_TO) == asdict(Footing.of(person)):
        return stage
    abandon(request, person)
    return None


def abandon(request: HttpRequest, person: User | None = None, *, reason: str = "footing_changed") -> None:
    """Forget a half-finished sign-in and what it proved; recorded when it is known whose it was."""
    if person is not None:
        session = str(cast("SessionStore", request.session).row.public_id)
        record(Kind.SIGN_IN_CANCELLED, actor=person, target=person, session=session, reason=reason)
    allauth_compat.clear_login(request)
    request.session.flush()


def complete(person: User, session: "SessionStore", *, token: str = "") -> str:
    """Somebody is signed in: note when and in which browser, and record with what. Within the caller's unit of work.

    `token` is what the browser calls itself; returned is what it is called from now on.
    """
    person.last_login = timezone.now()
    is_first = person.first_sign_in_at is None
    if person.first_sign_in_at is None:
        person.first_sign_in_at = person.last_login
        anchors.note_first_sign_in(person)
    first = Coalesce(F("first_sign_in_at"), Value(person.first_sign_in_at))  # what was read may be old by now
    User.objects.filter(pk=person.pk).update(last_login=person.last_login, first_sign_in_at=first)
    token = browsers.remember(person, session, token, is_first=is_first)
    session.change(signed_in_at=session.row.signed_in_at or person.last_login)  # before it is judged by it
    proofs = session.proofs_of(person)
    strength = assurance.strength_of(proofs)
    record(
        Kind.SIGN_IN_COMPLETED,
        actor=person,
        target=person,
        session=str(session.row.public_id),
        authenticator=next((str(proof.binding) for proof in reversed(proofs) if proof.binding is not None), None),
        strength=strength.name.lower(),
        aal=assurance.aal_of(strength),
        amr=list(assurance.amr_of(proofs)),
        methods=[proof.method.value for proof in proofs],
        **({"policy_version": person.tenant.policy_version} | policy().decided(person, session)),
    )
    return token


def check_password(request: HttpRequest, person: User, password: str) -> Proof:
    """Prove the password again. Raises WrongPassword, also while guesses are paused; recorded either way."""
    session = str(cast("SessionStore", request.session).row.public_id)
    try:
        found = get_adapter(request).authenticate(request, email=person.email, password=password)
    except ValidationError as error:
        pause = error.__cause__
        if isinstance(pause, TooManyRequests) and pause.is_new:
            said: dict[str, Any] = {"method": Method.PASSWORD, "until": pause.until, "session": session}
            record(Kind.REAUTHENTICATION_THROTTLED, actor=person, target=person, **said)
        raise WrongPassword from error
    if found is None or found.pk != person.pk:
        about: dict[str, Any] = {"method": Method.PASSWORD, "reason": WrongPassword.code, "session": session}
        record(Kind.REAUTHENTICATION_FAILED, actor=person, target=person, **about)
        raise WrongPassword
    return password_proof()


def record_failure(address: str) -> None:
    """A wrong address or password. The address is never kept: people type passwords there."""
    person = _whose(address)
    reason = UNKNOWN_ADDRESS if person is None else WrongPassword.code
    record(Kind.SIGN_IN_FAILED, target=person, outcome=Outcome.REFUSED, method=Method.PASSWORD, reason=reason)


def record_pause(address: str, pause: TooManyRequests) -> None:
    """Guesses at this address, or from this network, have to wait: in the record of whose address it is."""
    record(
        Kind.SIGN_IN_THROTTLED,
        target=_whose(address),
        outcome=Outcome.REFUSED,
        method=Method.PASSWORD,
        scope=pause.scope,
        until=pause.until,
    )


def _whose(address: str) -> User | None:
    """Whom somebody tries to be by this address: who proved it, else who signs in with it. One statement, always."""
    address = normalise_address(address)
    proved = EmailAddress.objects.filter(email=address, verified=True).order_by().values("user_id")
    named = User.objects.filter(email=address).order_by().values("pk")
    return User.objects.filter(pk__in=proved.union(named)).order_by(Exact(F("email"), Value(address))).first()


@unit_of_work
def end_idle(request: GatedRequest) -> None:
    """End a session that lay unused for too long; the request goes on as nobody's."""
    person = request.user
    record(
        Kind.SESSION_ENDED,
        actor=person,
        target=person,
        session=str(request.session.row.public_id),
        reason="idle",
    )
    logout(request)


def sign_out(request: HttpRequest) -> None:
    """End this session."""
    person, session = request.user, cast("SessionStore", request.session)
    with unit_of_work():
        if person.is_authenticated:
            record(Kind.SIGNED_OUT, actor=person, target=person, session=str(session.row.public_id))
        logout(request)
