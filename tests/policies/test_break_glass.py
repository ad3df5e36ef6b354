"""Accounts for emergencies: a password and a key, no other rule, and never unnoticed."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import notices
from accounts.models import Role, Tenant, User
from accounts.policy import policy
from audit.declarations import Severity
from audit.models import AuditEvent
from policies import document as documents
from policies.document import DocumentError
from policies.flows import publish
from policies.models import DecidedSignIn
from tests import factories
from tests.accounts.test_views_webauthn import ORIGIN, enrol_key, options_of
from tests.factories import PASSWORD, AdministratorFactory, TenantFactory, UserFactory, client_of
from tests.soft_authenticator import SoftKey, synced_passkey

pytestmark = pytest.mark.django_db

LOGIN, SECOND, HOME = reverse("account_login"), reverse("mfa_authenticate"), reverse("home")
USED = "break_glass:used"


@pytest.fixture(autouse=True)
def the_sites_origin(settings: Any) -> None:
    settings.WEBAUTHN_ORIGINS = [ORIGIN]


@pytest.fixture
def key() -> SoftKey:
    return SoftKey()


@pytest.fixture
def account(key: SoftKey) -> User:
    """An account for emergencies with a key, in a tenant with one administrator."""
    tenant = TenantFactory(name="Acme")
    AdministratorFactory(tenant=tenant, email="ada@acme.example")
    person = UserFactory(tenant=tenant, email="emergency@acme.example")
    enrol_key(person, key)
    factories.publish_rules(tenant, break_glass=[str(person.pk)])
    return person


def named_under(account: User, *, enabled: bool = True, **rules: Any) -> None:
    """Publish another policy that names the account."""
    factories.publish_rules(account.tenant, enabled=enabled, break_glass=[str(account.pk)], **rules)


def give_password(account: User) -> Client:
    client = Client()
    assert client.post(LOGIN, {"login": account.email, "password": PASSWORD})["Location"] == SECOND
    return client


def give_key(client: Client, key: SoftKey) -> Any:
    options = options_of(client.get(SECOND))
    return client.post(SECOND, {"method": "webauthn", "credential": json.dumps(key.get(options, ORIGIN))})


def alarms() -> list[tuple[str, str]]:
    """Outcome and decision of each alarm on record, in their order."""
    found = AuditEvent.objects.filter(kind=USED).order_by("id")
    return [(event.outcome, event.payload["decision"]) for event in found]


ELSEWHERE = {"everyone": False, "roles": ["administrator"], "groups": [], "staff": False, "sources": []}
LENIENT: dict[str, dict[str, Any]] = {
    "grace": {"grace_days": 90, "new_grace_days": 90},
    "optional": {"enforcement": "optional"},
    "out of scope": {"scope": ELSEWHERE},
    "switched off": {"enabled": False},
    "trusting": {"trusted_browser_days": 30, "trusted_browser_never": []},
}


@pytest.mark.security(49)
@pytest.mark.parametrize("rules", LENIENT.values(), ids=LENIENT.keys())
class TestNothingStandsInForTheKey:
    def test_not_where_nothing_is_owned(self, account: User, rules: dict[str, Any]) -> None:
        bare = UserFactory(tenant=account.tenant)
        named_under(bare, **rules)
        response = client_of(bare).get(HOME)
        assert response["Location"].startswith(reverse("mfa_enrol"))
        assert alarms() == [("refused", "enrol")]

    def test_not_an_exclude(self, account: User, rules: dict[str, Any]) -> None:
        bare = UserFactory(tenant=account.tenant)
        until = (timezone.now() + timedelta(days=9)).isoformat()
        exclude = {"kind": "person", "value": str(bare.pk), "reason": "away", "until": until}
        named_under(bare, excludes=[exclude], **rules)
        assert client_of(bare).get(HOME)["Location"].startswith(reverse("mfa_enrol"))

    def test_not_an_app_nor_codes(self, account: User, rules: dict[str, Any]) -> None:
        owner = UserFactory(tenant=account.tenant)
        factories.enrol_totp(owner)
        factories.enrol_recovery_codes(owner)
        named_under(owner, **rules)
        for kind in ("totp", "recovery_code"):
            proofs = factories.password_proof(), factories.proof_of(factories.live_binding(owner, kind))
            client = client_of(owner, *proofs)
            assert client.get(HOME)["Location"].split("?")[0] in (reverse("mfa_enrol"), SECOND)
            assert not DecidedSignIn.objects.filter(person_id=owner.pk, outcome__startswith="allow").exists()

    def test_not_a_password_beside_a_key_at_home(self, account: User, rules: dict[str, Any]) -> None:
        named_under(account, **rules)
        assert client_of(account).get(HOME)["Location"].startswith(SECOND)


STRICT: dict[str, dict[str, Any]] = {
    "no keys at all": {"allowed": ["totp", "recovery_code"]},
    "another product": {"aaguids_allowed": ["2fc0579f-8113-47ea-b116-bb5a8db9202a"]},
    "a refused product": {"aaguids_denied": ["00000000-0000-0000-0000-000000000000"]},
    "a vouching maker": {"attestation": "direct"},
    "no copies": {"synced_passkeys": False},
    "two methods": {"minimum_factors": 2},
    "always": {"enforcement": "always", "trusted_browser_days": 0},
    "a pin": {"user_verification": "required"},
    "the shortest times": {
        "second_factor_hours": 1,
        "fresh_minutes": 1,
        "idle_minutes": 10,
        "administrators_idle_minutes": 10,
    },
    "switched off": {"enabled": False},
}


@pytest.mark.parametrize("rules", STRICT.values(), ids=STRICT.keys())
def test_with_the_key_it_gets_in_whatever_the_policy_says(account: User, key: SoftKey, rules: dict[str, Any]) -> None:
    named_under(account, **rules)
    client = give_password(account)
    assert give_key(client, key).status_code == 302
    assert client.get(HOME).status_code == 200
    assert alarms() == [("refused", "step_up"), ("ok", "allow")]


def test_every_sign_in_raises_the_alarm_once(account: User, key: SoftKey) -> None:
    for number in (1, 2):
        client = give_password(account)
        give_key(client, key)
        for _ in range(3):
            assert client.get(HOME).status_code == 200
        assert alarms() == [("refused", "step_up"), ("ok", "allow")] * number
    event = AuditEvent.objects.filter(kind=USED).latest("id")
    assert (event.target_id, event.tenant_id, event.severity) == (str(account.pk), account.tenant_id, Severity.ALARM)
    assert "break_glass" in event.payload["reasons"]
    assert event.payload["session"]


def test_a_session_that_goes_on_raises_no_other(account: User, key: SoftKey, clock: Any) -> None:
    client = give_password(account)
    give_key(client, key)
    client.get(HOME)
    named_under(account, grace_days=3)  # voids the grant
    assert client.get(HOME).status_code == 200
    assert alarms() == [("refused", "step_up"), ("ok", "allow")]


def test_whoever_knows_the_password_alone_is_noticed(account: User) -> None:
    client = give_password(account)
    client.get(SECOND)
    client.post(SECOND, {"method": "webauthn", "credential": "{}"})
    assert alarms() == [("refused", "step_up")]
    assert client.get(HOME).status_code == 302


class TestNobodyLearnsWhatItIs:
    """A right password alone does not tell a thief that this is an account for emergencies."""

    SAID = "This is an account for emergencies"

    @pytest.mark.security(28)
    def test_not_on_the_page_that_asks_for_the_key(self, account: User, key: SoftKey) -> None:
        assert self.SAID not in give_password(account).get(SECOND).content.decode()
        assert self.SAID not in client_of(account).get(SECOND).content.decode()

    @pytest.mark.security(28)
    def test_not_in_the_answers_for_programs(self, account: User) -> None:
        told = client_of(account).get(HOME, HTTP_ACCEPT="application/json").json()
        assert told["reasons"] == ["second_factor_owed"]

    @pytest.mark.security(28)
    def test_not_where_nothing_is_set_up(self, account: User) -> None:
        bare = UserFactory(tenant=account.tenant)
        named_under(bare)
        assert self.SAID not in client_of(bare).get(reverse("mfa_enrol")).content.decode()

    def test_who_has_shown_the_key_is_told(self, account: User) -> None:
        then = timezone.now() - timedelta(hours=13)
        proofs = factories.password_proof(), factories.proof_of(account.bindings.get(), at=then)
        assert self.SAID in client_of(account, *proofs).get(SECOND).content.decode()


def test_other_people_raise_none(account: User) -> None:
    factories.verified_client(UserFactory(tenant=account.tenant)).get(HOME)
    client_of(UserFactory(tenant=account.tenant)).get(HOME)
    assert alarms() == []


def test_the_administrators_of_tenant_and_platform_are_mailed(
    account: User, key: SoftKey, django_capture_on_commit_callbacks: Any
) -> None:
    AdministratorFactory(email="root@platform.example", is_superuser=True)
    AdministratorFactory(email="away@acme.example", tenant=account.tenant, is_active=False)
    AdministratorFactory(email="stranger@globex.example", tenant=TenantFactory())
    UserFactory(email="dana@acme.example", tenant=account.tenant)
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        client = give_password(account)
    assert sorted(to for one in mail.outbox for to in one.to) == ["ada@acme.example", "root@platform.example"]
    (attempt,) = [one for one in mail.outbox if one.to == ["ada@acme.example"]]
    assert attempt.subject == "Acme: Somebody tries to use an account for emergencies"
    assert "gave its right password" in attempt.body
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        give_key(client, key)
        client.get(HOME)
    (said,) = [one for one in mail.outbox if one.to == ["ada@acme.example"]]
    assert said.subject == "Acme: An account for emergencies signed in"
    for part in (said.body, said.alternatives[0].content):
        assert "emergency@acme.example" in part
        assert "127.0.0.1" in part
        assert "password and security key were right" in part


def test_whoever_tries_again_and_again_is_recorded_each_time_and_mailed_of_once_in_a_while(
    account: User, key: SoftKey, clock: Any, django_capture_on_commit_callbacks: Any
) -> None:
    """A thief's tries do not bury the mail that counts: getting in is always told."""

    def mailed(act: Any, *arguments: Any) -> int:
        mail.outbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            act(*arguments)
        return len(mail.outbox)

    other = UserFactory(tenant=account.tenant)
    enrol_key(other, SoftKey())
    factories.publish_rules(account.tenant, break_glass=[str(account.pk), str(other.pk)])
    assert [mailed(give_password, account) for _ in range(3)] == [1, 0, 0]
    assert alarms() == [("refused", "step_up")] * 3
    assert mailed(give_password, other) == 1  # counted for each account
    clock.forward(timedelta(minutes=14))
    client = give_password(account)
    assert mailed(give_key, client, key) + mailed(client.get, HOME) == 1
    assert mailed(give_password, account) == 0
    clock.forward(timedelta(minutes=1))
    assert mailed(give_password, account) == 1


