"""Ceremonies are rows: one challenge, and what it is good for (docs/adr/0002).

A challenge is used up by the first answer that names it, wherever and by whomever it is sent, before that
answer is looked at. `take` therefore commits by itself, and refuses to run inside somebody's transaction: a
roll-back would bring the challenge back to life.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.authenticators.webauthn_errors import CeremonyClosed
from accounts.models import Ceremony, User

Purpose = Ceremony.Purpose
CHALLENGE_BYTES: Final = 32  # WebAuthn L3 §13.4.3 asks for 16 at least
LIFETIME: Final = timedelta(minutes=5)


class UserVerification(StrEnum):
    """How much the authenticator is asked to make sure of its user (WebAuthn L3 §5.8.6), the most first."""

    REQUIRED = "required"
    PREFERRED = "preferred"
    DISCOURAGED = "discouraged"

    @classmethod
    def of_second_factors(cls) -> "UserVerification":
        """The site's least for keys beside a first factor; policies may ask more. ValueError for no such word."""
        return cls(settings.WEBAUTHN_USER_VERIFICATION)

    @classmethod
    def strictest(cls, *wanted: "UserVerification") -> "UserVerification":
        """The one that asks most."""
        return min(wanted, key=list(cls).index)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a challenge is good: one purpose, one session, one person (or anybody) in one tenant."""

    purpose: Ceremony.Purpose
    session_id: UUID
    person_id: UUID | None = None
    tenant_id: UUID | None = None

    @classmethod
    def of(cls, purpose: Ceremony.Purpose, session_id: UUID, person: User | None) -> "Scope":
        if person is None:
            return cls(purpose, session_id)
        return cls(purpose, session_id, person.pk, person.tenant_id)


def begin(scope: Scope, verification: UserVerification, *, passwordless: bool = False) -> bytes:
    """Store a new ceremony; returns its challenge: 32 random bytes, good once and for five minutes."""
    ceremony = Ceremony.objects.create(
        challenge=secrets.token_bytes(CHALLENGE_BYTES),
        purpose=scope.purpose,
        session_id=scope.session_id,
        person_id=scope.person_id,
        tenant_id=scope.tenant_id,
        user_verification=verification,
        passwordless=passwordless,
        expires_at=timezone.now() + LIFETIME,
    )
    return bytes(ceremony.challenge)


def take(challenge: bytes, scope: Scope) -> Ceremony:
    """Use up the ceremony of this challenge, for good. Raises CeremonyClosed unless it was open and for here.

    One conditional UPDATE decides, so of two answers at once one wins. RuntimeError inside a transaction.
    """
    now = timezone.now()
    with transaction.atomic(durable=True):
        rows = Ceremony.objects.filter(challenge=challenge)
        if not rows.filter(consumed_at=None, expires_at__gt=now).update(consumed_at=now):
            raise CeremonyClosed
    ceremony = rows.get()
    if _scope_of(ceremony) != scope:
        raise CeremonyClosed
    return ceremony


def timeout() -> int:
    """The milliseconds that browsers are told: the site's setting, never more than a ceremony lives."""
    return min(int(settings.WEBAUTHN_TIMEOUT), int(LIFETIME.total_seconds() * 1000))


def purge_expired() -> int:
    """Remove ceremonies that nobody can answer any more; returns how many."""
    return Ceremony.objects.filter(expires_at__lte=timezone.now()).delete()[0]


def _scope_of(ceremony: Ceremony) -> Scope | None:
    if ceremony.session_id is None:
        return None
    return Scope(Purpose(ceremony.purpose), ceremony.session_id, ceremony.person_id, ceremony.tenant_id)
