"""Trusted browsers: what gives trust, what it stands in for, and all that ends it. It proves nothing."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as site_settings
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.assurance import Strength
from accounts.flows import binding as bindings
from accounts.flows import browsers, people
from accounts.models import Browser, Role, Session, User
from accounts.policy import policy
from audit.log import unit_of_work
from audit.models import AuditEvent
from policies.flows import publish
from policies.models import DecidedSignIn
from tests import factories
from tests.accounts.test_views_webauthn import ORIGIN, enrol_key
from tests.factories import (
    PASSWORD,
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    enrol_recovery_codes,
    enrol_totp,
    publish_rules,
)
from tests.harness.codes import Clock
from tests.policies.trusted_scene import DAYS, HOME, SECOND, TRUSTING, Owner, new_browser, sign_out, token_of
from tests.soft_authenticator import SoftKey

pytestmark = [pytest.mark.django_db, pytest.mark.security(69)]

KEYS_FOR_USERS = {"strength": {"user": "phishing_resistant"}}
NEW = "another long pass phrase"


@pytest.fixture
def owner(clock: Clock) -> Owner:
    return Owner(clock)


def is_offered(client: Client, **query: str) -> bool:
    return b'name="trust"' in client.get(SECOND, query).content


def live_session(person: User) -> Session:
    return Session.objects.filter(person=person, ended_at=None).latest("created_at")


# -- giving it ---------------------------------------------------------------------------------------------------


def test_a_browser_that_is_trusted_needs_the_password_alone(owner: Owner) -> None:
    client = owner.sign_in(trust=True)
    assert not owner.is_asked(client)
    assert owner.kinds() == ["browser:trusted", "browser:trust_used"]


def test_who_does_not_ask_for_it_is_asked_again(owner: Owner) -> None:
    client = owner.sign_in()
    assert owner.is_asked(client)
    assert owner.kinds() == []


@pytest.mark.security(66)
def test_trust_proves_nothing_and_the_receipt_says_so(owner: Owner) -> None:
    client = owner.sign_in(trust=True)
    owner.is_asked(client)
    assert live_session(owner.person).strength is Strength.SINGLE_FACTOR
    completed = AuditEvent.objects.filter(kind="sign_in:completed").order_by("-id")[0]
    assert (completed.payload["aal"], completed.payload["amr"]) == (1, ["pwd"])
    kept = DecidedSignIn.objects.latest("at")
    assert kept.reasons == ["trusted_browser", "second_factor_owed"]
    assert kept.facts["trusted_since"] is not None


@pytest.mark.security(51)
def test_trust_makes_no_session_fresh(owner: Owner) -> None:
    client = owner.sign_in(trust=True)
    owner.is_asked(client)
    for name in ("account_change_password", "account_email"):
        assert client.get(reverse(name))["Location"].startswith(reverse("mfa_reauthenticate"))


def test_it_is_offered_with_its_date_and_recorded_with_it(owner: Owner) -> None:
    client = new_browser()
    owner.give_password(client)
    until = timezone.now() + timedelta(days=DAYS)
    assert f"Trust this browser until {until:%-d %B %Y}" in client.get(SECOND).content.decode()
    owner.give_code(client, trust=True)
    event = AuditEvent.objects.get(kind="browser:trusted")
    assert event.payload["until"][:10] == f"{until:%Y-%m-%d}"
    assert event.payload["browser"] == str(owner.browser().pk)


def test_a_recovery_code_is_for_one_day(owner: Owner) -> None:
    codes = enrol_recovery_codes(owner.person)
    client = new_browser()
    owner.give_password(client)
    assert is_offered(client, method="totp")
    assert not is_offered(client, method="recovery_code")
    client.post(SECOND, {"method": "recovery_code", "code": codes[0], "trust": "1"})
    assert owner.browser().trusted_at is None
    assert owner.is_asked(client)


def test_a_wrong_code_gives_no_trust(owner: Owner) -> None:
    client = new_browser()
    owner.give_password(client)
    client.post(SECOND, {"method": "totp", "code": owner.app.wrong_code(), "trust": "1"})
    assert not Browser.objects.exists()


NOT_OFFERED: dict[str, dict[str, Any]] = {
    "no days": {"trusted_browser_days": 0},
    "always": {"enforcement": "always", "trusted_browser_days": 0},
    "roles that must not": {"trusted_browser_never": ["user"]},
    "two are demanded": {"minimum_factors": 2, "grace_days": 0},
    "apps are allowed no more": {"allowed": ["webauthn"], "grace_days": 0},
    "keys are demanded": {**KEYS_FOR_USERS, "grace_days": 0},
}


@pytest.mark.parametrize("rules", NOT_OFFERED.values(), ids=list(NOT_OFFERED))
def test_where_the_policy_would_not_honour_it_nothing_is_offered_and_nothing_taken(clock: Clock, rules: dict) -> None:
    owner = Owner(clock, rules=rules)
    client = new_browser()
    owner.give_password(client)
    assert not is_offered(client)
    owner.give_code(client, trust=True)
    assert owner.browser().trusted_at is None
    assert owner.is_asked(client)


def test_what_is_demanded_of_keys_does_not_make_a_browser_stand_in_for_them(clock: Clock, settings: Any) -> None:
    """Phishing resistance is demanded, and a key is there: no cookie replaces it (security 49)."""
    settings.WEBAUTHN_ORIGINS = [ORIGIN]
    owner = Owner(clock, rules=KEYS_FOR_USERS)
    enrol_key(owner.person, SoftKey())
    client = new_browser()
    owner.give_password(client)
    assert client.get(SECOND).context["method"] == "webauthn"
    assert not is_offered(client)


def test_an_administrator_who_may_not_is_not_offered_it(clock: Clock) -> None:
    owner = Owner(clock, role=Role.ADMINISTRATOR)
    client = new_browser()
    owner.give_password(client)
    assert not is_offered(client)
    owner.give_code(client, trust=True)
    assert owner.is_asked(client)


def test_while_a_version_waits_to_be_confirmed_no_browser_is_trusted(owner: Owner) -> None:
    """It would be trusted under the version before as well, which comes back if nobody confirms."""
    waiting = owner.person.tenant.policy
    type(waiting).objects.filter(pk=waiting.pk).update(
        confirm_by=timezone.now() + timedelta(hours=1), fallback_version=waiting.version
    )
    client = new_browser()
    owner.give_password(client)
    assert not is_offered(client)
    owner.give_code(client, trust=True)
    assert owner.browser().trusted_at is None


def test_a_change_since_the_request_began_wins(owner: Owner) -> None:
    client = owner.sign_in()
    session = factories.session_of(
        owner.person, factories.password_proof(), factories.proof_of(factories.live_binding(owner.person))
    )
    session.change(browser=owner.browser().pk)
    as_read = User.objects.select_related("tenant").get(pk=owner.person.pk)
    people.raise_security_version(User.objects.get(pk=owner.person.pk))
    with pytest.raises(browsers.CannotTrust):
        browsers.trust(as_read, session)
    assert owner.is_asked(client)


@pytest.mark.parametrize("lacks", ["factor", "recent factor", "own factor", "browser", "own browser"])
def test_only_a_session_that_just_proved_a_factor_in_this_browser_gives_trust(owner: Owner, lacks: str) -> None:
    owner.sign_in()
    other = UserFactory(tenant=owner.person.tenant)
    enrol_totp(other)
    binding = factories.live_binding(other if lacks == "own factor" else owner.person)
    ago = timedelta(minutes=6 if lacks == "recent factor" else 0)
    proof = factories.proof_of(binding, at=timezone.now() - ago)
    session = factories.session_of(owner.person, factories.password_proof(), *(() if lacks == "factor" else (proof,)))
    mine = owner.browser()
    if lacks == "own browser":
        mine.person = other
        mine.save()
    session.change(browser=None if lacks == "browser" else mine.pk)
    person = User.objects.get(pk=owner.person.pk)
    with pytest.raises(browsers.CannotTrust):
        browsers.trust(person, session)
    assert not Browser.objects.exclude(trusted_at=None).exists()


# -- whose it is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forged", ["A" * 43, "x", "A" * 4000, "ü" * 43])
def test_a_forged_cookie_is_worth_nothing(owner: Owner, forged: str) -> None:
    owner.sign_in(trust=True)
    assert owner.is_asked(new_browser(forged))


def test_without_the_cookie_one_is_asked(owner: Owner) -> None:
    client = owner.sign_in(trust=True)
    del client.cookies[site_settings.BROWSER_COOKIE_NAME]
    assert owner.is_asked(client)


def test_of_two_people_on_one_browser_each_trusts_it_for_themselves(owner: Owner, clock: Clock) -> None:
    client = owner.sign_in(trust=True)
    other = Owner(clock, tenant=owner.person.tenant)
    assert other.is_asked(client)
    other.give_code(client, trust=False)
    assert client.get(HOME).status_code == 200
    assert not owner.is_asked(client)
    assert other.is_asked(client)


def test_the_cookie_of_another_person_is_worth_nothing(owner: Owner, clock: Clock) -> None:
    other = Owner(clock, tenant=owner.person.tenant)
    theirs = other.sign_in(trust=True)
    assert owner.is_asked(new_browser(token_of(theirs)))


def test_the_cookie_of_somebody_in_another_tenant_is_worth_nothing(owner: Owner, clock: Clock) -> None:
    elsewhere = Owner(clock)
    assert elsewhere.person.tenant_id != owner.person.tenant_id
    assert owner.is_asked(new_browser(token_of(elsewhere.sign_in(trust=True))))


def test_a_planted_cookie_never_becomes_a_trusted_one(owner: Owner, clock: Clock) -> None:
    """Somebody puts the cookie of their own browser into hers, and waits until she trusts it."""
    thief = Owner(clock, tenant=owner.person.tenant)
    planted = token_of(thief.sign_in())
    hers = owner.sign_in(new_browser(planted), trust=True)
    assert token_of(hers) != planted
    assert owner.is_asked(new_browser(planted))
    assert not owner.is_asked(hers)


def test_who_trusts_a_browser_takes_nobody_elses_name_of_it_away(owner: Owner, clock: Clock) -> None:
    client = owner.sign_in(trust=True)
    other = Owner(clock, tenant=owner.person.tenant)
    sign_out(client)
    other.sign_in(client, trust=True)
    assert not owner.is_asked(client)
    assert not other.is_asked(client)
    assert Browser.objects.count() == 2


def test_a_half_finished_sign_in_of_another_person_leaves_no_trust_behind(owner: Owner, clock: Clock) -> None:
    """In one session two people try: what the first one's browser is says nothing of the second."""
    other = Owner(clock, tenant=owner.person.tenant, rules={})
    client = owner.sign_in(trust=True)
    new_policy(owner)
    other.sign_in(other_browser := new_browser(), trust=True)
    assert not other.is_asked(other_browser)
    sign_out(client)
    assert owner.give_password(client)["Location"] == SECOND
    assert other.give_password(client)["Location"] == SECOND