def test_the_account_itself_is_mailed_where_it_administers(
    account: User, django_capture_on_commit_callbacks: Any
) -> None:
    User.objects.filter(pk=account.pk).update(role=Role.ADMINISTRATOR)
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        give_password(account)
    assert {to for one in mail.outbox for to in one.to} == {"ada@acme.example", "emergency@acme.example"}


def test_mail_that_cannot_be_queued_is_not_in_the_way(
    account: User, key: SoftKey, monkeypatch: Any, caplog: Any, django_capture_on_commit_callbacks: Any
) -> None:
    def broken(*arguments: Any) -> None:
        raise ConnectionError("no queue")

    monkeypatch.setattr(type(notices.deliver), "enqueue", broken)
    with django_capture_on_commit_callbacks(execute=True):
        client = give_password(account)
    with django_capture_on_commit_callbacks(execute=True):
        give_key(client, key)
        assert client.get(HOME).status_code == 200
    assert alarms()[-1] == ("ok", "allow")
    assert "no queue" in caplog.text


class TestPasskeysAlone:
    """An account for emergencies signs in with its password and its key, also where others need no password."""

    def test_it_is_not_let_in_by_a_passkey_alone(self) -> None:
        tenant, passkey = TenantFactory(rules={"passkey_login": True}), synced_passkey()
        account = UserFactory(tenant=tenant)
        enrol_key(account, passkey, passwordless=True)
        assert policy().passkey_login_allowed(account)
        named_under(account, passkey_login=True)
        assert not policy().passkey_login_allowed(account)
        client = Client()
        options = json.loads(client.get(reverse("mfa_login_webauthn")).content)
        answer = json.dumps(passkey.get(options.get("request_options", options), ORIGIN))
        client.post(reverse("mfa_login_webauthn"), {"credential": answer})
        assert AuditEvent.objects.filter(kind="sign_in:passkey_refused", target_id=str(account.pk)).exists()
        assert client.get(HOME)["Location"].startswith(LOGIN)

    def test_with_its_password_the_same_key_does(self) -> None:
        tenant, passkey = TenantFactory(rules={"passkey_login": True}), synced_passkey()
        account = UserFactory(tenant=tenant)
        enrol_key(account, passkey, passwordless=True)
        named_under(account, passkey_login=True)
        client = give_password(account)
        give_key(client, passkey)
        assert client.get(HOME).status_code == 200


