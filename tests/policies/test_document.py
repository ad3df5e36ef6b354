"""A policy's document: what may stand in it, the rules it states, and what happens to one nobody can read."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.assurance import Method, Strength
from accounts.models import Role
from policies import document as documents
from policies.document import BOUNDS, METHODS, DocumentError, default_document, demands, rules_from, summary, validate
from policies.engine import Enforcement, Outcome, Rules, Scope, decide
from tests.policies.scene import HOUR, KEY, MINUTE, NOW, PASSWORD, TOTP, by, facts

SUPPORTED = (Method.WEBAUTHN, Method.TOTP, Method.RECOVERY_CODE)


def changed(**fields: Any) -> dict[str, Any]:
    """The default document with these fields instead."""
    return default_document() | fields


def read(document: Any, *, enabled: bool = True, ceilings: tuple[Method, ...] = SUPPORTED) -> Rules:
    return rules_from(document, version=7, enabled=enabled, enforced_since=NOW, ceilings=ceilings)


def errors_of(document: Any) -> dict[str, str]:
    with pytest.raises(DocumentError) as refused:
        validate(document)
    return refused.value.errors


class TestDefault:
    """What a tenant demands from its first moment."""

    def test_it_is_valid_and_demands_a_second_factor(self) -> None:
        validate(default_document())
        assert demands(default_document())

    def test_it_is_json_and_nobody_elses_copy(self) -> None:
        assert json.loads(json.dumps(default_document())) == default_document()
        default_document()["allowed"].clear()
        assert default_document()["allowed"] == ["webauthn", "totp", "recovery_code"]

    def test_it_states_the_rules_of_the_house(self) -> None:
        assert read(default_document()) == Rules(version=7, enforced_since=NOW, grace_days=14)

    def test_it_stops_somebody_without_a_factor(self) -> None:
        assert decide(read(default_document()), facts(), NOW).outcome is Outcome.ENROL


class TestRules:
    """Every field has its effect."""

    @pytest.mark.parametrize(
        ("fields", "attribute", "value"),
        [
            ({"enforcement": "optional"}, "enforcement", Enforcement.OFF),
            ({"enforcement": "optional"}, "enforcement", Enforcement.OPTIONAL),
            ({"enforcement": "always"}, "enforcement", Enforcement.ALWAYS),
            (
                {"scope": {"everyone": False, "roles": ["administrator"], "staff": True}},
                "scope",
                Scope(everyone=False, roles=frozenset({"administrator"}), staff=True),
            ),
            ({"allowed": ["totp", "webauthn"]}, "allowed", (Method.TOTP, Method.WEBAUTHN)),
            (
                {"strength": {"administrator": "phishing_resistant", "user": "multi_factor"}},
                "strength",
                {"administrator": Strength.PHISHING_RESISTANT, "user": Strength.MULTI_FACTOR},
            ),
            ({"grace_days": 90}, "grace_days", 90),
            ({"second_factor_hours": 1}, "second_factor_lifetime", HOUR),
            ({"fresh_minutes": 1}, "fresh_for", MINUTE),
            ({"idle_minutes": 60}, "idle", 60 * MINUTE),
            ({"administrators_idle_minutes": 10}, "administrators_idle", 10 * MINUTE),
            ({"passkey_login": True}, "passkey_login", True),
        ],
    )
    def test_a_field_changes_its_rule_and_no_other(self, fields: dict[str, Any], attribute: str, value: object) -> None:
        rules, usual = read(changed(**fields)), read(default_document())
        assert getattr(rules, attribute) == value
        different = [name for name in Rules.__slots__ if getattr(rules, name) != getattr(usual, name)]
        assert different == [attribute]

    def test_version_switch_and_beginning_stand_beside_the_document(self) -> None:
        rules = rules_from(default_document(), version=3, enabled=False, enforced_since=None, ceilings=SUPPORTED)
        assert (rules.version, rules.enabled, rules.enforced_since) == (3, False, None)

    def test_off_and_on_again_restores_the_level(self) -> None:
        always = changed(enforcement="always")
        assert read(always, enabled=False).enforcement is read(always).enforcement is Enforcement.ALWAYS
        assert decide(read(always, enabled=False), facts(), NOW).outcome is Outcome.ALLOW

    def test_the_site_supports_no_more_than_it_does(self) -> None:
        assert read(default_document(), ceilings=(Method.TOTP, Method.WEBAUTHN)).allowed == (
            Method.WEBAUTHN,
            Method.TOTP,
        )
        assert read(changed(allowed=["totp"]), ceilings=(Method.WEBAUTHN,)).allowed == ()

    def test_roles_are_those_of_people(self) -> None:
        assert set(documents.ROLES) == set(Role.values)

    @pytest.mark.parametrize(
        ("level", "demanded"), [("off", False), ("optional", False), ("required", True), ("always", True)]
    )
    def test_a_document_demands_or_not(self, level: str, demanded: bool) -> None:
        assert demands(changed(enforcement=level)) is demanded


WRONG_NUMBERS = [-1, 10**9, True, False, 1.0, float("nan"), float("inf"), "1", "", None, [], {}]


class TestRefused:
    """One clear sentence at the field."""

    @pytest.mark.parametrize("document", [None, [], "{}", 1, True, [default_document()]], ids=repr)
    def test_what_is_no_object(self, document: object) -> None:
        assert errors_of(document) == {"document": "A policy is an object with one entry for each rule."}

    @pytest.mark.parametrize("field", default_document())
    def test_a_missing_rule(self, field: str) -> None:
        document = default_document()
        del document[field]
        assert errors_of(document) == {field: "This rule is missing."}

    def test_unknown_rules(self) -> None:
        assert errors_of(changed(leniency=True, enabled=False) | {7: 7}) == dict.fromkeys(
            ["leniency", "enabled", "7"], "There is no such rule."
        )

    @pytest.mark.security(62, 89)
    @pytest.mark.parametrize("value", WRONG_NUMBERS, ids=repr)
    @pytest.mark.parametrize("field", BOUNDS)
    def test_what_is_no_number_in_bounds(self, field: str, value: object) -> None:
        least, greatest = BOUNDS[field]
        assert errors_of(changed(**{field: value})) == {field: f"Give a whole number from {least} to {greatest}."}

    @pytest.mark.parametrize("field", BOUNDS)
    def test_a_number_just_out_of_bounds(self, field: str) -> None:
        for value in (BOUNDS[field][0] - 1, BOUNDS[field][1] + 1):
            assert errors_of(changed(**{field: value})).keys() == {field}

    def test_numbers_at_their_bounds_are_right(self) -> None:
        validate(default_document() | {name: least for name, (least, _) in BOUNDS.items()})
        validate(default_document() | {name: greatest for name, (_, greatest) in BOUNDS.items()})

    def test_the_bounds_are_those_promised(self) -> None:
        assert BOUNDS == {
            "grace_days": (0, 90),
            "second_factor_hours": (1, 24),
            "idle_minutes": (10, 60),
            "administrators_idle_minutes": (10, 60),
            "fresh_minutes": (1, 5),
        }

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            *[("schema", value, "This site writes schema 1 only.") for value in (0, 2, True, 1.0, "1", None)],
            *[
                ("enforcement", value, "Choose off, optional, required or always.")
                for value in ("REQUIRED", "", None, True, ["off"])
            ],
            *[
                ("allowed", value, "Choose among the methods there are, each once.")
                for value in (
                    "totp",
                    None,
                    {"totp": 1},
                    ["palm"],
                    ["totp", "totp"],
                    ["totp", 1],
                    ["totp", ["webauthn"]],
                    ["password"],
                    ["email_code"],
                    ["sms_code"],
                )
            ],
            *[
                ("strength", value, "Choose among the roles there are, each once.")
                for value in ([], None, "user", {"guest": "multi_factor"}, {1: "multi_factor"})
            ],
            *[
                ("strength", {"user": value}, "Choose multi_factor or phishing_resistant for each role.")
                for value in ("single_factor", "MULTI_FACTOR", 2, None, ["multi_factor"])
            ],
            *[
                ("scope", value, "Say whether it is for everyone, for which roles, and whether for staff.")
                for value in (
                    "everyone",
                    None,
                    [],
                    {},
                    {"everyone": True},
                    {"everyone": True, "roles": [], "staff": 0, "x": 1},
                )
            ],
            ("scope", {"everyone": 1, "roles": [], "staff": False}, "Say yes or no to everyone and to staff."),
            ("scope", {"everyone": True, "roles": [], "staff": None}, "Say yes or no to everyone and to staff."),
            *[
                (
                    "scope",
                    {"everyone": False, "roles": roles, "staff": False},
                    "Choose among the roles there are, each once.",
                )
                for roles in (None, "user", ["guest"], ["user", "user"], [1], [[]])
            ],
            *[("passkey_login", value, "Say yes or no.") for value in (0, 1, "yes", None)],
        ],
    )
    def test_a_value_that_does_not_fit(self, field: str, value: object, message: str) -> None:
        assert errors_of(changed(**{field: value})) == {field: message}

    def test_every_wrong_field_is_named_at_once(self) -> None:
        assert errors_of(changed(enforcement="", grace_days=-1, extra=1)).keys() == {
            "enforcement",
            "grace_days",
            "extra",
        }

    @pytest.mark.parametrize(
        ("fields", "errors"),
        [
            pytest.param(
                {"allowed": []}, {"allowed": "Nobody could enrol: allow security keys or an app."}, id="nothing allowed"
            ),
            pytest.param(
                {"allowed": ["recovery_code"], "enforcement": "always"},
                {"allowed": "Nobody could enrol: allow security keys or an app."},
                id="only recovery codes",
            ),
            pytest.param(
                {"allowed": ["totp"], "strength": {"user": "phishing_resistant"}},
                {"strength": "Only WebAuthn resists phishing: allow it, or demand less."},
                id="keys demanded and not allowed",
            ),
            pytest.param(
                {"allowed": ["totp"], "passkey_login": True},
                {"passkey_login": "Passkeys are WebAuthn: allow it first."},
                id="passkeys without WebAuthn",
            ),
            pytest.param(
                {"scope": {"everyone": False, "roles": [], "staff": False}},
                {"scope": "This would be for nobody. Choose optional if nobody is to be required."},
                id="for nobody",
            ),
            pytest.param(
                {"scope": {"everyone": True, "roles": ["user"], "staff": False}},
                {"scope": "Choose everyone or some, not both."},
                id="for everyone and some roles",
            ),
            pytest.param(
                {"scope": {"everyone": True, "roles": [], "staff": True}},
                {"scope": "Choose everyone or some, not both."},
                id="for everyone and staff",
            ),
            pytest.param(
                {"idle_minutes": 10, "administrators_idle_minutes": 11},
                {"administrators_idle_minutes": "Administrators may not idle longer than others."},
                id="administrators idle longer",
            ),
        ],
    )
    def test_a_contradiction(self, fields: dict[str, Any], errors: dict[str, str]) -> None:
        assert errors_of(changed(**fields)) == errors

    @pytest.mark.parametrize(
        "fields",
        [
            {"allowed": [], "enforcement": "optional"},
            {"allowed": [], "enforcement": "optional"},
            {"allowed": ["totp"]},
            {"allowed": ["webauthn"], "strength": {"administrator": "phishing_resistant"}, "passkey_login": True},
            {"allowed": ["totp"], "strength": {"administrator": "multi_factor"}},
            {"scope": {"everyone": False, "roles": [], "staff": True}},
            {"scope": {"everyone": False, "roles": ["user", "administrator"], "staff": False}},
            {"idle_minutes": 10, "administrators_idle_minutes": 10},
        ],
        ids=repr,
    )
    def test_what_only_looks_like_one_is_right(self, fields: dict[str, Any]) -> None:
        validate(changed(**fields))


class TestUnreadable:
    """A document of a newer process, or a damaged one, decides the strict way."""

    UNREADABLE = [
        pytest.param(changed(schema=2), id="newer"),
        pytest.param({"schema": 2, "shape": "unknown"}, id="newer, and all different"),
        pytest.param(changed(enforcement="optional", schema=2), id="newer, and seemingly off"),
        pytest.param(changed(grace_days=91), id="out of bounds"),
        pytest.param({}, id="empty"),
        pytest.param(None, id="null"),
    ]

    @pytest.mark.parametrize("document", UNREADABLE)
    def test_it_demands_a_key_at_every_sign_in_of_everyone_at_once(self, document: Any) -> None:
        assert read(document) == Rules(
            version=7,
            enforcement=Enforcement.ALWAYS,
            scope=Scope(everyone=True),
            allowed=(Method.WEBAUTHN,),
            strength={"user": Strength.PHISHING_RESISTANT, "administrator": Strength.PHISHING_RESISTANT},
            grace_days=0,
            enforced_since=None,
            second_factor_lifetime=HOUR,
            fresh_for=MINUTE,
            idle=10 * MINUTE,
            administrators_idle=10 * MINUTE,
            passkey_login=False,
        )

    def test_it_locks_nobody_out(self) -> None:
        strict = read(changed(schema=2))
        with_key = facts(KEY, proofs=(PASSWORD, by(KEY, MINUTE)))
        with_app = facts(TOTP, proofs=(PASSWORD, by(TOTP, MINUTE)))
        assert decide(strict, with_key, NOW).outcome is Outcome.ALLOW
        assert decide(strict, with_app, NOW).outcome is Outcome.ENROL
        assert decide(strict, with_app, NOW).satisfied_by == (Method.WEBAUTHN,)

    def test_where_the_site_knows_no_keys_it_demands_an_app(self) -> None:
        strict = read(changed(schema=2), ceilings=(Method.RECOVERY_CODE, Method.TOTP))
        assert strict.allowed == (Method.TOTP,)
        assert set(strict.strength.values()) == {Strength.MULTI_FACTOR}

    def test_where_the_site_knows_neither_nothing_is_good_enough(self) -> None:
        assert read(changed(schema=2), ceilings=(Method.RECOVERY_CODE,)).allowed == ()

    def test_the_switch_holds_regardless(self) -> None:
        assert decide(read(changed(schema=2), enabled=False), facts(), NOW).outcome is Outcome.ALLOW

    def test_it_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.ERROR, logger="policies.document"):
            read(changed(schema=2))
        assert caplog.messages == ["Version 7 of a policy cannot be read; the strictest rules apply."]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **{name: st.integers(*bounds) for name, bounds in BOUNDS.items()},
            "enforcement": st.sampled_from([level.value for level in Enforcement]),
            "allowed": st.permutations(METHODS),
            "strength": st.dictionaries(
                st.sampled_from(documents.ROLES), st.sampled_from([*documents.STRENGTHS]), max_size=2
            ),
        },
    )
)
def test_it_is_stricter_than_every_document_that_can_be_read(fields: dict[str, Any]) -> None:
    document = changed(**fields) | {"administrators_idle_minutes": 10}
    lenient, strict = read(document), read({})
    assert strict.second_factor_lifetime <= lenient.second_factor_lifetime
    assert strict.fresh_for <= lenient.fresh_for
    assert strict.idle <= lenient.idle
    assert strict.administrators_idle <= lenient.administrators_idle
    assert set(strict.allowed) <= set(lenient.allowed)


class TestSummary:
    """The document in sentences."""

    def test_the_default_policy_reads_as_promised(self) -> None:
        assert summary(default_document()) == [
            "Require MFA for login",
            "WebAuthn preferred",
            "TOTP as fallback",
            "Recovery code as fallback",
            "14 days of grace for people who were here before",
        ]

    @pytest.mark.parametrize(
        ("fields", "sentences"),
        [
            (
                {
                    "enforcement": "always",
                    "allowed": ["totp", "webauthn"],
                    "scope": {"everyone": False, "roles": ["user", "administrator"], "staff": True},
                    "strength": {"administrator": "phishing_resistant", "user": "multi_factor"},
                    "grace_days": 1,
                    "passkey_login": True,
                },
                [
                    "Require MFA at every login, without exception",
                    "TOTP preferred",
                    "WebAuthn as fallback",
                    "For administrators, users, staff only",
                    "A security key or passkey required of administrators",
                    "1 day of grace for people who were here before",
                    "Sign-in by passkey alone allowed",
                ],
            ),
            (
                {
                    "allowed": ["webauthn"],
                    "scope": {"everyone": False, "roles": ["administrator"], "staff": False},
                    "grace_days": 0,
                },
                ["Require MFA for login", "WebAuthn preferred", "For administrators only", "No grace period"],
            ),
            ({"enforcement": "optional", "allowed": ["totp"]}, ["MFA is optional", "TOTP preferred"]),
            (
                {"enforcement": "optional", "allowed": [], "scope": {"everyone": False, "roles": [], "staff": True}},
                ["MFA is off"],
            ),
        ],
    )
    def test_every_rule_has_its_sentence(self, fields: dict[str, Any], sentences: list[str]) -> None:
        assert summary(changed(**fields)) == sentences


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({key: nested | st.just(value) for key, value in default_document().items()}) | nested)
def test_anything_is_either_refused_by_field_or_states_rules(document: Any) -> None:
    try:
        validate(document)
    except DocumentError as refused:
        assert all(refused.errors.values())
        assert read(document).enforcement is Enforcement.ALWAYS
    else:
        assert read(document).allowed == tuple(Method(method) for method in document["allowed"])


def test_a_lifetime_in_the_document_is_in_the_units_it_names() -> None:
    rules = read(changed(second_factor_hours=3, idle_minutes=20, administrators_idle_minutes=10, fresh_minutes=2))
    assert rules.second_factor_lifetime == timedelta(hours=3)
    assert (rules.idle, rules.administrators_idle, rules.fresh_for) == (20 * MINUTE, 10 * MINUTE, 2 * MINUTE)
