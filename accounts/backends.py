"""Checking passwords: by address, at equal cost whether or not there is such a person."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend


class PasswordBackend(AuthenticationBackend):
    """allauth's look-up by address; permissions are never looked up, they follow from the role.

    Spends the work of one password hash for addresses nobody has, so that timing says nothing.
    """

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Nobody holds Django permissions but platform administrators (`is_superuser` answers before this)."""
        return False

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return False
