"""What a session has proved, and how much that is worth. Standard library only: no Django, no database.

Assurance derives from the proofs a session recorded, never from what the person owns. Two kinds of factor are
told apart (NIST SP 800-63B-4 §2.2.1): what says *who* someone is (a password known, a face or a PIN verified,
an identity provider's word) and what they *have* (an app, a key, a list of codes, a mailbox, a telephone).
Two proofs of one kind are still a single factor.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final
from uuid import UUID


class Method(StrEnum):
    """How something was proved. The values are stored in sessions and policies and never change."""

    PASSWORD = "password"  # noqa: S105  (the name of a method, not a password)
    TOTP = "totp"
    WEBAUTHN = "webauthn"
    RECOVERY_CODE = "recovery_code"
    EMAIL_CODE = "email_code"
    SMS_CODE = "sms_code"
    SSO = "sso"
    ACCESS_PASS = "access_pass"  # noqa: S105
    ENROLMENT_LINK = "enrolment_link"


SECOND_FACTORS: Final = frozenset(
    {Method.WEBAUTHN, Method.TOTP, Method.RECOVERY_CODE, Method.EMAIL_CODE, Method.SMS_CODE}
)
"""The methods that prove possession of an authenticator bound to a person; their proofs name its binding."""


ADMISSIONS: Final = frozenset({Method.ACCESS_PASS, Method.ENROLMENT_LINK})
"""What lets somebody enrol after a reset, beside their password: it says who they are, and signs nobody in."""


class Strength(IntEnum):
    """How strongly a session is authenticated; comparable with ``<``."""

    NONE = 0
    SINGLE_FACTOR = 1
    MULTI_FACTOR = 2
    PHISHING_RESISTANT = 3


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing a session proved.

    `at` and `bound_at` are aware (ValueError otherwise); `bound_at` is when the authenticator was enrolled.
    `binding` is the id of the authenticator's `Binding`, None for first factors. `user_verified` is the UV
    flag of the WebAuthn ceremony and means nothing for other methods.
    """

    method: Method
    at: datetime
    binding: UUID | None = None
    user_verified: bool = False
    bound_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.at.tzinfo is None or (self.bound_at is not None and self.bound_at.tzinfo is None):
            raise ValueError("A proof needs aware times.")


_WHO: Final = 1
_HAVE: Final = 2


def _kinds(proof: Proof) -> int:
    if proof.method is Method.WEBAUTHN and proof.user_verified:
        return _WHO | _HAVE
    return _HAVE if proof.method in SECOND_FACTORS else _WHO


def strength_of(proofs: Iterable[Proof], *, spent: Iterable[Proof] = ()) -> Strength:
    """What these proofs amount to together.

    A password, SSO, or a touch-only key alone is a single factor; one of each kind is multi-factor, and
    phishing resistant if the possession was proved by WebAuthn (63B-4 §3.2.5), which a passkey with user
    verification is by itself. An access pass or a mailed link beside a password is never more than it.

    `spent` proofs no longer count as possession (too old, or by a method no longer allowed) but still tell
    who signed in: a passkey session whose second factor has run out is where a password session would be.
    """
    kinds, keyed = 0, False
    for proof in proofs:
        kinds |= _kinds(proof)
        keyed |= proof.method is Method.WEBAUTHN
    for proof in spent:
        kinds |= _kinds(proof) & _WHO
    if kinds != _WHO | _HAVE:
        return Strength.SINGLE_FACTOR if kinds else Strength.NONE
    return Strength.PHISHING_RESISTANT if keyed else Strength.MULTI_FACTOR


def strength_with(method: Method) -> Strength:
    """The strength a password and one proof by this method reach together."""
    if method is Method.WEBAUTHN:
        return Strength.PHISHING_RESISTANT
    return Strength.MULTI_FACTOR if method in SECOND_FACTORS else Strength.SINGLE_FACTOR


def aal_of(strength: Strength, *, device_bound: bool = False) -> int:
    """The authenticator assurance level of NIST SP 800-63B-4 §2: 0 (nothing proved) to 3.

    AAL3 needs a key that cannot leave its authenticator (§2.3.1). Nothing a session records says so yet, so
    it is claimed only where the caller knows (`device_bound`: not backup-eligible). NIST does not accept
    codes by e-mail for AAL2 (§3.1.3.1): a tenant that allows them decides that itself.
    """
    if strength is Strength.PHISHING_RESISTANT and device_bound:
        return 3
    return min(int(strength), 2)


_AMR: Final = {
    Method.PASSWORD: ("pwd",),
    Method.TOTP: ("otp",),
    Method.RECOVERY_CODE: ("otp",),
    Method.EMAIL_CODE: ("otp",),
    Method.SMS_CODE: ("sms",),
    Method.ACCESS_PASS: ("otp",),
}
_AMR_ORDER: Final = ("pwd", "otp", "sms", "hwk", "swk", "user", "mfa")


def amr_of(proofs: Iterable[Proof], *, hardware: Container[UUID | None] = ()) -> tuple[str, ...]:
    """The `amr` values of RFC 8176 §2, each once, in a stable order.

    A WebAuthn proof is ``hwk`` only where its binding is in `hardware`, else the lesser claim ``swk``;
    ``user`` is the test of presence every WebAuthn ceremony contains. SSO adds none: the provider's own are
    not ours to claim. There is no ``kba``: nobody is asked for their first pet here.
    """
    current = tuple(proofs)
    values = {value for proof in current for value in _AMR.get(proof.method, ())}
    for proof in current:
        if proof.method is Method.WEBAUTHN:
            values |= {"user", "hwk" if proof.binding in hardware else "swk"}
    if strength_of(current) >= Strength.MULTI_FACTOR:
        values.add("mfa")
    return tuple(value for value in _AMR_ORDER if value in values)


_KEYS: Final = frozenset({"method", "at", "binding", "user_verified", "bound_at"})


def to_json(proofs: Iterable[Proof]) -> list[dict[str, str | bool | None]]:
    """The form in which a session's JSON column keeps its proofs; `from_json` reads it back."""
    return [
        {
            "method": proof.method.value,
            "at": proof.at.isoformat(),
            "binding": None if proof.binding is None else str(proof.binding),
            "user_verified": proof.user_verified,
            "bound_at": None if proof.bound_at is None else proof.bound_at.isoformat(),
        }
        for proof in proofs
    ]


def from_json(value: object) -> tuple[Proof, ...]:
    """The proofs in a session's JSON column, whatever it holds. Never raises.

    An entry that is not exactly what `to_json` writes (an unknown method or key, a naive time, a wrong type)
    proves nothing and is left out: somebody is asked once more rather than let in.
    """
    if not isinstance(value, list):
        return ()
    return tuple(proof for proof in map(_proof_from, value) if proof is not None)


def _proof_from(entry: object) -> Proof | None:
    if not isinstance(entry, dict) or entry.keys() != _KEYS or not isinstance(entry["user_verified"], bool):
        return None
    try:
        return Proof(
            method=Method(entry["method"]),
            at=datetime.fromisoformat(entry["at"]),
            binding=None if entry["binding"] is None else UUID(entry["binding"]),
            user_verified=entry["user_verified"],
            bound_at=None if entry["bound_at"] is None else datetime.fromisoformat(entry["bound_at"]),
        )
    except (ValueError, TypeError, AttributeError):  # UUID(5) raises AttributeError
        return None
