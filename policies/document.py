"""The JSON document of a tenant's policy (schema 1), and the rules it states."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from accounts.assurance import Method, Strength
from policies.engine import Enforcement, Rules, Scope

SCHEMA = 1


class DocumentError(ValueError):
    """What is wrong with a document, by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(dict(errors))
        self.errors = dict(errors)


def default_document() -> dict[str, Any]:
    """What a new tenant demands."""
    return {
        "schema": SCHEMA,
        "enforcement": "required",
        "scope": {"everyone": True, "roles": [], "staff": False},
        "allowed": ["webauthn", "totp", "recovery_code"],
        "strength": {},
        "grace_days": 14,
        "second_factor_hours": 12,
        "idle_minutes": 30,
        "administrators_idle_minutes": 15,
        "fresh_minutes": 5,
        "passkey_login": False,
    }


def validate(document: Mapping[str, Any]) -> None:
    """Raise DocumentError."""
    if set(document) != set(default_document()):
        raise DocumentError({"document": "unknown or missing keys"})


def demands(document: Mapping[str, Any]) -> bool:
    """Whether the document demands a second factor of anybody."""
    return document["enforcement"] in ("required", "always")


def rules_from(
    document: Mapping[str, Any],
    *,
    version: int,
    enabled: bool,
    enforced_since: datetime | None,
    ceilings: Sequence[Method],
) -> Rules:
    """The rules that a document states."""
    scope = document["scope"]
    return Rules(
        version=version,
        enabled=enabled,
        enforcement=Enforcement(document["enforcement"]),
        scope=Scope(scope["everyone"], frozenset(scope["roles"]), scope["staff"]),
        allowed=tuple(Method(m) for m in document["allowed"] if Method(m) in ceilings),
        strength={role: Strength[name.upper()] for role, name in document["strength"].items()},
        grace_days=document["grace_days"],
        enforced_since=enforced_since,
        second_factor_lifetime=timedelta(hours=document["second_factor_hours"]),
        fresh_for=timedelta(minutes=document["fresh_minutes"]),
        idle=timedelta(minutes=document["idle_minutes"]),
        administrators_idle=timedelta(minutes=document["administrators_idle_minutes"]),
        passkey_login=document["passkey_login"],
    )
