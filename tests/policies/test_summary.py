"""The document in sentences: every rule has one, and what is listed is what is enforced."""

from typing import Any

import pytest
from django.utils import translation
from hypothesis import given

from accounts.assurance import Method
from policies.document import default_document, strictest_document
from policies.floor import raised
from policies.models import MFAPolicy, PolicyVersion
from policies.summary import differences, public_summary, sentences, whom
from tests.factories import TenantFactory
from tests.policies.documents import changed, documents_of, exclude, scope
from tests.policies.scene import NOW, OTHER_PRODUCT, PRODUCT, SHE
from tests.policies.strategies import patient

SUPPORTED = ("webauthn", "totp", "recovery_code")
ALWAYS_SAID = [
    "A second factor lasts for 12 hours",
    "Unused sessions end after 30 minutes",
    "Administrators’ unused sessions end after 15 minutes",
    "Sensitive changes need a proof not older than 5 minutes",
]


def said(**fields: Any) -> list[str]:
    """The sentences by which a changed document differs from the default."""
    return differences(default_document(), changed(**fields), SUPPORTED)[1]


def test_the_default_policy_reads_as_promised() -> None:
    assert sentences(default_document(), SUPPORTED) == [
        "Require MFA for login",
        "WebAuthn preferred",
        "TOTP as fallback",
        "Recovery code as fallback",
        "14 days of grace for people who were here before",
        *ALWAYS_SAID,
    ]


@pytest.mark.parametrize(
    ("fields", "said_of_it"),
    [
        ({"enforcement": "optional"}, ["MFA is optional"]),
        ({"enforcement": "always"}, ["Require MFA at every login, without exception"]),
        ({"allowed": ["totp", "webauthn"]}, ["TOTP preferred", "WebAuthn as fallback"]),
        (
            {"scope": scope(roles=["user", "administrator"], groups=["B", "A"], staff=True, sources=["sso:acme"])},
            ["For administrators, users, the group A, the group B, those who sign in by sso:acme, staff only"],
        ),
        (
            {"strength": {"user": "multi_factor", "administrator": "phishing_resistant"}},
            ["A security key or passkey required of administrators"],
        ),
        ({"minimum_factors": 2}, ["Two independent methods required"]),
        ({"grace_days": 0}, ["No grace period"]),
        ({"grace_days": 1}, ["1 day of grace for people who were here before"]),
        ({"new_grace_days": 1}, ["1 day of grace for new people, from their first sign-in"]),
        ({"new_grace_days": 2}, ["2 days of grace for new people, from their first sign-in"]),
        ({"administrators_grace_days": 1}, ["1 day of grace for administrators"]),
        ({"administrators_grace_days": 3}, ["3 days of grace for administrators"]),
        ({"snoozes": 1}, ["The reminder can be put off 1 time"]),
        ({"snoozes": 2}, ["The reminder can be put off 2 times"]),
        ({"user_verification": "required"}, ["Keys have to ask for a PIN, a fingerprint or a face"]),
        ({"user_verification": "discouraged"}, ["Keys need not ask for a PIN, a fingerprint or a face"]),
        ({"attestation": "direct"}, ["Only keys whose maker vouches for them"]),
        ({"aaguids_allowed": [str(PRODUCT)]}, ["Keys of 1 product only"]),
        ({"aaguids_allowed": [str(PRODUCT), str(OTHER_PRODUCT)]}, ["Keys of 2 products only"]),
        ({"aaguids_denied": [str(PRODUCT)]}, ["Keys of 1 product refused"]),
        ({"aaguids_denied": [str(PRODUCT), str(OTHER_PRODUCT)]}, ["Keys of 2 products refused"]),
        ({"synced_passkeys": False}, ["No passkeys that are copied between devices"]),
        ({"passkey_login": True}, ["Sign-in by passkey alone allowed"]),
        ({"second_factor_hours": 1}, ["A second factor lasts for 1 hour"]),
        ({"idle_minutes": 60}, ["Unused sessions end after 60 minutes"]),
        ({"administrators_idle_minutes": 10}, ["Administrators’ unused sessions end after 10 minutes"]),
        ({"fresh_minutes": 1}, ["Sensitive changes need a proof not older than 1 minute"]),
        (
            {"trusted_browser_days": 1, "trusted_browser_never": []},
            ["Browsers may be trusted for 1 day: such sessions have a single factor"],
        ),
        (
            {"trusted_browser_days": 30},
            [
                "Browsers may be trusted for 30 days: such sessions have a single factor",
                "Never for administrators",
            ],
        ),
        (
            {"excludes": [exclude("group", "finance"), exclude("role", "user"), exclude("source", "sso:acme")]},
            [
                "Not demanded of the group finance until 2030-05-02",
                "Not demanded of users until 2030-05-02",
                "Not demanded of the source sso:acme until 2030-05-02",
            ],
        ),
        (
            {"sso": {"trust_mfa": True, "amr": ["mfa"], "acr": [], "max_age_minutes": 60}},
            ["The second factor of the identity provider is trusted"],
        ),
        ({"break_glass": [str(SHE)]}, ["1 account for emergencies, which needs a security key"]),
    ],
)
def test_every_rule_has_its_sentence(fields: dict[str, Any], said_of_it: list[str]) -> None:
    assert said(**fields) == said_of_it


