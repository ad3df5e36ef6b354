"""What the platform demands of every tenant: each rule, what cannot be one, and that nothing gets weaker by it."""

import json
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse
from hypothesis import assume, given
from hypothesis import strategies as st

from accounts.assurance import Method
from policies import facts, floor
from policies.checks import floor_can_be_read
from policies.document import default_document, rules_from, validate
from policies.document_fields import DocumentError
from policies.engine import decide
from policies.terms import Enforcement, Facts, Rules
from tests.factories import TenantFactory, UserFactory, verified_client
from tests.policies import scene
from tests.policies.documents import EVERYONE, FIELDS, SHE, changed, documents_of, exclude, is_valid, policy_test, scope
from tests.policies.scene import DAY, NOW, OTHER_PRODUCT, PRODUCT
from tests.policies.strategies import patient, people

KEY, OTHER_KEY = str(PRODUCT), str(OTHER_PRODUCT)
NEVER_IN_A_FLOOR = ("schema", "name", "description", "contact", "snoozes", "sso", "tests")


@st.composite
def floors_of(draw: st.DrawFn) -> dict[str, Any]:
    """Any floor."""
    names = sorted(floor._STRICTER)
    found = {name: draw(FIELDS[name]) for name in draw(st.lists(st.sampled_from(names), unique=True, max_size=5))}
    found |= {name: [] for name in ("excludes", "break_glass") if name in found}
    if "allowed" in found:
        found["allowed"] = ["webauthn", *[method for method in found["allowed"] if method != "webauthn"]]
    return found


def read(document: dict[str, Any], under: dict[str, Any] | None = None, *, enabled: bool = True) -> Rules:
    return rules_from(
        document, version=7, enabled=enabled, enforced_since=NOW - DAY, ceilings=tuple(Method), floor=under
    )


class TestEachRule:
    """Of each the stricter value holds."""

    @pytest.mark.parametrize(
        ("field", "stated", "under", "result"),
        [
            ("enforcement", "optional", "required", "required"),
            ("enforcement", "always", "required", "always"),
            ("enforcement", "required", "optional", "required"),
            ("scope", scope(roles=["administrator"]), EVERYONE, EVERYONE),
            ("scope", EVERYONE, scope(staff=True), EVERYONE),
            (
                "scope",
                scope(roles=["user"], groups=["a"], sources=["sso:acme"]),
                scope(roles=["administrator", "user"], groups=["b"], staff=True, sources=["password"]),
                scope(roles=["user", "administrator"], groups=["a", "b"], staff=True, sources=["sso:acme", "password"]),
            ),
            ("excludes", [exclude()], [], []),
            ("allowed", ["totp", "webauthn", "recovery_code"], ["webauthn", "totp"], ["totp", "webauthn"]),
            ("allowed", ["webauthn"], ["totp", "webauthn"], ["webauthn"]),
            ("strength", {}, {"administrator": "phishing_resistant"}, {"administrator": "phishing_resistant"}),
            ("strength", {}, {"administrator": "multi_factor"}, {}),
            ("strength", {"user": "phishing_resistant"}, {"user": "multi_factor"}, {"user": "phishing_resistant"}),
            (
                "strength",
                {"user": "multi_factor"},
                {"user": "phishing_resistant", "administrator": "phishing_resistant"},
                {"user": "phishing_resistant", "administrator": "phishing_resistant"},
            ),
            ("minimum_factors", 1, 2, 2),
            ("minimum_factors", 2, 1, 2),
            ("grace_days", 14, 7, 7),
            ("grace_days", 3, 7, 3),
            ("new_grace_days", 14, 7, 7),
            ("administrators_grace_days", 14, 0, 0),
            ("trusted_browser_days", 30, 0, 0),
            ("trusted_browser_days", 5, 30, 5),
            ("trusted_browser_never", ["administrator"], ["user"], ["administrator", "user"]),
            ("trusted_browser_never", ["administrator"], ["administrator"], ["administrator"]),
            ("second_factor_hours", 12, 8, 8),
            ("second_factor_hours", 4, 8, 4),
            ("idle_minutes", 30, 20, 20),
            ("administrators_idle_minutes", 15, 10, 10),
            ("fresh_minutes", 5, 2, 2),
            ("user_verification", "discouraged", "preferred", "preferred"),
            ("user_verification", "required", "preferred", "required"),
            ("attestation", "none", "direct", "direct"),
            ("attestation", "direct", "none", "direct"),
            ("aaguids_allowed", [], [KEY], [KEY]),
            ("aaguids_allowed", [KEY], [], [KEY]),
            ("aaguids_allowed", [KEY, OTHER_KEY], [OTHER_KEY], [OTHER_KEY]),
            ("aaguids_allowed", [KEY], [OTHER_KEY], [OTHER_KEY]),
            ("aaguids_allowed", [], [], []),
            ("aaguids_denied", [KEY], [OTHER_KEY], [KEY, OTHER_KEY]),
            ("break_glass", [str(SHE)], [], []),
            ("synced_passkeys", True, False, False),
            ("synced_passkeys", False, True, False),
            ("passkey_login", True, False, False),
            ("passkey_login", False, True, False),
        ],
    )
    def test_the_stricter_value_holds(self, field: str, stated: object, under: object, result: object) -> None:
        document = changed(**{field: stated})
        floor.validate({field: under})
        assert floor.raised(document, {field: under}) == document | {field: result}
        assert floor.below(document, {field: under}) == ([] if stated == result else [field])
        assert floor.below(document | {field: result}, {field: under}) == []

    def test_every_rule_that_has_a_stricter_direction_can_be_part_of_a_floor(self) -> None:
        assert {*default_document()} - {*floor._STRICTER} == {*NEVER_IN_A_FLOOR}

    def test_order_is_the_tenants(self) -> None:
        assert floor.below(changed(allowed=["totp", "webauthn"]), {"allowed": ["webauthn", "totp"]}) == []

    def test_without_a_floor_nothing_changes(self) -> None:
        assert floor.raised(default_document(), {}) == default_document()
        assert floor.below(default_document(), {}) == []

    def test_each_rule_below_it_is_named(self) -> None:
        under = {"grace_days": 0, "enforcement": "always", "minimum_factors": 1}
        assert floor.below(changed(grace_days=14), under) == ["grace_days", "enforcement"]

    def test_a_part_of_a_document_can_be_asked_about(self) -> None:
        assert floor.below({"allowed": ["totp"]}, {"allowed": ["webauthn"]}) == ["allowed"]


