"""Documents of policies: the default with changes, any valid one, and any damaged one."""

from typing import Any

from hypothesis import strategies as st

from policies.document import METHODS, ROLES, STRENGTHS, default_document, validate
from policies.document_fields import BOUNDS, EXPECTATIONS, KNOWN, DocumentError
from policies.terms import Enforcement, UserVerification
from tests.policies.scene import OTHER_PRODUCT, PRODUCT, SHE

EVERYONE: dict[str, Any] = {"everyone": True, "roles": [], "groups": [], "staff": False, "sources": []}


def changed(**fields: Any) -> dict[str, Any]:
    """The default document with these fields instead."""
    return default_document() | fields


def scope(**named: Any) -> dict[str, Any]:
    """A scope of those who are named, not of everyone."""
    return EVERYONE | {"everyone": False} | named


def exclude(kind: str = "person", value: str = str(SHE), until: str = "2030-05-02T12:00:00+00:00") -> dict[str, Any]:
    """An exclude as a document has it."""
    return {"kind": kind, "value": value, "reason": "On a ship", "until": until}


def policy_test(**fields: Any) -> dict[str, Any]:
    """A test that is kept with a policy: a member who was here before, with an app, gets in."""
    usual = {"role": "user", "groups": [], "source": "password", "methods": ["totp"], "known": "before"}
    return {"name": "An app is enough", **usual, "expect": "allowed", **fields}


nested: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "\u202e", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
roles, products = st.sampled_from(ROLES), st.sampled_from([str(PRODUCT), str(OTHER_PRODUCT)])
methods = st.lists(st.sampled_from(METHODS), unique=True)
sources = st.sampled_from(["password", "sso:acme"])
moments = st.sampled_from(["2030-05-01T12:00:00Z", "2030-05-02T12:00:00+02:00", "2031-01-01T00:00:00.123456-05:00"])
scopes = st.just(EVERYONE) | st.builds(
    lambda **named: scope(**named),
    roles=st.lists(roles, unique=True),
    groups=st.lists(st.sampled_from(["finance", "pilots"]), unique=True),
    staff=st.booleans(),
    sources=st.lists(sources, unique=True),
)
named = st.sampled_from(
    [("person", str(SHE)), ("group", "finance"), ("role", "user"), ("source", "sso:acme"), ("source", "password")]
)
excludes = st.lists(
    st.builds(lambda who, until: exclude(*who, until=until), named, moments),
    unique_by=lambda entry: (entry["kind"], entry["value"]),
    max_size=3,
)
sso = st.fixed_dictionaries(
    {
        "trust_mfa": st.booleans(),
        "amr": st.just([]) | st.just(["mfa", "hwk"]),
        "acr": st.just([]) | st.just(["gold"]),
        "max_age_minutes": st.integers(1, 1440),
    }
)
policy_tests = st.lists(
    st.builds(
        policy_test,
        name=st.sampled_from(["One", "Two", "Three"]),
        role=roles,
        groups=st.lists(st.just("finance"), unique=True),
        source=sources,
        methods=methods,
        known=st.sampled_from(KNOWN),
        expect=st.sampled_from(EXPECTATIONS),
    ),
    unique_by=lambda entry: entry["name"],
    max_size=2,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **{name: st.integers(*bounds) for name, bounds in BOUNDS.items()},
    "name": st.sampled_from(["MFA required", "Schlüssel für alle", "مصادقة"]),
    "description": st.sampled_from(["", "Why"]),
    "contact": st.sampled_from(["", "desk@acme.example"]),
    "enforcement": st.sampled_from([level.value for level in Enforcement]),
    "scope": scopes,
    "excludes": excludes,
    "allowed": methods,
    "strength": st.dictionaries(roles, st.sampled_from([*STRENGTHS]), max_size=2),
    "trusted_browser_never": st.lists(roles, unique=True),
    "user_verification": st.sampled_from([one.value for one in UserVerification]),
    "attestation": st.sampled_from(["none", "direct"]),
    "aaguids_allowed": st.lists(products, unique=True),
    "aaguids_denied": st.lists(products, unique=True),
    "synced_passkeys": st.booleans(),
    "passkey_login": st.booleans(),
    "sso": sso,
    "break_glass": st.lists(st.just(str(SHE)), unique=True),
    "tests": policy_tests,
}


def is_valid(document: dict[str, Any]) -> bool:
    """Whether this is a document that could be published."""
    try:
        validate(document)
    except DocumentError:
        return False
    return True


@st.composite
def documents_of(draw: st.DrawFn) -> dict[str, Any]:
    """Any valid document: the default, with whatever fields differ and are not contradicted by those before."""
    document = default_document()
    for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), unique=True, max_size=12)):
        document = next((one for one in [document | {name: draw(FIELDS[name])}] if is_valid(one)), document)
    return document


@st.composite
def damaged_documents(draw: st.DrawFn) -> dict[str, Any]:
    """A valid document with something else at a few places, however deep."""
    document = draw(documents_of()) | draw(
        st.fixed_dictionaries({}, optional={"excludes": st.just([exclude()]), "tests": st.just([policy_test()])})
    )
    for name in draw(st.lists(st.sampled_from(sorted(document)), min_size=1, max_size=3)):
        document = document | {name: draw(_damaged(document[name]))}
    return document


def _damaged(value: Any) -> st.SearchStrategy[Any]:
    if isinstance(value, dict) and value:
        inside = st.sampled_from(sorted(value)).flatmap(
            lambda key: _damaged(value[key]).map(lambda damage: value | {key: damage})
        )
        return nested | inside
    if isinstance(value, list) and value:
        return nested | _damaged(value[0]).map(lambda damage: [damage, *value[1:]])
    return nested
