"""Drafts: in force nowhere, never overwritten, begun from any version of their policy, published as they were read."""

import pytest
from django.urls import reverse

from accounts.errors import NotAllowed, NotFresh
from accounts.models import Tenant, User
from audit.models import AuditEvent
from policies import facts
from policies.document import DocumentError
from policies.errors import LocksOut, StaleDraft
from policies.flows import drafts
from policies.models import PolicyDraft, PolicyVersion
from tests.accounts.test_verification import in_parallel
from tests.factories import TenantFactory, UserFactory, client_of, enrol_totp, publish_rules, session_of
from tests.policies.publishing_scene import (
    administrator,
    document,
    drafted,
    events,
    fresh_session,
    in_force,
    numbers,
    published,
)

pytestmark = pytest.mark.django_db


SCHEMA_1 = {"schema", "name", "description", "enforcement", "scope", "allowed", "strength", "grace_days"} | {
    *("passkey_login", "second_factor_hours", "idle_minutes", "administrators_idle_minutes", "fresh_minutes")
}


@pytest.fixture
def actor() -> User:
    return administrator()


def publish(actor: User, revision: int = 1, **how: object) -> PolicyVersion:
    """The draft of the person's own policy, published by them in a fresh session."""
    how = {"session": fresh_session(actor), "reason": "x"} | how
    return drafts.publish(actor.tenant.policy, actor=actor, revision=revision, **how)


def test_a_draft_is_in_force_nowhere(actor):
    person = UserFactory(tenant=TenantFactory(rules={"enforcement": "optional"}))
    author = administrator(person.tenant)
    drafted(author, enforcement="always")
    assert client_of(person).get(reverse("home")).status_code == 200
    assert (in_force(person.tenant), facts.rules_of(person.tenant_id).enforcement) == (1, "optional")


def test_what_was_dropped_and_begun_anew_is_not_the_draft_that_was_read(actor):
    drafted(actor, grace_days=3)
    drafts.discard(actor.tenant.policy, actor=actor, revision=1)
    drafted(actor, enforcement="always")
    for act in (publish, lambda who: drafts.discard(who.tenant.policy, actor=who, revision=1)):
        with pytest.raises(StaleDraft):
            act(actor)
    assert publish(actor, revision=2).document["enforcement"] == "always"


def test_every_change_is_recorded_and_counted(actor):
    drafted(actor, grace_days=3)
    draft = drafted(actor, revision=1, grace_days=4)
    assert (draft.revision, draft.based_on, draft.author_label) == (2, 1, actor.email)
    saved = events("policy:draft_saved", actor.tenant)
    assert [(event.payload["revision"], event.payload["after"]["grace_days"]) for event in saved] == [(1, 3), (2, 4)]
    drafts.discard(actor.tenant.policy, actor=actor, revision=2)
    assert drafts.draft_of(actor.tenant.policy) is None
    assert events("policy:draft_discarded", actor.tenant)[0].payload["revision"] == 2


def test_what_is_wrong_is_not_half_saved(actor):
    drafted(actor, grace_days=3)
    with pytest.raises(DocumentError) as refusal:
        drafted(actor, revision=1, grace_days=91, idle_minutes=True)
    assert set(refusal.value.errors) == {"grace_days", "idle_minutes"}
    draft = drafts.draft_of(actor.tenant.policy)
    assert (draft.revision, draft.document["grace_days"]) == (1, 3)


def test_of_two_editors_the_second_is_told_and_overwrites_nothing(actor):
    drafted(actor, grace_days=3)
    drafted(administrator(actor.tenant), revision=1, grace_days=4)
    for late in (
        lambda: drafted(actor, revision=1, grace_days=5),
        lambda: drafted(actor, revision=0, grace_days=5),
        lambda: drafts.begin(actor.tenant.policy, PolicyVersion.objects.get(policy=actor.tenant.policy), actor=actor),
        lambda: drafts.discard(actor.tenant.policy, actor=actor, revision=1),
        lambda: publish(actor, revision=1),
    ):
        with pytest.raises(StaleDraft):
            late()
    assert drafts.draft_of(actor.tenant.policy).document["grace_days"] == 4
    assert in_force(actor.tenant) == 1


def test_it_is_published_as_it_was_read_and_then_gone(actor):
    drafts.save(actor.tenant.policy, document(grace_days=3), enabled=False, actor=actor, revision=0)
    version = publish(actor, reason="shorter")
    assert (version.number, version.document["grace_days"], version.enabled) == (2, 3, False)
    assert (version.reason, version.author_id) == ("shorter", actor.pk)
    assert drafts.draft_of(actor.tenant.policy) is None
    with pytest.raises(StaleDraft):
        publish(actor)


def test_one_that_is_put_on_trial_stays(actor):
    drafted(actor, grace_days=3)
    assert publish(actor, mode="report").mode == "report"
    assert publish(actor).document == document(grace_days=3)


def test_one_that_was_begun_before_another_publish_is_not_published(actor):
    drafted(actor, grace_days=3)
    publish_rules(actor.tenant, grace_days=4)
    with pytest.raises(StaleDraft):
        publish(actor)
    assert facts.rules_of(actor.tenant_id).grace_days == 4
    assert drafts.draft_of(actor.tenant.policy) is not None


