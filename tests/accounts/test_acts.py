"""What each act does to an account: one authenticator, the address, the password."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.errors import NotEnrolled
from accounts.flows.addresses import AddressTaken
from accounts.flows.interventions import Act
from accounts.flows.new_passwords import NoVerifiedAddress
from accounts.models import AddressAnchor, Binding, Browser, EnrolmentLink, Intervention, Notice, User
from accounts.models.people import address_digest
from tests.accounts.acts_scene import ask, events, settled_administrator
from tests.factories import (
    PASSWORD,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    verified_client,
)

pytestmark = pytest.mark.django_db
GOOD = "another fine long pass phrase"


@pytest.fixture
def asker() -> User:
    return settled_administrator(tenant=TenantFactory())


@pytest.fixture
def person(asker: User) -> User:
    return UserFactory(tenant=asker.tenant, email="dana@old.example")


def is_out(client: Client) -> bool:
    return client.get(reverse("home"))["Location"].startswith(reverse("account_login"))


def notices_to(person: User) -> list[str]:
    return list(Notice.objects.filter(person=person).order_by("pk").values_list("name", flat=True))


def second_key(person: User) -> Binding:
    """Another authenticator, as far as these rows go."""
    return Binding.objects.create(person=person, kind=Binding.Kind.WEBAUTHN, name="Blue key")


# -- one authenticator -----------------------------------------------------------------------------------------------


@pytest.mark.security(57)
def test_one_authenticator_goes_and_the_others_stay(asker, person):
    client = verified_client(person)
    codes, key = enrol_recovery_codes(person), second_key(person)
    browser = Browser.objects.create(person=person, digest="d", trusted_at=timezone.now())
    Browser.objects.create(person=person, digest="e")
    version = person.security_version
    assert ask(person, asker, Act.REMOVAL, binding=key).state == Intervention.State.DONE
    key.refresh_from_db()
    assert (key.unbound_by, key.unbound_reason) == (asker.pk, "removed_by_administrator")
    assert live_binding(person) and len(codes) == person.bindings.get(kind="recovery_code").codes.count()
    person.refresh_from_db()
    assert (person.enrolment_guarded_at, person.grace_closed_at) == (None, None)
    assert person.security_version > version
    assert is_out(client)
    assert not Browser.objects.exclude(trusted_at=None).exists()
    (trust,) = events("browser:trust_ended")
    assert (trust.actor_id, trust.payload) == (str(asker.pk), {"browser": str(browser.pk), "reason": "removal"})
    (event,) = events("authenticator:removed")
    assert (event.actor_id, event.payload["authenticator"], event.payload["left"]) == (str(asker.pk), str(key.pk), 2)
    assert notices_to(person)[-1] == "authenticator_taken_away"
    assert not EnrolmentLink.objects.exists()


@pytest.mark.security(55)
def test_after_the_last_one_it_is_as_after_a_reset(asker, person):
    enrol_totp(person)
    enrol_recovery_codes(person)
    ask(person, asker, Act.REMOVAL, binding=live_binding(person))
    assert not person.bindings.filter(unbound_at=None).exists()
    person.refresh_from_db()
    assert person.enrolment_guarded_at is not None and person.grace_closed_at is not None
    assert person.mfa_enrolled_at is None
    assert EnrolmentLink.objects.filter(person=person, used_at=None).exists()
    assert Notice.objects.filter(name="authenticator_taken_away").latest("pk").facts["is_last"] is True


def test_another_s_authenticator_or_one_that_is_gone_is_not_removed(asker, person):
    enrol_totp(person)
    other = UserFactory(tenant=asker.tenant)
    enrol_totp(other)
    gone = second_key(person)
    Binding.objects.filter(pk=gone.pk).update(unbound_at=timezone.now())
    for binding in (live_binding(other), gone, None):
        with pytest.raises(NotEnrolled):
            ask(person, asker, Act.REMOVAL, binding=binding)
    assert not Intervention.objects.exists()


# -- the address -----------------------------------------------------------------------------------------------------


def confirm(address: str) -> object:
    (message,) = [one for one in mail.outbox if one.to == [address]]
    link = re.search(r"/accounts/confirm-email/\S+", str(message.body)).group()
    return Client().post(link)


@pytest.mark.security(20, 56)
def test_a_new_address_is_proved_before_it_takes_the_place_of_the_old(
    asker, person, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        ask(person, asker, Act.ADDRESS, address="dana@new.example")
    person.refresh_from_db()
    assert person.email == "dana@old.example"
    assert [one.to for one in mail.outbox if "about to change" in one.subject] == [["dana@old.example"]]
    with django_capture_on_commit_callbacks(execute=True):
        confirm("dana@new.example")
    version = person.security_version
    person.refresh_from_db()
    assert person.email == "dana@new.example" and person.security_version > version
    row = EmailAddress.objects.get(user=person)
    assert (row.email, row.verified, row.primary) == ("dana@new.example", True, True)
    told = {to for one in mail.outbox if "changed" in one.subject for to in one.to}
    assert told == {"dana@old.example", "dana@new.example"}
    (changed,) = events("email:changed")
    assert (changed.payload["before"], changed.payload["after"]) == ("dana@old.example", "dana@new.example")
    assert AddressAnchor.objects.get(digest=address_digest("dana@new.example")).person_id == person.pk


def test_whoever_gets_the_old_mailbox_next_does_not_get_the_account(asker, person, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        ask(person, asker, Act.ADDRESS, address="dana@new.example")
    confirm("dana@new.example")
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        Client().post(reverse("account_reset_password"), {"email": "dana@old.example"})
    assert not [one for one in mail.outbox if "/password/reset/key/" in str(one.body)]


@pytest.mark.parametrize("address", ["taken@old.example", "second@old.example", "dana@old.example", ""])
def test_an_address_that_is_somebody_s_is_refused(asker, person, address):
    UserFactory(email="taken@old.example")
    EmailAddress.objects.create(user=UserFactory(), email="second@old.example", verified=True)
    with pytest.raises(AddressTaken):
        ask(person, asker, Act.ADDRESS, address=address)
    assert not Intervention.objects.exists()


def test_an_address_that_was_taken_meanwhile_does_not_move_anybody(asker, person, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        ask(person, asker, Act.ADDRESS, address="dana@new.example")
    UserFactory(email="dana@new.example")
    confirm("dana@new.example")
    person.refresh_from_db()
    assert person.email == "dana@old.example"


def test_an_address_that_the_person_added_is_still_only_a_second_one(person):
    row = EmailAddress.objects.create(user=person, email="dana@second.example")
    from allauth.account.models import EmailConfirmationHMAC

    Client().post(reverse("account_confirm_email", args=[EmailConfirmationHMAC(row).key]))
    person.refresh_from_db()
    row.refresh_from_db()
    assert (person.email, row.verified) == ("dana@old.example", True)
    assert EmailAddress.objects.filter(user=person).count() == 2


# -- the password ----------------------------------------------------------------------------------------------------


def sign_in(password: str) -> Client:
    client = Client()
    client.post(reverse("account_login"), {"login": "dana@old.example", "password": password})
    return client


@pytest.mark.security(53, 55)
def test_the_old_password_works_no_more_and_the_person_chooses_another(
    asker, person, django_capture_on_commit_callbacks
):
    client = client_of(person)
    with django_capture_on_commit_callbacks(execute=True):
        ask(person, asker, Act.PASSWORD)
    assert is_out(client)
    assert is_out(sign_in(PASSWORD))
    (link,) = {
        found.group() for one in mail.outbox if (found := re.search(r"/accounts/password/reset/key/\S+", str(one.body)))
    }
    assert Client().post(link, {"password1": GOOD, "password2": GOOD}).status_code == 302
    assert not is_out(sign_in(GOOD))
    assert Client().get(link).context["token_fail"]
    (event,) = events("password:demanded")
    assert (event.actor_id, event.target_id, event.payload["sessions"]) == (str(asker.pk), str(person.pk), 1)
    assert "password_demanded" in notices_to(person)


@pytest.mark.security(53)
def test_a_demanded_password_leaves_the_second_factor_owed(asker, person, django_capture_on_commit_callbacks):
    enrol_totp(person)
    with django_capture_on_commit_callbacks(execute=True):
        ask(person, asker, Act.PASSWORD)
    link = next(
        found.group() for one in mail.outbox if (found := re.search(r"/accounts/password/reset/key/\S+", str(one.body)))
    )
    Client().post(link, {"password1": GOOD, "password2": GOOD})
    assert live_binding(person)
    assert sign_in(GOOD).get(reverse("home"))["Location"].startswith(reverse("account_login"))


def test_without_a_verified_address_no_password_is_taken(asker):
    person = UserFactory(tenant=asker.tenant, verified=False)
    with pytest.raises(NoVerifiedAddress):
        ask(person, asker, Act.PASSWORD)
    person.refresh_from_db()
    assert person.has_usable_password()