# -- what ends it ------------------------------------------------------------------------------------------------


def new_policy(owner: Owner) -> None:
    publish_rules(owner.person.tenant, **TRUSTING)


def another_role(owner: Owner) -> None:
    people.change(owner.person, actor=_platform(), role=Role.ADMINISTRATOR)
    people.change(owner.person, actor=_platform(), role=Role.USER)


def another_tenant(owner: Owner) -> None:
    people.change(owner.person, actor=_platform(), tenant=TenantFactory(rules=TRUSTING))


def another_password(owner: Owner) -> None:
    people.set_password(owner.person, NEW)


def password_behind_our_back(owner: Owner) -> None:
    person = User.objects.get(pk=owner.person.pk)
    person.set_password(NEW)
    person.save(update_fields=["password"])


def tenant_behind_our_back(owner: Owner) -> None:
    other = TenantFactory(rules=TRUSTING)
    type(other).objects.filter(pk=other.pk).update(policy_version=owner.person.tenant.policy_version)
    User.objects.filter(pk=owner.person.pk).update(tenant=other)


def one_more_factor(owner: Owner) -> None:
    enrol_recovery_codes(owner.person)


def another_group(owner: Owner) -> None:
    owner.person.groups.add(Group.objects.create(name="Sales"))


def deactivated_and_back(owner: Owner) -> None:
    people.change(owner.person, actor=_platform(), is_active=False)
    people.change(owner.person, actor=_platform(), is_active=True)


