"""A policy's document: what may stand in it, the rules it states, and what happens to one nobody can read."""

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given

from accounts.assurance import Method, Strength
from accounts.models import Role
from policies import document as documents
from policies.document import (
    BOUNDS,
    METHODS,
    DocumentError,
    binding,
    default_document,
    demands,
    rules_from,
    strictest_document,
    upgraded,
    validate,
)
from policies.document_fields import LONGEST, MOST, validate_partly
from policies.engine import decide
from policies.terms import (
    Enforcement,
    Exclude,
    Excluded,
    Facts,
    KeyRules,
    Outcome,
    Rules,
    Scope,
    UserVerification,
)
from tests.policies.documents import (
    EVERYONE,
    changed,
    damaged_documents,
    documents_of,
    exclude,
    nested,
    policy_test,
    scope,
)
from tests.policies.scene import DAY, HOUR, KEY, MINUTE, NOW, PASSWORD, PRODUCT, SHE, TOTP, by, facts
from tests.policies.strategies import patient, people

SUPPORTED = (Method.WEBAUTHN, Method.TOTP, Method.RECOVERY_CODE)
SSO_TRUSTED = {"trust_mfa": True, "amr": ["mfa"], "acr": [], "max_age_minutes": 60}


def vars_of(rules: Rules) -> dict[str, Any]:
    return {name: getattr(rules, name) for name in Rules.__slots__}


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
        assert read(default_document()) == Rules(
            version=7, enforced_since=NOW, grace_days=14, trusted_browser_never=frozenset({"administrator"})
        )

    def test_it_stops_somebody_without_a_factor(self) -> None:
        assert decide(read(default_document()), facts(), NOW).outcome is Outcome.ENROL


