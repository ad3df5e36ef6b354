"""Trying what one would need on a bad day: a spare key or a recovery code, without using it up.

A drill proves nothing: no proof is kept, so the session is neither fresher nor stronger after it. A code stays unused,
a wrong one counts as it does when signing in, and a key answers a challenge that is good for nothing else.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.conf import settings

from accounts.assurance import Method
from accounts.errors import AccountsError
from accounts.flows import keys, verification
from accounts.flows.occasions import Occasion
from accounts.models import Binding, Ceremony, User

if TYPE_CHECKING:
    from accounts.session_store import SessionStore

METHODS: Final = (Method.WEBAUTHN, Method.RECOVERY_CODE)


def due(live: Iterable[Binding], now: datetime) -> list[Binding]:
    """Which of these authenticators nobody used or tried for `MFA_DRILL_DAYS`; none where that is 0."""
    if settings.MFA_DRILL_DAYS <= 0:
        return []
    since = now - timedelta(days=settings.MFA_DRILL_DAYS)
    return [one for one in live if one.kind in METHODS and one.locked_at is None and known_to_work(one) < since]


def known_to_work(binding: Binding) -> datetime:
    """When this authenticator was last seen to work: bound, used, or tried."""
    return max(one for one in (binding.bound_at, binding.last_used_at, binding.checked_at) if one is not None)


def check_key(person: User, session: "SessionStore", answer: str) -> Binding:
    """The key that gave this answer. Raises a WebAuthnError, recorded."""
    return keys.try_out(person, session, answer)


def check_code(person: User, session: "SessionStore", entered: str) -> Binding:
    """The set that this unused code is of. Raises WrongRecoveryCode (counted), Paused, Locked or NotEnrolled."""
    occasion = Occasion(session, Ceremony.Purpose.DRILL)
    found = verification.look_up_code(person, entered, occasion=occasion)
    if isinstance(found, AccountsError):
        raise found
    return found