@pytest.mark.parametrize(
    "fields",
    [
        {"strength": {"user": "multi_factor"}},
        {"trusted_browser_never": []},
        {"name": "Ours"},
        {"allowed": ["webauthn", "totp", "recovery_code", "sms_code"]},
    ],
)
def test_what_changes_nothing_has_none(fields: dict[str, Any]) -> None:
    assert differences(default_document(), changed(**fields), SUPPORTED) == ([], [])


def test_of_what_is_not_demanded_the_demands_are_not_listed() -> None:
    optional = changed(enforcement="optional", allowed=[], minimum_factors=1, scope=scope(staff=True), snoozes=3)
    assert sentences(optional, SUPPORTED) == ["MFA is optional", *ALWAYS_SAID]


def test_a_change_is_told_by_what_goes_and_what_comes() -> None:
    assert differences(changed(grace_days=3), changed(grace_days=0, minimum_factors=2), SUPPORTED) == (
        ["3 days of grace for people who were here before"],
        ["Two independent methods required", "No grace period"],
    )


def test_whom_an_exclude_names() -> None:
    assert whom(exclude(value="ada@acme.example")) == "ada@acme.example"
    assert whom(exclude("role", "user")) == "users"


@patient
@given(documents_of(), documents_of())
def test_every_valid_document_has_sentences(before: dict[str, Any], after: dict[str, Any]) -> None:
    for language in ("en", "de", "ar"):
        with translation.override(language):
            listed = sentences(before, SUPPORTED)
            assert all(type(one) is str and one.strip() == one and one for one in listed)
            assert all("  " not in one and "%(" not in one for one in listed)
    gone, come = differences(before, after, SUPPORTED)
    assert set(gone) <= set(sentences(before, SUPPORTED))
    assert set(come) <= set(sentences(after, SUPPORTED))
    assert not set(gone) & set(come)
    assert differences(before, before, SUPPORTED) == ([], [])


def test_the_strictest_rules_have_sentences_too() -> None:
    assert sentences(strictest_document(tuple(Method)), SUPPORTED)[:4] == [
        "Require MFA at every login, without exception",
        "WebAuthn preferred",
        "A security key or passkey required of administrators",
        "A security key or passkey required of users",
    ]


@pytest.mark.django_db
class TestPublic:
    """A policy as other systems list it."""

    @pytest.fixture
    def policy(self) -> MFAPolicy:
        return MFAPolicy.objects.get(tenant=TenantFactory())

    def version(self, policy: MFAPolicy, document: Any, *, enabled: bool = True) -> PolicyVersion:
        return PolicyVersion(policy=policy, number=9, schema=2, document=document, enabled=enabled, created_at=NOW)

    def test_it_is_listed_as_it_is_enforced(self, policy: MFAPolicy) -> None:
        document = changed(name="Keys for all", description="Since the audit", allowed=["webauthn", "sms_code"])
        assert public_summary(policy, self.version(policy, document), SUPPORTED) == {
            "id": policy.code,
            "name": "Keys for all",
            "description": "Since the audit",
            "type": "access",
            "rules": sentences(document, SUPPORTED),
            "enabled": True,
            "created": policy.created_at,
        }
        assert "WebAuthn preferred" in sentences(document, SUPPORTED)
        assert not any("SMS" in one for one in sentences(document, SUPPORTED))

    def test_on_the_platforms_floor(self, policy: MFAPolicy, settings: Any) -> None:
        settings.MFA_POLICY_FLOOR = '{"enforcement": "required", "grace_days": 0}'
        document = changed(enforcement="optional")
        listed = public_summary(policy, self.version(policy, document, enabled=False), SUPPORTED)
        floored = raised(document, {"enforcement": "required", "grace_days": 0})
        assert listed["rules"] == sentences(floored, SUPPORTED)
        assert "Require MFA for login" in listed["rules"]
        assert listed["enabled"] is True

    def test_switched_off_it_says_so(self, policy: MFAPolicy) -> None:
        off = self.version(policy, default_document(), enabled=False)
        assert public_summary(policy, off, SUPPORTED)["enabled"] is False

    @pytest.mark.parametrize("document", [{}, {"schema": 3}, None])
    def test_one_that_cannot_be_read_is_listed_the_strict_way(self, policy: MFAPolicy, document: Any) -> None:
        listed = public_summary(policy, self.version(policy, document), SUPPORTED)
        assert listed["rules"] == sentences(strictest_document(tuple(Method)), SUPPORTED)