def _platform() -> User:
    return AdministratorFactory(is_superuser=True)


CHANGES = [
    new_policy,
    another_role,
    another_tenant,
    another_password,
    password_behind_our_back,
    tenant_behind_our_back,
    one_more_factor,
    another_group,
    deactivated_and_back,
]


@pytest.mark.security(67)
@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
def test_any_change_of_factors_password_role_or_policy_ends_it(owner: Owner, change: Any) -> None:
    """Also for whoever stole the cookie before: the copy is as dead as the browser's own."""
    client = owner.sign_in(trust=True)
    stolen = new_browser(token_of(client))
    change(owner)
    password = NEW if "password" in change.__name__ else PASSWORD
    assert owner.is_asked(stolen, password)
    assert owner.is_asked(client, password)


def test_a_role_that_must_not_ends_it_however_it_was_given(owner: Owner) -> None:
    client = owner.sign_in(trust=True)
    User.objects.filter(pk=owner.person.pk).update(role=Role.ADMINISTRATOR)
    assert owner.is_asked(client)


@pytest.mark.security(66)
def test_a_session_let_in_by_trust_is_asked_at_its_next_request_after_a_change(owner: Owner) -> None:
    client = owner.sign_in(trust=True)
    assert not owner.is_asked(client)
    new_policy(owner)
    assert client.get(HOME)["Location"].startswith(SECOND)


