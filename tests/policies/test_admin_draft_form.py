"""A policy's document as a form and back: nothing is lost, nothing is let through, and each error is at its rule."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.authenticators.aaguids import PRODUCTS
from accounts.models import Tenant, User
from policies import document as documents
from policies import floor as floors
from policies.admin import installed as seam
from policies.admin.draft_form import DraftForm, ground
from policies.admin.draft_form.sections import complaints, sections_of
from policies.document_fields import BOUNDS, MOST
from tests.factories import AdministratorFactory, TenantFactory, UserFactory
from tests.policies.documents import documents_of, exclude, policy_test, scope
from tests.policies.draft_scene import changed, form_for, received, sent_by

pytestmark = pytest.mark.django_db

TITAN = "42b4fb4a-2866-43b2-9bf7-6c6669c2e5d3"
SOLO = "8876631b-d4a0-427f-5773-0ec71c9e0279"


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(time_zone="Europe/Berlin")


@pytest.fixture
def actor(tenant: Tenant) -> User:
    return AdministratorFactory(tenant=tenant)


@pytest.fixture
def everything_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site with codes by mail and SMS, single sign-on and trusted browsers."""
    all_of_it = seam.Installed(documents.METHODS, ("password", "sso:acme"), True, True)
    monkeypatch.setattr(ground, "installed", lambda: all_of_it)


def filled(actor: User, document: dict[str, Any] | None = None, **changes: Any) -> DraftForm:
    """The form of a document (the default one) with these changes, as it comes back."""
    form = form_for(actor.tenant.policy, document or documents.default_document(), actor)
    return received(form, changed(sent_by(form), **changes))


def stated(form: DraftForm) -> dict[str, Any]:
    assert form.is_valid(), complaints(form)
    documents.validate(form.document)
    return form.document


def wrong(form: DraftForm) -> list[str]:
    """Where the page says that something is wrong."""
    assert not form.is_valid()
    assert form.document == {}
    return [where for where, _label, _sentence in complaints(form)]


# -- there and back --------------------------------------------------------------------------------------------


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(document=documents_of(), enabled=st.booleans())
def test_a_form_that_is_sent_as_it_came_states_what_it_was_made_from(
    tenant: Tenant, actor: User, document: dict[str, Any], enabled: bool
) -> None:
    form = form_for(tenant.policy, document, actor, enabled=enabled)
    again = received(form, sent_by(form))
    if not again.is_valid():  # said where nobody could get in with the methods of this site
        assert not {"webauthn", "totp"} & set(document["allowed"])
        return
    assert again.document == document
    assert again.cleaned_data["enabled"] is enabled


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(document=documents_of())
def test_the_same_where_everything_is_installed(
    tenant: Tenant, actor: User, everything_installed: None, document: dict[str, Any]
) -> None:
    form = form_for(tenant.policy, document, actor)
    assert stated(received(form, sent_by(form))) == document


def test_spaces_around_texts_and_odd_places_come_back_as_they_were(tenant: Tenant, actor: User) -> None:
    person = UserFactory(tenant=tenant)
    until = "2030-01-05T23:30:00.000001-08:00"
    document = documents.default_document() | {
        "name": " Keys ",
        "description": "So that  it is safe ",
        "excludes": [
            exclude("person", str(person.pk), until) | {"reason": " at sea"},
            exclude(value=str(uuid.uuid4())),
        ],
        "allowed": ["email_code", "totp", "sms_code", "webauthn"],
        "strength": {"user": "multi_factor"},
        "trusted_browser_days": 7,
        "break_glass": [str(person.pk), str(uuid.uuid4())],
        "tests": [policy_test(name=" One", methods=["sms_code", "recovery_code", "totp"], source="sso:acme")],
    }
    form = form_for(tenant.policy, document, actor)
    assert stated(received(form, sent_by(form))) == document


