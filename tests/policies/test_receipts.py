"""Receipts as JSON: read as they were written, made again from what was kept, and without a secret in them."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.assurance import Method
from policies.engine import decide
from policies.receipts import facts_from, stored
from policies.terms import Enrolled, Facts, Rules
from tests.policies.documents import nested
from tests.policies.scene import BRANDED, HOUR, NOW, PASSWORD, PRODUCT, SHE, SYNCED, TOTP, VERIFIED, by, facts
from tests.policies.strategies import patient, people, rule_sets

FULL = facts(
    TOTP,
    VERIFIED,
    SYNCED,
    replace(BRANDED, attested=True, usable=False),
    proofs=(PASSWORD, by(VERIFIED, verified=True)),
    groups=frozenset({"pilots", "finance"}),
    source="sso:acme",
    known_since=NOW - HOUR,
    first_sign_in_at=NOW,
    grace_closed_at=NOW + HOUR,
    grace_cap=NOW + 2 * HOUR,
    extended_to=NOW + 3 * HOUR,
    signed_in_at=NOW - 2 * HOUR,
    trusted_since=NOW - 3 * HOUR,
)


@patient
@given(people())
def test_facts_are_read_as_they_were_written(person: Facts) -> None:
    assert facts_from(json.loads(json.dumps(stored(person)))) == person


@patient
@given(st.none() | rule_sets, people())
def test_a_decision_can_be_made_again_from_what_was_kept(rules: Rules | None, person: Facts) -> None:
    assert decide(rules, facts_from(json.loads(json.dumps(stored(person)))), NOW) == decide(rules, person, NOW)


def test_every_fact_is_kept() -> None:
    assert facts_from(stored(FULL)) == FULL
    bare = Facts(role="user", is_staff=False, is_active=True, tenant_is_active=True)
    differing = [name for name in Facts.__slots__ if getattr(FULL, name) == getattr(bare, name)]
    assert differing == ["role", "is_staff", "is_active", "tenant_is_active"], "an example of every fact"
    assert stored(FULL).keys() == {"schema", *Facts.__slots__}
    assert stored(FULL)["enrolled"][0].keys() == {*Enrolled.__slots__}


def test_the_form_that_is_kept_never_changes() -> None:
    person = facts(BRANDED, proofs=(by(BRANDED, verified=True),), groups=frozenset({"b", "a"}), known_since=NOW)
    assert stored(person) == {
        "schema": 1,
        "person": str(SHE),
        "role": "user",
        "is_staff": False,
        "is_active": True,
        "tenant_is_active": True,
        "groups": ["a", "b"],
        "source": "password",
        "known_since": "2030-05-01T12:00:00+00:00",
        "first_sign_in_at": None,
        "grace_closed_at": None,
        "grace_cap": None,
        "extended_to": None,
        "signed_in_at": None,
        "trusted_since": None,
        "enrolled": [
            {
                "method": "webauthn",
                "binding": str(BRANDED.binding),
                "bound_at": "2030-03-02T12:00:00+00:00",
                "user_verified": False,
                "usable": True,
                "aaguid": str(PRODUCT),
                "synced": False,
                "attested": False,
            }
        ],
        "proofs": [
            {
                "method": "webauthn",
                "at": "2030-05-01T11:00:00+00:00",
                "binding": str(BRANDED.binding),
                "user_verified": True,
                "bound_at": "2030-03-02T12:00:00+00:00",
            }
        ],
    }


def test_times_of_other_zones_are_the_same_times() -> None:
    there = datetime(2030, 5, 1, 17, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    person = facts(replace(TOTP, bound_at=there), known_since=there)
    assert facts_from(stored(person)) == person
    assert facts_from(stored(person)).known_since == NOW


@pytest.mark.security(87)
def test_only_names_of_things_are_kept() -> None:
    """Ids, methods, roles, groups, times and yes or no: there is no field into which a secret could fall."""
    kept = stored(FULL)
    for one in [*kept["enrolled"], *kept["proofs"]]:
        assert all(isinstance(value, str | bool | None) for value in one.values())
    words = {value for one in kept["proofs"] for value in one.values() if isinstance(value, str)}
    assert {word for word in words if word in {*Method}} == {"password", "webauthn"}


@pytest.mark.parametrize("kept", [None, [], "", 1, {}, {"schema": 2}, {"schema": "1"}, stored(FULL) | {"schema": 2}])
def test_what_is_of_another_schema_is_not_read(kept: object) -> None:
    with pytest.raises(ValueError, match=r"^These facts are of another schema\.$"):
        facts_from(kept)


@pytest.mark.parametrize("field", [field for field in stored(FULL) if field != "schema"])
def test_what_is_cut_short_is_not_read(field: str) -> None:
    with pytest.raises(ValueError, match=r"^These facts are damaged\.$"):
        facts_from({key: value for key, value in stored(FULL).items() if key != field})


@given(st.sampled_from([field for field in stored(FULL) if field != "schema"]), nested)
def test_damage_raises_nothing_but_a_value_error(field: str, damage: Any) -> None:
    try:
        facts_from(stored(FULL) | {field: damage})
    except ValueError as refused:
        assert str(refused)
