"""Joining, adding, changing: once, by those who may, and felt by every session."""

import re
from types import SimpleNamespace

import pytest
from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import notices
from accounts.errors import LinkInvalid, NotAllowed
from accounts.flows import invitations, password_reset, people
from accounts.models import AddressAnchor, Role, Session, Tenant, TenantDomain, User
from accounts.models.people import address_digest
from audit.models import AuditEvent
from tests.factories import (
    PASSWORD,
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_totp,
    verified_client,
)

pytestmark = pytest.mark.django_db
GOOD = "a fine long pass phrase"


def kinds(person: User) -> list[str]:
    return list(AuditEvent.objects.filter(target_id=str(person.pk)).order_by("id").values_list("kind", flat=True))


def sign_up(client: Client, email: str, **more: str) -> object:
    data = {"email": email, "name": "New Person", "password1": GOOD, "password2": GOOD}
    return client.post(reverse("account_signup"), data | more)


def confirm(message: mail.EmailMessage, password: str = GOOD) -> object:
    link = re.search(r"/accounts/confirm-email/[^\s]+", message.body).group()
    return Client().post(link, {"password": password})


def test_who_confirms_an_address_that_somebody_else_signed_up_with_lets_nobody_in():
    tenant = TenantFactory()
    TenantDomain.objects.create(tenant=tenant, domain="acme.example")
    sign_up(Client(), "colleague@acme.example")
    page = confirm(mail.outbox[-1], "the password of the real owner")
    assert "not your password" in page.content.decode()
    person = User.objects.get(email="colleague@acme.example")
    assert (person.tenant.is_default, person.joined_at) == (True, None)
    assert not EmailAddress.objects.filter(verified=True).exists()


@pytest.fixture(autouse=True)
def open_doors(settings):
    settings.SIGNUP_OPEN = True


@pytest.fixture(autouse=True)
def mailed_at_once(monkeypatch):
    """The test's own transaction never commits: what waits for that goes out when it is asked for."""
    at_once = SimpleNamespace(when_committed=lambda work, *about: work(*about), mail=notices.mail)
    monkeypatch.setattr(password_reset, "notices", at_once)


def test_signing_up_joins_the_tenant_of_the_verified_address_and_no_sooner():
    tenant = TenantFactory()
    TenantDomain.objects.create(tenant=tenant, domain="acme.example")
    response = sign_up(Client(), "New.Person@Acme.example")
    assert response.status_code == 302
    person = User.objects.get(email="new.person@acme.example")
    assert person.tenant.is_default
    confirm(mail.outbox[-1])
    person.refresh_from_db()
    assert person.tenant == tenant
    assert kinds(person) == ["person:signed_up", "person:email_verified", "person:joined_tenant"]


def test_an_unverified_address_does_not_sign_in():
    client = Client()
    sign_up(client, "new@acme.example")
    response = Client().post(reverse("account_login"), {"login": "new@acme.example", "password": GOOD})
    assert response["Location"] == reverse("account_email_verification_sent")
    assert not Session.objects.exclude(person=None).exists()


def test_later_addresses_never_move_anybody():
    tenant, other = TenantFactory(), TenantFactory()
    TenantDomain.objects.create(tenant=other, domain="other.example")
    person = UserFactory(tenant=tenant)
    address = EmailAddress.objects.create(user=person, email="me@other.example", verified=True)
    people.address_verified(address)
    person.refresh_from_db()
    assert person.tenant == tenant


def test_a_known_address_signs_up_to_the_same_page_and_no_second_person():
    person = UserFactory()
    known, unknown = sign_up(Client(), person.email), sign_up(Client(), "nobody@example.org")
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert User.objects.filter(email=person.email).count() == 1


def test_closed_doors_stay_closed(settings):
    settings.SIGNUP_OPEN = False
    assert sign_up(Client(), "new@acme.example").status_code == 200
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "email", ["x" * 300 + "@example.com", "no-address", "a\x00b@example.com", "a\r\nb@example.com"]
)
def test_bad_addresses_get_a_message(email):
    assert sign_up(Client(), email).status_code in (200, 400)
    assert not User.objects.exists()


@pytest.mark.parametrize("domain", ["gmail.com", "Outlook.com", "no domain", "localhost", "-a.example"])
def test_a_domain_that_anybody_can_have_an_address_at_belongs_to_nobody(domain):
    with pytest.raises(ValidationError):
        TenantDomain(tenant=TenantFactory(), domain=domain).full_clean()


