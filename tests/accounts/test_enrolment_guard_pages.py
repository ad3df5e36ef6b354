"""The pages after a reset: the link that goes on in a cookie, the pass, and what stays closed until then."""

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.flows import access_passes
from accounts.models import Session, User
from policies.models import DecidedSignIn
from tests.accounts.admission_scene import events, guard, shown, token_in_mail, typed
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, client_of, enrol_totp, publish_rules

pytestmark = pytest.mark.django_db
GUARDED, LINK, ENROL = (reverse(name) for name in ("mfa_enrolment_guarded", "mfa_enrolment_link", "mfa_enrol"))


@pytest.fixture
def actor() -> User:
    return AdministratorFactory(tenant=TenantFactory())


@pytest.fixture
def person(actor: User, django_capture_on_commit_callbacks) -> User:
    person = UserFactory(tenant=actor.tenant)
    with django_capture_on_commit_callbacks(execute=True):
        guard(person, actor)
    return person


def opened(client: Client) -> str:
    """Open the newest mailed link in this browser; returns the token."""
    token = token_in_mail()
    answer = client.get(reverse("accounts_enrolment_link", args=[token]))
    assert (answer.status_code, answer["Location"]) == (302, LINK)
    return token


@pytest.mark.security(55)
@pytest.mark.parametrize("page", ["mfa_enrol", "mfa_activate_totp", "mfa_add_webauthn"])
def test_every_way_to_enrol_leads_to_the_guarded_page_first(person, page):
    client = typed(person, "/admin/")
    answer = client.get(reverse(page) + "?next=/admin/")
    assert answer["Location"] == f"{GUARDED}?next=%2Fadmin%2F"
    shown_page = client.get(answer["Location"]).content.decode()
    assert "Open the link in your mail" in shown_page and "enter an access pass" in shown_page


@pytest.mark.security(55)
@pytest.mark.parametrize("level", ["required", "optional"])
def test_posting_what_enrols_is_refused_under_every_policy(person, level):
    publish_rules(person.tenant, enforcement=level)
    client = typed(person)
    for page, said in (("mfa_activate_totp", {"code": "123456"}), ("mfa_add_webauthn", {"credential": "{}"})):
        assert client.post(reverse(page), said)["Location"].startswith(GUARDED)
    assert User.objects.get(pk=person.pk).mfa_enrolled_at is None


def test_without_a_verified_address_only_a_pass_is_offered(actor):
    person = UserFactory(tenant=actor.tenant)
    guard(person, actor)
    client = typed(person)
    person.emailaddress_set.update(verified=False)
    page = client.get(GUARDED).content.decode()
    assert "Open the link" not in page and "Enter an access pass" in page


