"""Checking passwords: by address, at equal cost whether or not there is such a person."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.models import EmailAddress

from accounts.models import Tenant, User
from accounts.rows import Select, attach

_VERIFIED = "verified_address"


class PasswordBackend(AuthenticationBackend):
    """allauth's look-up by address; permissions are never looked up, they follow from the role.

    Spends the work of one password hash for addresses nobody has, so that timing says nothing.
    """

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Nobody holds Django permissions but platform administrators (`is_superuser` answers before this)."""
        return False

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return False

    def _authenticate_by_email(self, email: str, password: str) -> Any:
        """Who has verified the address, with their tenant; else whose it may be. As allauth looks it up, in one SELECT.

        That it is verified is noted on this very instance, so that the sign-in need not ask again
        (`accounts.stages`).
        """
        found = [(address, _with(person, tenant)) for address, person, tenant in _BY_ADDRESS.all(email.lower())]
        verified = [person for address, person in found if address.verified]
        for person in verified or _unverified(email.lower(), [person for _address, person in found]):
            if self._check_password(person, password):
                vars(person)[_VERIFIED] = email if verified else None
                return person
        return None


def has_just_verified(person: User, address: str | None) -> bool:
    """Whether this person was found by this address in this request, and had verified it."""
    return address is not None and vars(person).get(_VERIFIED) == address


def _with(person: User, tenant: Tenant) -> User:
    attach(person, "tenant", tenant)
    return person


def _unverified(email: str, named: list[User]) -> list[User]:
    """Nobody verified the address: whose row names it, and who has it as their own."""
    return [*named, *(person for person in User.objects.filter(email=email) if person not in named)]


_BY_ADDRESS = Select(
    f"{EmailAddress._meta.db_table} e JOIN {User._meta.db_table} p ON p.id = e.user_id"
    f" JOIN {Tenant._meta.db_table} t ON t.id = p.tenant_id WHERE e.email = %s",
    e=EmailAddress,
    p=User,
    t=Tenant,
)
