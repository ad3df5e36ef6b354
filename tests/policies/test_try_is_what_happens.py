"""What a trial says is what happens: tried, published, and then everybody signs in for real."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from accounts.models import Tenant
from policies.flows import publish
from policies.models import DecidedSignIn, MFAPolicy
from policies.rollout import trial
from policies.rollout.simulation import Ending
from tests.accounts.test_views_webauthn import ORIGIN
from tests.factories import TenantFactory
from tests.policies.people_at_the_door import GROUP, Cast, sign_in
from tests.policies.publishing_scene import document
from tests.policies.trusted_scene import Owner

pytestmark = pytest.mark.django_db

SCOPE = {"everyone": False, "roles": [], "groups": [], "staff": False, "sources": []}
KEYS_FOR_ALL = {"user": "phishing_resistant", "administrator": "phishing_resistant"}
DRAFTS: dict[str, dict[str, Any]] = {
    "optional": {"enforcement": "optional"},
    "off": {"enabled": False},
    "required at once": {"grace_days": 0},
    "required, in time": {"grace_days": 14, "new_grace_days": 10, "administrators_grace_days": 3},
    "always": {"enforcement": "always", "grace_days": 0, "new_grace_days": 5},
    "keys alone": {"allowed": ["webauthn"], "grace_days": 0},
    "apps alone": {"allowed": ["totp"], "grace_days": 0},
    "apps before keys, no codes": {"allowed": ["totp", "webauthn"], "grace_days": 0},
    "keys for administrators": {"strength": {"administrator": "phishing_resistant"}, "grace_days": 0},
    "keys for all, in time": {"strength": KEYS_FOR_ALL, "grace_days": 10, "administrators_grace_days": 10},
    "two factors": {"minimum_factors": 2, "grace_days": 0},
    "a group": {"scope": SCOPE | {"groups": [GROUP]}, "grace_days": 0},
    "staff": {"scope": SCOPE | {"staff": True}},
    "members": {"scope": SCOPE | {"roles": ["user"]}, "grace_days": 0},
    "keys that ask": {"user_verification": "required", "strength": KEYS_FOR_ALL, "grace_days": 0},
    "nothing synced": {"synced_passkeys": False, "grace_days": 0},
    "nothing synced, in time": {"synced_passkeys": False, "grace_days": 90, "new_grace_days": 90},
    "apps alone, for a group": {"allowed": ["totp"], "scope": SCOPE | {"groups": [GROUP]}},
    "only what its maker vouches for": {"attestation": "direct", "allowed": ["webauthn", "totp"], "grace_days": 0},
    "trusting": {"trusted_browser_days": 30, "trusted_browser_never": [], "grace_days": 0},
    "excludes and emergencies": {"grace_days": 0, "named": True},
    "the strictest": {
        "enforcement": "always",
        "allowed": ["webauthn"],
        "strength": KEYS_FOR_ALL,
        "user_verification": "required",
        "synced_passkeys": False,
        "minimum_factors": 2,
        "grace_days": 0,
        "named": True,
    },
}


@pytest.fixture
def cast(clock, settings) -> Cast:
    """Everybody, in a tenant that demands a second factor since before some of them came."""
    settings.WEBAUTHN_ORIGINS = [ORIGIN]
    tenant = TenantFactory(rules={"grace_days": 90, "new_grace_days": 90, "administrators_grace_days": 90})
    cast = Cast(tenant, clock)
    cast.everybody()
    return cast


def drafted(cast: Cast, rules: dict[str, Any]) -> dict[str, Any]:
    """The document, with those in it whom it names."""
    rules = {name: value for name, value in rules.items() if name not in ("enabled", "named")} | (
        named(cast) if rules.get("named") else {}
    )
    return document(**rules)


def named(cast: Cast) -> dict[str, Any]:
    until = (timezone.now() + timedelta(days=30)).isoformat()
    people = [("person", value) for value in cast.ids("excluded", "excluded with an app")]
    entries = [
        {"kind": kind, "value": value, "reason": "away", "until": until} for kind, value in [*people, ("group", GROUP)]
    ]
    return {"excludes": entries, "break_glass": cast.ids("emergencies")}


def said(cast: Cast, wanted: dict[str, Any], *, enabled: bool) -> dict[str, tuple[Ending, Ending]]:
    """How the trial says that everybody's sign-in ends now, and would end."""
    policy, now = MFAPolicy.objects.get(tenant=cast.tenant), timezone.now()
    rules = publish.rules_if_published(policy, wanted, enabled=enabled, now=now)
    batches = trial.people_tried(policy, rules, now, batch_size=7)
    tried = {one.person.pk: (one.before.ending, one.after.ending) for batch in batches for one in batch}
    return {name: tried[somebody.person.pk] for name, somebody in cast.people.items()}