NUMBERS = [name for name in BOUNDS if name not in ("trusted_browser_days", "minimum_factors")]


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_is_taken_at_both_bounds(actor: User, name: str) -> None:
    others = {"idle_minutes": "60"} if name == "administrators_idle_minutes" else {}
    if name == "idle_minutes":
        others = {"administrators_idle_minutes": "10"}
    for bound in BOUNDS[name]:
        assert stated(filled(actor, **{**others, name: f" {bound} "}))[name] == bound


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"enforcement": "always"}, {"enforcement": "always"}),
        ({"enforcement": "optional"}, {"enforcement": "optional"}),
        ({"scope_who": "some", "scope_roles": ["user"]}, {"scope": scope(roles=["user"])}),
        ({"scope_who": "some", "scope_staff": "on"}, {"scope": scope(staff=True)}),
        ({"scope_who": "some", "scope_groups": ["finance"]}, {"scope": scope(groups=["finance"])}),
        ({"scope_who": "everyone", "scope_roles": ["user"], "scope_staff": "on"}, {}),
        ({"place_totp": "1", "place_webauthn": "2"}, {"allowed": ["totp", "webauthn", "recovery_code"]}),
        ({"place_recovery_code": ""}, {"allowed": ["webauthn", "totp"]}),
        ({"place_webauthn": "3", "place_recovery_code": ""}, {"allowed": ["totp", "webauthn"]}),
        ({"strength_administrator": "phishing_resistant"}, {"strength": {"administrator": "phishing_resistant"}}),
        ({"minimum_factors": "2"}, {"minimum_factors": 2}),
        ({"user_verification": "required"}, {"user_verification": "required"}),
        ({"attested": "on"}, {"attestation": "direct"}),
        ({"synced_passkeys": None}, {"synced_passkeys": False}),
        ({"passkey_login": "on"}, {"passkey_login": True}),
        ({"name": " Keys "}, {"name": "Keys"}),
        ({"description": "Two\r\nlines"}, {"description": "Two lines"}),
        ({"contact": "the desk"}, {"contact": "the desk"}),
    ],
    ids=str,
)
def test_every_choice_goes_into_the_document(
    tenant: Tenant, actor: User, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    UserFactory(tenant=tenant).groups.add(Group.objects.create(name="finance"))
    assert stated(filled(actor, **changes)) == documents.default_document() | expected


def test_a_strength_is_taken_back_by_saying_so(actor: User) -> None:
    document = documents.default_document() | {"strength": {"administrator": "phishing_resistant"}}
    assert stated(filled(actor, document, strength_administrator="multi_factor"))["strength"] == {
        "administrator": "multi_factor"
    }


@pytest.mark.parametrize("field", ["aaguids_allowed", "aaguids_denied"])
@pytest.mark.parametrize(
    ("typed", "listed"),
    [
        ("", []),
        (f"{TITAN}\r\n\r\n  {SOLO}  Solo ", [TITAN, SOLO]),
        (TITAN.upper().replace("-", ""), [TITAN]),
        (f"{TITAN} whatever it is called\n{TITAN}", [TITAN]),
        ("google titan security key", [TITAN]),
        ("YubiKey 5Ci", sorted(str(one) for one, name in PRODUCTS.items() if name == "YubiKey 5Ci")),
    ],
)
def test_products_are_named_by_aaguid_or_by_name(actor: User, field: str, typed: str, listed: list[str]) -> None:
    found = stated(filled(actor, **{field: typed}))[field]
    assert (found if len(found) < 3 else sorted(found)) == listed


def test_products_are_shown_with_their_names(actor: User) -> None:
    unknown = "00000000-0000-0000-0000-000000000001"
    document = documents.default_document() | {"aaguids_allowed": [TITAN, unknown]}
    form = form_for(actor.tenant.policy, document, actor)
    assert sent_by(form)["aaguids_allowed"] == [f"{TITAN}  Google Titan Security Key\r\n{unknown}"]


# -- rows ------------------------------------------------------------------------------------------------------

ROW = {"excludes_0_whom": "person", "excludes_0_reason": " On leave ", "excludes_0_until": "2027-07-31"}


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Half past eleven at night in London: the next day has begun in Berlin."""
    now = datetime(2027, 6, 1, 22, 30, tzinfo=UTC)
    monkeypatch.setattr(ground.timezone, "now", lambda: now)
    return now


def test_a_person_is_excluded_by_address_until_the_end_of_a_day_of_the_tenant(
    tenant: Tenant, actor: User, today: datetime
) -> None:
    person = UserFactory(tenant=tenant, email="sailor@example.com")
    (entry,) = stated(filled(actor, **ROW, excludes_0_address=" Sailor@Example.com "))["excludes"]
    assert entry == {
        "kind": "person",
        "value": str(person.pk),
        "reason": "On leave",
        "until": "2027-07-31T23:59:59+02:00",
    }


@pytest.mark.parametrize(("whom", "kind", "value"), [("role:user", "role", "user"), ("group:a:b", "group", "a:b")])
def test_a_role_or_a_group_is_excluded(
    tenant: Tenant, actor: User, today: datetime, whom: str, kind: str, value: str
) -> None:
    UserFactory(tenant=tenant).groups.add(Group.objects.create(name="a:b"))
    (entry,) = stated(filled(actor, **ROW | {"excludes_0_whom": whom}))["excludes"]
    assert (entry["kind"], entry["value"]) == (kind, value)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"excludes_0_whom": ""}, "id_excludes-0-whom"),
        ({"excludes_0_whom": "role:administrator"}, "id_excludes-0-whom"),
        ({"excludes_0_whom": "group:nobody"}, "id_excludes-0-whom"),
        ({"excludes_0_whom": "source:password"}, "id_excludes-0-whom"),
        ({"excludes_0_address": ""}, "id_excludes-0-address"),
        ({"excludes_0_address": "x" * 255}, "id_excludes-0-address"),
        ({"excludes_0_address": "nobody@example.com"}, "id_excludes-0-address"),
        ({"excludes_0_address": "boss@example.com"}, "id_excludes-0-address"),
        ({"excludes_0_whom": "role:user"}, "id_excludes-0-address"),
        ({"excludes_0_reason": "  "}, "id_excludes-0-reason"),
        ({"excludes_0_reason": "x" * 501}, "id_excludes-0-reason"),
        ({"excludes_0_reason": "\u202egnp.exe"}, "id_excludes-0-reason"),
        ({"excludes_0_until": ""}, "id_excludes-0-until"),
        ({"excludes_0_until": "2027-06-01"}, "id_excludes-0-until"),
        ({"excludes_0_until": "2028-06-02"}, "id_excludes-0-until"),
        ({"excludes_0_until": "2027-02-30"}, "id_excludes-0-until"),
        ({"excludes_0_until": "31.12.2027"}, "id_excludes-0-until"),
        ({"excludes_0_until": "99999-01-01"}, "id_excludes-0-until"),
    ],
    ids=str,
)
def test_an_exclude_that_cannot_be_is_said_in_its_row(
    tenant: Tenant, actor: User, today: datetime, changes: dict[str, str], where: str
) -> None:
    UserFactory(tenant=tenant, email="sailor@example.com")
    AdministratorFactory(tenant=tenant, email="boss@example.com")
    form = filled(actor, **ROW | {"excludes_0_address": "sailor@example.com"} | changes)
    assert wrong(form) == [where]


def test_nobody_is_excluded_twice(tenant: Tenant, actor: User, today: datetime) -> None:
    document = documents.default_document() | {"excludes": [exclude("role", "user")]}
    second = {name.replace("_0_", "_1_"): value for name, value in ROW.items()} | {"excludes_1_whom": "role:user"}
    assert wrong(filled(actor, document, **second)) == ["group_excludes"]


@pytest.mark.security(84)
def test_an_address_of_another_tenant_gets_the_answer_of_one_that_never_was(actor: User, today: datetime) -> None:
    other = UserFactory(tenant=TenantFactory(), email="there@example.com")
    answers, queries = [], []
    for typed in (other.email, "never@example.com", str(other.pk)):
        form = filled(actor, **ROW, excludes_0_address=typed, break_glass_1=typed)
        with CaptureQueriesContext(connection) as captured:
            answers.append([sentence for _where, _label, sentence in complaints(form) if form.errors])
        queries.append(len(captured))
    assert answers[0] == answers[1] == answers[2] == ["Nobody in this tenant has this address."] * 2
    assert len(set(queries)) == 1


def test_a_day_that_is_over_stays_as_it_is(actor: User, today: datetime) -> None:
    document = documents.default_document() | {"excludes": [exclude("role", "user", "2027-01-01T12:00:00+00:00")]}
    assert stated(filled(actor, document))["excludes"] == document["excludes"]
    assert wrong(filled(actor, document, excludes_0_until="2027-01-02")) == ["id_excludes-0-until"]


@pytest.mark.parametrize("how", ["DELETE", "emptied"])
def test_a_row_is_removed_by_its_box_or_by_emptying_it(actor: User, today: datetime, how: str) -> None:
    document = documents.default_document() | {"excludes": [exclude("role", "user")], "tests": [policy_test()]}
    emptied = {"excludes_0_whom": "", "excludes_0_reason": "", "excludes_0_until": ""}
    gone = {"excludes_0_DELETE": "on", "tests_0_DELETE": "on"}
    removed = gone if how == "DELETE" else emptied | {"tests_0_name": "", "tests_0_methods": None}
    assert stated(filled(actor, document, **removed)) == documents.default_document()


def test_a_broken_row_that_is_removed_is_not_judged(actor: User) -> None:
    assert stated(filled(actor, **ROW | {"excludes_0_until": "never", "excludes_0_DELETE": "on"}))["excludes"] == []


def test_a_test_is_added(tenant: Tenant, actor: User) -> None:
    UserFactory(tenant=tenant).groups.add(Group.objects.create(name="finance"))
    form = filled(
        actor,
        scope_who="some",
        scope_groups=["finance"],
        tests_0_name="Finance needs a key",
        tests_0_groups=["finance"],
        tests_0_methods=["totp"],
        tests_0_known="new",
        tests_0_expect="must_enrol",
    )
    assert stated(form)["tests"] == [
        policy_test(name="Finance needs a key", groups=["finance"], methods=["totp"], known="new", expect="must_enrol")
    ]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"tests_0_name": ""}, "id_tests-0-name"),
        ({"tests_0_name": "x" * 121}, "id_tests-0-name"),
        ({"tests_0_role": "emperor"}, "id_tests-0-role"),
        ({"tests_0_methods": ["carrier_pigeon"]}, "id_tests-0-methods"),
        ({"tests_0_methods": ["sms_code"]}, "id_tests-0-methods"),
        ({"tests_0_known": "sometimes"}, "id_tests-0-known"),
        ({"tests_0_expect": "fireworks"}, "id_tests-0-expect"),
        ({"tests_1_name": "An app is enough"}, "group_tests"),
    ],
    ids=str,
)
def test_a_test_that_cannot_be_is_said_in_its_row(actor: User, changes: dict[str, Any], where: str) -> None:
    document = documents.default_document() | {"tests": [policy_test()]}
    assert wrong(filled(actor, document, **changes)) == [where]


def test_no_more_rows_than_a_document_takes(actor: User) -> None:
    row = {"role": "user", "known": "new", "expect": "allowed"}
    typed = {f"tests_{n}_{name}": value for n in range(51) for name, value in {**row, "name": f"Test {n}"}.items()}
    assert wrong(filled(actor, **typed, **{"tests-TOTAL_FORMS": "51"})) == ["group_tests"]
    fewer = {name: value for name, value in typed.items() if not name.startswith("tests_50")}
    assert len(stated(filled(actor, **fewer, **{"tests-TOTAL_FORMS": "50"}))["tests"]) == MOST["tests"]


@pytest.mark.parametrize("total", ["-1", "1e9", "99999999999", "", None])
def test_a_count_of_rows_that_is_none_saves_nothing(actor: User, total: str | None) -> None:
    form = filled(actor, **{"excludes-TOTAL_FORMS": total})
    assert not form.is_valid()
    assert form.document == {}


# -- accounts for emergencies ----------------------------------------------------------------------------------


def test_accounts_for_emergencies_are_named_by_address(tenant: Tenant, actor: User) -> None:
    one, two = UserFactory(tenant=tenant), UserFactory(tenant=tenant)
    form = filled(actor, break_glass_1=one.email.upper(), break_glass_2=two.email)
    assert stated(form)["break_glass"] == [str(one.pk), str(two.pk)]
    assert stated(filled(actor, break_glass_1="", break_glass_2=two.email))["break_glass"] == [str(two.pk)]


def test_an_account_for_emergencies_is_somebody_and_only_once(tenant: Tenant, actor: User) -> None:
    assert wrong(filled(actor, break_glass_1="nobody@example.com")) == ["rule_break_glass_1"]
    assert wrong(filled(actor, break_glass_1=actor.email, break_glass_2=actor.email)) == ["rule_break_glass_2"]


# -- bad input -------------------------------------------------------------------------------------------------

NO_NUMBERS = ["-1", "1000000000", "9" * 40, "NaN", "inf", "1e3", "", " ", "٣", "3.5", "+3", "0x3", "1_0", "true"]


@pytest.mark.parametrize("typed", NO_NUMBERS)
def test_what_is_no_number_gets_one_sentence_that_names_the_bounds(actor: User, typed: str) -> None:
    form = filled(actor, **dict.fromkeys(NUMBERS, typed))
    assert set(wrong(form)) == {f"rule_{name}" for name in NUMBERS}
    for name in NUMBERS:
        least, greatest = BOUNDS[name]
        assert form.errors[name] == [f"Give a whole number from {least} to {greatest}, with the digits 0 to 9."]


def test_the_browser_knows_the_bounds_as_well(actor: User) -> None:
    form = form_for(actor.tenant.policy, documents.default_document(), actor)
    for name in NUMBERS:
        least, greatest = BOUNDS[name]
        assert all(words in str(form[name]) for words in ('type="number"', f'min="{least}"', f'max="{greatest}"'))


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"name": ""}, ["rule_name"]),
        ({"name": "x" * 81}, ["rule_name"]),
        ({"name": "a\u200bb"}, ["rule_name"]),
        ({"description": "x" * 501}, ["rule_description"]),
        ({"contact": "x" * 201}, ["rule_contact"]),
        ({"enforcement": "sometimes"}, ["rule_enforcement"]),
        ({"enforcement": None}, ["rule_enforcement"]),
        ({"scope_who": "some"}, ["rule_scope_who"]),
        ({"scope_who": "some", "scope_roles": ["emperor"]}, ["rule_scope_roles"]),
        ({"place_totp": "1"}, ["group_allowed"]),
        ({"place_totp": "4"}, ["rule_place_totp"]),
        ({"place_totp": "٢"}, ["rule_place_totp"]),
        ({"place_webauthn": "", "place_totp": ""}, ["group_allowed"]),
        ({"place_webauthn": "", "strength_user": "phishing_resistant"}, ["group_strength"]),
        ({"place_webauthn": "", "passkey_login": "on"}, ["rule_passkey_login"]),
        ({"place_webauthn": "", "minimum_factors": "2"}, ["rule_minimum_factors"]),
        ({"minimum_factors": "3"}, ["rule_minimum_factors"]),
        ({"strength_user": "single_factor"}, ["rule_strength_user"]),
        ({"administrators_idle_minutes": "31"}, ["rule_administrators_idle_minutes"]),
        ({"aaguids_allowed": "not a product"}, ["rule_aaguids_allowed"]),
        ({"aaguids_allowed": "\u0660" * 32}, ["rule_aaguids_allowed"]),
        ({"aaguids_allowed": "0" * 20_001}, ["rule_aaguids_allowed"]),
        ({"aaguids_allowed": "\n".join(str(uuid.UUID(int=n)) for n in range(201))}, ["rule_aaguids_allowed"]),
        ({"aaguids_allowed": TITAN, "aaguids_denied": "Google Titan Security Key"}, ["rule_aaguids_denied"]),
        ({"revision": "one"}, ["rule_revision"]),
        ({"based_on": str(10**30)}, ["rule_based_on"]),
        ({"draft": "x" * 40}, ["rule_draft"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_cannot_be_is_said_at_its_rule(actor: User, changes: dict[str, Any], where: list[str]) -> None:
    assert wrong(filled(actor, **changes)) == where


def test_several_things_are_all_said_at_once(actor: User) -> None:
    form = filled(actor, name="", grace_days="-1", excludes_0_reason="because")
    assert set(wrong(form)) >= {"rule_name", "rule_grace_days", "id_excludes-0-whom", "id_excludes-0-until"}


# -- what is not installed -------------------------------------------------------------------------------------


def test_what_is_not_installed_is_not_asked_for(actor: User) -> None:
    form = form_for(actor.tenant.policy, documents.default_document(), actor)
    hidden = ("place_email_code", "place_sms_code")
    hidden += ("sso_trust_mfa", "sso_amr", "sso_acr", "sso_max_age_minutes", "scope_sources", "scope_groups")
    assert not set(hidden) & set(form.fields)
    assert "source" not in form.tests.forms[0].fields


def test_trusted_browsers_are_asked_for(actor: User) -> None:
    form = filled(actor, trusted_browser_days="14", trusted_browser_never=["administrator", "user"])
    document = stated(form)
    assert (document["trusted_browser_days"], document["trusted_browser_never"]) == (14, ["administrator", "user"])
    assert wrong(filled(actor, trusted_browser_days="31")) == ["rule_trusted_browser_days"]


def test_always_and_trusted_browsers_are_refused_together(actor: User) -> None:
    assert wrong(filled(actor, enforcement="always", trusted_browser_days="7")) == ["rule_trusted_browser_days"]


def test_what_is_installed_later_is_asked_for(actor: User, everything_installed: None) -> None:
    form = filled(
        actor,
        place_email_code="4",
        trusted_browser_days="30",
        trusted_browser_never=["user"],
        scope_who="some",
        scope_sources=["sso:acme"],
        sso_trust_mfa="on",
        sso_amr="mfa\r\n hwk ",
        sso_acr="gold",
        sso_max_age_minutes="5",
        tests_0_name="Acme",
        tests_0_source="sso:acme",
        excludes_0_whom="source:sso:acme",
        excludes_0_reason="not yet",
        excludes_0_until=str((datetime.now(UTC) + timedelta(days=9)).date()),
    )
    document = stated(form)
    assert document["allowed"][-1] == "email_code"
    assert (document["trusted_browser_days"], document["trusted_browser_never"]) == (30, ["user"])
    assert document["scope"] == scope(sources=["sso:acme"])
    assert document["sso"] == {"trust_mfa": True, "amr": ["mfa", "hwk"], "acr": ["gold"], "max_age_minutes": 5}
    assert document["tests"][0]["source"] == "sso:acme"
    assert document["excludes"][0]["value"] == "sso:acme"
    for name, typed in (("trusted_browser_days", "31"), ("sso_max_age_minutes", "0")):
        assert wrong(filled(actor, **{name: typed})) == [f"rule_{name}"]
    assert wrong(filled(actor, sso_trust_mfa="on")) == ["group_sso"]


def test_always_ends_trusted_browsers_that_nobody_is_asked_about(actor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "installed", lambda: replace(seam.installed(), trusted_browsers=False))
    document = documents.default_document() | {"trusted_browser_days": 7}
    assert stated(filled(actor, document, enforcement="always"))["trusted_browser_days"] == 0


def test_methods_beyond_the_sites_ceiling_are_not_offered_and_not_relied_on(actor: User, settings: Any) -> None:
    settings.MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
    form = form_for(actor.tenant.policy, documents.default_document(), actor)
    assert not {"place_webauthn", "user_verification", "aaguids_allowed", "passkey_login"} & set(form.fields)
    assert wrong(filled(actor, place_totp="")) == ["group_allowed"]
    assert wrong(filled(actor, strength_user="phishing_resistant")) == ["group_strength"]
    assert stated(filled(actor)) == documents.default_document()


def test_passkeys_for_signing_in_are_asked_for_where_the_site_has_them(actor: User, settings: Any) -> None:
    settings.MFA_PASSKEY_LOGIN_ENABLED = False
    document = documents.default_document() | {"passkey_login": True}
    assert stated(filled(actor, document, passkey_login=None))["passkey_login"] is True


# -- groups ----------------------------------------------------------------------------------------------------


@pytest.mark.security(84)
def test_a_tenant_is_told_of_its_own_groups_only(tenant: Tenant, actor: User) -> None:
    for name, member in (("ours", UserFactory(tenant=tenant)), ("theirs", UserFactory(tenant=TenantFactory()))):
        member.groups.add(Group.objects.create(name=name))
    document = documents.default_document() | {"scope": scope(groups=["gone"])}
    form = form_for(tenant.policy, document, actor)
    assert [value for value, _label in form.fields["scope_groups"].choices] == ["gone", "ours"]  # type: ignore[attr-defined]
    platform = AdministratorFactory(is_superuser=True)
    form = form_for(tenant.policy, document, platform)
    assert [value for value, _label in form.fields["scope_groups"].choices] == ["gone", "ours", "theirs"]  # type: ignore[attr-defined]


# -- the platform's floor --------------------------------------------------------------------------------------

FLOORS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ('{"enforcement": "required"}', {"enforcement": "optional"}, {"enforcement": "required"}),
    ('{"enforcement": "always"}', {"enforcement": "optional"}, {"enforcement": "always"}),
    (
        '{"scope": {"everyone": true, "roles": [], "groups": [], "staff": false, "sources": []}}',
        {"scope_who": "some", "scope_roles": ["user"]},
        {},
    ),
    ('{"minimum_factors": 2}', {"minimum_factors": "1"}, {"minimum_factors": 2}),
    ('{"attestation": "direct"}', {"attested": None}, {"attestation": "direct"}),
    ('{"synced_passkeys": false}', {"synced_passkeys": "on"}, {"synced_passkeys": False}),
    ('{"passkey_login": false}', {"passkey_login": "on"}, {"passkey_login": False}),
    ('{"grace_days": 0}', {"grace_days": "14"}, {"grace_days": 0}),
    (
        '{"strength": {"user": "phishing_resistant"}}',
        {"strength_user": "multi_factor"},
        {"strength": {"user": "phishing_resistant"}},
    ),
]


@pytest.mark.parametrize(("floor", "typed", "kept"), FLOORS, ids=lambda value: str(value)[:50])
def test_what_the_platform_demands_is_shown_and_cannot_be_changed(
    actor: User, settings: Any, floor: str, typed: dict[str, Any], kept: dict[str, Any]
) -> None:
    settings.MFA_POLICY_FLOOR = floor
    form = filled(actor, **typed)
    if form.is_valid():
        assert stated(form) == documents.default_document() | kept
    else:
        assert {where.removeprefix("rule_") for where in wrong(form)} == set(typed)
    assert any("The platform demands" in note for note in notes(form))


def notes(form: DraftForm) -> list[str]:
    """What the page says of the platform."""
    return [str(note) for section in sections_of(form, {}) for rule in section.rules for note in rule.notes]


def test_bounds_are_as_narrow_as_the_floor(actor: User, settings: Any) -> None:
    settings.MFA_POLICY_FLOOR = '{"grace_days": 7, "second_factor_hours": 8, "user_verification": "preferred"}'
    form = filled(actor, grace_days="8")
    assert form.errors["grace_days"] == ["Give a whole number from 0 to 7, with the digits 0 to 9."]
    assert stated(filled(actor, grace_days="7"))["second_factor_hours"] == 8
    assert wrong(filled(actor, user_verification="discouraged")) == ["rule_user_verification"]
    assert notes(filled(actor)) == [
        "The platform demands this much at least.",
        "The platform allows 0 to 7.",
        "The platform allows 1 to 8.",
    ]


def test_a_floor_that_leaves_everything_open_or_is_about_what_is_not_asked_for_breaks_nothing(
    actor: User, settings: Any
) -> None:
    settings.MFA_POLICY_FLOOR = '{"minimum_factors": 1, "trusted_browser_days": 7, "attestation": "none"}'
    assert stated(filled(actor)) == documents.default_document()
    assert notes(filled(actor)) == [*["The platform demands this much at least."] * 2, "The platform allows 0 to 7."]


def test_products_that_the_platform_refuses_are_named(actor: User, settings: Any) -> None:
    settings.MFA_POLICY_FLOOR = f'{{"aaguids_denied": ["{TITAN}"]}}'
    assert stated(filled(actor))["aaguids_denied"] == [TITAN]
    assert wrong(filled(actor, aaguids_denied=SOLO)) == ["rule_aaguids_denied"]
    assert notes(filled(actor)) == [f"The platform always refuses these: {TITAN}."]


def test_lists_keep_within_the_floor(tenant: Tenant, actor: User, settings: Any) -> None:
    settings.MFA_POLICY_FLOOR = (
        f'{{"allowed": ["webauthn"], "aaguids_allowed": ["{TITAN}"], "excludes": [], "trusted_browser_never": ["user"],'
        ' "scope": {"everyone": false, "roles": ["administrator"], "groups": [], "staff": false, "sources": []}}'
    )
    document = stated(filled(actor, scope_who="some", scope_roles=None))
    assert (document["allowed"], document["aaguids_allowed"]) == (["webauthn"], [TITAN])
    assert document["trusted_browser_never"] == ["administrator", "user"]
    assert wrong(filled(actor, aaguids_allowed=SOLO)) == ["rule_aaguids_allowed"]
    assert wrong(filled(actor, **ROW | {"excludes_0_whom": "role:user", "excludes_0_until": str(tomorrow())})) == [
        "group_excludes"
    ]
    assert notes(filled(actor)) == [
        "The platform demands it of these at least: All administrators.",
        "The platform allows no others than these: Passkey or security key.",
        f"The platform allows no others than these: {TITAN}.",
        "The platform lets no tenant exclude anybody.",
    ]
    some = documents.default_document() | {"scope": scope(roles=["user"])}
    assert stated(filled(actor, some, scope_roles=["user"]))["scope"]["roles"] == ["user", "administrator"]


def tomorrow() -> Any:
    return (datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(days=1)).date()


def test_a_floor_that_demands_does_not_let_a_policy_be_switched_off(actor: User, settings: Any) -> None:
    settings.MFA_POLICY_FLOOR = '{"enforcement": "required"}'
    form = filled(actor, enabled=None)
    assert form.is_valid()
    assert form.cleaned_data["enabled"] is True


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(document=documents_of(), floor=st.sampled_from([floor for floor, _typed, _kept in FLOORS]))
def test_on_a_floor_a_form_states_what_is_in_force_and_never_less(
    tenant: Tenant, actor: User, settings: Any, document: dict[str, Any], floor: str
) -> None:
    settings.MFA_POLICY_FLOOR = floor
    form = form_for(tenant.policy, document, actor)
    again = received(form, sent_by(form))
    if again.is_valid():
        assert again.document == floors.raised(document, floors.current())
        assert not floors.below(again.document, floors.current())
