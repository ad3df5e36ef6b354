"""One's own sessions and browsers: nobody else's, ended by POST alone, and dead at the next request."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import agents
from accounts.flows import browsers, own_sessions
from accounts.models import Browser, Session, User
from accounts.session_store import stored_key
from audit.models import AuditEvent
from tests.factories import TenantFactory, UserFactory, client_of, verified_client
from tests.harness.codes import Clock
from tests.policies.trusted_scene import HOME, Owner, new_browser, sign_out, token_of

pytestmark = [pytest.mark.django_db, pytest.mark.security(68)]

SESSIONS, BROWSERS = reverse("mfa_sessions"), reverse("mfa_browsers")
OTHERS, NONE_TRUSTED = reverse("mfa_end_other_sessions"), reverse("mfa_stop_trusting_all")


@pytest.fixture
def person() -> User:
    return UserFactory(tenant=TenantFactory())


def session_of(client: Client) -> Session:
    return Session.objects.get(session_key=stored_key(client.cookies[site_settings.SESSION_COOKIE_NAME].value))


def end_url(client: Client) -> str:
    return reverse("mfa_end_session", args=[session_of(client).public_id])


def is_signed_in(client: Client) -> bool:
    return client.get(HOME).status_code == 200


def ended_events(person: User) -> list[dict[str, Any]]:
    found = AuditEvent.objects.filter(target_id=str(person.pk), kind="session:ended").order_by("id")
    return [event.payload for event in found]


# -- whose ---------------------------------------------------------------------------------------------------------


def test_the_page_shows_ones_own_sessions_and_marks_this_one(person: User) -> None:
    here, _elsewhere = verified_client(person), verified_client(person)
    stranger = verified_client(UserFactory(tenant=person.tenant))
    page = here.get(SESSIONS)
    shown = page.context["sessions"]
    assert [one.is_this for one in shown].count(True) == 1
    mine = Session.objects.filter(person=person, ended_at=None).values_list("public_id", flat=True)
    assert {one.end_url for one in shown} == {reverse("mfa_end_session", args=[each]) for each in mine}
    assert str(session_of(stranger).public_id) not in page.content.decode()


def test_ended_expired_and_half_finished_sessions_are_not_shown(person: User) -> None:
    client = verified_client(person)
    gone = session_of(verified_client(person))
    Session.objects.filter(pk=gone.pk).update(ended_at=timezone.now())
    late = session_of(verified_client(person))
    Session.objects.filter(pk=late.pk).update(expire_date=timezone.now())
    shown = {one.end_url for one in client.get(SESSIONS).context["sessions"]}
    assert not {reverse("mfa_end_session", args=[one.public_id]) for one in (gone, late)} & shown


@pytest.mark.security(84)
def test_another_persons_session_is_not_found_and_goes_on(person: User) -> None:
    client = verified_client(person)
    for tenant in (person.tenant, TenantFactory()):
        theirs = verified_client(UserFactory(tenant=tenant))
        assert client.post(end_url(theirs)).status_code == 404
        assert is_signed_in(theirs)
    assert client.post(reverse("mfa_end_session", args=[uuid.uuid4()])).status_code == 404
    assert ended_events(person) == []


@pytest.mark.security(84)
def test_another_persons_browser_is_not_found_and_stays_trusted(clock: Clock) -> None:
    owner = Owner(clock)
    client, theirs = owner.sign_in(), Owner(clock)
    elsewhere = theirs.sign_in(trust=True)
    url = reverse("mfa_stop_trusting", args=[theirs.browser().pk])
    assert client.post(url).status_code == 404
    assert client.post(reverse("mfa_stop_trusting", args=[uuid.uuid4()])).status_code == 404
    client.post(NONE_TRUSTED)
    assert not theirs.is_asked(elsewhere)


# -- ending --------------------------------------------------------------------------------------------------------


def test_an_ended_session_is_dead_at_its_next_request(person: User) -> None:
    here, elsewhere = verified_client(person), verified_client(person)
    assert is_signed_in(elsewhere)
    ended = session_of(elsewhere)
    assert here.post(end_url(elsewhere))["Location"] == SESSIONS
    assert not is_signed_in(elsewhere)
    assert is_signed_in(here)
    assert ended_events(person) == [{"session": str(ended.public_id), "reason": "ended_by_owner"}]
    event = AuditEvent.objects.get(kind="session:ended")
    assert (event.actor_id, event.target_id) == (str(person.pk), str(person.pk))
    ended.refresh_from_db()
    assert (ended.session_data, ended.proofs, ended.grant_policy_version) == ("", [], None)


def test_ending_twice_is_recorded_once(person: User) -> None:
    here, elsewhere = verified_client(person), verified_client(person)
    url = end_url(elsewhere)
    here.post(url)
    assert here.post(url)["Location"] == SESSIONS
    assert len(ended_events(person)) == 1


def test_ending_this_one_is_signing_out(person: User) -> None:
    client = verified_client(person)
    assert client.post(end_url(client))["Location"] == reverse("account_login")
    assert not is_signed_in(client)
    assert AuditEvent.objects.filter(kind="session:signed_out", target_id=str(person.pk)).count() == 1


def test_all_others_end_at_once_and_this_one_goes_on(person: User) -> None:
    here, others = verified_client(person), [verified_client(person) for _ in range(3)]
    stranger = verified_client(UserFactory(tenant=person.tenant))
    here.post(OTHERS)
    assert [is_signed_in(one) for one in others] == [False] * 3
    assert is_signed_in(here)
    assert is_signed_in(stranger)
    assert {event["reason"] for event in ended_events(person)} == {"ended_by_owner"}


@pytest.mark.security(69)
def test_who_ends_a_session_ends_the_trust_in_its_browser(clock: Clock) -> None:
    owner = Owner(clock)
    here, lost, third = (owner.sign_in(trust=True) for _ in range(3))
    here.post(end_url(lost))
    assert owner.is_asked(lost)
    assert not owner.is_asked(third)
    assert not owner.is_asked(here)


def test_another_session_of_this_browser_ends_without_its_trust(clock: Clock) -> None:
    owner = Owner(clock)
    here = owner.sign_in(trust=True)
    older = new_browser(token_of(here))
    assert not owner.is_asked(older)
    here.post(end_url(older))
    assert not is_signed_in(older)
    assert not owner.is_asked(here)


@pytest.mark.security(69)
def test_who_ends_all_others_trusts_no_other_browser(clock: Clock) -> None:
    owner = Owner(clock)
    here, away, signed_out = (owner.sign_in(trust=True) for _ in range(3))
    sign_out(signed_out)
    here.post(OTHERS)
    assert owner.is_asked(away)
    assert owner.is_asked(signed_out)
    assert not owner.is_asked(here)


def test_trust_is_ended_by_its_button_one_or_all(clock: Clock) -> None:
    owner = Owner(clock)
    here, other = owner.sign_in(trust=True), owner.sign_in(trust=True)
    shown = here.get(BROWSERS).context["browsers"]
    assert [one.trusted_until is not None for one in shown] == [True, True]
    row = Browser.objects.get(digest=browsers.digest_of(token_of(other)))
    assert here.post(reverse("mfa_stop_trusting", args=[row.pk]))["Location"] == BROWSERS
    assert owner.is_asked(other)
    assert [one.trusted_until is not None for one in here.get(BROWSERS).context["browsers"]] == [True, False]
    here.post(NONE_TRUSTED)
    assert owner.is_asked(here)


def test_what_is_trusted_no_more_is_not_shown_as_trusted(clock: Clock) -> None:
    owner = Owner(clock)
    client = owner.sign_in(trust=True)
    clock.forward(timedelta(days=29))
    assert not owner.is_asked(client)
    assert client.get(BROWSERS).context["trusted"] == 1
    clock.forward(timedelta(days=1))
    owner.is_asked(client)
    owner.give_code(client, trust=False)
    assert client.get(BROWSERS).context["trusted"] == 0


# -- POST, and by this page ----------------------------------------------------------------------------------------


@pytest.mark.security(71)
def test_a_link_ends_nothing_and_neither_does_another_site(person: User) -> None:
    here, elsewhere = verified_client(person), verified_client(person)
    urls = [end_url(elsewhere), OTHERS, NONE_TRUSTED, reverse("mfa_stop_trusting", args=[uuid.uuid4()])]
    assert [here.get(url).status_code for url in urls] == [405] * 4
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = here.cookies
    assert [strict.post(url).status_code for url in urls] == [403] * 4
    assert is_signed_in(elsewhere)


def test_nobody_sees_any_of_it_before_the_gate_lets_them_in(clock: Clock) -> None:
    owner, client = Owner(clock), new_browser()
    owner.give_password(client)
    for url in (SESSIONS, BROWSERS):
        assert client.get(url)["Location"].startswith(reverse("account_login"))
    for url in (OTHERS, NONE_TRUSTED):
        assert client.post(url)["Location"] == reverse("account_login")


# -- what is shown -------------------------------------------------------------------------------------------------


@pytest.mark.security(66)
def test_a_session_in_a_trusted_browser_is_shown_as_what_it_is(clock: Clock) -> None:
    owner = Owner(clock)
    client = owner.sign_in(trust=True)
    assert client.get(SESSIONS).context["sessions"][0].strength == "Two steps"
    owner.is_asked(client)
    shown = client.get(SESSIONS).context["sessions"][0]
    assert (shown.strength, shown.proved, shown.tone) == ("One step, in a trusted browser", "Password", "warn")


def test_times_are_the_organisations(person: User) -> None:
    person.tenant.time_zone = "Pacific/Auckland"
    person.tenant.save()
    page = verified_client(person).get(SESSIONS).content.decode()
    assert f"{timezone.localtime(timezone.now(), person.tenant.zone):%-d %b %Y}" in page
    assert "Pacific/Auckland" in page


HOSTILE = "<script>alert(1)</script>\u202eevil Firefox/1 (Linux) " + "A" * 5000


def test_a_hostile_browser_is_shown_by_no_word_of_its_own(person: User) -> None:
    client = verified_client(person)
    client.defaults["HTTP_USER_AGENT"] = HOSTILE
    Session.objects.filter(person=person).update(agent=HOSTILE[:300])
    Browser.objects.create(person=person, digest="d", agent=HOSTILE[:300])
    for url in (SESSIONS, BROWSERS):
        page = client.get(url).content.decode()
        assert "alert(1)" not in page
        assert "\u202e" not in page
        assert "Firefox on Linux" in page


@pytest.mark.parametrize(
    ("agent", "spoken"),
    [
        ("", "A browser we do not know"),
        ("curl/8.5", "A browser we do not know"),
        ("Something (Windows NT 10.0)", "A browser on Windows"),
        ("Firefox/1", "Firefox"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/141.0 Safari/537.36 Edg/141.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/141 Mobile Safari/604", "Chrome on iPhone"),
        (
            "Mozilla/5.0 (Linux; Android 15; Pixel) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("Mozilla/5.0 (X11; CrOS x86_64 1) AppleWebKit/537.36 Chrome/141.0 Safari/537.36", "Chrome on ChromeOS"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
    ],
)
def test_browsers_have_the_names_people_know(agent: str, spoken: str) -> None:
    assert agents.spoken(agent) == spoken


# -- what it costs -------------------------------------------------------------------------------------------------


def queries(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def test_thirty_sessions_cost_what_one_does(clock: Clock) -> None:
    owner = Owner(clock)
    client = owner.sign_in(trust=True)
    before = queries(client, SESSIONS)
    for _ in range(29):
        client_of(owner.person)
    assert len(own_sessions.live(owner.person)) >= 30
    assert queries(client, SESSIONS) == before <= 5


def test_thirty_browsers_cost_what_one_does(clock: Clock) -> None:
    owner = Owner(clock)
    client = owner.sign_in(trust=True)
    before = queries(client, BROWSERS)
    now = timezone.now()
    Browser.objects.bulk_create(
        Browser(person=owner.person, digest=f"{n}", trusted_at=now, agent="Firefox/1 Linux") for n in range(29)
    )
    assert queries(client, BROWSERS) == before <= 5


def test_no_more_than_fifty_are_shown(person: User) -> None:
    Browser.objects.bulk_create(Browser(person=person, digest=f"{n}") for n in range(60))
    assert len(browsers.known(person)) == 50