class TestRules:
    """Every field has its effect."""

    @pytest.mark.parametrize(
        ("fields", "attribute", "value"),
        [
            ({"enforcement": "optional"}, "enforcement", Enforcement.OPTIONAL),
            ({"enforcement": "always"}, "enforcement", Enforcement.ALWAYS),
            (
                {"scope": scope(roles=["administrator"], groups=["finance"], staff=True, sources=["sso:acme"])},
                "scope",
                Scope(
                    everyone=False,
                    roles=frozenset({"administrator"}),
                    groups=frozenset({"finance"}),
                    staff=True,
                    sources=frozenset({"sso:acme"}),
                ),
            ),
            (
                {"excludes": [exclude(), exclude("group", "finance", until="2030-05-09T12:00:00+02:00")]},
                "excludes",
                (
                    Exclude(Excluded.PERSON, str(SHE), NOW + DAY),
                    Exclude(Excluded.GROUP, "finance", NOW + 8 * DAY - 2 * HOUR),
                ),
            ),
            ({"minimum_factors": 2}, "minimum_factors", 2),
            ({"new_grace_days": 7}, "new_grace_days", 7),
            ({"administrators_grace_days": 3}, "administrators_grace_days", 3),
            ({"snoozes": 2}, "snoozes", 2),
            ({"trusted_browser_days": 30}, "trusted_browser_days", 30),
            ({"trusted_browser_never": ["user"]}, "trusted_browser_never", frozenset({"user"})),
            ({"user_verification": "required"}, "keys", KeyRules(user_verification=UserVerification.REQUIRED)),
            ({"user_verification": "discouraged"}, "keys", KeyRules(user_verification=UserVerification.DISCOURAGED)),
            ({"attestation": "direct"}, "keys", KeyRules(attested=True)),
            ({"aaguids_allowed": [str(PRODUCT)]}, "keys", KeyRules(allowed=frozenset({PRODUCT}))),
            ({"aaguids_denied": [str(PRODUCT)]}, "keys", KeyRules(denied=frozenset({PRODUCT}))),
            ({"synced_passkeys": False}, "keys", KeyRules(synced=False)),
            ({"break_glass": [str(SHE)]}, "break_glass", frozenset({SHE})),
            ({"contact": "Ask the desk"}, "contact", "Ask the desk"),
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

    @pytest.mark.parametrize(
        "fields",
        [{"name": "Ours"}, {"description": "Why"}, {"sso": SSO_TRUSTED}, {"tests": [policy_test()]}],
        ids=lambda fields: next(iter(fields)),
    )
    def test_some_fields_are_for_pages_and_for_what_comes(self, fields: dict[str, Any]) -> None:
        validate(changed(**fields))
        assert read(changed(**fields)) == read(default_document())

    def test_version_switch_and_beginning_stand_beside_the_document(self) -> None:
        rules = rules_from(
            default_document(),
            version=3,
            enabled=False,
            enforced_since=None,
            ceilings=SUPPORTED,
            in_force_until=NOW,
        )
        assert (rules.version, rules.enabled, rules.enforced_since, rules.in_force_until) == (3, False, None, NOW)

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

    @pytest.mark.parametrize(("level", "demanded"), [("optional", False), ("required", True), ("always", True)])
    def test_a_document_demands_or_not(self, level: str, demanded: bool) -> None:
        assert demands(changed(enforcement=level)) is demanded


WRONG_NUMBERS = [-1, 10**9, True, False, 1.0, float("nan"), float("inf"), float("-inf"), "1", "", None, [], {}]
HIDDEN = ["\x00", "\n", "\r", "\x1b", "\x85", "\u200b", "\u202e", "\u2066", "\u2028", "\ufeff", "\ud800"]
NO_TWO = "Nobody could have two: allow security keys, of which people may have several."
SCOPE_SHAPE = "Say whether it is for everyone, and which roles, groups, staff and sources it is for."


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
        for minutes in (1, 1440):
            validate(changed(sso=SSO_TRUSTED | {"max_age_minutes": minutes}))

    @pytest.mark.security(89)
    @pytest.mark.parametrize("value", [*WRONG_NUMBERS, 0, 1441], ids=repr)
    def test_nor_the_age_of_a_providers_sign_in(self, value: object) -> None:
        wrong = SSO_TRUSTED | {"max_age_minutes": value}
        assert errors_of(changed(sso=wrong)) == {"sso": "Give a whole number from 1 to 1440."}

    def test_the_bounds_are_those_promised(self) -> None:
        assert BOUNDS == {
            "minimum_factors": (1, 2),
            "grace_days": (0, 90),
            "new_grace_days": (0, 90),
            "administrators_grace_days": (0, 90),
            "snoozes": (0, 10),
            "trusted_browser_days": (0, 30),
            "second_factor_hours": (1, 24),
            "idle_minutes": (10, 60),
            "administrators_idle_minutes": (10, 60),
            "fresh_minutes": (1, 5),
        }

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            *[("schema", value, "This site writes schema 2 only.") for value in (0, 1, 3, True, 2.0, "2", None)],
            *[
                ("enforcement", value, "Choose optional, required or always.")
                for value in ("REQUIRED", "off", "", None, True, ["optional"], {"required": 1})
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
                    ["sso"],
                    ["access_pass"],
                    ["TOTP"],
                    [*METHODS, "webauthn"],
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
                ("scope", value, SCOPE_SHAPE)
                for value in ("everyone", None, [], {}, {"everyone": True}, EVERYONE | {"x": 1}, [EVERYONE])
            ],
            *[
                ("scope", EVERYONE | {name: value}, "Say yes or no to everyone and to staff.")
                for name in ("everyone", "staff")
                for value in (1, 0, None, "yes", [])
            ],
            *[
                ("scope", scope(roles=value), "Choose among the roles there are, each once.")
                for value in (None, "user", ["guest"], ["user", "user"], [1], [[]])
            ],
            *[
                ("scope", scope(groups=value), "Name groups, each once.")
                for value in (None, "finance", [""], [" "], ["a", "a"], [1], ["a\u202e"], ["a" * 151], list("ab" * 26))
            ],
            *[
                ("scope", scope(sources=value), "Name sources, each once.")
                for value in (None, "password", ["sso"], ["sso:"], ["sso:A"], ["sso:-a"], ["PASSWORD"], ["password\n"])
            ],
            *[
                (field, value, "Choose one of: " + choices + ".")
                for field, choices in (
                    ("user_verification", "discouraged, preferred, required"),
                    ("attestation", "none, direct"),
                )
                for value in ("", None, True, 1, "indirect", ["none"], "Required", {"none": 1})
            ],
            *[
                ("trusted_browser_never", value, "Choose among the roles there are, each once.")
                for value in (None, "user", ["guest"], ["user", "user"], [None])
            ],
            *[
                (field, value, "Give AAGUIDs such as 00000000-0000-0000-0000-000000000000.")
                for field in ("aaguids_allowed", "aaguids_denied")
                for value in (
                    None,
                    "00000000-0000-0000-0000-000000000050",
                    ["yubikey"],
                    [""],
                    [80],
                    [str(PRODUCT)] * 2,
                    [str(PRODUCT).upper().replace("50", "5A")],
                    [PRODUCT.hex],
                    ["{" + str(PRODUCT) + "}"],
                    [PRODUCT.urn],
                    [str(PRODUCT) + "\n"],
                    [str(PRODUCT).replace("0", "\uff10")],
                    [f"00000000-0000-0000-0000-{number:012}" for number in range(201)],
                )
            ],
            *[
                ("break_glass", value, "Name at most two accounts.")
                for value in (
                    None,
                    str(SHE),
                    ["ada@acme.example"],
                    [str(SHE)] * 2,
                    [f"00000000-0000-0000-0000-{number:012}" for number in range(3)],
                )
            ],
            *[("synced_passkeys", value, "Say yes or no.") for value in (0, 1, "yes", None, [True])],
            *[("passkey_login", value, "Say yes or no.") for value in (0, 1, "yes", None)],
        ],
    )
    def test_a_value_that_does_not_fit(self, field: str, value: object, message: str) -> None:
        assert errors_of(changed(**{field: value})) == {field: message}

    @pytest.mark.security(88, 89)
    @pytest.mark.parametrize("hidden", HIDDEN, ids=ascii)
    @pytest.mark.parametrize("field", ["name", "description", "contact"])
    def test_a_text_with_characters_that_hide(self, field: str, hidden: str) -> None:
        message = f"Give a text of at most {LONGEST[field]} characters."
        assert errors_of(changed(**{field: f"Ask{hidden} us"})) == {field: message}

    @pytest.mark.parametrize("field", ["name", "description", "contact"])
    def test_a_text_that_is_none_or_too_long(self, field: str) -> None:
        for value in (None, 1, True, ["Ask"], {}, "a" * (LONGEST[field] + 1)):
            message = f"Give a text of at most {LONGEST[field]} characters."
            assert errors_of(changed(**{field: value})) == {field: message}
        validate(changed(**{field: "a" * LONGEST[field]}))

    def test_a_document_that_is_too_long_for_every_judgement_to_read(self) -> None:
        excludes = [exclude("group", f"{number} {'a' * 140}") | {"reason": "b" * 500} for number in range(100)]
        assert errors_of(changed(excludes=excludes)) == {
            "document": "This policy is too long: shorten its lists and texts."
        }
        validate(changed(excludes=excludes[:70]))

    def test_a_policy_has_a_name(self) -> None:
        for empty in ("", "  "):
            assert errors_of(changed(name=empty)) == {"name": "This cannot be empty."}
        validate(changed(description="", contact=""))

    @pytest.mark.parametrize("value", [None, "", {}, [None], [[]], [{}], [{"kind": "person"}], ["her"]], ids=repr)
    def test_excludes_of_another_shape(self, value: object) -> None:
        assert errors_of(changed(excludes=value)).keys() == {"excludes"}

    @pytest.mark.security(62, 89)
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"kind": "planet"}, "An exclude names a person, a group, a role or a source."),
            ({"kind": None}, "An exclude names a person, a group, a role or a source."),
            ({"kind": ["person"]}, "An exclude names a person, a group, a role or a source."),
            ({"value": None}, "An exclude names a person, a group, a role or a source."),
            ({"value": [str(SHE)]}, "An exclude names a person, a group, a role or a source."),
            ({"kind": "person", "value": "ada@acme.example"}, "“ada@acme.example” cannot be excluded."),
            ({"kind": "person", "value": str(SHE).replace("-", "")}, f"“{SHE.hex}” cannot be excluded."),
            ({"kind": "role", "value": "administrator"}, "“administrator” cannot be excluded."),
            ({"kind": "role", "value": "guest"}, "“guest” cannot be excluded."),
            ({"kind": "group", "value": " "}, "“ ” cannot be excluded."),
            ({"kind": "group", "value": "a\u202eb\x00\ud800"}, "“ab” cannot be excluded."),
            ({"kind": "group", "value": "a" * 151}, f"“{'a' * 50}” cannot be excluded."),
            ({"kind": "source", "value": "sso:"}, "“sso:” cannot be excluded."),
            ({"reason": ""}, "An exclude needs a reason."),
            ({"reason": " "}, "An exclude needs a reason."),
            ({"reason": None}, "An exclude needs a reason."),
            ({"reason": "a\nb"}, "An exclude needs a reason."),
            ({"reason": "a" * 501}, "An exclude needs a reason."),
            *[
                ({"until": value}, "An exclude needs a date on which it ends.")
                for value in (
                    None,
                    "",
                    "never",
                    1893456000,
                    "2030-05-02",
                    "2030-05-02T12:00:00",
                    "2030-05-02 12:00:00+00:00",
                    "2030-05-02\u202e12:00:00+00:00",
                    "20300502T120000Z",
                    "2030-W18-4T12:00:00Z",
                    "2030-05-02T12:00:00+00:00\n",
                    "2030-13-02T12:00:00Z",
                    "2030-05-02T12:00:00+24:00",
                    "0001-01-01T00:00:00+23:59",
                    "9999-12-31T23:59:59-23:59",
                    "\uff12030-05-02T12:00:00Z",
                )
            ],
        ],
    )
    def test_an_exclude_that_does_not_fit(self, fields: dict[str, Any], message: str) -> None:
        assert errors_of(changed(excludes=[exclude(), exclude("group", "finance") | fields])) == {"excludes": message}

    def test_an_exclude_without_an_end_or_with_more_than_it_has(self) -> None:
        endless = {key: value for key, value in exclude().items() if key != "until"}
        for entry in (endless, exclude() | {"forever": True}):
            assert errors_of(changed(excludes=[entry])) == {"excludes": "An exclude says whom, why, and until when."}

    def test_nobody_is_excluded_twice(self) -> None:
        twice = [exclude(), exclude(until="2031-01-01T00:00:00Z") | {"reason": "Another"}]
        assert errors_of(changed(excludes=twice)) == {"excludes": "Nobody is excluded twice."}
        validate(changed(excludes=[exclude(), exclude("group", str(SHE))]))

    def test_no_more_excludes_than_anybody_can_read(self) -> None:
        many = [exclude("group", f"group {number}") for number in range(MOST["excludes"] + 1)]
        assert errors_of(changed(excludes=many)) == {"excludes": "Give a list of at most 100 excludes."}
        validate(changed(excludes=many[1:]))

    @pytest.mark.parametrize(
        "until", ["2030-05-02T12:00Z", "2030-05-02T12:00:00.123Z", "2030-05-02T12:00:00.123456-23:59"]
    )
    def test_an_end_is_written_as_rfc_3339_has_it(self, until: str) -> None:
        validate(changed(excludes=[exclude(until=until)]))

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            *[
                (value, "Say whether the provider's second factor is trusted, by which values, and for how long.")
                for value in (None, {}, [], True, {"trust_mfa": True}, SSO_TRUSTED | {"x": 1})
            ],
            *[(SSO_TRUSTED | {"trust_mfa": value}, "Say yes or no.") for value in (1, None, "yes")],
            *[
                (SSO_TRUSTED | {name: value}, "Name the accepted values, each once.")
                for name in ("amr", "acr")
                for value in (None, "mfa", [""], [1], ["mfa", "mfa"], ["m\x00"], [str(number) for number in range(51)])
            ],
        ],
    )
    def test_trust_in_a_provider_that_does_not_fit(self, value: object, message: str) -> None:
        assert errors_of(changed(sso=value)) == {"sso": message}

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            *[
                ({name: value}, "The test “An app is enough” cannot be read.")
                for name, value in (
                    ("role", "guest"),
                    ("role", None),
                    ("role", ["user"]),
                    ("groups", "finance"),
                    ("groups", ["a", "a"]),
                    ("source", "sso:"),
                    ("source", 1),
                    ("methods", ["password"]),
                    ("methods", "totp"),
                    ("methods", ["totp", "totp"]),
                    ("known", "always"),
                    ("known", None),
                    ("known", []),
                    ("expect", "ALLOWED"),
                    ("expect", "asked"),
                    ("expect", {}),
                )
            ],
            *[({"name": value}, "A test needs a name.") for value in ("", " ", None, "a\x1b", "a" * 121, 1)],
            ({"more": 1}, "A test says who signs in with what, and what is expected."),
        ],
    )
    def test_a_test_that_does_not_fit(self, fields: dict[str, Any], message: str) -> None:
        assert errors_of(changed(tests=[policy_test() | fields])) == {"tests": message}

    def test_tests_of_another_shape(self) -> None:
        for value in (None, {}, "", 1):
            assert errors_of(changed(tests=value)) == {"tests": "Give a list of at most 50 tests."}
        for value in ([None], [[]], ["a"], [{}]):
            message = "A test says who signs in with what, and what is expected."
            assert errors_of(changed(tests=value)) == {"tests": message}
        assert errors_of(changed(tests=[policy_test()] * 2)) == {"tests": "Two tests have the same name."}
        many = [policy_test(name=f"Test {number}") for number in range(51)]
        assert errors_of(changed(tests=many)) == {"tests": "Give a list of at most 50 tests."}
        validate(changed(tests=many[1:]))

    def test_an_unknown_rule_is_named_without_what_hides_in_it(self) -> None:
        assert errors_of(changed(**{"a\u202eb\ud800" + "c" * 90: 1})) == {"ab" + "c" * 46: "There is no such rule."}

    def test_a_part_is_judged_by_itself(self) -> None:
        validate_partly({"grace_days": 3, "allowed": []})
        validate_partly({})
        with pytest.raises(DocumentError) as refused:
            validate_partly({"grace_days": "3", "allowed": ["palm"]})
        assert refused.value.errors.keys() == {"grace_days", "allowed"}

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
                {"scope": scope()},
                {"scope": "This would be for nobody. Choose optional if nobody is to be required."},
                id="for nobody",
            ),
            *[
                pytest.param(
                    {"scope": EVERYONE | some},
                    {"scope": "Choose everyone or some, not both."},
                    id=f"everyone and {name}",
                )
                for name, some in (
                    ("a role", {"roles": ["user"]}),
                    ("a group", {"groups": ["finance"]}),
                    ("staff", {"staff": True}),
                    ("a source", {"sources": ["password"]}),
                )
            ],
            *[
                pytest.param(
                    {"allowed": allowed, "minimum_factors": 2},
                    {"minimum_factors": NO_TWO},
                    id=f"two of {' and '.join(allowed)}",
                )
                for allowed in (["totp"], ["totp", "recovery_code"])
            ],
            pytest.param(
                {"allowed": ["email_code", "sms_code"]},
                {"allowed": "Nobody could enrol: allow security keys or an app."},
                id="only codes that are sent",
            ),
            pytest.param(
                {"enforcement": "always", "trusted_browser_days": 1},
                {"trusted_browser_days": "“Always” means that no browser is trusted: choose required, or 0 days."},
                id="always, and trusted browsers",
            ),
            pytest.param(
                {"sso": SSO_TRUSTED | {"amr": []}},
                {"sso": "Say which values of the provider are trusted."},
                id="trust in a provider by nothing",
            ),
            pytest.param(
                {"aaguids_allowed": [str(PRODUCT)], "aaguids_denied": [str(PRODUCT)]},
                {"aaguids_denied": "A product cannot be both allowed and denied."},
                id="a product allowed and denied",
            ),
            pytest.param(
                {"enforcement": "optional", "allowed": [], "minimum_factors": 2, "passkey_login": True},
                {
                    "minimum_factors": NO_TWO,
                    "passkey_login": "Passkeys are WebAuthn: allow it first.",
                },
                id="two of them at once",
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
            {"allowed": [*METHODS]},
            {"allowed": ["webauthn"], "minimum_factors": 2},
            {"allowed": ["totp", "sms_code"], "minimum_factors": 2},
            {"enforcement": "optional", "trusted_browser_days": 30},
            {"trusted_browser_days": 30, "trusted_browser_never": []},
            {"sso": SSO_TRUSTED | {"amr": [], "acr": ["gold"]}},
            {"aaguids_allowed": [str(PRODUCT)], "aaguids_denied": [str(SHE)]},
            {"scope": scope(groups=["finance"])},
            {"scope": scope(sources=["sso:acme", "password"])},
            {"excludes": [exclude("role", "user")], "break_glass": [str(SHE)]},
            {"allowed": ["totp"]},
            {"allowed": ["webauthn"], "strength": {"administrator": "phishing_resistant"}, "passkey_login": True},
            {"allowed": ["totp"], "strength": {"administrator": "multi_factor"}},
            {"scope": scope(staff=True)},
            {"scope": scope(roles=["user", "administrator"])},
            {"idle_minutes": 10, "administrators_idle_minutes": 10},
        ],
        ids=repr,
    )
    def test_what_only_looks_like_one_is_right(self, fields: dict[str, Any]) -> None:
        validate(changed(**fields))