def invite(actor: User, django_capture_on_commit_callbacks: object, **fields: object) -> tuple[User, str]:
    with django_capture_on_commit_callbacks(execute=True):
        person = people.add(
            **{"email": "new@acme.example", "name": "New", "tenant": actor.tenant, "role": Role.USER} | fields,
            actor=actor,
        )
        invitations.invite(person, actor=actor)
    return person, re.search(r"/accounts/invitation/[^\s]+", mail.outbox[-1].body).group()


def test_an_added_person_sets_a_password_from_the_mailed_link_once(django_capture_on_commit_callbacks):
    person, link = invite(AdministratorFactory(tenant=TenantFactory()), django_capture_on_commit_callbacks)
    assert mail.outbox[-1].to == [person.email]
    client = Client()
    assert client.get(link).status_code == 200
    assert client.post(link, {"password1": "short", "password2": "short"}).status_code == 200
    assert client.post(link, {"password1": GOOD, "password2": GOOD + "x"}).status_code == 200
    response = client.post(link, {"password1": GOOD, "password2": GOOD})
    assert response["Location"].startswith(reverse("account_login"))
    assert client.get(link).status_code == 404
    response = client.post(reverse("account_login"), {"login": person.email, "password": GOOD})
    assert client.get(response["Location"])["Location"].startswith(reverse("mfa_enrol"))
    assert {"person:added", "invitation:sent", "password:changed", "invitation:accepted"} <= set(kinds(person))


def test_an_invitation_runs_out_and_a_new_one_voids_the_old(django_capture_on_commit_callbacks):
    actor = AdministratorFactory(tenant=TenantFactory())
    person, old = invite(actor, django_capture_on_commit_callbacks)
    with django_capture_on_commit_callbacks(execute=True):
        invitations.invite(person, actor=actor)
    assert Client().get(old).status_code == 404
    person.invitations.update(expires_at=person.date_joined)
    with pytest.raises(LinkInvalid):
        invitations.person_of(re.search(r"invitation/([^/\s]+)", mail.outbox[-1].body).group(1))


def test_an_invitation_sets_no_password_where_there_is_one_by_now(django_capture_on_commit_callbacks):
    person, link = invite(AdministratorFactory(tenant=TenantFactory()), django_capture_on_commit_callbacks)
    token = link.rstrip("/").rpartition("/")[2]
    people.set_password(person, PASSWORD)
    assert Client().get(link).status_code == 404
    assert Client().post(link, {"password1": GOOD, "password2": GOOD}).status_code == 404
    with pytest.raises(LinkInvalid):
        invitations.accept(token, GOOD)
    person.refresh_from_db()
    assert person.check_password(PASSWORD)
    assert kinds(person)[-1] == "invitation:refused"


def test_an_invitation_to_an_address_that_somebody_else_proved_is_no_longer_good(django_capture_on_commit_callbacks):
    person, link = invite(AdministratorFactory(tenant=TenantFactory()), django_capture_on_commit_callbacks)
    EmailAddress.objects.create(user=UserFactory(), email=person.email, verified=True)
    assert Client().post(link, {"password1": GOOD, "password2": GOOD}).status_code == 404


def test_nobody_is_invited_who_has_a_password_or_belongs_to_others():
    actor = AdministratorFactory(tenant=TenantFactory())
    for person in (UserFactory(tenant=actor.tenant), UserFactory(tenant=TenantFactory(), password=None)):
        with pytest.raises(NotAllowed):
            invitations.invite(person, actor=actor)


@pytest.mark.security(84)
def test_an_administrator_changes_only_their_own_people_and_only_so_much():
    actor = AdministratorFactory(tenant=TenantFactory())
    mine, theirs = UserFactory(tenant=actor.tenant), UserFactory(tenant=TenantFactory())
    root = UserFactory(tenant=actor.tenant, is_superuser=True)
    people.change(mine, actor=actor, role=Role.ADMINISTRATOR)
    for person, fields in (
        (theirs, {"name": "x"}),
        (root, {"is_active": False}),
        (mine, {"tenant": theirs.tenant}),
        (mine, {"is_superuser": True}),
        (actor, {"role": Role.USER}),
        (actor, {"is_active": False}),
    ):
        with pytest.raises(NotAllowed):
            people.change(person, actor=actor, **fields)