class TestNaming:
    """Only an active account of the tenant that holds a key is named."""

    @pytest.fixture
    def actor(self) -> User:
        person = AdministratorFactory(tenant=TenantFactory())
        factories.enrol_totp(person)
        return person

    def publish(self, actor: User, *people: User) -> None:
        document = documents.default_document() | {"break_glass": [str(person.pk) for person in people]}
        proofs = factories.password_proof(), factories.proof_of(factories.live_binding(actor))
        session = factories.session_of(actor, *proofs)
        tenant = Tenant.objects.get(pk=actor.tenant_id)
        publish.publish(tenant.policy, document, actor=actor, session=session, reason="x")

    def test_with_a_key(self, actor: User, key: SoftKey) -> None:
        person = UserFactory(tenant=actor.tenant)
        enrol_key(person, key)
        self.publish(actor, person)
        assert Tenant.objects.get(pk=actor.tenant_id).policy_version == 2

    @pytest.mark.parametrize("who", ["bare", "app", "stranger", "inactive", "locked key"])
    def test_and_nobody_else(self, actor: User, key: SoftKey, who: str) -> None:
        tenant = TenantFactory() if who == "stranger" else actor.tenant
        person = UserFactory(tenant=tenant)
        if who == "app":
            factories.enrol_totp(person)
        elif who != "bare":
            enrol_key(person, key)
        if who == "inactive":
            User.objects.filter(pk=person.pk).update(is_active=False)
        if who == "locked key":
            person.bindings.update(locked_at=timezone.now())
        with pytest.raises(DocumentError) as refusal:
            self.publish(actor, person)
        assert [*refusal.value.errors] == ["break_glass"]
        assert Tenant.objects.get(pk=actor.tenant_id).policy_version == 1