class TestUnreadable:
    """A document of a newer process, or a damaged one, decides the strict way."""

    UNREADABLE = [
        pytest.param(changed(schema=3), id="newer"),
        pytest.param({"schema": 3, "shape": "unknown"}, id="newer, and all different"),
        pytest.param(changed(enforcement="optional", schema=3), id="newer, and seemingly off"),
        pytest.param(changed(grace_days=91), id="out of bounds"),
        pytest.param(changed(excludes=[{"kind": "person"}]), id="an exclude cut short"),
        pytest.param({"schema": 1, "enforcement": "off"}, id="of schema 1, cut short"),
        pytest.param(default_document() | {"schema": True}, id="of no schema"),
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
            trusted_browser_never=frozenset({"administrator"}),
        )

    def test_it_is_out_of_force_when_it_would_have_been(self) -> None:
        rules = rules_from({}, version=7, enabled=True, enforced_since=None, ceilings=SUPPORTED, in_force_until=NOW)
        assert rules.in_force_until == NOW

    def test_it_can_be_listed(self) -> None:
        assert binding({}, {}, SUPPORTED) == strictest_document(SUPPORTED)
        assert read(binding({}, {}, SUPPORTED)) == Rules(**{**vars_of(read({})), "enforced_since": NOW})
        for ceilings in (SUPPORTED, (Method.TOTP,)):
            validate(strictest_document(ceilings))

    def test_it_locks_nobody_out(self) -> None:
        strict = read(changed(schema=3))
        with_key = facts(KEY, proofs=(PASSWORD, by(KEY, MINUTE)))
        with_app = facts(TOTP, proofs=(PASSWORD, by(TOTP, MINUTE)))
        assert decide(strict, with_key, NOW).outcome is Outcome.ALLOW
        assert decide(strict, with_app, NOW).outcome is Outcome.ENROL
        assert decide(strict, with_app, NOW).satisfied_by == (Method.WEBAUTHN,)

    def test_where_the_site_knows_no_keys_it_demands_an_app(self) -> None:
        strict = read(changed(schema=3), ceilings=(Method.RECOVERY_CODE, Method.TOTP))
        assert strict.allowed == (Method.TOTP,)
        assert set(strict.strength.values()) == {Strength.MULTI_FACTOR}

    def test_where_the_site_knows_neither_nothing_is_good_enough(self) -> None:
        assert read(changed(schema=3), ceilings=(Method.RECOVERY_CODE,)).allowed == ()

    def test_the_switch_holds_regardless(self) -> None:
        assert decide(read(changed(schema=3), enabled=False), facts(), NOW).outcome is Outcome.ALLOW

    def test_it_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.ERROR, logger="policies.document"):
            read(changed(schema=3))
        assert caplog.messages == ["Version 7 of a policy cannot be read; the strictest rules apply."]


