"""The values of a policy's form as a document; what was not asked for is as it was."""

from collections.abc import Mapping
from typing import Any

from policies import document as documents
from policies.admin.draft_form.ground import Ground
from policies.admin.draft_form.reading import SAME
from policies.admin.draft_form.rules import EVERYONE
from policies.admin.draft_form.terms import chosen, kept, ranked
from policies.terms import LOCAL, Enforcement

Cleaned = Mapping[str, Any]


def document_of(
    cleaned: Cleaned, ground: Ground, *, excludes: list[dict[str, str]], tests: list[Cleaned], accounts: list[str]
) -> dict[str, Any]:
    """One whole document, not yet judged. `accounts` are the ids of those for emergencies."""
    stated = ground.document
    always = cleaned["enforcement"] == Enforcement.ALWAYS
    return {
        **stated,
        **{name: cleaned[name] for name in SAME if name in cleaned},
        **{name: kept(stated[name], cleaned[name]) for name in ("name", "description", "contact")},
        "scope": _scope(cleaned, ground),
        "allowed": ranked(stated["allowed"], picked_methods(cleaned, ground), offered=ground.methods),
        "strength": _strength(cleaned, stated["strength"]),
        "attestation": _attestation(cleaned, stated),
        "trusted_browser_days": cleaned.get("trusted_browser_days", 0 if always else stated["trusted_browser_days"]),
        "trusted_browser_never": _never(cleaned, ground),
        "sso": _sso(cleaned, stated["sso"]),
        "excludes": excludes,
        "break_glass": accounts,
        "tests": [_test(row, ground) for row in tests],
    }


def picked_methods(cleaned: Cleaned, ground: Ground) -> list[str]:
    """The methods that are to be allowed, the one to be offered first at the head."""
    places = {method: cleaned[f"place_{method}"] for method in ground.methods}
    return sorted([method for method, place in places.items() if place], key=lambda method: int(places[method]))


def _scope(cleaned: Cleaned, ground: Ground) -> dict[str, Any]:
    if cleaned["scope_who"] == EVERYONE:
        return {"everyone": True, "roles": [], "groups": [], "staff": False, "sources": []}
    stated, floor = ground.document["scope"], ground.floor.get("scope", {})
    offered = {"roles": documents.ROLES, "groups": ground.groups, "sources": ground.installed.sources}
    lists = {
        name: chosen(
            stated[name],
            cleaned.get(f"scope_{name}", stated[name]),
            offered=[one for one in offered[name] if one not in floor.get(name, ())],
        )
        for name in offered
    }
    demanded = {
        name: [*found, *[one for one in floor.get(name, ()) if one not in found]] for name, found in lists.items()
    }
    return {"everyone": False, "staff": cleaned["scope_staff"], **demanded}


def _strength(cleaned: Cleaned, stated: Mapping[str, str]) -> dict[str, str]:
    """As it is stated for a role where nothing changes, by name or by saying nothing."""
    strength = dict(stated)
    for role in documents.ROLES:
        name = cleaned[f"strength_{role}"]
        if name != stated.get(role, "multi_factor"):
            strength[role] = name
    return strength


def _attestation(cleaned: Cleaned, stated: Cleaned) -> str:
    if "attested" not in cleaned:
        return str(stated["attestation"])
    return "direct" if cleaned["attested"] else "none"


def _never(cleaned: Cleaned, ground: Ground) -> list[str]:
    stated = ground.document["trusted_browser_never"]
    floor = ground.floor.get("trusted_browser_never", ())
    offered = [role for role in documents.ROLES if role not in floor]
    return chosen(stated, cleaned.get("trusted_browser_never", stated), offered=offered)


def _sso(cleaned: Cleaned, stated: Mapping[str, Any]) -> dict[str, Any]:
    if "sso_trust_mfa" not in cleaned:
        return dict(stated)
    return {name: _same(value, cleaned[f"sso_{name}"]) for name, value in stated.items()}


def _same(stated: Any, typed: Any) -> Any:
    """What is stated, where only the space around its lines differs."""
    is_same = isinstance(stated, list) and [line.strip() for line in stated] == typed
    return stated if is_same else typed


def _test(row: Cleaned, ground: Ground) -> dict[str, Any]:
    """A test as its row says; what was not asked for stays in a test that keeps its name."""
    found = [one for one in ground.document["tests"] if one["name"].strip() == row["name"]]
    stated: Mapping[str, Any] = found[0] if found else {"name": row["name"], "groups": [], "methods": []}
    return {
        "name": stated["name"],
        "role": row["role"],
        "groups": chosen(stated["groups"], row.get("groups", stated["groups"]), offered=stated["groups"]),
        "methods": chosen(stated["methods"], row["methods"], offered=ground.installed.methods),
        "source": row.get("source", stated.get("source", LOCAL)),
        "known": row["known"],
        "expect": row["expect"],
    }
