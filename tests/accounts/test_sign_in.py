"""From a password to a session: what is asked, what is kept, what ends it half-way."""

import uuid
from datetime import timedelta

import pytest
from django.conf import settings as site_settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Binding, Session, User, WebAuthnCredential
from accounts.session_store import stored_key
from audit.models import AuditEvent
from tests.factories import (
    PASSWORD,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    next_code,
    password_proof,
    publish_rules,
    verified_client,
)

pytestmark = pytest.mark.django_db

LOGIN, SECOND = reverse("account_login"), reverse("mfa_authenticate")


def events(person: User) -> list[str]:
    found = AuditEvent.objects.filter(target_id=str(person.pk)).order_by("id")
    return list(found.values_list("kind", flat=True))


def give_password(client: Client, person: User, password: str = PASSWORD, wanted: str = "") -> object:
    data = {"login": person.email, "password": password}
    return client.post(LOGIN, data | ({"next": wanted} if wanted else {}))


def give_code(client: Client, code: str, method: str = "totp", **data: str) -> object:
    return client.post(SECOND, {"code": code, "method": method, **data})


def key_of(client: Client) -> str:
    return client.cookies[site_settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def person() -> User:
    return UserFactory(tenant=TenantFactory())


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.security(63)
def test_password_and_code_lead_to_a_session_where_the_person_wanted_to_go(client, person):
    secret = enrol_totp(person)
    response = give_password(client, person, wanted="/accounts/email/")
    assert response["Location"] == SECOND
    waiting = key_of(client)
    assert Session.objects.get(session_key=stored_key(waiting)).person is None
    response = give_code(client, next_code(secret))
    assert response["Location"] == "/accounts/email/"
    assert key_of(client) != waiting
    row = Session.objects.get(session_key=stored_key(key_of(client)))
    assert (row.person, row.mfa_verified) == (person, True)
    assert client.get(reverse("home")).status_code == 200
    assert events(person)[-4:] == [
        "sign_in:first_factor_accepted",
        "second_factor:demanded",
        "second_factor:accepted",
        "sign_in:completed",
    ]


def test_a_new_person_meets_enrolment_then_codes_then_the_page_they_wanted(client, person):
    assert give_password(client, person, wanted="/accounts/email/")["Location"] == "/accounts/email/"
    response = client.get("/accounts/email/")
    assert response["Location"] == f"{reverse('mfa_enrol')}?next=%2Faccounts%2Femail%2F"
    page = client.get(response["Location"])
    assert page.status_code == 200
    activate = next(choice.url for choice in page.context["choices"] if choice.method == "totp")
    page = client.get(activate)
    assert page["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    code = next_code(page.context["secret_plain"])
    page = client.post(activate, {"code": code})
    codes = page.context["codes"]
    assert len(codes) == 10
    assert "no-store" in page["Cache-Control"]
    refused = client.post(reverse("mfa_view_recovery_codes"), {"codes": codes, "next": "/accounts/email/"})
    assert refused.context["codes"] == codes
    assert "recovery_codes:viewed" in events(person)
    download = client.post(reverse("mfa_download_recovery_codes"), {"codes": codes})
    assert codes[3] in download.content.decode()
    assert "no-store" in download["Cache-Control"]
    done = client.post(reverse("mfa_view_recovery_codes"), {"codes": codes, "saved": "on", "next": "/accounts/email/"})
    assert done["Location"] == "/accounts/email/"
    assert client.get(reverse("home")).status_code == 200
    assert {"authenticator:added", "recovery_codes:made", "enforcement:stopped"} <= set(events(person))


def test_the_download_prints_back_only_the_current_set(client, person):
    verified = verified_client(person)
    enrol_recovery_codes(person)
    response = verified.post(reverse("mfa_download_recovery_codes"), {"codes": ["<script>alert(1)</script>"]})
    assert b"script" not in response.content


@pytest.mark.security(53)
def test_a_wrong_password_says_nothing_and_is_recorded_without_what_was_typed(client, person):
    response = give_password(client, person, "wrong")
    assert response.status_code == 200
    assert events(person)[-1] == "sign_in:failed"
    unknown = client.post(LOGIN, {"login": "nobody@example.com", "password": "wrong"})
    assert unknown.status_code == 200
    assert unknown.content.count(b"error") == response.content.count(b"error")
    assert "nobody@example.com" not in str(AuditEvent.objects.values())


@pytest.mark.security(25, 28)
def test_guesses_from_one_network_are_paused_and_nobody_else_is(client, person):
    for _ in range(5):
        give_password(client, person, "wrong")
    response = give_password(client, person)
    assert response.status_code == 200
    assert "sign_in:throttled" in list(AuditEvent.objects.values_list("kind", flat=True))
    elsewhere = Client(REMOTE_ADDR="198.51.100.9")
    assert give_password(elsewhere, person).status_code == 302


def test_a_wrong_code_explains_and_keeps_the_sign_in(client, person):
    secret = enrol_totp(person)
    give_password(client, person)
    page = give_code(client, "000000")
    assert page.status_code == 200
    assert "clock" in str(page.context["form"].errors)
    assert give_code(client, next_code(secret)).status_code == 302


@pytest.mark.parametrize("code", ["", " ", "1\x002345", "\u0661\u0662\u0663\u0664\u0665\u0666", "9" * 60_000])
def test_odd_codes_get_an_ordinary_answer(client, person, code):
    enrol_totp(person)
    give_password(client, person)
    response = give_code(client, code)
    assert response.status_code in (200, 400)


def test_cancelling_goes_back_to_sign_in_and_keeps_the_destination(client, person):
    enrol_totp(person)
    give_password(client, person, wanted="/accounts/email/")
    response = client.post(SECOND, {"cancel": "1"})
    assert response["Location"] == f"{LOGIN}?next=%2Faccounts%2Femail%2F"
    assert client.get(SECOND)["Location"] == LOGIN


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_another_host_as_destination_is_ignored(client, person, wanted):
    secret = enrol_totp(person)
    give_password(client, person, wanted=wanted)
    assert give_code(client, next_code(secret), next=wanted)["Location"] == reverse("home")


def test_half_way_only_the_second_factor_help_and_sign_out_are_open(client, person):
    enrol_totp(person)
    give_password(client, person)
    assert client.get(SECOND).status_code == 200
    assert client.get(reverse("help")).status_code == 200
    for name in ("home", "mfa_enrol", "mfa_activate_totp", "mfa_add_webauthn", "mfa_index", "account_email"):
        assert client.get(reverse(name))["Location"].startswith(LOGIN)
    assert client.post(reverse("account_logout"))["Location"] == LOGIN
    assert client.get(SECOND)["Location"] == LOGIN


@pytest.mark.security(60)
@pytest.mark.parametrize("change", ["password", "inactive", "tenant", "policy", "tenant_off", "factors"])
def test_a_change_of_its_footing_ends_a_sign_in_half_way(client, person, change):
    secret = enrol_totp(person)
    give_password(client, person)
    if change == "password":
        person.set_password("another long pass phrase")
        person.save()
    elif change == "inactive":
        User.objects.filter(pk=person.pk).update(is_active=False)
    elif change == "tenant":
        User.objects.filter(pk=person.pk).update(tenant=TenantFactory())
    elif change == "policy":
        publish_rules(person.tenant)
    elif change == "tenant_off":
        type(person.tenant).objects.filter(pk=person.tenant_id).update(is_active=False)
    else:
        enrol_recovery_codes(person)
    response = give_code(client, next_code(secret))
    assert response["Location"].startswith(LOGIN)
    assert not Session.objects.filter(person=person, ended_at=None).exclude(signed_in_at=None).exists()


@pytest.mark.security(60)
def test_a_sign_in_half_way_is_read_with_its_session_and_asks_for_nobody_else(client, person):
    enrol_totp(person)
    give_password(client, person)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(SECOND).status_code == 200
    read = [one["sql"] for one in captured]
    assert read[0].startswith("SELECT s.")
    assert not [one for one in read if 'FROM "accounts_user"' in one or 'FROM "accounts_tenant"' in one]


@pytest.mark.security(59, 60)
def test_whose_sign_in_it_is_says_the_sessions_data_alone(client, person):
    """Whoever could write the column makes nobody else of a sign-in: it is a hint that saves a look-up."""
    secret, other = enrol_totp(person), UserFactory(tenant=person.tenant)
    enrol_totp(other)
    give_password(client, person)
    for planted in (other.pk, uuid.uuid4(), None):
        Session.objects.filter(session_key=stored_key(key_of(client))).update(proving=planted)
        assert client.get(SECOND).context["person"] == person
        assert client.get(reverse("home"))["Location"].startswith(LOGIN)
    give_code(client, next_code(secret))
    row = Session.objects.get(session_key=stored_key(key_of(client)))
    assert row.person == person


def test_a_sign_in_that_waited_for_too_long_begins_anew(client, person, monkeypatch):
    secret = enrol_totp(person)
    give_password(client, person)
    monkeypatch.setattr("allauth.account.app_settings.AppSettings.LOGIN_TIMEOUT", 0)
    assert give_code(client, next_code(secret))["Location"].startswith(LOGIN)
    assert "account_login" not in client.session


def test_a_recovery_code_lets_in_and_opens_one_replacement(client, person):
    enrol_totp(person)
    code = enrol_recovery_codes(person)[0]
    give_password(client, person)
    assert client.get(SECOND).context["method"] == "totp"
    assert client.get(SECOND + "?method=recovery_code").context["method"] == "recovery_code"
    assert give_code(client, code, "recovery_code").status_code == 302
    page = client.get(reverse("mfa_replace_totp"))
    assert page.status_code == 200
    client.post(reverse("mfa_replace_totp"), {"code": next_code(page.context["secret_plain"])})
    assert Binding.objects.get(person=person, kind="totp", unbound_at=None).bound_at is not None
    assert "authenticator:replaced" in events(person)


def test_somebody_without_an_active_account_or_tenant_is_told_after_the_right_password(client):
    person = UserFactory(tenant=TenantFactory(), is_active=False)
    assert give_password(client, person)["Location"] == reverse("account_inactive")
    other = UserFactory(tenant=TenantFactory())
    type(other.tenant).objects.filter(pk=other.tenant_id).update(is_active=False)
    response = give_password(client, other)
    assert response.status_code == 403
    assert events(other)[-1] == "sign_in:refused"


@pytest.mark.security(49)
def test_where_a_key_is_demanded_an_app_is_not_offered_beside_it(client):
    tenant = TenantFactory()
    person = UserFactory(tenant=tenant)
    enrol_totp(person)
    key = Binding.objects.create(person=person, kind="webauthn", name="Blue key")
    WebAuthnCredential.objects.create(
        binding=key,
        credential_id=b"id",
        public_key=b"key",
        algorithm=-7,
        aaguid=key.pk,
        user_verified=False,
        backup_eligible=False,
        backed_up=False,
    )
    publish_rules(tenant, strength={"user": "phishing_resistant"}, grace_days=0)
    give_password(client, person)
    page = client.get(SECOND)
    assert [choice.method for choice in page.context["methods"]] == ["webauthn"]


def test_under_every_level_who_owns_a_factor_is_asked(client):
    for level in ("optional", "required", "always"):
        person = UserFactory(tenant=TenantFactory(rules={"enforcement": level}))
        enrol_totp(person)
        assert give_password(Client(), person)["Location"] == SECOND


def test_under_off_and_optional_a_password_is_enough_for_who_owns_none(client):
    for rules in ({"enforcement": "optional"}, {"enforcement": "optional"}):
        browser, person = Client(), UserFactory(tenant=TenantFactory(rules=rules))
        give_password(browser, person)
        assert browser.get(reverse("home")).status_code == 200


def test_grace_lets_in_with_a_banner_until_it_ends(client, clock):
    tenant = TenantFactory(rules={"enforcement": "optional"})
    person = UserFactory(tenant=tenant)
    clock.forward(timedelta(minutes=1))
    publish_rules(tenant, grace_days=14)
    give_password(client, person)
    page = client.get(reverse("home"))
    assert page.status_code == 200
    assert page.wsgi_request.gate.days_left == 14
    assert "enforcement:grace_allowed" in events(person)
    assert b"14 days left" in client.get(reverse("home")).content
    clock.forward(timedelta(days=14))
    browser = Client()
    give_password(browser, person)
    assert browser.get(reverse("home"))["Location"].startswith(reverse("mfa_enrol"))


@pytest.mark.security(64)
def test_an_idle_session_ends(person, clock):
    client = verified_client(person)
    assert client.get(reverse("home")).status_code == 200
    clock.forward(timedelta(minutes=31))
    assert client.get(reverse("home"))["Location"].startswith(LOGIN)
    assert events(person)[-1] == "session:ended"


@pytest.mark.security(66)
def test_a_policy_tightened_under_a_live_session_bites_on_the_next_request(person):
    publish_rules(person.tenant, enforcement="optional")
    client = client_of(person)
    assert client.get(reverse("home")).status_code == 200
    publish_rules(person.tenant, grace_days=0)
    assert client.get(reverse("home"))["Location"].startswith(reverse("mfa_enrol"))


def test_a_second_factor_that_ran_out_is_asked_for_again_and_the_session_goes_on(person, clock):
    secret = enrol_totp(person)
    publish_rules(person.tenant, second_factor_hours=1, idle_minutes=60, administrators_idle_minutes=60)
    client = verified_client(person)
    for _ in range(2):
        clock.forward(timedelta(minutes=29))
        assert client.get(reverse("home")).status_code == 200
    clock.forward(timedelta(minutes=29))
    response = client.get("/accounts/email/")
    assert response["Location"] == f"{SECOND}?next=%2Faccounts%2Femail%2F"
    before = key_of(client)
    response = client.post(response["Location"], {"code": next_code(secret), "method": "totp"})
    assert response["Location"] == "/accounts/email/"
    assert key_of(client) != before


@pytest.mark.security(51)
def test_a_sensitive_page_asks_for_a_fresh_factor_and_leads_back(person, clock):
    secret = enrol_totp(person)
    publish_rules(person.tenant, enforcement="optional")
    client = verified_client(person)
    clock.forward(timedelta(minutes=6))
    response = client.get(reverse("mfa_turn_off"))
    reauthenticate = f"{reverse('mfa_reauthenticate')}?next=%2Faccounts%2F2fa%2Fturn-off%2F"
    assert response["Location"] == reauthenticate
    assert client.get(reauthenticate).context["method"] == "totp"
    before = key_of(client)
    response = client.post(reauthenticate, {"code": next_code(secret)})
    assert response["Location"] == reverse("mfa_turn_off")
    assert key_of(client) != before
    assert events(person)[-1] == "reauthentication:accepted"
    assert client.post(reverse("mfa_turn_off"))["Location"] == reverse("mfa_index")
    assert events(person)[-1] == "two_step:turned_off"


@pytest.mark.security(51)
def test_the_password_confirms_only_where_there_is_no_factor(clock):
    person = UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))
    client = client_of(person)
    clock.forward(timedelta(minutes=6))
    reauthenticate = client.get(reverse("mfa_activate_totp"))["Location"]
    assert client.post(reauthenticate, {"password": "wrong"}).status_code == 200
    assert client.post(reauthenticate, {"password": PASSWORD})["Location"] == reverse("mfa_activate_totp")
    enrol_totp(person)
    client = client_of(person, password_proof())
    response = client.post(reverse("mfa_reauthenticate"), {"password": PASSWORD})
    assert response["Location"].startswith(SECOND)