def test_the_end_of_trust_is_recorded_when_the_browser_is_back(owner: Owner) -> None:
    client = owner.sign_in(trust=True)
    new_policy(owner)
    assert owner.is_asked(client)
    owner.give_code(client, trust=False)
    assert owner.kinds() == ["browser:trusted", "browser:trust_ended"]
    assert owner.browser().trusted_at is None
    event = AuditEvent.objects.get(kind="browser:trust_ended")
    assert event.payload["reason"] == "security_changed"


def test_a_reset_ends_it(owner: Owner) -> None:
    client = owner.sign_in(trust=True)
    with unit_of_work():
        bindings.strip(people.lock(owner.person), actor=None, reason="reset")
    person = User.objects.select_related("tenant").get(pk=owner.person.pk)
    assert not browsers.is_trusted(owner.browser(), person)
    sign_out(client)
    owner.give_password(client)
    assert client.get(HOME)["Location"].startswith(reverse("mfa_enrol"))


def test_it_ends_with_its_days(owner: Owner, clock: Clock) -> None:
    client = owner.sign_in(trust=True)
    clock.forward(timedelta(days=DAYS - 1))
    assert not owner.is_asked(client)
    clock.forward(timedelta(days=1))
    assert owner.is_asked(client)


def test_a_session_let_in_by_trust_is_asked_when_the_days_are_over(owner: Owner, clock: Clock) -> None:
    client = owner.sign_in(trust=True)
    clock.forward(timedelta(days=DAYS) - timedelta(minutes=10))
    assert not owner.is_asked(client)
    clock.forward(timedelta(minutes=9))
    assert client.get(HOME).status_code == 200
    clock.forward(timedelta(minutes=2))
    assert client.get(HOME)["Location"].startswith(SECOND)