@pytest.mark.security(84)
def test_platform_administrators_belong_to_the_default_tenant():
    boss, home = AdministratorFactory(is_superuser=True), Tenant.objects.get(is_default=True)
    colleague, elsewhere = AdministratorFactory(is_superuser=True), TenantFactory(rules={"enforcement": "optional"})
    person = UserFactory(tenant=elsewhere)
    for one, fields in ((colleague, {"tenant": elsewhere}), (person, {"is_superuser": True})):
        with pytest.raises(NotAllowed) as refusal:
            people.change(one, actor=boss, **fields)
        assert refusal.value.code == "outside_default_tenant"
    assert not AuditEvent.objects.filter(kind="person:changed").exists()
    with pytest.raises(NotAllowed):
        people.create(User(email="root@else.example", tenant=elsewhere, is_superuser=True), password=None)
    with pytest.raises(NotAllowed):
        User.objects.create_superuser("root@else.example", "a long enough pass phrase", tenant=elsewhere)
    assert not User.objects.filter(email="root@else.example").exists()
    people.change(colleague, actor=boss, is_superuser=False)
    people.change(colleague, actor=boss, tenant=elsewhere)
    people.change(person, actor=boss, tenant=home, is_superuser=True)
    people.change(UserFactory(tenant=elsewhere, is_superuser=True), actor=boss, tenant=home)
    people.change(UserFactory(tenant=elsewhere, is_superuser=True), actor=boss, name="A row of old", role="user")
    assert User.objects.filter(is_superuser=True).exclude(tenant=home).count() == 1


@pytest.mark.security(62)
def test_a_superuser_made_on_the_command_line_takes_up_what_the_address_left_behind():
    made = User.objects.create_superuser("Second@platform.example", "a long enough pass phrase")
    assert (made.email, made.is_staff, made.tenant.is_default) == ("second@platform.example", True, True)
    assert made.check_password("a long enough pass phrase")
    assert made.emailaddress_set.filter(verified=True, primary=True, email=made.email).exists()
    AddressAnchor.objects.update(grace_closed_at=made.known_since)
    made.delete()
    again = User.objects.create_superuser("second@platform.example", "a long enough pass phrase")
    assert (again.known_since, again.grace_closed_at) == (made.known_since, made.known_since)
    with pytest.raises(ValueError, match="address"):
        User.objects.create_superuser("", "a long enough pass phrase")


@pytest.mark.security(68)
def test_switching_somebody_off_ends_their_sessions_at_once():
    actor = AdministratorFactory(tenant=TenantFactory())
    person = UserFactory(tenant=actor.tenant)
    client = client_of(person)
    client_of(person)
    people.change(person, actor=actor, is_active=False)
    assert client.get(reverse("home"))["Location"].startswith(reverse("account_login"))
    event = AuditEvent.objects.get(kind="person:changed")
    assert (event.payload["before"], event.payload["after"]) == ({"is_active": "True"}, {"is_active": "False"})
    ended = AuditEvent.objects.get(kind="session:ended")
    assert (ended.actor_id, ended.target_id) == (str(actor.pk), str(person.pk))
    assert ended.payload == {"reason": "deactivated", "count": 2}


def test_switching_somebody_off_who_is_not_signed_in_ends_no_session():
    actor = AdministratorFactory(tenant=TenantFactory())
    people.change(UserFactory(tenant=actor.tenant), actor=actor, is_active=False)
    assert not AuditEvent.objects.filter(kind="session:ended").exists()


@pytest.mark.security(62)
def test_recreating_somebody_keeps_when_they_were_known_and_that_grace_was_closed():
    person = UserFactory()
    anchor = AddressAnchor.objects.get(digest=address_digest(person.email))
    AddressAnchor.objects.update(grace_closed_at=anchor.known_since)
    email = person.email
    person.delete()
    again = UserFactory(email=email.upper())
    assert (again.email, again.known_since, again.grace_closed_at) == (email, anchor.known_since, anchor.known_since)


@pytest.mark.security(62)
def test_moving_to_another_tenant_gains_no_grace():
    root = AdministratorFactory(is_superuser=True)
    person, tenant = UserFactory(tenant=TenantFactory()), TenantFactory()
    known = person.known_since
    moved = people.change(person, actor=root, tenant=tenant)
    assert moved.known_since > known
    assert AddressAnchor.objects.get(digest=address_digest(person.email)).known_since == moved.known_since


