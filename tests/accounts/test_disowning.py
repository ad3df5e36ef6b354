"""“This was not me”: a link in every notice, which needs no sign-in and takes everything down that is up."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import not_me_links
from accounts.errors import LinkInvalid
from accounts.flows import disowning
from accounts.models import AccessPass, Browser, EnrolmentLink, Notice, Session, User
from audit.models import AuditEvent
from tests.accounts import acts_scene
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_totp,
    live_binding,
    verified_client,
)

pytestmark = [pytest.mark.django_db, pytest.mark.security(56)]


@pytest.fixture
def person() -> User:
    return UserFactory(tenant=TenantFactory())


@pytest.fixture
def notice(person: User) -> Notice:
    return Notice.objects.create(person=person, address=person.email, name="authenticator_added", facts={"what": "App"})


def page(token: str) -> str:
    return reverse("accounts_not_me", args=[token])


def test_looking_changes_nothing_and_pressing_ends_every_session(person, notice):
    thief = verified_client(person)
    url = page(not_me_links.token_of(notice))
    assert Client().get(url).status_code == 200
    assert thief.get(reverse("home")).status_code == 200
    answer = Client().post(url)
    assert answer.status_code == 200 and "ended" in answer.content.decode()
    assert thief.get(reverse("home"))["Location"].startswith(reverse("account_login"))
    assert not Session.objects.filter(person=person, ended_at=None).exists()
    event = AuditEvent.objects.get(kind="notice:disowned")
    assert (event.target_id, event.payload["notice"], event.payload["sessions"]) == (
        str(person.pk),
        "authenticator_added",
        1,
    )
    assert event.severity.name == "ALARM"


def test_it_takes_trust_passes_and_links_and_keeps_the_factors(person, notice):
    enrol_totp(person)
    version = person.security_version
    soon = timezone.now() + timedelta(hours=1)
    browser = Browser.objects.create(person=person, digest="d", trusted_at=timezone.now(), trusted_security_version=1)
    AccessPass.objects.create(person=person, hashed="!", issued_by=person.pk, issued_by_label="a", expires_at=soon)
    EnrolmentLink.objects.create(person=person, digest="e", expires_at=soon)
    disowning.disown(not_me_links.token_of(notice))
    assert Browser.objects.get().trusted_at is None
    trust = AuditEvent.objects.get(kind="browser:trust_ended")
    assert (trust.target_id, trust.payload) == (str(person.pk), {"browser": str(browser.pk), "reason": "disowned"})
    assert AccessPass.objects.get().revoked_at is not None
    assert EnrolmentLink.objects.get().used_at is not None
    assert live_binding(person)
    person.refresh_from_db()
    assert person.security_version > version


def test_the_administrators_of_the_tenant_and_of_the_platform_are_told(
    person, notice, django_capture_on_commit_callbacks
):
    near, far = AdministratorFactory(tenant=person.tenant), AdministratorFactory(tenant=TenantFactory())
    root = AdministratorFactory(is_superuser=True)
    with django_capture_on_commit_callbacks(execute=True):
        disowning.disown(not_me_links.token_of(notice))
    told = {address for message in mail.outbox for address in message.to}
    assert {near.email, root.email} <= told and far.email not in told
    (message,) = [one for one in mail.outbox if one.to == [near.email]]
    assert person.email in message.body


def test_a_link_works_once(person, notice):
    token = not_me_links.token_of(notice)
    disowning.disown(token)
    back = client_of(person)
    with pytest.raises(LinkInvalid):
        disowning.disown(token)
    assert Client().post(page(token)).status_code == 410
    assert back.get(reverse("mfa_enrol")).status_code == 200
    assert AuditEvent.objects.filter(kind="notice:disowned").count() == 1


def test_a_link_works_for_thirty_days(notice):
    with time_machine.travel(timezone.now() + timedelta(days=31), tick=False), pytest.raises(LinkInvalid):
        disowning.disown(not_me_links.token_of(notice))


@pytest.mark.parametrize(
    "spoilt",
    [
        "notice.{pk}",
        "notice.{pk}:",
        "notice.{pk}:AAAA",
        "notice.{other}:{signature}",
        "reminder.{pk}:{signature}",
        "x" * 5000,
        "\x00",
        "1" * 40,
    ],
)
def test_nobody_makes_a_link_of_their_own(person, notice, spoilt):
    other = Notice.objects.create(person=UserFactory(), address="a@example.com", name="mfa_reset")
    signature = not_me_links.token_of(notice).rpartition(":")[2]
    token = spoilt.format(pk=notice.pk, other=other.pk, signature=signature)
    with pytest.raises(LinkInvalid):
        disowning.disown(token)
    assert not AuditEvent.objects.filter(kind="notice:disowned").exists()


@pytest.mark.parametrize("stated", ["user.{pk}", "notice.x", "notice.", "", "notice.{pk}.1"])
def test_what_is_signed_and_no_mail_is_none(notice, stated):
    token = not_me_links._SIGNER.sign(stated.format(pk=notice.pk))
    with pytest.raises(LinkInvalid):
        disowning.disown(token)


def test_a_link_that_is_none_says_so_and_leads_to_help():
    for answer in (Client().get(page("1:no")), Client().post(page("1:no"))):
        assert answer.status_code == 410
        assert reverse("help") in answer.content.decode()


def test_the_page_does_not_name_the_account_and_is_not_kept(person, notice):
    answer = Client().get(page(not_me_links.token_of(notice)))
    assert person.email not in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]


def test_a_notice_that_was_sent_carries_the_link(person, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        enrol_totp(person)
    (message,) = [one for one in mail.outbox if one.to == [person.email]]
    link = page(not_me_links.token_of(Notice.objects.get(name="authenticator_added")))
    html = message.alternatives[0][0]
    assert link in message.body and link in html


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_pressed_fifty_times_at_once_it_works_once():
    from tests.accounts.test_verification import in_parallel

    person = UserFactory(tenant=TenantFactory())
    token = not_me_links.token_of(Notice.objects.create(person=person, address=person.email, name="mfa_reset"))

    outcomes = in_parallel(50, lambda number: disowning.disown(token))
    assert sorted(outcomes) == ["", *["LinkInvalid"] * 49]


def test_it_cancels_what_an_administrator_asked_for(person, notice):
    acts_scene.rules(person, wait_hours=24)
    act = acts_scene.ask(person, AdministratorFactory(tenant=person.tenant))
    disowning.disown(not_me_links.token_of(notice))
    act.refresh_from_db()
    assert act.state == act.State.CANCELLED
    assert AuditEvent.objects.get(kind="intervention:cancelled").payload["channel"] == "disowned"
