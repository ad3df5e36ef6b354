"""How this room asks the policy: through the adapter that `settings.MFA_ADAPTER` names, never by import."""

from typing import TYPE_CHECKING

from allauth.mfa.adapter import get_adapter

if TYPE_CHECKING:
    from accounts.adapters import EncryptedMFAAdapter


def policy() -> "EncryptedMFAAdapter":
    """The adapter to ask what a person may enrol, remove, and must prove."""
    adapter: EncryptedMFAAdapter = get_adapter()  # type: ignore[assignment]
    return adapter
