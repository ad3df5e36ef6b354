"""One's own activity: about oneself alone, in one's own words, and nothing secret."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from accounts import activity_words
from accounts.flows import activity, people, sessions, throttles
from accounts.models import Role, User
from audit import context
from audit.catalogue import CATALOGUE
from audit.declarations import Category
from audit.kinds import Kind
from audit.log import record
from tests.factories import (
    PASSWORD,
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_recovery_codes,
    verified_client,
)
from tests.policies.trusted_scene import LOGIN, SECOND, Owner, new_browser

pytestmark = pytest.mark.django_db

ACTIVITY = reverse("mfa_activity")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
# What people are not told: steps of what is told, what others do for themselves, and what never names them.
NOT_TOLD = {
    *(Kind.SIGN_IN_FIRST_FACTOR_ACCEPTED, Kind.SECOND_FACTOR_ACCEPTED, Kind.REQUESTS_THROTTLED),
    *(Kind.REAUTHENTICATION_THROTTLED, Kind.RECOVERY_CODES_VIEWED, Kind.ENROLMENT_STATE_REPAIRED),
    *(Kind.PERSON_DELETED, Kind.INVITATION_REFUSED, Kind.NOTICE_FAILED),
}


@pytest.fixture
def person() -> User:
    return UserFactory(tenant=TenantFactory())


def sentences(person: User) -> list[str]:
    return [one.sentence for one in activity.recent(person)]


def happened(person: User, kind: Kind, actor: Any = None, **payload: Any) -> None:
    record(kind, actor=actor, target=person, **payload)


def test_every_kind_about_people_is_told_or_left_out_on_purpose() -> None:
    """A new kind needs a sentence in `accounts/activity_words.py`, or a place in NOT_TOLD."""
    about = {Category.PEOPLE, Category.SIGN_IN, Category.AUTHENTICATORS, Category.RECOVERY}
    kinds = {Kind(kind) for kind, declared in CATALOGUE.items() if declared.category in about}
    assert kinds - activity_words.YOURS.keys() - NOT_TOLD == set()
    assert not NOT_TOLD & activity_words.YOURS.keys()


@pytest.mark.parametrize("kind", list(activity_words.YOURS))
def test_every_sentence_can_be_said_whatever_is_missing(kind: Kind) -> None:
    for payload in ({}, {"method": "totp", "left": 3, "until": "2030-05-01T00:00:00Z", "deadline": "never"}):
        for by_other in (True, False):
            said = activity_words.told(kind, payload, by_other=by_other)
            assert said.endswith(".")
            assert "%(" not in said


# -- whose -----------------------------------------------------------------------------------------------------


@pytest.mark.security(84)
def test_nobody_elses_events_are_shown(person: User) -> None:
    others = [UserFactory(tenant=person.tenant), UserFactory(tenant=TenantFactory())]
    for other in others:
        happened(other, Kind.RECOVERY_CODES_USED, other, left=7)
        happened(other, Kind.SESSION_ENDED, person, reason="ended_by_administrator")  # here one acts
    assert sentences(person) == []


@pytest.mark.security(84)
def test_what_happened_in_another_tenant_stays_there(person: User, clock: Any) -> None:
    happened(person, Kind.MFA_RESET, None)
    old = person.tenant
    clock.forward(timedelta(hours=1))
    people.change(person, actor=AdministratorFactory(is_superuser=True), tenant=TenantFactory())
    moved = User.objects.select_related("tenant").get(pk=person.pk)
    happened(moved, Kind.SIGNED_OUT, moved)
    assert "An administrator reset your two-step verification." not in sentences(moved)
    assert sentences(moved)[0] == "You signed out."
    clock.forward(timedelta(hours=1))
    people.change(moved, actor=AdministratorFactory(is_superuser=True), tenant=old)
    back = User.objects.select_related("tenant").get(pk=person.pk)
    assert "An administrator reset your two-step verification." not in sentences(back)
    assert "You signed out." not in sentences(back)


@pytest.mark.security(84)
def test_what_another_tenant_records_about_somebody_is_its_own(person: User) -> None:
    record(Kind.MFA_RESET, target=person, tenant=TenantFactory())
    assert sentences(person) == []


# -- what is told ------------------------------------------------------------------------------------------------


def test_a_walk_reads_as_the_person_would_tell_it(clock: Any) -> None:
    owner = Owner(clock)
    client = new_browser()
    owner.give_password(client, "wrong")
    owner.give_password(client)
    client.post(SECOND, {"method": "totp", "code": owner.app.wrong_code()})
    owner.give_code(client, trust=True)
    client.post(reverse("account_logout"))
    owner.give_password(client)
    client.get(reverse("home"))
    day = timezone.localtime(timezone.now() + timedelta(days=30), owner.person.tenant.zone)
    with timezone.override(owner.person.tenant.zone):
        assert sentences(owner.person) == [
            "A trusted browser let you in without the second step.",
            "You signed in with one step.",
            "You signed out.",
            f"You trusted a browser until {day:%-d %B %Y}.",
            "You signed in with two steps.",
            "A second step was wrong: authenticator app.",
            "Your password was right, and the second step was asked for.",
            "Somebody tried to sign in to your account with a wrong password.",
            "You added a method: authenticator app.",
        ]


def test_guesses_that_have_to_wait_are_told(person: User) -> None:
    thief = Client(REMOTE_ADDR="203.0.113.9")
    for _ in range(throttles.PASSWORD_BY_ACCOUNT.count + 1):
        thief.post(LOGIN, {"login": person.email, "password": "wrong"})
    newest = activity.recent(person)[0]
    assert newest.sentence == "After too many wrong passwords, signing in from there had to wait."
    assert (newest.ip, newest.is_warning) == ("203.0.113.9", True)


def test_a_wrong_code_at_set_up_is_no_wrong_second_step(person: User) -> None:
    browser = client_of(person)
    browser.get(reverse("mfa_activate_totp"))
    browser.post(reverse("mfa_activate_totp"), {"code": "000000"})
    assert sentences(person)[0] == "A method was not accepted when you set it up: authenticator app."


def test_a_password_that_somebody_else_knows_is_seen(clock: Any) -> None:
    """The thief stopped at the second step: nothing else was recorded."""
    owner, thief = Owner(clock), Client(HTTP_USER_AGENT="Windows Chrome/1", REMOTE_ADDR="203.0.113.9")
    thief.post(LOGIN, {"login": owner.person.email, "password": PASSWORD})
    newest = activity.recent(owner.person)[0]
    assert newest.sentence == "Your password was right, and the second step was asked for."
    assert newest.ip == "203.0.113.9"


def test_what_an_administrator_did_is_told_without_who_and_where(person: User) -> None:
    actor = AdministratorFactory(tenant=person.tenant, email="secretive@acme.example", name="Ada")
    client = verified_client(person)
    ids = [one.public_id for one in person.sessions.all()]
    with context.use(context.RequestContext(ip="198.51.100.77", user_agent=FIREFOX)):
        sessions.end_each(ids, actor=actor)
        happened(person, Kind.AUTHENTICATOR_REMOVED, actor, method="totp", reason="by hand", name="her phone")
        happened(person, Kind.MFA_RESET, actor, reason="called from the pub", verified_how="voice", removed=1)
    client = verified_client(person)
    page = client.get(ACTIVITY).content.decode()
    told = [one for one in activity.recent(person) if "dministrator" in one.sentence]
    assert {one.sentence for one in told} == {
        "An administrator ended a session of yours.",
        "An administrator removed a method of yours: authenticator app.",
        "An administrator reset your two-step verification.",
    }
    assert {(one.ip, one.agent) for one in told} == {("", "")}
    for hidden in ("secretive", "Ada", "198.51.100.77", "pub", "voice", "her phone"):
        assert hidden not in page


@pytest.mark.security(87)
def test_nothing_secret_is_shown(clock: Any) -> None:
    owner = Owner(clock)
    codes = enrol_recovery_codes(owner.person)
    client = owner.sign_in(trust=True)
    page = client.get(ACTIVITY).content.decode()
    token = client.cookies["browser"].value
    for secret in (*codes, owner.app.secret, token, PASSWORD, client.session.session_key):
        assert secret not in page


@pytest.mark.parametrize(
    "agent",
    ["<script>alert(1)</script> Firefox/1 Linux", "Firefox/1 Linux \u202e\u2066 moc.live", "A" * 5000, "%(method)s"],
)
def test_a_hostile_browser_says_nothing_on_the_page(person: User, agent: str) -> None:
    with context.use(context.RequestContext(ip="192.0.2.1", user_agent=agent[:300])):
        happened(person, Kind.SIGN_IN_FAILED)
    page = verified_client(person).get(ACTIVITY).content.decode()
    assert agent[:60] not in page
    assert "alert(1)" not in page
    assert "\u202e" not in page
    assert "192.0.2.1" in page


def test_times_are_the_organisations_and_warnings_are_marked(person: User) -> None:
    person.tenant.time_zone = "Pacific/Auckland"
    person.tenant.save()
    happened(person, Kind.SIGN_IN_FAILED)
    page = verified_client(person).get(ACTIVITY)
    assert f"{timezone.localtime(timezone.now(), person.tenant.zone):%-d %b %Y}" in page.content.decode()
    assert any(one.is_warning for one in page.context["happenings"])
    assert not all(one.is_warning for one in page.context["happenings"])


def test_it_is_told_in_the_persons_language(person: User) -> None:
    happened(person, Kind.SIGNED_OUT, person)
    with translation.override("de"):
        assert sentences(person) != ["You signed out."]


def test_an_event_of_a_version_to_come_is_left_out(person: User) -> None:
    """Rows outlive the code that wrote them, and the code that reads them may be older."""
    happened(person, Kind.ENFORCEMENT_STOPPED, person, decision="enrol")
    assert sentences(person) == []


# -- what it costs ---------------------------------------------------------------------------------------------


def test_fifty_events_cost_what_one_does_and_no_more_are_shown(person: User) -> None:
    client = verified_client(person)
    client.get(ACTIVITY)
    with CaptureQueriesContext(connection) as before:
        client.get(ACTIVITY)
    for _ in range(60):
        happened(person, Kind.SIGNED_OUT, person)
    with CaptureQueriesContext(connection) as after:
        page = client.get(ACTIVITY)
    assert len(page.context["happenings"]) == 50
    assert len(after) == len(before) == 2  # the session, and the events


def test_roles_make_no_difference(person: User) -> None:
    person.role = Role.ADMINISTRATOR
    person.save(update_fields=["role"])
    happened(UserFactory(tenant=person.tenant), Kind.SIGNED_OUT)
    assert sentences(person) == []