@given(documents_of())
def test_it_is_stricter_than_every_document_that_can_be_read(document: dict[str, Any]) -> None:
    lenient, strict = read(document), read({})
    assert strict.second_factor_lifetime <= lenient.second_factor_lifetime
    assert strict.fresh_for <= lenient.fresh_for
    assert strict.idle <= lenient.idle
    assert strict.administrators_idle <= lenient.administrators_idle


@patient
@given(documents_of(), people())
def test_it_lets_nobody_in_without_a_key(document: dict[str, Any], person: Facts) -> None:
    """Never weaker than any document there is, for people without a key; with one, they can mend it."""
    without = replace(person, enrolled=tuple(one for one in person.enrolled if one.method is not Method.WEBAUTHN))
    if decide(read({}), without, NOW).is_allowed:
        assert decide(read(document), without, NOW).is_allowed
    assert decide(read({}), without, NOW).outcome in (Outcome.DENY, Outcome.STEP_UP, Outcome.ENROL)


class TestOlder:
    """Documents of schema 1 are read as they were meant."""

    SCHEMA_1: Final = {
        "schema": 1,
        "enforcement": "required",
        "scope": {"everyone": False, "roles": ["user"], "staff": False},
        "allowed": ["totp", "webauthn"],
        "strength": {"administrator": "phishing_resistant"},
        "grace_days": 30,
        "second_factor_hours": 8,
        "idle_minutes": 20,
        "administrators_idle_minutes": 10,
        "fresh_minutes": 2,
        "passkey_login": True,
    }

    def test_every_rule_is_as_it_was(self) -> None:
        assert read(self.SCHEMA_1) == Rules(
            version=7,
            enforced_since=NOW,
            enforcement=Enforcement.REQUIRED,
            scope=Scope(everyone=False, roles=frozenset({"user"})),
            allowed=(Method.TOTP, Method.WEBAUTHN),
            strength={"administrator": Strength.PHISHING_RESISTANT},
            grace_days=30,
            administrators_grace_days=30,
            trusted_browser_never=frozenset({"administrator"}),
            second_factor_lifetime=8 * HOUR,
            idle=20 * MINUTE,
            administrators_idle=10 * MINUTE,
            fresh_for=2 * MINUTE,
            passkey_login=True,
        )

    def test_off_asked_for_nothing_and_optional_asks_for_nothing(self) -> None:
        assert read(self.SCHEMA_1 | {"enforcement": "off"}).enforcement is Enforcement.OPTIONAL
        assert read(self.SCHEMA_1 | {"enforcement": "always"}).enforcement is Enforcement.ALWAYS

    @pytest.mark.parametrize("field", [key for key in SCHEMA_1 if key != "schema"])
    def test_nothing_that_was_lost_is_made_up(self, field: str) -> None:
        damaged = {key: value for key, value in self.SCHEMA_1.items() if key != field}
        assert read(damaged).allowed == (Method.WEBAUTHN,)
        assert read(damaged).enforcement is Enforcement.ALWAYS

    def test_the_document_itself_is_left_alone(self) -> None:
        before = json.dumps(self.SCHEMA_1)
        upgraded(self.SCHEMA_1)
        assert json.dumps(self.SCHEMA_1) == before

    @pytest.mark.parametrize(
        "document", [None, [], "1", {}, {"schema": True}, {"schema": 1.0}, {"schema": 3}], ids=repr
    )
    def test_what_is_no_document_of_schema_1_comes_back_as_it_is(self, document: object) -> None:
        assert upgraded(document) is document

    @given(nested)
    def test_no_damage_is_too_odd_to_read(self, value: Any) -> None:
        for field in self.SCHEMA_1:
            assert isinstance(read(self.SCHEMA_1 | {field: value}), Rules)