class TestEntailed:
    """What follows from a floor, so that people can meet what is demanded of them."""

    @pytest.mark.parametrize(
        ("stated", "under", "allowed"),
        [
            pytest.param(["totp"], {"allowed": ["webauthn"]}, ["webauthn"], id="nothing in common"),
            pytest.param(
                ["totp", "recovery_code"],
                {"allowed": ["webauthn", "recovery_code"]},
                ["webauthn", "recovery_code"],
                id="only codes in common",
            ),
            pytest.param(
                ["totp"],
                {"strength": {"administrator": "phishing_resistant"}},
                ["webauthn", "totp"],
                id="keys demanded",
            ),
            pytest.param(["totp"], {"minimum_factors": 2}, ["webauthn", "totp"], id="two demanded of one"),
            pytest.param(["totp", "sms_code"], {"minimum_factors": 2}, ["totp", "sms_code"], id="two of two"),
            pytest.param(["totp"], {"enforcement": "always"}, ["totp"], id="an app will do"),
        ],
    )
    def test_keys_are_allowed_where_nothing_else_would_do(
        self, stated: list[str], under: dict[str, Any], allowed: list[str]
    ) -> None:
        assert floor.raised(changed(allowed=stated), under)["allowed"] == allowed

    def test_what_was_left_to_people_can_be_met_when_it_is_required(self) -> None:
        nothing = changed(enforcement="optional", allowed=[])
        assert floor.raised(nothing, {"enforcement": "required"})["allowed"] == ["webauthn"]
        assert floor.raised(nothing, {"grace_days": 0})["allowed"] == []

    def test_no_browser_is_trusted_under_always(self) -> None:
        trusting = changed(trusted_browser_days=30)
        assert floor.raised(trusting, {"enforcement": "always"})["trusted_browser_days"] == 0
        assert floor.raised(trusting, {"enforcement": "required"})["trusted_browser_days"] == 30

    def test_administrators_idle_no_longer_than_others(self) -> None:
        assert floor.raised(default_document(), {"idle_minutes": 10})["administrators_idle_minutes"] == 10


