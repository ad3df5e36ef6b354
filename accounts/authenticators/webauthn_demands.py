"""What an organisation asks of keys and passkeys, as this room is told it: at enrolment, and again at every use.

Which rules hold for whom is the policy's to say (`EncryptedMFAAdapter.key_rules`). At use the engine judges by the
same rules, in words of its own (`policies.demands`), since it knows nothing of this room;
`tests/policies/test_key_rules.py` holds the two together.
"""

from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from accounts.authenticators.webauthn_ceremonies import UserVerification
from accounts.authenticators.webauthn_errors import (
    ModelDenied,
    ModelNotAllowed,
    NotAttested,
    NotVerified,
    SyncedNotAllowed,
    WebAuthnError,
)


class Described(Protocol):
    """What is known of a key, a new one or one that is enrolled."""

    @property
    def user_verified(self) -> bool: ...
    @property
    def aaguid(self) -> UUID: ...
    @property
    def backup_eligible(self) -> bool: ...
    @property
    def attested(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class KeyDemands:
    """The rules for one person's keys. `allowed` empty: every model (AAGUID) but the `denied` ones.

    Without `attested` an AAGUID is what the key says of itself: that keeps honest people right, and stops no liar.
    """

    verification: UserVerification = UserVerification.PREFERRED
    attested: bool = False
    allowed: frozenset[UUID] = frozenset()
    denied: frozenset[UUID] = frozenset()
    synced: bool = True

    def accepts(self, key: Described) -> bool:
        """Whether this key is enough."""
        return self.refusal_of(key) is None

    def refusal_of(self, key: Described) -> WebAuthnError | None:
        """What is wrong with this key, the first of it; None if nothing is."""
        if self.verification is UserVerification.REQUIRED and not key.user_verified:
            return NotVerified()
        if key.backup_eligible and not self.synced:
            return SyncedNotAllowed()
        if self.attested and not key.attested:
            return NotAttested()
        if key.aaguid in self.denied:
            return ModelDenied()
        if self.allowed and key.aaguid not in self.allowed:
            return ModelNotAllowed()
        return None

    def could_accept(self, key: Described) -> bool:
        """Whether the same key might be enough if it were enrolled once more: a new answer may verify and attest."""
        return replace(self, verification=UserVerification.DISCOURAGED, attested=False).accepts(key)
