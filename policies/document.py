"""The JSON document of a tenant's policy, schema 2: its default, and the rules it states.

Every key is required and no other is known, so that what is published is what was meant (`policies.document_fields`
says what may stand where). Another key, bound or meaning is another schema. A process that meets a document it
cannot read takes the strict way: see `rules_from`.
"""

import logging
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from accounts.assurance import Method
from policies import floor as floors
from policies.document_fields import (
    BOUNDS,
    METHODS,
    ROLES,
    SCHEMA,
    STRENGTHS,
    DocumentError,
    validate,
)
from policies.terms import (
    ADMINISTRATOR,
    Enforcement,
    Exclude,
    Excluded,
    KeyRules,
    Rules,
    Scope,
    UserVerification,
)

__all__ = [
    "BOUNDS",
    "METHODS",
    "ROLES",
    "SCHEMA",
    "STRENGTHS",
    "DocumentError",
    "binding",
    "default_document",
    "demands",
    "read",
    "rules_from",
    "strictest",
    "strictest_document",
    "upgraded",
    "validate",
]

logger = logging.getLogger(__name__)


def default_document() -> dict[str, Any]:
    """What a new tenant demands: a second factor of everyone, with two weeks for the people it already has."""
    return {
        "schema": SCHEMA,
        "name": "MFA required",
        "description": "",
        "contact": "",
        "enforcement": Enforcement.REQUIRED.value,
        "scope": {"everyone": True, "roles": [], "groups": [], "staff": False, "sources": []},
        "excludes": [],
        "allowed": [Method.WEBAUTHN.value, Method.TOTP.value, Method.RECOVERY_CODE.value],
        "strength": {},
        "minimum_factors": 1,
        "grace_days": 14,
        "new_grace_days": 0,
        "administrators_grace_days": 0,
        "snoozes": 0,
        "trusted_browser_days": 0,
        "trusted_browser_never": [ADMINISTRATOR],
        "second_factor_hours": 12,
        "idle_minutes": 30,
        "administrators_idle_minutes": 15,
        "fresh_minutes": 5,
        "user_verification": UserVerification.PREFERRED.value,
        "attestation": "none",
        "aaguids_allowed": [],
        "aaguids_denied": [],
        "synced_passkeys": True,
        "passkey_login": False,
        "sso": {"trust_mfa": False, "amr": [], "acr": [], "max_age_minutes": 60},
        "break_glass": [],
        "tests": [],
    }


def upgraded(document: Any) -> Any:
    """A document of an older schema as this one states it; any other comes back as it is.

    Schema 1 had a level `off`, which asked for nothing, as `optional` does, and gave administrators no other grace.
    """
    if not isinstance(document, Mapping) or type(document.get("schema")) is not int or document["schema"] != 1:
        return document
    since = {key: value for key, value in default_document().items() if key not in _SCHEMA_1}
    scope, days = document.get("scope"), document.get("grace_days")
    stated = since | {"administrators_grace_days": days} | dict(document) | {"schema": SCHEMA}
    if stated.get("enforcement") == "off":
        stated["enforcement"] = Enforcement.OPTIONAL.value
    if isinstance(scope, Mapping):
        stated["scope"] = {"groups": [], "sources": []} | dict(scope)
    return stated


_SCHEMA_1: Final = frozenset(
    {"enforcement", "scope", "allowed", "strength", "grace_days", "passkey_login"}
    | {"second_factor_hours", "idle_minutes", "administrators_idle_minutes", "fresh_minutes"}
)
"""What a document of schema 1 stated itself: where one lacks any of it, it is damaged, and nothing is filled in."""


def demands(document: Mapping[str, Any]) -> bool:
    """Whether a valid document requires a second factor of anybody."""
    return document["enforcement"] in (Enforcement.REQUIRED, Enforcement.ALWAYS)


def rules_from(
    document: Any,
    *,
    version: int,
    enabled: bool,
    enforced_since: datetime | None,
    ceilings: Collection[Method],
    floor: Mapping[str, Any] | None = None,
    in_force_until: datetime | None = None,
) -> Rules:
    """The rules a stored document states, with the methods the site supports (`ceilings`) as an upper bound.

    The platform's `floor` is laid under it, so that even a document older than the floor cannot demand less. A
    document that cannot be read, because a newer process wrote it or because it is damaged, is never taken to
    demand less than it may: it means `strictest`. That stops people who have no key, but they can enrol one, and
    administrators who have one can publish again. `enabled` stands outside the document and holds regardless.
    """
    floor = floor or {}
    enabled = enabled or floors.forbids_switching_off(floor)
    stated = _stated_by(document, floor, ceilings)
    if stated is None:
        logger.error("Version %s of a policy cannot be read; the strictest rules apply.", version)
        return strictest(version=version, enabled=enabled, ceilings=ceilings, in_force_until=in_force_until)
    return Rules(
        version=version, enabled=enabled, enforced_since=enforced_since, in_force_until=in_force_until, **stated
    )