def test_who_has_seen_the_difference_lets_a_draft_go_on_from_there(actor):
    drafted(actor, grace_days=3)
    publish_rules(actor.tenant, grace_days=4)
    draft = drafts.rebase(actor.tenant.policy, actor=actor, revision=1)
    assert (draft.based_on, draft.revision, draft.document["grace_days"]) == (2, 2, 3)
    assert [event.payload["revision"] for event in events("policy:draft_saved", actor.tenant)] == [1, 2]
    with pytest.raises(StaleDraft):
        drafts.rebase(actor.tenant.policy, actor=actor, revision=1)
    assert publish(actor, revision=2).number == 3


def test_back_to_an_old_version_is_a_new_one_that_says_the_same(actor):
    since = facts.rules_of(actor.tenant_id).enforced_since
    published(actor, enforcement="optional", grace_days=90)
    draft = drafts.begin(
        actor.tenant.policy, PolicyVersion.objects.get(policy=actor.tenant.policy, number=1), actor=actor
    )
    assert draft.based_on == 2
    version = publish(actor)
    assert (version.number, version.document, version.enforced_since) == (
        3,
        document(contact="the service desk"),
        since,
    )
    assert numbers(actor.tenant.policy) == [1, 2, 3]


def test_an_old_version_of_an_older_schema_is_begun_from_in_todays(actor):
    policy = actor.tenant.policy
    old = {key: value for key, value in document(enforcement="off", schema=1).items() if key in SCHEMA_1}
    version = PolicyVersion.objects.create(policy=policy, number=7, schema=1, document=old, enabled=True)
    draft = drafts.begin(policy, version, actor=actor)
    assert draft.document == document(enforcement="optional", administrators_grace_days=14)


class TestRefusals:
    """Nothing of a refused publish stays but its record."""

    def test_a_password_is_no_fresh_proof(self, actor):
        drafted(actor)
        with pytest.raises(NotFresh):
            publish(actor, session=session_of(actor))

    def test_a_lock_out_is_recorded_once_and_the_draft_stays(self, actor):
        drafted(actor, strength={"administrator": "phishing_resistant"})
        with pytest.raises(LocksOut):
            publish(actor)
        assert [event.payload["code"] for event in events("policy:publish_refused", actor.tenant)] == ["locks_out"]
        assert drafts.draft_of(actor.tenant.policy).revision == 1
        assert numbers(actor.tenant.policy) == [1]

    @pytest.mark.security(84)
    def test_strangers_touch_no_draft(self, actor):
        drafted(actor)
        policy, version = actor.tenant.policy, PolicyVersion.objects.get(policy=actor.tenant.policy)
        member = UserFactory(tenant=actor.tenant)
        enrol_totp(member)
        for stranger in (administrator(), member):
            session = fresh_session(stranger)
            for attempt in (
                lambda by: drafts.save(policy, document(), enabled=False, actor=by, revision=1),
                lambda by: drafts.begin(policy, version, actor=by),
                lambda by: drafts.discard(policy, actor=by, revision=1),
                lambda by: drafts.rebase(policy, actor=by, revision=1),
                lambda by, session=session: drafts.publish(policy, actor=by, session=session, revision=1, reason="x"),
            ):
                with pytest.raises(NotAllowed):
                    attempt(stranger)
            assert AuditEvent.objects.filter(kind="policy:publish_refused", actor_id=str(stranger.pk)).count() == 1
        assert PolicyDraft.objects.get(policy=policy).revision == 1

    @pytest.mark.security(84)
    def test_the_default_tenants_policy_has_no_drafts_of_a_tenant_administrator(self):
        default = Tenant.objects.get(is_default=True)
        with pytest.raises(NotAllowed):
            drafted(administrator(default))

    @pytest.mark.security(84)
    def test_a_draft_is_published_through_its_own_policy_alone(self, actor):
        drafted(actor, enforcement="optional")
        other = administrator()
        with pytest.raises(StaleDraft):
            publish(other)
        assert numbers(other.tenant.policy) == numbers(actor.tenant.policy) == [1]

    @pytest.mark.security(84)
    def test_a_draft_is_begun_from_its_own_policys_versions_alone(self, actor):
        theirs = PolicyVersion.objects.get(policy=administrator().tenant.policy)
        with pytest.raises(NotAllowed):
            drafts.begin(actor.tenant.policy, theirs, actor=actor)
        assert drafts.draft_of(actor.tenant.policy) is None


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("revision", [0, 1], ids=["the first", "a later one"])
def test_of_ten_saves_at_once_one_is_kept_and_the_others_are_told(revision):
    actor = administrator()
    if revision:
        drafted(actor)
    outcomes = in_parallel(10, lambda n: drafted(actor, revision=revision, grace_days=n))
    assert sorted(outcomes) == ["", *["StaleDraft"] * 9]
    assert PolicyDraft.objects.get().revision == revision + 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_draft_is_published_once_however_often_the_button_is_pressed():
    actor = administrator()
    drafted(actor, grace_days=3)
    sessions = [fresh_session(actor) for _ in range(5)]
    policy = actor.tenant.policy
    outcomes = in_parallel(
        5, lambda n: drafts.publish(policy, actor=actor, session=sessions[n], revision=1, reason="x")
    )
    assert sorted(outcomes) == ["", *["StaleDraft"] * 4]
    assert numbers(policy) == [1, 2]
