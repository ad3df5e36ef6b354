"""What the record says of signing in: in which session, by which authenticator, how strong, by which version, why."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.errors import WrongPassword
from accounts.flows import sign_in, throttles
from accounts.flows.verification import PAUSE_FROM
from accounts.models import Binding, User
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.accounts.webauthn_pages import event, prove, with_key
from tests.factories import (
    PASSWORD,
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_recovery_codes,
    enrol_totp,
    live_binding,
    next_code,
    publish_rules,
    verified_client,
)
from tests.policies.admin_scene import events, last_event, url
from tests.policies.reminding_scene import a_tenant, newcomer
from tests.soft_authenticator import SoftKey

pytestmark = pytest.mark.django_db
LOGIN, SECOND = reverse("account_login"), reverse("mfa_authenticate")


@pytest.fixture
def person() -> User:
    person: User = UserFactory(tenant=TenantFactory(rules={"grace_days": 0}))
    return person


def with_password(person: User) -> Client:
    browser = Client()
    browser.post(LOGIN, {"login": person.email, "password": PASSWORD})
    return browser


def kinds_about(person: User) -> list[str]:
    found = AuditEvent.objects.filter(target_id=str(person.pk)).order_by("id")
    return [event.kind for event in found if event.kind.startswith(("sign_in:", "second_factor:"))]


@pytest.mark.security(88)
def test_a_sign_in_with_two_factors_is_recorded_step_by_step(person: User) -> None:
    secret = enrol_totp(person)
    with_password(person).post(SECOND, {"code": next_code(secret), "method": "totp"})
    assert kinds_about(person) == [
        "sign_in:first_factor_accepted",
        "second_factor:demanded",
        "second_factor:accepted",
        "sign_in:completed",
    ]
    asked, proved, done = (
        last_event(kind).payload
        for kind in (Kind.SECOND_FACTOR_DEMANDED, Kind.SECOND_FACTOR_ACCEPTED, Kind.SIGN_IN_COMPLETED)
    )
    assert (asked["decision"], asked["reasons"], asked["policy_version"]) == ("step_up", ["second_factor_owed"], 1)
    assert (proved["authenticator"], proved["method"]) == (str(live_binding(person).pk), "totp")
    assert done["session"] == asked["session"]
    assert {name: done[name] for name in ("strength", "aal", "methods", "decision", "reasons", "policy_version")} == {
        "strength": "multi_factor",
        "aal": 2,
        "methods": ["password", "totp"],
        "decision": "allow",
        "reasons": ["second_factor_proved", "demand_met"],
        "policy_version": 1,
    }


def test_a_sign_in_that_is_let_in_for_a_time_says_until_when() -> None:
    with_password(newcomer(a_tenant()))
    done = last_event(Kind.SIGN_IN_COMPLETED).payload
    assert (done["decision"], done["strength"]) == ("allow_in_grace", "single_factor")
    assert done["deadline"] > f"{timezone.now():%Y-%m-%d}"


def test_one_that_meets_enrolment_says_so(person: User) -> None:
    with_password(person)
    assert last_event(Kind.SIGN_IN_COMPLETED).payload["decision"] == "enrol"


def test_one_that_is_denied_says_under_which_version_and_why(person: User) -> None:
    enrol_totp(person)
    Binding.objects.filter(person=person).update(locked_at=timezone.now())
    publish_rules(person.tenant, grace_days=0)
    with_password(person)
    refused = AuditEvent.objects.filter(kind__in=[Kind.SIGN_IN_REFUSED, Kind.SECOND_FACTOR_DEMANDED]).latest("id")
    assert refused.payload["policy_version"] == 2
    assert refused.payload["reasons"] and refused.payload["decision"] in {"deny", "step_up"}


def test_a_second_factor_that_waits_says_until_when(person: User) -> None:
    enrol_totp(person)
    until = timezone.now() + timedelta(minutes=5)
    Binding.objects.filter(person=person).update(failures=PAUSE_FROM, paused_until=until)
    with_password(person).post(SECOND, {"code": "000000", "method": "totp"})
    paused = last_event(Kind.SECOND_FACTOR_THROTTLED).payload
    assert (paused["reason"], paused["until"]) == ("paused", f"{until:%Y-%m-%dT%H:%M:%S.%f}Z")


def test_confirming_with_a_password_too_often_is_recorded_once(person: User, rf: Any) -> None:
    enrol_totp(person)
    request = rf.post("/")
    request.session = verified_client(person).session
    request.user = person
    for _each in range(throttles.PASSWORD_BY_ACCOUNT.count + 2):
        with pytest.raises(WrongPassword):
            sign_in.check_password(request, person, "wrong")
    assert events(Kind.REAUTHENTICATION_THROTTLED) == 1
    assert last_event(Kind.REAUTHENTICATION_THROTTLED).target_id == str(person.pk)


# -- one session, from the first factor to the last event -----------------------------------------------------------


def walk_of(person: User) -> list[AuditEvent]:
    """What was recorded about somebody since their first factor was right."""
    about = AuditEvent.objects.filter(target_id=str(person.pk)).order_by("id")
    first = about.filter(kind=Kind.SIGN_IN_FIRST_FACTOR_ACCEPTED).earliest("id")
    return list(about.filter(pk__gte=first.pk))


def neighbours(person: User, event: AuditEvent) -> list[str]:
    """What an administrator finds “in the same session” on the page of an event."""
    looking = verified_client(AdministratorFactory(tenant=person.tenant))
    around = looking.get(url(AuditEvent, "change", event.pk)).context["around"]
    found = {str(words): events for words, events in around}
    return [one.kind for one in found.get("In the same session", [])]


def assert_is_one_session(person: User, *kinds: str) -> None:
    """The walk is these events, each on whose page all the others are found."""
    walk = walk_of(person)
    assert [one.kind for one in walk] == list(kinds)
    assert len({one.payload.get("session") for one in walk}) == 1, [(one.kind, one.payload) for one in walk]
    for place, one in enumerate(walk):
        assert neighbours(person, one) == [*kinds[:place], *kinds[place + 1 :]]


ONCE_WRONG = (
    "sign_in:first_factor_accepted",
    "second_factor:demanded",
    "second_factor:failed",
    "second_factor:accepted",
    "sign_in:completed",
    "session:signed_out",
)
"""A sign-in whose second step went wrong once, and signing out."""


@pytest.mark.security(88)
def test_password_and_app_are_one_session_in_the_record(person: User) -> None:
    secret = enrol_totp(person)
    browser = with_password(person)
    browser.post(SECOND, {"code": "000000", "method": "totp"})
    browser.post(SECOND, {"code": next_code(secret), "method": "totp"})
    browser.post(reverse("account_logout"))
    assert_is_one_session(person, *ONCE_WRONG)
    app = str(live_binding(person).pk)
    said = {one.kind: one.payload for one in walk_of(person)}
    assert said["sign_in:first_factor_accepted"]["strength"] == "single_factor"
    assert (said["second_factor:failed"]["authenticator"], said["second_factor:failed"]["purpose"]) == (
        app,
        "second_factor",
    )
    assert {name: said["second_factor:accepted"][name] for name in ("authenticator", "purpose", "strength")} == {
        "authenticator": app,
        "purpose": "second_factor",
        "strength": "multi_factor",
    }
    assert said["sign_in:completed"]["authenticator"] == app


@pytest.mark.security(88)
def test_password_and_recovery_code_are_one_session_in_the_record(person: User) -> None:
    enrol_totp(person)
    code = enrol_recovery_codes(person)[0]
    browser = with_password(person)
    browser.post(SECOND, {"code": code, "method": "recovery_code"})
    browser.post(reverse("account_logout"))
    assert_is_one_session(
        person,
        "sign_in:first_factor_accepted",
        "second_factor:demanded",
        "second_factor:accepted",
        "recovery_codes:used",
        "sign_in:completed",
        "session:signed_out",
    )
    codes = str(live_binding(person, Binding.Kind.RECOVERY_CODE).pk)
    used, done = (last_event(kind).payload for kind in (Kind.RECOVERY_CODES_USED, Kind.SIGN_IN_COMPLETED))
    assert (used["authenticator"], used["purpose"], done["authenticator"]) == (codes, "second_factor", codes)


@pytest.mark.security(88)
def test_password_and_key_are_one_session_in_the_record() -> None:
    key = SoftKey()
    person, binding = with_key(key, grace_days=0)
    browser = Client(HTTP_HOST="localhost")
    browser.post(LOGIN, {"login": person.email, "password": PASSWORD})
    browser.post(SECOND, {"method": "webauthn", "credential": "{}"})
    prove(browser, key)
    browser.post(reverse("account_logout"))
    assert_is_one_session(person, *ONCE_WRONG)
    proved, done = (last_event(kind).payload for kind in (Kind.SECOND_FACTOR_ACCEPTED, Kind.SIGN_IN_COMPLETED))
    assert (proved["strength"], proved["purpose"]) == ("phishing_resistant", "second_factor")
    assert proved["authenticator"] == done["authenticator"] == str(binding.pk)


def test_an_app_that_is_locked_is_of_that_session_too(person: User, settings: Any) -> None:
    settings.MFA_LOCK_AFTER_FAILURES = 2
    enrol_totp(person)
    browser = with_password(person)
    for _each in range(3):
        browser.post(SECOND, {"code": "000000", "method": "totp"})
    session = last_event(Kind.SECOND_FACTOR_DEMANDED).payload["session"]
    for kind in (Kind.SECOND_FACTOR_FAILED, Kind.AUTHENTICATOR_LOCKED, Kind.SECOND_FACTOR_THROTTLED):
        assert last_event(kind).payload["session"] == session
    browser.post(SECOND, {"cancel": "1"})
    assert last_event(Kind.SIGN_IN_CANCELLED).payload == {"reason": "cancelled", "session": session}


def test_confirming_who_one_is_is_of_that_session_too(person: User) -> None:
    secret = enrol_totp(person)
    browser = verified_client(person)
    browser.post(reverse("mfa_reauthenticate"), {"code": "000000", "method": "totp"})
    browser.post(reverse("mfa_reauthenticate"), {"code": next_code(secret), "method": "totp"})
    (session,) = person.sessions.filter(signed_in_at__isnull=False).values_list("public_id", flat=True)
    for kind in (Kind.SECOND_FACTOR_FAILED, Kind.SECOND_FACTOR_ACCEPTED):
        assert (last_event(kind).payload["session"], last_event(kind).payload["purpose"]) == (
            str(session),
            "reauthenticate",
        )
    said = last_event(Kind.REAUTHENTICATION_ACCEPTED).payload
    assert (said["session"], said["authenticator"]) == (str(session), str(live_binding(person).pk))


def test_a_wrong_code_at_set_up_is_told_as_that_and_names_no_authenticator(person: User) -> None:
    browser = client_of(person)
    browser.get(reverse("mfa_activate_totp"))
    browser.post(reverse("mfa_activate_totp"), {"code": "000000"})
    (session,) = person.sessions.values_list("public_id", flat=True)
    assert event(Kind.SECOND_FACTOR_FAILED).payload == {
        "method": "totp",
        "purpose": "enrolment",
        "reason": "wrong_code",
        "session": str(session),
    }


# -- what failed before it was anybody's session ---------------------------------------------------------------------


def test_a_wrong_password_is_recorded_with_what_was_wrong(person: User) -> None:
    browser = Client()
    browser.post(LOGIN, {"login": person.email, "password": "wrong"})
    assert event(Kind.SIGN_IN_FAILED).payload == {"method": "password", "reason": "wrong_password"}
    browser.post(LOGIN, {"login": "nobody@example.com", "password": "wrong"})
    unknown = last_event(Kind.SIGN_IN_FAILED)
    assert (unknown.target_id, unknown.payload) == ("", {"method": "password", "reason": "unknown_address"})


def guess_until_paused(address: str) -> list[Any]:
    browser = Client()
    tries = throttles.PASSWORD_BY_ACCOUNT.count + 2
    return [browser.post(LOGIN, {"login": address, "password": "wrong"}) for _each in range(tries)]


@pytest.mark.security(25, 88)
def test_a_pause_is_in_the_record_of_whoever_was_guessed_at(person: User) -> None:
    guess_until_paused(person.email)
    paused = event(Kind.SIGN_IN_THROTTLED)
    assert (paused.target_id, paused.tenant_id, paused.actor_id) == (str(person.pk), person.tenant_id, "")
    assert (paused.payload["method"], paused.payload["scope"]) == ("password", "password-account")
    looking = verified_client(AdministratorFactory(tenant=person.tenant))
    assert looking.get(url(AuditEvent, "change", paused.pk)).status_code == 200


@pytest.mark.security(28)
def test_a_pause_looks_the_same_whether_or_not_the_address_is_somebodys(person: User) -> None:
    known, unknown = (guess_until_paused(address)[-2:] for address in (person.email, "nobody@example.com"))
    for one, other in zip(known, unknown, strict=True):
        assert one.status_code == other.status_code
        assert one.context["form"].errors == other.context["form"].errors
    assert {paused.target_id for paused in AuditEvent.objects.filter(kind=Kind.SIGN_IN_THROTTLED)} == {
        str(person.pk),
        "",
    }


def test_an_address_is_of_whoever_proved_it_and_not_of_who_only_names_it(person: User) -> None:
    UserFactory(tenant=person.tenant, email="shared@example.com", verified=False)
    EmailAddress.objects.create(user=person, email="shared@example.com", verified=True)
    guess_until_paused("shared@example.com")
    for kind in (Kind.SIGN_IN_FAILED, Kind.SIGN_IN_THROTTLED):
        assert {one.target_id for one in AuditEvent.objects.filter(kind=kind)} == {str(person.pk)}


def test_what_is_tried_by_another_address_of_theirs_is_theirs(person: User) -> None:
    EmailAddress.objects.create(user=person, email="other@example.com", verified=True)
    EmailAddress.objects.create(user=person, email="unproved@example.com", verified=False)
    for address in ("Other@example.com", "unproved@example.com"):
        guess_until_paused(address)
    for kind in (Kind.SIGN_IN_FAILED, Kind.SIGN_IN_THROTTLED):
        assert {one.target_id for one in AuditEvent.objects.filter(kind=kind)} == {str(person.pk), ""}