@pytest.mark.parametrize(
    "floor",
    ['{"trusted_browser_days": 0}', '{"trusted_browser_never": ["user"]}', '{"enforcement": "always"}'],
)
def test_a_floor_that_rises_ends_it_at_once(owner: Owner, settings: Any, floor: str) -> None:
    client = owner.sign_in(trust=True)
    assert not owner.is_asked(client)
    settings.MFA_POLICY_FLOOR = floor
    assert client.get(HOME)["Location"].startswith(SECOND)
    assert owner.is_asked(client)
    assert not is_offered(client)


def test_a_floor_of_fewer_days_shortens_it(owner: Owner, settings: Any, clock: Clock) -> None:
    client = owner.sign_in(trust=True)
    clock.forward(timedelta(days=6))
    settings.MFA_POLICY_FLOOR = '{"trusted_browser_days": 7}'
    assert not owner.is_asked(client)
    clock.forward(timedelta(days=1))
    assert owner.is_asked(client)


@pytest.mark.parametrize("rules", [r for name, r in NOT_OFFERED.items() if name != "no days"])
def test_a_policy_that_would_not_honour_it_does_not_even_where_the_versions_fit(owner: Owner, rules: dict) -> None:
    """The rule of the engine holds by itself: here the row says that nothing changed."""
    client = owner.sign_in(trust=True)
    publish_rules(owner.person.tenant, **TRUSTING | rules)
    owner.person.tenant.refresh_from_db()
    Browser.objects.update(trusted_policy_version=owner.person.tenant.policy_version)
    assert owner.is_asked(client)


def test_encryption_keys_have_nothing_to_do_with_it(owner: Owner, settings: Any) -> None:
    client = owner.sign_in(trust=True)
    settings.MFA_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.MFA_ENCRYPTION_KEYS]
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one altogether, long enough to sign with"
    assert not owner.is_asked(client)


# -- ending it -----------------------------------------------------------------------------------------------------


def test_the_owner_ends_one_and_the_others_stay(owner: Owner) -> None:
    lost, kept = owner.sign_in(trust=True), owner.sign_in(trust=True)
    assert not owner.is_asked(lost)
    row = Browser.objects.get(digest=browsers.digest_of(token_of(lost)))
    assert browsers.stop_trusting(owner.person, [row.pk]) == 1
    assert lost.get(HOME)["Location"].startswith(SECOND)
    assert owner.is_asked(lost)
    assert not owner.is_asked(kept)
    assert owner.kinds()[-2:] == ["browser:trust_ended", "browser:trust_used"]


def test_ending_it_revives_nothing_that_a_change_had_ended(owner: Owner) -> None:
    """What is carried over to the new version is what stood on the one before it."""
    void, standing = owner.sign_in(trust=True), new_browser()
    people.raise_security_version(owner.person)
    owner.sign_in(standing, trust=True)
    ended = owner.sign_in(trust=True)
    row = Browser.objects.get(digest=browsers.digest_of(token_of(ended)))
    browsers.stop_trusting(owner.person, [row.pk])
    assert not owner.is_asked(standing)
    assert owner.is_asked(void)


def test_nobody_ends_anybody_elses(owner: Owner, clock: Clock) -> None:
    client = owner.sign_in(trust=True)
    other = Owner(clock, tenant=owner.person.tenant)
    assert browsers.stop_trusting(other.person, [owner.browser().pk]) == 0
    assert not owner.is_asked(client)


# -- the adapter, without a policy ---------------------------------------------------------------------------------


def test_without_a_policy_nothing_is_trusted(owner: Owner) -> None:
    publish.MFAPolicy.objects.filter(tenant=owner.person.tenant).delete()
    assert policy().trusted_browser_days(owner.person) == 0