def read(document: Any) -> dict[str, Any] | None:
    """A stored document as this schema states it; None for one that cannot be read."""
    document = upgraded(document)
    try:
        validate(document)
    except DocumentError:
        return None
    return dict(document)


def binding(document: Any, floor: Mapping[str, Any], ceilings: Collection[Method]) -> dict[str, Any]:
    """The document that states the same rules as `rules_from` takes from a stored one."""
    found = read(document)
    return strictest_document(ceilings) if found is None else floors.raised(found, floor)


def strictest(
    *, version: int, enabled: bool, ceilings: Collection[Method], in_force_until: datetime | None = None
) -> Rules:
    """The strictest rules under which somebody with the strongest factor of this site still gets in."""
    stated = _stated(strictest_document(ceilings), ceilings)
    return Rules(version=version, enabled=enabled, enforced_since=None, in_force_until=in_force_until, **stated)


def strictest_document(ceilings: Collection[Method]) -> dict[str, Any]:
    """The document that states the strictest rules, so that they can be listed as well."""
    has_keys = Method.WEBAUTHN in ceilings
    least = ("second_factor_hours", "idle_minutes", "administrators_idle_minutes", "fresh_minutes", "grace_days")
    return default_document() | {
        **{name: BOUNDS[name][0] for name in least},
        "enforcement": Enforcement.ALWAYS.value,
        "allowed": [Method.WEBAUTHN.value if has_keys else Method.TOTP.value],
        "strength": dict.fromkeys(ROLES, "phishing_resistant" if has_keys else "multi_factor"),
    }


_KEPT: Final[dict[str, dict[str, Any] | None]] = {}
_MOST_KEPT: Final = 256  # documents


def _stated_by(document: Any, floor: Mapping[str, Any], ceilings: Collection[Method]) -> dict[str, Any] | None:
    """The fields of `Rules` that a document decides, None for one that cannot be read.

    Kept by all that they depend on: most tenants' documents say the same, and reading one takes longer than a decision.
    """
    known_as = repr((document, floor, *ceilings))
    try:
        return _KEPT[known_as]
    except KeyError:
        stated = _read_anew(document, floor, ceilings)
    if len(_KEPT) >= _MOST_KEPT:
        _KEPT.clear()
    _KEPT[known_as] = stated
    return stated


def _read_anew(document: Any, floor: Mapping[str, Any], ceilings: Collection[Method]) -> dict[str, Any] | None:
    found = read(document)
    if found is None:
        return None
    return _stated(floors.raised(found, floor), ceilings) | {"extensions": floors.allows_extensions(floor)}


_AS_THEY_ARE = (
    "minimum_factors",
    "grace_days",
    "new_grace_days",
    "administrators_grace_days",
    "snoozes",
    "trusted_browser_days",
    "passkey_login",
    "contact",
)


def _stated(document: Mapping[str, Any], ceilings: Collection[Method]) -> dict[str, Any]:
    return {
        **{name: document[name] for name in _AS_THEY_ARE},
        "enforcement": Enforcement(document["enforcement"]),
        "scope": _scope(document["scope"]),
        "excludes": tuple(_exclude(entry) for entry in document["excludes"]),
        "allowed": tuple(Method(method) for method in document["allowed"] if method in ceilings),
        "strength": {role: STRENGTHS[name] for role, name in document["strength"].items()},
        "trusted_browser_never": frozenset(document["trusted_browser_never"]),
        "keys": _keys(document),
        "second_factor_lifetime": timedelta(hours=document["second_factor_hours"]),
        "fresh_for": timedelta(minutes=document["fresh_minutes"]),
        "idle": timedelta(minutes=document["idle_minutes"]),
        "administrators_idle": timedelta(minutes=document["administrators_idle_minutes"]),
        "break_glass": frozenset(UUID(person) for person in document["break_glass"]),
    }


def _scope(scope: Mapping[str, Any]) -> Scope:
    return Scope(
        everyone=scope["everyone"],
        roles=frozenset(scope["roles"]),
        groups=frozenset(scope["groups"]),
        staff=scope["staff"],
        sources=frozenset(scope["sources"]),
    )


def _exclude(entry: Mapping[str, str]) -> Exclude:
    return Exclude(Excluded(entry["kind"]), entry["value"], datetime.fromisoformat(entry["until"]))


def _keys(document: Mapping[str, Any]) -> KeyRules:
    return KeyRules(
        user_verification=UserVerification(document["user_verification"]),
        attested=document["attestation"] == "direct",
        allowed=frozenset(UUID(aaguid) for aaguid in document["aaguids_allowed"]),
        denied=frozenset(UUID(aaguid) for aaguid in document["aaguids_denied"]),
        synced=document["synced_passkeys"],
    )
