"""Any policy, any person, any session: what the properties are asked about. `scene` has the fixed examples."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from accounts.assurance import SECOND_FACTORS, Method, Proof, Strength
from policies.engine import AHEAD
from policies.terms import Enforcement, Enrolled, Exclude, Excluded, Facts, KeyRules, Rules, Scope, UserVerification
from tests.policies.scene import (
    DAY,
    HOUR,
    KEYS_FOR_ADMINISTRATORS,
    KEYS_FOR_USERS,
    MINUTE,
    NOW,
    OTHER_PRODUCT,
    PASSWORD,
    PRODUCT,
    SHE,
    SSO,
    TICK,
    by,
)

ROLES = ("user", "administrator")
METHODS = sorted(SECOND_FACTORS)
BINDINGS = [UUID(int=number) for number in range(1, 5)]

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """One of these, the first as often as all others together: most days are ordinary."""
    return st.sampled_from([*[usual] * len(others), *others])


# moments where something begins, ends, or is just about to
ages = mostly(HOUR, AHEAD - TICK, AHEAD, -TICK, 0 * HOUR, MINUTE, 12 * HOUR - TICK, 12 * HOUR, 13 * HOUR)
ends = mostly(NOW + DAY, NOW - TICK, NOW, NOW + TICK, NOW + 2 * HOUR, NOW + 30 * DAY)
yes, no = mostly(True, False, True), mostly(False, True, False)

key_rules = st.builds(
    KeyRules,
    user_verification=mostly(UserVerification.PREFERRED, *UserVerification),
    attested=mostly(False, False, True),
    allowed=mostly(frozenset(), frozenset(), frozenset({PRODUCT}), frozenset({PRODUCT, OTHER_PRODUCT})),
    denied=mostly(frozenset(), frozenset(), frozenset({PRODUCT})),
    synced=mostly(True, True, False),
).filter(lambda keys: not keys.allowed or keys.allowed - keys.denied)  # no document contradicts itself there
excludes = st.lists(
    st.builds(
        lambda named, until: Exclude(*named, until),
        st.sampled_from(
            [
                (Excluded.PERSON, str(SHE)),
                (Excluded.PERSON, str(UUID(int=71))),
                (Excluded.GROUP, "finance"),
                (Excluded.ROLE, "user"),
                (Excluded.ROLE, "administrator"),  # no document says so, and the engine would not heed it
                (Excluded.SOURCE, "sso:acme"),
            ]
        ),
        ends,
    ),
    max_size=2,
).map(tuple)
scopes = mostly(
    Scope(),
    Scope(everyone=False),
    Scope(everyone=False, staff=True),
    Scope(everyone=False, roles=frozenset({"user"})),
    Scope(everyone=False, roles=frozenset({"administrator"})),
    Scope(everyone=False, groups=frozenset({"finance"})),
    Scope(everyone=False, sources=frozenset({"sso:acme"})),
)
rule_sets = st.builds(
    Rules,
    version=st.just(7),
    enabled=yes,
    enforcement=mostly(Enforcement.REQUIRED, *Enforcement),
    scope=scopes,
    excludes=mostly(True, False, False).flatmap(lambda none: st.just(()) if none else excludes),
    allowed=mostly(tuple(METHODS), *[False] * 2).flatmap(
        lambda all_: st.just(all_) if all_ else st.lists(st.sampled_from(METHODS), unique=True).map(tuple)
    ),
    strength=mostly({}, KEYS_FOR_USERS, KEYS_FOR_ADMINISTRATORS, dict.fromkeys(ROLES, Strength.PHISHING_RESISTANT)),
    minimum_factors=mostly(1, 1, 2),
    grace_days=mostly(14, 0, 1, 90),
    new_grace_days=mostly(0, 0, 7),
    administrators_grace_days=mostly(0, 0, 3),
    enforced_since=mostly(NOW - DAY, None, NOW - 14 * DAY, NOW - 14 * DAY + TICK, NOW + DAY),
    trusted_browser_days=mostly(0, 30, 1),
    trusted_browser_never=mostly(frozenset(), frozenset(), frozenset({"administrator"})),
    keys=mostly(True, False).flatmap(lambda any_: st.just(KeyRules()) if any_ else key_rules),
    second_factor_lifetime=mostly(12 * HOUR, HOUR, 24 * HOUR),
    break_glass=mostly(frozenset(), frozenset(), frozenset({SHE})),
    in_force_until=mostly(None, None, NOW + 15 * MINUTE),
)
owned = st.lists(st.tuples(st.sampled_from(METHODS), yes, no, no, no, no), max_size=len(BINDINGS))
first_factors = mostly((PASSWORD,), (), (replace(PASSWORD, at=NOW + HOUR),), (PASSWORD, SSO))
anything = st.builds(Proof, st.sampled_from(Method), ages.map(lambda ago: NOW - ago), st.sampled_from(BINDINGS))


def _enrolled(binding: UUID, kind: tuple[Method, bool, bool, bool, bool, bool]) -> Enrolled:
    method, usable, verifies, synced, attested, branded = kind
    if method is not Method.WEBAUTHN:
        return Enrolled(method, binding, NOW - 90 * DAY, usable=usable)
    aaguid = PRODUCT if branded else None
    return Enrolled(method, binding, NOW - 90 * DAY, verifies, usable, aaguid, synced, attested)


@st.composite
def proving(draw: st.DrawFn, enrolled: tuple[Enrolled, ...]) -> tuple[Proof, ...]:
    """A session's proofs: mostly a password and what is owned, sometimes what is not."""
    by_owned = st.builds(
        lambda one, ago, verified: by(one, ago, verified=verified), st.sampled_from(enrolled), ages, no
    )
    others = st.lists(st.one_of(by_owned, by_owned, anything) if enrolled else anything, max_size=3)
    return (*draw(first_factors), *draw(others))


@st.composite
def people(draw: st.DrawFn, *, signed_in: bool = True) -> Facts:
    """Anybody; mostly they typed a password and prove what they own."""
    enrolled = tuple(map(_enrolled, BINDINGS, draw(owned)))
    return Facts(
        person=SHE,
        role=draw(mostly("user", "administrator", "auditor")),
        is_staff=draw(no),
        is_active=draw(mostly(True, True, True, False)),
        tenant_is_active=draw(mostly(True, True, True, False)),
        groups=draw(mostly(frozenset(), frozenset({"finance"}))),
        source=draw(mostly("password", "sso:acme")),
        known_since=draw(mostly(NOW - 300 * DAY, None, NOW - DAY, NOW - DAY - TICK)),
        first_sign_in_at=draw(mostly(NOW - 200 * DAY, None, NOW - HOUR, NOW - 7 * DAY + TICK)),
        grace_closed_at=draw(mostly(None, None, None, NOW - DAY)),
        grace_cap=draw(mostly(None, None, None, NOW, NOW + HOUR)),
        extended_to=draw(mostly(None, None, NOW, NOW + 20 * DAY)),
        enrolled=enrolled,
        proofs=draw(proving(enrolled)) if signed_in else (),
        trusted_since=draw(mostly(None, NOW - HOUR, NOW - 30 * DAY, NOW - DAY + TICK)),
    )