class TestNoFloor:
    """What cannot be one, said at start and not on the first request."""

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{", "Expecting property name"),
            ("[]", "A floor is an object with the rules that no tenant may weaken."),
            ("1", "A floor is an object with the rules that no tenant may weaken."),
            ("null", "A floor is an object with the rules that no tenant may weaken."),
            ('{"grace_days": NaN}', "Give a whole number from 0 to 90."),
            ('{"grace_days": 1e400}', "Give a whole number from 0 to 90."),
            ('{"grace_days": true}', "Give a whole number from 0 to 90."),
            ('{"grace_days": "1"}', "Give a whole number from 0 to 90."),
            ('{"enforcement": "off"}', "Choose optional, required or always."),
            ('{"allowed": ["totp"]}', "A floor never forbids security keys"),
            ('{"allowed": []}', "A floor never forbids security keys"),
            ('{"leniency": 1}', "This rule cannot be part of a floor."),
            (json.dumps({"excludes": [exclude()]}), "A floor excludes nobody; an empty list forbids excludes."),
            (json.dumps({"break_glass": [str(SHE)]}), "A floor names nobody; an empty list forbids accounts for emerg"),
            ('{"extensions": 0}', "Say true or false."),
            ('{"extensions": "no"}', "Say true or false."),
            (json.dumps({"tests": [policy_test()]}), "This rule cannot be part of a floor."),
            *[(json.dumps({field: ""}), "This rule cannot be part of a floor.") for field in NEVER_IN_A_FLOOR],
            ("[" * 100_000, "recursion"),
        ],
        ids=lambda value: value[:60],
    )
    def test_it_is_an_error_of_the_configuration(self, settings: Any, text: str, said: str) -> None:
        settings.MFA_POLICY_FLOOR = text
        with pytest.raises(ImproperlyConfigured, match=r"^MFA_POLICY_FLOOR cannot be read: ") as refused:
            floor.current()
        assert said in str(refused.value)
        (found,) = floor_can_be_read(None)
        assert (found.id, found.msg) == ("policies.E003", str(refused.value))

    @pytest.mark.parametrize(
        "text", ["", "  \n", "{}", '{"enforcement": "required", "excludes": []}', '{"extensions": false}']
    )
    def test_what_is_one_raises_no_complaint(self, settings: Any, text: str) -> None:
        settings.MFA_POLICY_FLOOR = text
        assert floor.current() == json.loads(text.strip() or "{}")
        assert floor_can_be_read(None) == []

    @pytest.mark.parametrize("under", [None, [], "required", 1])
    def test_nothing_but_an_object_is(self, under: object) -> None:
        with pytest.raises(DocumentError):
            floor.validate(under)

    @given(st.dictionaries(st.sampled_from(sorted(default_document())), st.none() | st.text() | st.integers()))
    def test_validate_raises_nothing_else(self, under: dict[str, Any]) -> None:
        try:
            floor.validate(under)
        except DocumentError as refused:
            assert all(refused.errors.values())


class TestSwitch:
    """A policy that is switched off is below a floor that demands something."""

    @pytest.mark.parametrize(
        ("under", "forbids"),
        [
            ({}, False),
            ({"enforcement": "optional"}, False),
            ({"grace_days": 0}, False),
            ({"enforcement": "required"}, True),
            ({"enforcement": "always"}, True),
        ],
    )
    def test_switching_off(self, under: dict[str, Any], forbids: bool) -> None:
        assert floor.forbids_switching_off(under) is forbids
        assert read(default_document(), under, enabled=False).enabled is forbids
        assert read({}, under, enabled=False).enabled is forbids


class TestTightened:
    """Which rules a change makes stricter."""

    @pytest.mark.parametrize(
        ("before", "after", "stricter"),
        [
            ({}, {}, []),
            ({}, {"grace_days": 3, "description": "Why"}, ["grace_days"]),
            ({"grace_days": 3}, {}, []),
            ({"excludes": [exclude()]}, {}, ["excludes"]),
            ({}, {"excludes": [exclude()]}, []),
            ({"enforcement": "optional"}, {"minimum_factors": 2}, ["enforcement", "minimum_factors"]),
            ({}, {"allowed": ["webauthn"]}, ["allowed"]),
            ({"allowed": ["webauthn"]}, {}, []),
        ],
    )
    def test_they_are_named(self, before: dict[str, Any], after: dict[str, Any], stricter: list[str]) -> None:
        assert floor.tightened(changed(**before), changed(**after)) == stricter


@patient
@given(documents_of(), floors_of())
def test_a_document_that_was_raised_is_valid_on_the_floor_and_raised_no_further(
    document: dict[str, Any], under: dict[str, Any]
) -> None:
    floor.validate(under)
    raised = floor.raised(document, under)
    assert floor.below(raised, under) == []
    assert floor.raised(raised, under) == raised
    if not set(raised["aaguids_allowed"]) & set(raised["aaguids_denied"]):
        validate(raised)


