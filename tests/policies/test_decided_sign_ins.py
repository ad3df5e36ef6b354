"""What is kept of every sign-in: the facts it was decided on, without any secret, for as long as is said."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import expiry
from accounts.flows import sign_in
from accounts.models import Binding, RecoveryCode, Session, Tenant, User
from policies import receipts
from policies.engine import decide
from policies.facts import rules_of
from policies.models import DecidedSignIn
from tests.factories import (
    PASSWORD,
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
from tests.policies.publishing_scene import session_in

pytestmark = pytest.mark.django_db

LOGIN, SECOND, HOME = reverse("account_login"), reverse("mfa_authenticate"), reverse("home")


@pytest.fixture
def person() -> User:
    return UserFactory(tenant=TenantFactory(rules={"grace_days": 0}))


def kept(person: User) -> list[DecidedSignIn]:
    return list(DecidedSignIn.objects.filter(person_id=person.pk).order_by("id"))


def outcomes(person: User) -> list[str]:
    return [row.outcome for row in kept(person)]


def browser_with_password(person: User) -> Client:
    browser = Client()
    browser.post(LOGIN, {"login": person.email, "password": PASSWORD})
    return browser


def test_a_sign_in_with_two_factors_leaves_what_was_asked_and_what_came_of_it(person):
    secret = enrol_totp(person)
    browser = browser_with_password(person)
    browser.post(SECOND, {"code": next_code(secret), "method": "totp"})
    browser.get(HOME)
    asked, ended = kept(person)
    assert (asked.outcome, asked.reasons, asked.satisfied_by) == ("step_up", ["second_factor_owed"], ["totp"])
    assert (ended.outcome, ended.reasons) == ("allow", ["second_factor_proved", "demand_met"])
    assert asked.session == ended.session == session_in(browser).row.public_id
    assert (asked.tenant, asked.policy_version, asked.would_stop) == (person.tenant, 1, None)
    assert asked.at < ended.at
    assert [one["method"] for one in ended.facts["proofs"]] == ["password", "totp"]


def test_one_that_is_given_up_leaves_what_was_asked(person):
    enrol_totp(person)
    browser_with_password(person)
    assert outcomes(person) == ["step_up"]


def test_a_wrong_password_leaves_nothing(person):
    Client().post(LOGIN, {"login": person.email, "password": "not this one"})
    assert outcomes(person) == []


def test_one_that_meets_enrolment_leaves_the_stop_and_the_way_in(person):
    browser = browser_with_password(person)
    browser.get(HOME)
    browser.get(HOME)
    assert outcomes(person) == ["enrol"]
    page = browser.get(browser.get(HOME)["Location"])
    activate = next(choice.url for choice in page.context["choices"] if choice.method == "totp")
    code = next_code(browser.get(activate).context["secret_plain"])
    browser.post(activate, {"code": code})
    browser.get(HOME)
    assert outcomes(person) == ["enrol", "allow"]


def test_one_that_is_denied_leaves_why(person):
    Tenant.objects.filter(pk=person.tenant_id).update(is_active=False)
    browser_with_password(person)
    (row,) = kept(person)
    assert (row.outcome, row.reasons) == ("deny", ["tenant_inactive"])


def test_proving_a_factor_again_is_no_other_sign_in(person):
    client = verified_client(person)
    client.get(HOME)
    session = session_in(client)
    session.prove(person, sign_in.password_proof())
    session.save()
    assert client.get(HOME).status_code == 200
    assert outcomes(person) == ["allow"]


def test_neither_is_a_session_that_is_judged_anew(person):
    client = verified_client(person)
    client.get(HOME)
    publish_rules(person.tenant, grace_days=3)
    client.get(HOME)
    assert outcomes(person) == ["allow"]


def test_a_session_that_is_stopped_later_leaves_that_and_its_end(person):
    publish_rules(person.tenant, enforcement="optional")
    client = client_of(person)
    client.get(HOME)
    publish_rules(person.tenant, grace_days=0)
    client.get(HOME)
    client.get(HOME)
    publish_rules(person.tenant, enforcement="optional")
    client.get(HOME)
    assert outcomes(person) == ["allow", "enrol", "allow"]


def test_it_can_be_decided_again_on_what_was_kept(person):
    secret = enrol_totp(person)
    browser = browser_with_password(person)
    browser.post(SECOND, {"code": next_code(secret), "method": "totp"})
    browser.get(HOME)
    for row in kept(person):
        again = decide(rules_of(person.tenant_id), receipts.facts_from(row.facts), row.at)
        assert (again.outcome.value, [reason.value for reason in again.reasons]) == (row.outcome, row.reasons)
        assert ([one.value for one in again.satisfied_by], again.deadline) == (row.satisfied_by, row.deadline)


@pytest.mark.security(85)
def test_no_secret_is_among_the_facts(person):
    secret = enrol_totp(person)
    codes = enrol_recovery_codes(person)
    browser = browser_with_password(person)
    code = next_code(secret)
    browser.post(SECOND, {"code": code, "method": "totp"})
    browser.get(HOME)
    rows = list(DecidedSignIn.objects.values())
    assert len(rows) == 2
    text = json.dumps(rows, default=str).lower()
    person.refresh_from_db()
    sealed = live_binding(person).authenticator.data["secret"]
    session = Session.objects.get(signed_in_at__isnull=False, person=person)
    canaries = [PASSWORD, secret, sealed, person.password, person.webauthn_handle.hex(), session.session_key]
    canaries += [browser.cookies[settings.SESSION_COOKIE_NAME].value]
    canaries += [*codes, *RecoveryCode.objects.values_list("digest", flat=True), person.email, person.name, f'"{code}"']
    assert not [canary for canary in canaries if str(canary).lower() in text]


class TestHowLong:
    @pytest.fixture
    def row(self, person) -> DecidedSignIn:
        verified_client(person).get(HOME)
        return kept(person)[0]

    def purge(self, *options: str) -> str:
        said = StringIO()
        call_command("purge_expired", *options, stdout=said)
        return said.getvalue()

    def test_ninety_days_and_no_longer(self, row):
        DecidedSignIn.objects.update(at=timezone.now() - timedelta(days=90) + timedelta(minutes=1))
        assert "decided sign-ins: 0 removed" in self.purge()
        DecidedSignIn.objects.update(at=timezone.now() - timedelta(days=90))
        assert "decided sign-ins: 1 to remove" in self.purge("--dry-run")
        assert "decided sign-ins: 1 removed" in self.purge()
        assert not DecidedSignIn.objects.exists()

    def test_it_outlives_its_session_and_its_person(self, row, person):
        Session.objects.all().update(expire_date=timezone.now() - timedelta(days=1))
        self.purge()
        Binding.objects.all().delete()
        User.objects.filter(pk=person.pk).delete()
        assert DecidedSignIn.objects.get().person_id == person.pk

    def test_it_goes_with_its_tenant(self, row, person):
        User.objects.filter(tenant=person.tenant_id).delete()
        person.tenant.delete()
        assert not DecidedSignIn.objects.exists()


def test_what_is_removed_has_one_name():
    with pytest.raises(ValueError, match="sessions"):
        expiry.register("sessions", lambda now: DecidedSignIn.objects.none())