@pytest.mark.security(53)
def test_a_password_reset_leaves_the_second_factor_owed():
    person = UserFactory(tenant=TenantFactory())
    enrol_totp(person)
    client = Client()
    client.post(reverse("account_reset_password"), {"email": person.email})
    link = re.search(r"/accounts/password/reset/key/[^\s]+", mail.outbox[-1].body).group()
    page = client.get(link, follow=True)
    client.post(page.request["PATH_INFO"], {"password1": GOOD, "password2": GOOD})
    person.refresh_from_db()
    assert person.check_password(GOOD)
    assert not Session.objects.exclude(person=None).exists()
    response = client.post(reverse("account_login"), {"login": person.email, "password": GOOD})
    assert response["Location"] == reverse("mfa_authenticate")
    assert "password:reset" in kinds(person)


@pytest.mark.security(28)
def test_asking_for_a_reset_costs_the_same_for_everybody(monkeypatch):
    monkeypatch.setattr(password_reset, "notices", SimpleNamespace(when_committed=lambda work, *about: None))
    person = UserFactory()
    statements = []
    for email in (person.email, "nobody@example.org"):
        with CaptureQueriesContext(connection) as captured:
            password_reset.ask(email)
        statements.append(len(captured))
    assert statements[0] == statements[1]


@pytest.mark.security(28)
def test_asking_for_a_reset_says_the_same_for_everybody():
    person = UserFactory()
    answers = [
        Client().post(reverse("account_reset_password"), {"email": email}, follow=True)
        for email in (person.email, "nobody@example.org")
    ]
    assert answers[0].redirect_chain == answers[1].redirect_chain
    assert len(mail.outbox) == 1
    events = AuditEvent.objects.filter(kind="password:reset_requested")
    assert sorted(event.target_id for event in events) == sorted(["", str(person.pk)])


def test_asking_for_resets_is_limited_per_address():
    person = UserFactory()
    for _ in range(7):
        Client().post(reverse("account_reset_password"), {"email": person.email})
    assert len(mail.outbox) == 5
    throttled = AuditEvent.objects.get(kind="requests:throttled")
    assert (throttled.target_id, throttled.payload["scope"]) == (str(person.pk), "mail-address")


def test_confirmation_mails_that_are_not_sent_are_recorded_once(monkeypatch):
    person = UserFactory()
    address = EmailAddress.objects.create(user=person, email="second@mail.example", verified=False)
    sent: list[object] = []
    monkeypatch.setattr(DefaultAccountAdapter, "send_confirmation_mail", lambda adapter, *asked: sent.append(asked))
    for _ in range(7):
        get_adapter().send_confirmation_mail(None, SimpleNamespace(email_address=address), False)
    assert len(sent) == 5
    throttled = AuditEvent.objects.get(kind="requests:throttled")
    assert (throttled.target_id, throttled.payload["scope"]) == (str(person.pk), "mail-address")


def test_a_changed_password_ends_the_other_sessions():
    person = UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))
    mine, other = client_of(person), client_of(person)
    response = mine.post(
        reverse("account_change_password"), {"oldpassword": PASSWORD, "password1": GOOD, "password2": GOOD}
    )
    assert response.status_code == 302
    assert mine.get(reverse("home")).status_code == 200
    assert other.get(reverse("home"))["Location"].startswith(reverse("account_login"))
    assert "password:changed" in kinds(person)


def test_there_is_one_default_tenant_and_it_enforces():
    tenant = Tenant.objects.get(is_default=True)
    version = tenant.policy.versions.get()
    assert (tenant.name, tenant.policy.code, version.enabled) == (
        "Default Organization",
        "pol-mfa-required",
        True,
    )


def test_an_address_somebody_else_signs_in_with_cannot_become_ones_own():
    squatter, person = UserFactory(verified=False), UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))
    EmailAddress.objects.create(user=person, email=squatter.email, verified=True)
    client = client_of(person)
    response = client.post(reverse("account_email"), {"action_primary": "", "email": squatter.email}, follow=True)
    assert response.status_code == 200
    assert "Somebody else signs in" in response.content.decode()
    person.refresh_from_db()
    assert person.email != squatter.email


def test_mailed_links_lead_to_the_configured_site_whatever_the_host_header_says(settings):
    person = UserFactory()
    wrong_port = Client(HTTP_HOST="localhost:6666")
    sign_up(wrong_port, "new@acme.example")
    sign_up(wrong_port, person.email)
    wrong_port.post(reverse("account_reset_password"), {"email": person.email})
    links = [re.search(r"https?://[^\s]+/accounts/[^\s]+", message.body).group() for message in mail.outbox]
    assert len(links) == 3
    assert all(link.startswith(f"{settings.SITE_URL}/accounts/") for link in links)
    assert Client().get(links[2].removeprefix(settings.SITE_URL)).context["form"] is not None