@pytest.mark.security(49)
@patient
@given(documents_of(), floors_of(), people(), st.booleans())
def test_a_floor_lets_nobody_in_whom_the_tenant_stops(
    document: dict[str, Any], under: dict[str, Any], person: Facts, enabled: bool
) -> None:
    """But by a key, where the tenant's own list left nothing, and by a product, where it left none.

    And whom the tenant named for emergencies, as one of its people, where the floor forbids such accounts.
    """
    if "break_glass" in under:
        document = document | {"break_glass": []}
    raised = floor.raised(document, under)
    assume("webauthn" in document["allowed"] or "webauthn" not in raised["allowed"])
    assume(not document["aaguids_allowed"] or set(raised["aaguids_allowed"]) <= set(document["aaguids_allowed"]))
    if decide(read(document, under, enabled=enabled), person, NOW).is_allowed:
        assert decide(read(document, enabled=enabled), person, NOW).is_allowed


@pytest.mark.security(49)
@patient
@given(documents_of(), floors_of(), people())
def test_no_document_lets_in_whom_the_floor_stops(
    document: dict[str, Any], under: dict[str, Any], person: Facts
) -> None:
    """The floor's own rules, and for what it does not say the tenant's."""
    assume(is_valid(document | under))
    if decide(read(document, under), person, NOW).is_allowed:
        assert decide(read(document | under), person, NOW).is_allowed


@pytest.mark.security(49)
def test_where_accounts_for_emergencies_are_forbidden_they_are_people_like_others() -> None:
    """Without their exception, and without the key that it takes: what the policy demands of everybody holds."""
    person = scene.facts(person=SHE)
    document = changed(break_glass=[str(SHE)], grace_days=0, new_grace_days=0, administrators_grace_days=0)
    for stated, allowed in ((document, False), (document | {"enforcement": "optional"}, True)):
        ordinary = decide(read(stated | {"break_glass": []}), person, NOW)
        assert decide(read(stated, {"break_glass": []}), person, NOW) == ordinary
        assert ordinary.is_allowed is allowed
        assert not decide(read(stated), person, NOW).is_allowed


def test_even_a_document_older_than_the_floor_cannot_demand_less() -> None:
    rules = read(changed(enforcement="optional", grace_days=90), {"enforcement": "always", "grace_days": 0})
    assert (rules.enforcement, rules.grace_days) == (Enforcement.ALWAYS, 0)


@pytest.mark.security(62)
@pytest.mark.parametrize(("under", "outcome"), [({}, "allow_in_grace"), ({"extensions": False}, "enrol")])
def test_a_floor_may_have_no_time_beyond_the_policys(under: dict[str, Any], outcome: str) -> None:
    person = scene.facts(known_since=NOW - 9 * DAY, extended_to=NOW + DAY)
    assert decide(read(changed(grace_days=0), under), person, NOW).outcome == outcome


@pytest.mark.parametrize(("under", "outcome"), [({}, "allow"), ({"break_glass": []}, "enrol")])
def test_a_floor_may_have_no_accounts_for_emergencies(under: dict[str, Any], outcome: str) -> None:
    stated = changed(break_glass=[str(SHE)], attestation="direct", grace_days=0)
    person = scene.facts(scene.KEY, proofs=(scene.PASSWORD, scene.by(scene.KEY)), person=SHE)
    assert decide(read(stated, under), person, NOW).outcome == outcome


@pytest.mark.django_db
def test_a_floor_that_rises_bites_on_the_next_request(settings: Any) -> None:
    """The digest of the floor is in every grant: one that was given under another is void."""
    client = verified_client(UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"})))
    assert client.get(reverse("home")).status_code == 200
    before = facts.floor_digest()
    settings.MFA_POLICY_FLOOR = '{"strength": {"user": "phishing_resistant"}, "enforcement": "required"}'
    assert facts.floor_digest() != before
    refused = client.get(reverse("home"))
    assert refused.status_code == 302
    assert refused["Location"].startswith(reverse("mfa_enrol"))


@pytest.mark.django_db
def test_under_a_floor_that_cannot_be_read_nobody_is_let_in(settings: Any) -> None:
    client: Client = verified_client(UserFactory(tenant=TenantFactory()))
    assert client.get(reverse("home")).status_code == 200
    settings.MFA_POLICY_FLOOR = "{"
    with pytest.raises(ImproperlyConfigured):
        client.get(reverse("home"))
