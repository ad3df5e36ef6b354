"""A sign-in that is let in outright takes its grant along, by the versions it was judged under; nobody else does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.flows import sign_in
from accounts.models import Session, Tenant, User
from audit.kinds import Kind
from policies import enforcement, receipts
from policies.flows import sign_ins
from policies.models import DecidedSignIn
from tests.factories import (
    PASSWORD,
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_totp,
    live_binding,
    next_code,
    publish_rules,
)
from tests.policies.admin_scene import events, last_event
from tests.policies.publishing_scene import administrator, published, session_in
from tests.policies.reminding_scene import a_tenant, newcomer
from tests.policies.trusted_scene import Owner, sign_out

pytestmark = [pytest.mark.django_db, pytest.mark.security(66)]
LOGIN, SECOND, HOME = reverse("account_login"), reverse("mfa_authenticate"), reverse("home")
ENROL = reverse("mfa_enrol")
KEYS = {"strength": {"user": "phishing_resistant"}, "grace_days": 0}


@pytest.fixture
def person() -> User:
    person: User = UserFactory(tenant=TenantFactory(rules={"grace_days": 0}))
    return person


def signed_in(person: User, secret: str = "") -> Client:
    """A browser in which somebody signed in, and asked for no page since."""
    browser = Client()
    browser.post(LOGIN, {"login": person.email, "password": PASSWORD})
    if secret:
        assert browser.post(SECOND, {"code": next_code(secret), "method": "totp"})["Location"] == HOME
    return browser


def grant_in(browser: Client) -> Session:
    return session_in(browser).row


def test_the_page_it_leads_to_costs_one_select_and_no_judgement(person: User, monkeypatch: Any) -> None:
    browser = signed_in(person, enrol_totp(person))
    monkeypatch.setattr(enforcement, "judge", lambda *args, **kwargs: pytest.fail("it was judged again"))
    with CaptureQueriesContext(connection) as captured:
        assert browser.get(HOME).status_code == 200
    assert [one["sql"][:9] for one in captured if "accounts_session" in one["sql"]] == ["SELECT s."]
    assert not [one for one in captured if "policyversion" in one["sql"]]


def test_it_names_what_it_was_judged_under(person: User) -> None:
    browser = signed_in(person, enrol_totp(person))
    row, now = grant_in(browser), timezone.now()
    assert (row.grant_tenant, row.grant_role) == (person.tenant_id, "user")
    assert (row.grant_security_version, row.grant_policy_version) == (person.security_version, 1)
    assert row.grant_valid_until is not None and row.grant_valid_until > now + timedelta(hours=11)
    assert enforcement.holds_grant(session_in(browser), session_in(browser).person, now)  # type: ignore[arg-type]


def test_it_is_kept_once_on_the_facts_of_the_session_that_it_made(person: User) -> None:
    browser = signed_in(person, enrol_totp(person))
    _asked, entered = DecidedSignIn.objects.filter(person_id=person.pk).order_by("id")
    User.objects.filter(pk=person.pk).update(security_version=F("security_version") + 1)  # which judges it anew
    browser.get(HOME)
    assert DecidedSignIn.objects.filter(person_id=person.pk).count() == 2
    row = grant_in(browser)
    assert (entered.session, entered.outcome) == (row.public_id, "allow")
    at_the_gate = enforcement.judge(session_in(browser), User.objects.get(pk=person.pk), entered.at)
    assert entered.facts == receipts.stored(at_the_gate.facts)
    assert at_the_gate.facts.signed_in_at == row.signed_in_at is not None


Change = Callable[[User], Any]
CHANGES: dict[str, tuple[Change, str]] = {
    "policy": (lambda person: publish_rules(person.tenant, **KEYS), ENROL),
    "security": (lambda person: User.objects.filter(pk=person.pk).update(security_version=90), ""),
    "role": (lambda person: User.objects.filter(pk=person.pk).update(role="administrator"), ""),
    "person off": (lambda person: User.objects.filter(pk=person.pk).update(is_active=False), LOGIN),
    "tenant off": (lambda person: Tenant.objects.filter(pk=person.tenant_id).update(is_active=False), "denied"),
    "password": (lambda person: User.objects.filter(pk=person.pk).update(password="!"), LOGIN),
    "another tenant": (
        lambda person: User.objects.filter(pk=person.pk).update(tenant=TenantFactory(rules=KEYS)),
        ENROL,
    ),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_change_between_judgement_and_commit_is_judged_on_the_next_request(
    person: User, monkeypatch: Any, changed: str
) -> None:
    """It happens after the decision was made and before anything of it is written."""
    secret, judge = enrol_totp(person), enforcement.judge
    change, leads_to = CHANGES[changed]

    def changed_meanwhile(*args: Any, **kwargs: Any) -> enforcement.Judgement:
        judgement = judge(*args, **kwargs)
        if judgement.decision.is_allowed:
            change(User.objects.get(pk=person.pk))
        return judgement

    monkeypatch.setattr(enforcement, "judge", changed_meanwhile)
    browser = signed_in(person, secret)
    judged: list[object] = []
    monkeypatch.setattr(enforcement, "judge", lambda *a, **k: judged.append(a) or judge(*a, **k))
    page = browser.get(HOME)
    if leads_to == "denied":
        assert page.status_code == 403
    elif leads_to:
        assert page["Location"].startswith(leads_to)
    else:
        assert page.status_code == 200
    assert judged or leads_to == LOGIN


def test_in_grace_nothing_is_granted_before_the_gate_has_said_so() -> None:
    browser = signed_in(newcomer(a_tenant()))
    assert grant_in(browser).grant_policy_version is None
    assert browser.get(HOME).status_code == 200
    assert (grant_in(browser).grant_policy_version, events(Kind.ENFORCEMENT_GRACE_ALLOWED)) == (1, 1)


def test_who_must_enrol_is_granted_nothing(person: User) -> None:
    browser = signed_in(person)
    assert last_event(Kind.SIGN_IN_COMPLETED).payload["decision"] == "enrol"
    assert grant_in(browser).grant_policy_version is None
    assert browser.get(HOME)["Location"].startswith(ENROL)


@pytest.mark.security(69)
def test_a_trusted_browser_is_told_of_at_the_gate(clock: Any) -> None:
    owner = Owner(clock)
    browser = owner.sign_in(trust=True)
    sign_out(browser)
    owner.give_password(browser)
    assert grant_in(browser).grant_policy_version is None
    assert browser.get(HOME).status_code == 200
    assert owner.kinds() == ["browser:trusted", "browser:trust_used"]
    assert grant_in(browser).grant_policy_version is not None


def test_who_a_version_on_trial_would_have_stopped_is_judged_at_the_gate() -> None:
    actor = administrator(TenantFactory(rules={"enforcement": "optional"}))
    published(actor, how={"mode": "report"}, **KEYS)
    browser = signed_in(UserFactory(tenant=actor.tenant))
    assert grant_in(browser).grant_policy_version is None
    assert browser.get(HOME).status_code == 200
    assert (grant_in(browser).grant_policy_version, events(Kind.ENFORCEMENT_WOULD_STOP)) == (2, 1)


def test_what_another_person_proved_in_this_session_grants_nothing(person: User) -> None:
    """Two people of one browser: the second one's password stands alone, whatever the first had shown."""
    secret, other = enrol_totp(person), UserFactory(tenant=person.tenant)
    enrol_totp(other)
    browser = signed_in(person, secret)
    sign_out(browser)
    browser.post(LOGIN, {"login": other.email, "password": PASSWORD})
    assert grant_in(browser).grant_policy_version is None
    assert browser.get(HOME)["Location"].startswith(LOGIN)