@pytest.mark.security(87)
def test_a_link_to_a_new_password_is_kept_in_no_session():
    person = UserFactory()
    client = Client()
    client.post(reverse("account_reset_password"), {"email": person.email})
    link = re.search(r"/accounts/password/reset/key/[^\s]+", mail.outbox[-1].body).group()
    token = link.rstrip("/").rpartition("-")[2]
    page = client.get(link, follow=True)
    client.post(page.request["PATH_INFO"], {"password1": "short", "password2": "short"})
    assert not [row for row in Session.objects.all() if token in row.session_data]


@pytest.mark.security(71)
def test_opening_somebody_elses_link_signs_nobody_out():
    person, stranger = UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"})), UserFactory()
    sign_up(Client(), "stranger@acme.example")
    Client().post(reverse("account_reset_password"), {"email": stranger.email})
    client = client_of(person)
    for message in mail.outbox:
        client.get(re.search(r"/accounts/(confirm-email|password/reset/key)/[^\s]+", message.body).group(), follow=True)
    assert client.get(reverse("home")).status_code == 200


def test_mails_to_confirm_an_address_are_limited():
    sign_up(Client(), "victim@acme.example")
    for _ in range(10):
        Client().post(reverse("account_login"), {"login": "victim@acme.example", "password": GOOD})
    assert len(mail.outbox) == 5
    client = client_of(UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"})))
    client.post(reverse("account_email"), {"action_add": "", "email": "other@acme.example"})
    for _ in range(10):
        client.post(reverse("account_email"), {"action_send": "", "email": "other@acme.example"})
    assert len([message for message in mail.outbox if message.to == ["other@acme.example"]]) == 5


def test_an_address_in_another_spelling_is_the_same_address():
    composed, decomposed = "x@ex\u00e4mple.com", "x@exa\u0308mple.com"
    answers = [sign_up(Client(), email) for email in (composed, decomposed)]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert User.objects.get().email == composed


@pytest.mark.security(28)
def test_signing_up_costs_a_password_whether_or_not_the_address_is_known(monkeypatch):
    person, hashed = UserFactory(), []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda self, *a, **k: hashed.append(1) or encode(self, *a, **k))
    sign_up(Client(), person.email)
    sign_up(Client(), "new@acme.example")
    assert len(hashed) == 2


def test_two_who_sign_up_with_one_address_at_once_are_one_person(monkeypatch):
    person = UserFactory()
    monkeypatch.setattr("accounts.forms.SignupForm.validate_unique_email", lambda form, value: value)
    response = sign_up(Client(), person.email)
    assert response["Location"] == reverse("account_email_verification_sent")
    assert mail.outbox[-1].to == [person.email]
    assert User.objects.filter(email=person.email).count() == 1


@pytest.mark.security(56)
def test_a_changed_password_is_told_at_every_verified_address(django_capture_on_commit_callbacks):
    person = UserFactory()
    EmailAddress.objects.create(user=person, email="second@example.com", verified=True)
    EmailAddress.objects.create(user=person, email="unproved@example.com", verified=False)
    client = Client()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("account_reset_password"), {"email": person.email})
    link = re.search(r"/accounts/password/reset/key/[^\s]+", mail.outbox[-1].body).group()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(link, {"password1": "another long pass phrase", "password2": "another long pass phrase"})
    told = [message.to[0] for message in mail.outbox if "password was changed" in message.subject]
    assert sorted(told) == sorted([person.email, "second@example.com"])


@pytest.mark.security(56)
def test_addresses_that_come_and_go_are_told_at_the_others_and_at_the_one_that_goes(
    django_capture_on_commit_callbacks,
):
    person = UserFactory()
    client = verified_client(person)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("account_email"), {"action_add": "", "email": "new@example.com"})
    assert [m.to for m in mail.outbox if "address was added" in m.subject] == [[person.email]]
    EmailAddress.objects.filter(email="new@example.com").update(verified=True)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("account_email"), {"action_primary": "", "email": "new@example.com"})
    told = [m for m in mail.outbox if "main mail address was changed" in m.subject]
    assert sorted(m.to[0] for m in told) == sorted([person.email, "new@example.com"])
    assert all(person.email in m.body and "new@example.com" in m.body for m in told)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("account_email"), {"action_remove": "", "email": person.email})
    told = [m.to[0] for m in mail.outbox if "address was removed" in m.subject]
    assert sorted(told) == sorted([person.email, "new@example.com"])
