"""What the platform demands of every tenant, whatever its own policy says: `settings.MFA_POLICY_FLOOR`.

A floor is a part of a policy document: the keys in it are laid under every tenant's document, and of each rule the
stricter value holds. It is laid under what is read (`policies.document.rules_from`), so that a floor that rises
bites at once, and what is published below it is refused (`policies.flows.publish`).
"""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from policies.document_fields import SINGLE, STRENGTHS, DocumentError, validate_partly
from policies.terms import Enforcement, UserVerification

EXTENSIONS: Final = "extensions"
"""The one key of a floor that no document has: False, and nobody is given more time than their policy gives."""

_LEVELS: Final = [level.value for level in Enforcement]
_VERIFICATIONS: Final = [one.value for one in UserVerification]


def current() -> Mapping[str, Any]:
    """The platform's floor. Raises ImproperlyConfigured for one that cannot be read: then nobody gets in."""
    return _read(settings.MFA_POLICY_FLOOR)


@lru_cache(maxsize=8)
def _read(text: str) -> Mapping[str, Any]:
    try:
        floor = json.loads(text) if text.strip() else {}
        validate(floor)
    except (ValueError, RecursionError) as error:
        raise ImproperlyConfigured(f"MFA_POLICY_FLOOR cannot be read: {error}") from error
    return dict(floor)


def raised(document: Mapping[str, Any], floor: Mapping[str, Any]) -> dict[str, Any]:
    """The valid document with the stricter value of each rule that the floor holds, and with what follows from it.

    It stays one that can be met: where the tenant's own list leaves nothing with which to meet what is demanded,
    keys are put on it, which a floor never forbids. That is the one way in which more is let in than the tenant says.
    """
    stricter = {**document, **_laid(document, floor)}
    return {**stricter, **_entailed(stricter)} if floor else stricter


def _laid(document: Mapping[str, Any], floor: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _STRICTER[key](document[key], value) for key, value in floor.items() if key != EXTENSIONS}


def _entailed(document: Mapping[str, Any]) -> dict[str, Any]:
    """What `validate` of a document would find contradicting, settled."""
    allowed = document["allowed"]
    if "webauthn" not in allowed and not _can_be_met(document):
        allowed = ["webauthn", *allowed]
    is_always = document["enforcement"] == Enforcement.ALWAYS
    return {
        "allowed": allowed,
        "trusted_browser_days": 0 if is_always else document["trusted_browser_days"],
        "administrators_idle_minutes": min(document["idle_minutes"], document["administrators_idle_minutes"]),
    }


def _can_be_met(document: Mapping[str, Any]) -> bool:
    """Whether people could enrol what a document without keys demands: something, enough of it, and as strong."""
    allowed, wanted = document["allowed"], document["minimum_factors"]
    return (
        (document["enforcement"] == Enforcement.OPTIONAL or "totp" in allowed)
        and (wanted == 1 or len(SINGLE & set(allowed)) >= wanted)
        and "phishing_resistant" not in document["strength"].values()
    )


def below(document: Mapping[str, Any], floor: Mapping[str, Any]) -> list[str]:
    """The rules of a valid document, or of a part of one that has all of the floor's, that are weaker than it."""
    return [key for key, value in _laid(document, floor).items() if not _is_same(value, document[key])]


def tightened(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The rules of a valid document that are stricter than in the one before it."""
    rules = {key: after[key] for key in _STRICTER if key not in ("excludes", "break_glass")}
    fewer = [entry for entry in before["excludes"] if entry not in after["excludes"]]
    return below(before, rules) + (["excludes"] if fewer else [])


def forbids_switching_off(floor: Mapping[str, Any]) -> bool:
    """Whether a policy that is switched off would be below the floor."""
    return floor.get("enforcement") in (Enforcement.REQUIRED, Enforcement.ALWAYS)


def allows_extensions(floor: Mapping[str, Any]) -> bool:
    """Whether somebody may have, and be given, more time than the policy gives."""
    return bool(floor.get(EXTENSIONS, True))


def validate(floor: object) -> None:
    """Raise DocumentError for what is no floor: a rule there is not, or that cannot be laid under others."""
    if not isinstance(floor, Mapping):
        raise DocumentError({"floor": "A floor is an object with the rules that no tenant may weaken."})
    unknown = [str(key) for key in floor if key not in (*_STRICTER, EXTENSIONS)]
    if unknown:
        raise DocumentError(dict.fromkeys(unknown, "This rule cannot be part of a floor."))
    validate_partly({key: value for key, value in floor.items() if key != EXTENSIONS})
    if type(floor.get(EXTENSIONS, True)) is not bool:
        raise DocumentError({EXTENSIONS: "Say true or false."})
    if "webauthn" not in floor.get("allowed", ["webauthn"]):
        raise DocumentError({"allowed": "A floor never forbids security keys: with nothing else is every demand met."})
    if floor.get("excludes"):
        raise DocumentError({"excludes": "A floor excludes nobody; an empty list forbids excludes."})
    if floor.get("break_glass"):
        raise DocumentError({"break_glass": "A floor names nobody; an empty list forbids accounts for emergencies."})


def _is_same(one: Any, other: Any) -> bool:
    return sorted(map(repr, one)) == sorted(map(repr, other)) if isinstance(one, list) else one == other


def _later_of(order: list[str]) -> Callable[[str, str], str]:
    return lambda stated, floor: max(stated, floor, key=order.index)


def _scope(stated: dict[str, Any], floor: dict[str, Any]) -> dict[str, Any]:
    """Whom either names: everyone, or all that both list."""
    if stated["everyone"] or floor["everyone"]:
        return {"everyone": True, "roles": [], "groups": [], "staff": False, "sources": []}
    lists = {name: _with(stated[name], floor[name]) for name in ("roles", "groups", "sources")}
    return {"everyone": False, "staff": stated["staff"] or floor["staff"], **lists}


def _within(stated: list[str], floor: list[str]) -> list[str]:
    """What is in both, in the tenant's order."""
    return [one for one in stated if one in floor]


def _with(stated: list[str], floor: list[str]) -> list[str]:
    return [*stated, *[one for one in floor if one not in stated]]


def _strength(stated: dict[str, str], floor: dict[str, str]) -> dict[str, str]:
    higher = {
        role: name for role, name in floor.items() if STRENGTHS[name] > STRENGTHS[stated.get(role, "multi_factor")]
    }
    return {**stated, **higher}


def _allowed_products(stated: list[str], floor: list[str]) -> list[str]:
    """Those in both; an empty list means every product, so the floor's where nothing is in both."""
    return (_within(stated, floor) if floor else stated) or list(floor)


_STRICTER: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "enforcement": _later_of(_LEVELS),
    "scope": _scope,
    "excludes": lambda stated, floor: list(floor),  # a floor's list is empty: see `validate`
    "break_glass": lambda stated, floor: list(floor),  # as well
    "allowed": _within,
    "strength": _strength,
    "minimum_factors": max,
    "grace_days": min,
    "new_grace_days": min,
    "administrators_grace_days": min,
    "trusted_browser_days": min,
    "trusted_browser_never": _with,
    "second_factor_hours": min,
    "idle_minutes": min,
    "administrators_idle_minutes": min,
    "fresh_minutes": min,
    "user_verification": _later_of(_VERIFICATIONS),
    "attestation": _later_of(["none", "direct"]),
    "aaguids_allowed": _allowed_products,
    "aaguids_denied": _with,
    "synced_passkeys": lambda stated, floor: stated and floor,
    "passkey_login": lambda stated, floor: stated and floor,
}
