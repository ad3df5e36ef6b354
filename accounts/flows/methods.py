"""Which of their factors a person may use now, in the order in which they are offered."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from accounts.assurance import Method
from accounts.models import Binding, RecoveryCode, User, WebAuthnCredential
from accounts.policy import policy
from accounts.rows import Select, attach

_RANK = (Method.WEBAUTHN, Method.TOTP, Method.RECOVERY_CODE)


@dataclass(frozen=True, slots=True)
class Option:
    """One kind of factor a person owns. Keys are one option however many there are, and never paused."""

    method: Method
    until: datetime | None  # when a pause ends
    locked: bool

    @property
    def usable(self) -> bool:
        return not self.locked and self.until is None


def live(person: User) -> list[Binding]:
    """The person's authenticators, oldest first."""
    return [binding for binding, _, _ in owned(person)]


def owned(person: User) -> list[tuple[Binding, WebAuthnCredential | None, bool]]:
    """The person's authenticators, oldest first, each with its key, if it is one, and whether codes are left."""
    found = _LIVE.all(person.pk)
    for binding, credential, _ in found:
        attach(binding, "credential", credential)
    return found


_LIVE = Select(
    f"{Binding._meta.db_table} b LEFT JOIN {WebAuthnCredential._meta.db_table} c ON c.binding_id = b.id"
    " WHERE b.person_id = %s AND b.unbound_at IS NULL ORDER BY b.bound_at",
    f"EXISTS(SELECT 1 FROM {RecoveryCode._meta.db_table} r WHERE r.binding_id = b.id AND r.used_at IS NULL)",  # noqa: S608  # nosec B608 (names from models)
    b=Binding,
    c=WebAuthnCredential,
)


def options(person: User) -> list[Option]:
    """What the person owns and the policy allows, keys first; all they own where nothing of it is allowed.

    (Who owns only what is no longer allowed proves that first, and then enrols something better.)
    """
    every, allowed = all_options(person), set(policy().allowed_methods(person))
    return [option for option in every if option.method in allowed] or every


def all_options(person: User) -> list[Option]:
    """What the person owns, whatever the policy says of it, keys first."""
    now = timezone.now()
    owned = {Method(b.kind): b for b in live(person) if b.kind != Method.WEBAUTHN or b.locked_at is None}
    return [_option(method, owned[method], now) for method in _RANK if method in owned]


def accepted(person: User, factors: list[Binding], allowed: Collection[Method]) -> list[Binding]:
    """Those of a person's factors that their organisation takes for enough: by their method, and of keys what they are.

    `factors` are as `live` gives them, with their keys; `allowed` what the person may enrol.
    """
    found = [one for one in factors if one.kind in allowed]
    if all(one.kind != Method.WEBAUTHN for one in found):
        return found
    asked = policy().key_rules(person)
    return [one for one in found if one.kind != Method.WEBAUTHN or asked.accepts(one.credential)]


def _option(method: Method, binding: Binding, now: datetime) -> Option:
    until = binding.paused_until if binding.paused_until and binding.paused_until > now else None
    return Option(method, until, binding.locked_at is not None)