@pytest.mark.security(87)
def test_the_link_survives_the_sign_in_and_its_token_is_in_no_session_and_no_address(person):
    client = Client()
    token = opened(client)
    cookie = client.cookies[settings.ENROLMENT_LINK_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Lax", "/", "")
    to_sign_in = client.get(LINK)
    assert to_sign_in["Location"].startswith(reverse("account_login")) and token not in to_sign_in["Location"]
    said = {"login": person.email, "password": "a long enough pass phrase", "next": LINK}
    assert client.post(reverse("account_login"), said)["Location"] == LINK
    assert "Continue" in client.get(LINK).content.decode()
    for session in Session.objects.all():
        assert token not in session.session_data
    assert token not in str(list(DecidedSignIn.objects.values()))


def test_looking_at_it_uses_nothing_up_and_one_button_does(person):
    client = typed(person)
    opened(client)
    for _ in range(3):
        assert client.get(LINK).status_code == 200
    key = client.cookies[settings.SESSION_COOKIE_NAME].value
    answer = client.post(LINK)
    assert answer["Location"] == ENROL
    assert answer.cookies[settings.ENROLMENT_LINK_COOKIE_NAME].value == ""
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != key
    assert client.get(ENROL).status_code == 200
    assert client.get(reverse("mfa_activate_totp")).status_code == 200
    (used,) = events("enrolment_link:used")
    assert used.target_id == str(person.pk)


@pytest.mark.parametrize("token", ["x", "a" * 43, "%00" * 43, "%D9%A3" * 43, "a" * 10_000])
def test_what_is_no_link_says_so_and_sets_no_cookie_or_leads_nowhere(person, token):
    client = typed(person)
    answer = client.get(f"/accounts/2fa/enrol/link/{token}/")
    if answer.status_code == 302:
        assert client.get(LINK).status_code == 404
    else:
        assert answer.status_code == 404 or answer.status_code == 400
        assert settings.ENROLMENT_LINK_COOKIE_NAME not in answer.cookies
    assert client.post(LINK).status_code == 404
    assert client.get(reverse("mfa_activate_totp"))["Location"].startswith(GUARDED)


def test_a_used_link_says_what_to_do(person):
    client = typed(person)
    token = opened(client)
    client.post(LINK)
    client.cookies[settings.ENROLMENT_LINK_COOKIE_NAME] = token
    answer = client.post(LINK)
    assert answer.status_code == 404
    assert "Mail me a new link" in answer.content.decode()
    assert events("enrolment_link:refused")[0].payload["reason"] == "link_invalid"


@pytest.mark.security(84)
def test_somebody_else_who_is_signed_in_opens_nothing_with_it(person, actor):
    other = UserFactory(tenant=actor.tenant)
    client = client_of(other)
    opened(client)
    answer = client.get(LINK)
    assert answer.status_code == 404
    assert person.email not in answer.content.decode()
    assert client.post(LINK).status_code == 404


def test_it_is_mailed_again_by_a_button_and_not_without_end(person, django_capture_on_commit_callbacks):
    client = typed(person)
    mail.outbox.clear()
    for _ in range(3):
        with django_capture_on_commit_callbacks(execute=True):
            assert client.post(reverse("mfa_send_enrolment_link"))["Location"] == GUARDED
    assert len(mail.outbox) == 3
    assert client.post(reverse("mfa_send_enrolment_link")).status_code == 429
    assert client.get(reverse("mfa_send_enrolment_link")).status_code == 405


@pytest.mark.security(54, 55)
@pytest.mark.parametrize("level", ["required", "optional"])
def test_a_session_with_a_pass_can_do_one_thing(person, actor, level):
    """Under a policy that asks nothing too: it leads to enrolment, whatever is asked for."""
    publish_rules(person.tenant, enforcement=level)
    client = typed(person)
    answer = client.post(GUARDED, {"code": shown(person, actor)})
    assert answer["Location"] == ENROL
    for page in ("home", "mfa_index", "account_email", "account_change_password"):
        assert client.get(reverse(page))["Location"].startswith(ENROL), page
    assert client.get(ENROL).status_code == 200
    assert client.get(GUARDED)["Location"] == ENROL


def test_a_wrong_pass_is_told_at_its_field(person, actor):
    shown(person, actor)
    client = typed(person)
    page = client.post(GUARDED, {"code": "u95a-cuuh-v9u8"}).content.decode()
    assert "That is no valid access pass." in page and 'aria-invalid="true"' in page
    assert "Enter the access pass." in client.post(GUARDED, {"code": ""}).content.decode()
    assert client.post(GUARDED, {"code": "9" * 70_000}).status_code == 413
    assert client.post(GUARDED, {"code": "a" * 10_000}).status_code == 200
    assert len(events("access_pass:refused")) == 3


@pytest.mark.security(55)
def test_no_mail_address_is_added_before_it_is_known_who_is_there(person):
    """Else whoever has the password would have the link mailed to an address of their own."""
    publish_rules(person.tenant, enforcement="optional")
    client = typed(person)
    page = reverse("account_email")
    assert client.get(page)["Location"].startswith(GUARDED)
    assert client.post(page, {"action_add": "", "email": "thief@example.com"})["Location"].startswith(GUARDED)
    assert not person.emailaddress_set.filter(email="thief@example.com").exists()
    opened(client)
    client.post(LINK)
    assert client.get(page).status_code == 200


def test_who_is_not_guarded_has_no_business_there(actor):
    free, owner = UserFactory(tenant=actor.tenant), UserFactory(tenant=actor.tenant)
    assert client_of(free).get(GUARDED)["Location"] == ENROL
    enrol_totp(owner)
    assert client_of(owner).get(GUARDED)["Location"].startswith(reverse("mfa_authenticate"))
    with pytest.raises(access_passes.WrongPass):
        access_passes.redeem(free, client_of(free).session, "u95a-cuuh-v9u8")