def test_a_half_finished_sign_in_holds_no_grant(person: User) -> None:
    enrol_totp(person)
    browser = signed_in(person)
    row = grant_in(browser)
    assert (row.grant_policy_version, row.grant_security_version, row.signed_in_at) == (None, None, None)
    assert sign_ins.ENTERED not in browser.session


def test_a_sign_in_that_fails_in_its_unit_grants_nothing(person: User, monkeypatch: Any) -> None:
    secret = enrol_totp(person)
    browser = signed_in(person)

    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the record is out of order")

    monkeypatch.setattr(sign_in, "record", broken)
    with pytest.raises(RuntimeError):
        browser.post(SECOND, {"code": next_code(secret), "method": "totp"})
    assert not Session.objects.filter(person=person, signed_in_at__isnull=False).exists()
    assert not Session.objects.exclude(grant_policy_version=None).exists()
    assert [row.outcome for row in DecidedSignIn.objects.filter(person_id=person.pk)] == ["step_up"]
    assert events(Kind.SECOND_FACTOR_ACCEPTED) == 0
    monkeypatch.undo()  # nothing came of the code, so it is as good as it was
    assert browser.post(SECOND, {"code": next_code(secret), "method": "totp"})["Location"] == HOME
    assert (events(Kind.SECOND_FACTOR_ACCEPTED), events(Kind.SIGN_IN_COMPLETED)) == (1, 1)


def test_a_wrong_code_is_counted_and_recorded_though_nothing_comes_of_it(person: User) -> None:
    enrol_totp(person)
    browser = signed_in(person)
    assert browser.post(SECOND, {"code": "000000", "method": "totp"}).status_code == 200
    assert (live_binding(person).failures, events(Kind.SECOND_FACTOR_FAILED)) == (1, 1)
    assert events(Kind.SIGN_IN_COMPLETED) == 0


def test_an_administrator_takes_theirs_along_too() -> None:
    administrator = AdministratorFactory(tenant=TenantFactory(rules={"grace_days": 0}))
    browser = signed_in(administrator, enrol_totp(administrator))
    row = grant_in(browser)
    assert (row.grant_role, row.grant_policy_version) == ("administrator", 1)
    assert browser.get(HOME).status_code == 200
