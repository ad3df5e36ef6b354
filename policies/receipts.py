"""Receipts as JSON: what is kept of a decision, so that years later it can be read, and made again on the same facts.

No secret is among the facts; a proof is named by the method and the authenticator's id.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.assurance import Method, Proof
from policies.terms import Enrolled, Facts

SCHEMA = 1


def stored(facts: Facts) -> dict[str, Any]:
    """Facts as JSON; times in ISO 8601 with their offset."""
    return {
        "schema": SCHEMA,
        "person": None if facts.person is None else str(facts.person),
        "role": facts.role,
        "is_staff": facts.is_staff,
        "is_active": facts.is_active,
        "tenant_is_active": facts.tenant_is_active,
        "groups": sorted(facts.groups),
        "source": facts.source,
        **{name: _written(getattr(facts, name)) for name in _MOMENTS},
        "enrolled": [_enrolled(one) for one in facts.enrolled],
        "proofs": [_proof(one) for one in facts.proofs],
    }


def facts_from(kept: Any) -> Facts:
    """The facts that `stored` wrote. Raises ValueError for anything else."""
    if not isinstance(kept, Mapping) or kept.get("schema") != SCHEMA:
        raise ValueError("These facts are of another schema.")
    try:
        return _facts(kept)
    except (KeyError, TypeError, AttributeError) as damage:  # UUID(5) raises AttributeError
        raise ValueError("These facts are damaged.") from damage


def _facts(kept: Mapping[str, Any]) -> Facts:
    return Facts(
        person=None if kept["person"] is None else UUID(kept["person"]),
        role=kept["role"],
        is_staff=kept["is_staff"],
        is_active=kept["is_active"],
        tenant_is_active=kept["tenant_is_active"],
        groups=frozenset(kept["groups"]),
        source=kept["source"],
        enrolled=tuple(_read_enrolled(one) for one in kept["enrolled"]),
        proofs=tuple(_read_proof(one) for one in kept["proofs"]),
        **{name: _read(kept[name]) for name in _MOMENTS},
    )


_MOMENTS = (
    "known_since",
    "first_sign_in_at",
    "grace_closed_at",
    "grace_cap",
    "extended_to",
    "signed_in_at",
    "trusted_since",
)


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _read(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _enrolled(one: Enrolled) -> dict[str, Any]:
    return {
        "method": one.method.value,
        "binding": str(one.binding),
        "bound_at": one.bound_at.isoformat(),
        "user_verified": one.user_verified,
        "usable": one.usable,
        "aaguid": None if one.aaguid is None else str(one.aaguid),
        "synced": one.synced,
        "attested": one.attested,
    }


def _read_enrolled(kept: Mapping[str, Any]) -> Enrolled:
    return Enrolled(
        method=Method(kept["method"]),
        binding=UUID(kept["binding"]),
        bound_at=datetime.fromisoformat(kept["bound_at"]),
        user_verified=kept["user_verified"],
        usable=kept["usable"],
        aaguid=None if kept["aaguid"] is None else UUID(kept["aaguid"]),
        synced=kept["synced"],
        attested=kept["attested"],
    )


def _proof(one: Proof) -> dict[str, Any]:
    return {
        "method": one.method.value,
        "at": one.at.isoformat(),
        "binding": None if one.binding is None else str(one.binding),
        "user_verified": one.user_verified,
        "bound_at": _written(one.bound_at),
    }


def _read_proof(kept: Mapping[str, Any]) -> Proof:
    return Proof(
        method=Method(kept["method"]),
        at=datetime.fromisoformat(kept["at"]),
        binding=None if kept["binding"] is None else UUID(kept["binding"]),
        user_verified=kept["user_verified"],
        bound_at=_read(kept["bound_at"]),
    )
