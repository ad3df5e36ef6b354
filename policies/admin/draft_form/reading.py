"""A policy's document as the values of its form."""

from typing import Any

from policies import document as documents
from policies.admin.draft_form.ground import Ground
from policies.admin.draft_form.rules import EVERYONE, SOME

SAME = (
    *(*documents.BOUNDS, "enforcement", "user_verification", "aaguids_allowed", "aaguids_denied"),
    *("synced_passkeys", "passkey_login", "trusted_browser_never", "name", "description", "contact"),
)
"""Rules that stand in the form as they do in the document."""


def initial(ground: Ground) -> dict[str, Any]:
    """What the form shows of the ground's document."""
    document = ground.document
    scope, shown = document["scope"], [one for one in document["allowed"] if one in ground.methods]
    accounts = [ground.address_of(one) for one in document["break_glass"]]
    return {
        **{name: document[name] for name in SAME},
        "enabled": ground.enabled,
        "scope_who": EVERYONE if scope["everyone"] else SOME,
        **{f"scope_{name}": scope[name] for name in ("roles", "groups", "sources")},
        "scope_staff": scope["staff"] or ground.floor.get("scope", scope)["staff"],
        **{f"place_{method}": str(place) for place, method in enumerate(shown, 1)},
        **{f"strength_{role}": document["strength"].get(role, "multi_factor") for role in documents.ROLES},
        "attested": document["attestation"] == "direct",
        **{f"break_glass_{place}": address for place, address in enumerate(accounts, 1)},
        **{f"sso_{name}": value for name, value in document["sso"].items()},
    }