@patient
@given(damaged_documents() | nested)
def test_anything_is_either_refused_by_field_or_states_rules(document: Any) -> None:
    try:
        validate(document)
    except DocumentError as refused:
        assert all(refused.errors.values())
        assert all(type(message) is str for message in refused.errors.values())
        assert read(document).enforcement is Enforcement.ALWAYS or document.get("schema") == 1
    else:
        stated = tuple(Method(method) for method in document["allowed"] if method in SUPPORTED)
        assert read(document).allowed == stated


@given(documents_of())
def test_every_valid_document_is_one_and_survives_the_database(document: dict[str, Any]) -> None:
    validate(document)
    assert read(json.loads(json.dumps(document))) == read(document)


def test_a_lifetime_in_the_document_is_in_the_units_it_names() -> None:
    rules = read(changed(second_factor_hours=3, idle_minutes=20, administrators_idle_minutes=10, fresh_minutes=2))
    assert rules.second_factor_lifetime == timedelta(hours=3)
    assert (rules.idle, rules.administrators_idle, rules.fresh_for) == (20 * MINUTE, 10 * MINUTE, 2 * MINUTE)


# -- what is kept of documents that were read ----------------------------------------------------------------------


def stated(document: Any, **more: Any) -> Any:
    around = {"version": 1, "enabled": True, "enforced_since": None, "ceilings": (Method.WEBAUTHN, Method.TOTP)}
    return documents.rules_from(document, **(around | more))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The documents that are read, from an empty memory on."""
    found: list[Any] = []
    monkeypatch.setattr(documents, "_KEPT", {})
    monkeypatch.setattr(documents, "validate", lambda document: (found.append(document), validate(document))[1])
    return found


def test_a_document_that_many_tenants_share_is_read_once(reads: list[Any]) -> None:
    assert stated(default_document()) == stated(default_document())
    assert stated(default_document(), version=2).version == 2
    assert len(reads) == 1


def test_whatever_its_rules_depend_on_is_read_anew(reads: list[Any]) -> None:
    stated(default_document())
    longer = stated(default_document() | {"grace_days": 30})
    narrower = stated(default_document(), ceilings=(Method.WEBAUTHN,))
    stricter = stated(default_document(), floor={"grace_days": 1})
    assert (longer.grace_days, narrower.allowed, stricter.grace_days) == (30, (Method.WEBAUTHN,), 1)
    assert len(reads) == 4


def test_one_that_only_looks_the_same_is_another(reads: list[Any]) -> None:
    stated(default_document() | {"snoozes": 1})
    assert stated(default_document() | {"snoozes": True}).allowed == (Method.WEBAUTHN,)  # cannot be read: the strictest
    assert len(reads) == 2


def test_no_more_is_kept_than_a_bound(reads: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_MOST_KEPT", 3)
    for days in range(8):
        assert stated(default_document() | {"grace_days": days}).grace_days == days
        assert len(documents._KEPT) <= 3