def really(cast: Cast) -> dict[str, Ending]:
    """How it does end."""
    return {name: sign_in(somebody) for name, somebody in cast.people.items()}


@pytest.mark.parametrize("rules", DRAFTS.values(), ids=DRAFTS)
def test_what_was_tried_is_what_happens(cast, rules):
    wanted, enabled = drafted(cast, rules), rules.get("enabled", True)
    predicted = {name: after for name, (_, after) in said(cast, wanted, enabled=enabled).items()}
    publish.publish(cast.tenant.policy, wanted, actor=None, reason="as tried", enabled=enabled)
    assert really(cast) == predicted
    assert {name: before for name, (before, _) in said(cast, wanted, enabled=enabled).items()} == predicted


@pytest.mark.parametrize("days", [0, 30])
def test_no_browser_is_taken_to_be_trusted_and_after_the_publish_none_is(clock, days):
    owner = Owner(clock)
    browser = owner.sign_in(trust=True)
    assert not owner.is_asked(browser)
    policy, now = MFAPolicy.objects.get(tenant=owner.person.tenant), timezone.now()
    wanted = document(trusted_browser_days=days)
    rules = publish.rules_if_published(policy, wanted, enabled=True, now=now)
    (tried,) = [one for batch in trial.people_tried(policy, rules, now) for one in batch]
    assert (tried.before.ending, tried.after.ending) == (Ending.ASKED, Ending.ASKED)
    publish.publish(policy, wanted, actor=None, reason="as tried")
    assert owner.is_asked(browser)


def test_the_drafts_make_every_difference(cast):
    """Else the comparison above would prove little."""
    endings = set()
    for rules in DRAFTS.values():
        endings |= set(said(cast, drafted(cast, rules), enabled=rules.get("enabled", True)).values())
    assert {after for _, after in endings} == set(Ending)


def test_past_sign_ins_replayed_are_what_really_happened(cast):
    """By the rules in force, every past decision comes out as it did."""
    wanted = document(grace_days=0, strength={"administrator": "phishing_resistant"})
    publish.publish(cast.tenant.policy, wanted, actor=None, reason="x")
    really(cast)
    policy = MFAPolicy.objects.get(tenant=cast.tenant)
    tally = trial.ReplayTally()
    for batch in trial.sign_ins_replayed(policy, trial.rules_at(policy, timezone.now()), timezone.now()):
        tally.add(batch)
    assert tally.changed == tally.unreadable == 0
    assert tally.sign_ins + tally.asked == DecidedSignIn.objects.filter(tenant=cast.tenant).count()
    assert tally.asked > 5 and tally.sign_ins >= len(cast.people) - 2


METHOD_LISTS = st.lists(st.sampled_from(["webauthn", "totp", "recovery_code"]), unique=True).filter(
    lambda allowed: {"webauthn", "totp"} & set(allowed)
)


@st.composite
def rules(draw: Any) -> dict[str, Any]:
    """Rules of which none contradicts another."""
    allowed = draw(METHOD_LISTS)
    has_keys = "webauthn" in allowed
    levels = ["multi_factor", *(["phishing_resistant"] if has_keys else [])]
    return {
        "enforcement": draw(st.sampled_from(["optional", "required", "always"])),
        "allowed": allowed,
        "strength": draw(st.dictionaries(st.sampled_from(["user", "administrator"]), st.sampled_from(levels))),
        "minimum_factors": draw(st.sampled_from([1, 2])) if has_keys else 1,
        "synced_passkeys": draw(st.booleans()),
        "user_verification": draw(st.sampled_from(["discouraged", "preferred", "required"])),
        "grace_days": draw(st.sampled_from([0, 5, 90])),
        "new_grace_days": draw(st.sampled_from([0, 5, 90])),
        "administrators_grace_days": draw(st.sampled_from([0, 5])),
        "scope": draw(st.sampled_from([document()["scope"], SCOPE | {"groups": [GROUP]}, SCOPE | {"staff": True}])),
        "named": draw(st.booleans()),
    }


@examples(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example signs everybody in: shrinking would take hours
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rules=rules())
def test_whatever_is_tried_is_what_happens(cast, rules):
    wanted = drafted(cast, rules)
    predicted = {name: after for name, (_, after) in said(cast, wanted, enabled=True).items()}
    publish.publish(Tenant.objects.get(pk=cast.tenant.pk).policy, wanted, actor=None, reason="as tried")
    assert really(cast) == predicted
