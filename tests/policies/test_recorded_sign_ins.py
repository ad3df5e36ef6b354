"""What the record says of signing in: by which authenticator, how strong, under which version, and why."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.errors import WrongPassword
from accounts.flows import sign_in, throttles
from accounts.flows.verification import PAUSE_FROM
from accounts.models import Binding, User
from audit.kinds import Kind
from audit.models import AuditEvent
from tests.factories import (
    PASSWORD,
    TenantFactory,
    UserFactory,
    enrol_totp,
    live_binding,
    next_code,
    publish_rules,
    verified_client,
)
from tests.policies.admin_scene import events, last_event
from tests.policies.reminding_scene import a_tenant, newcomer

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