def test_every_input_of_the_decision_bites_on_the_next_request(person):
    from django.contrib.auth.models import Group

    client = verified_client(person)

    client.get(reverse("home"))
    row = Session.objects.filter(person=person, ended_at=None).exclude(signed_in_at=None).get()
    assert row.grant_security_version == User.objects.get(pk=person.pk).security_version
    group = Group.objects.create(name="raw")
    for edit in (
        lambda: person.groups.add(group),
        lambda: group.user_set.remove(person),
        lambda: group.user_set.add(person),
        lambda: group.delete(),
    ):
        before = User.objects.get(pk=person.pk).security_version
        edit()
        assert User.objects.get(pk=person.pk).security_version > before


def test_raw_changes_of_role_and_tenant_void_the_grant(person):
    client = verified_client(person)
    client.get(reverse("home"))
    User.objects.filter(pk=person.pk).update(role="administrator")
    row = Session.objects.filter(person=person, ended_at=None).exclude(signed_in_at=None).get()
    assert row.grant_role == "user"
    client.get(reverse("home"))
    row.refresh_from_db()
    assert row.grant_role == "administrator"
    other = TenantFactory(rules={"allowed": ["webauthn"], "grace_days": 0})
    User.objects.filter(pk=person.pk).update(tenant=other)
    assert client.get(reverse("home"))["Location"].startswith(reverse("mfa_enrol"))


@pytest.mark.security(68)
def test_signing_out_kills_the_session(person):
    client = verified_client(person)
    key = key_of(client)
    client.post(reverse("account_logout"))
    again = Client()
    again.cookies[site_settings.SESSION_COOKIE_NAME] = key
    assert again.get(reverse("home"))["Location"].startswith(LOGIN)
    assert events(person)[-1] == "session:signed_out"


def test_a_corrupted_secret_is_told_and_alarmed(client, person):
    enrol_totp(person)
    authenticator = live_binding(person).authenticator
    authenticator.data = {"secret": "0badc0de$broken"}
    authenticator.save()
    give_password(client, person)
    page = give_code(client, "123456")
    assert page.status_code == 200
    assert "authenticator:unreadable" in events(person)
    assert "reset" in page.content.decode()
