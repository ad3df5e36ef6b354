"""Publishing a draft in the admin: what is shown before, what is refused, and that nothing typed is lost."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant, User
from audit.kinds import Kind
from policies.flows import drafts
from policies.models import MFAPolicy, PolicyDraft, PolicyVersion
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, client_of, publish_rules, verified_client
from tests.policies.admin_scene import events, last_event, stale_client, url
from tests.policies.publishing_scene import document, drafted, in_force, published

pytestmark = pytest.mark.django_db

PASSES = {"name": "An app does", "role": "user", "groups": [], "source": "password", "known": "before"} | {
    "methods": ["totp"],
    "expect": "allowed",
}
FAILS = PASSES | {"name": "=Nobody <b>needs</b> one", "methods": []}


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(name="Acme")


@pytest.fixture
def administrator(tenant: Tenant) -> User:
    return AdministratorFactory(tenant=tenant, email="ada@acme.example")


def page_of(tenant: Tenant, page: str = "publish") -> str:
    return url(MFAPolicy, page, tenant.policy.pk)


def newest(tenant: Tenant) -> PolicyVersion:
    return PolicyVersion.objects.filter(policy__tenant=tenant).latest("number")


def post(client: Client, tenant: Tenant, **said: Any) -> Any:
    """What the form sends; None leaves a field out."""
    draft = PolicyDraft.objects.filter(policy=tenant.policy).first()
    fields = {"revision": draft.revision if draft else 1, "reason": "because", "how": "enforce"} | said
    return client.post(page_of(tenant), {name: value for name, value in fields.items() if value is not None})


def errors_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200
    assert "Error:" in response.content.decode()
    assert "Nothing was published. What you typed is still here." in response.content.decode()
    return dict(response.context["form"].errors)


# -- what is shown ---------------------------------------------------------------------------------------------


def test_the_page_shows_the_difference_and_that_it_would_not_be_refused(
    client: Client, administrator: User, tenant: Tenant
) -> None:
    other = AdministratorFactory(tenant=tenant, email="bob@acme.example")
    drafted(administrator, grace_days=3, tests=[PASSES])
    response = client.get(page_of(tenant))
    body = response.content.decode()
    for words in ("<del>14 days", "<ins>3 days", "every test of the policy holds", "ada@acme.example", str(other)):
        assert words in body
    assert response.context["would_be_refused"] == []
    shown = response.context["administrators"]
    assert (shown["getting_in"], shown["left_out"]) == ([administrator], [other])


def test_the_page_says_what_it_would_be_refused_for(client: Client, administrator: User, tenant: Tenant) -> None:
    drafted(administrator, tests=[PASSES, FAILS])
    response = client.get(page_of(tenant))
    assert response.context["would_be_refused"] == ["These tests of the policy fail: =Nobody <b>needs</b> one."]
    assert "<b>needs</b>" not in response.content.decode()
    assert "Edit the draft" in response.content.decode()


def test_without_a_draft_there_is_nothing_to_publish(client: Client, tenant: Tenant) -> None:
    for response in (client.get(page_of(tenant), follow=True), client.post(page_of(tenant), {}, follow=True)):
        assert response.redirect_chain == [(page_of(tenant, "change"), 302)]
        assert "There is no draft to publish." in response.content.decode()


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"grace_days": 3}, True),
        ({"grace_days": 3}, {"grace_days": 14}, False),
        ({}, {"enforcement": "always"}, True),
        ({}, {"enforcement": "optional"}, True),  # switches off
        ({"allowed": ["totp"]}, {}, False),
        ({}, {"allowed": ["totp", "recovery_code"]}, True),
        ({}, {"contact": "somebody else"}, False),
        ({"grace_days": 3}, {"grace_days": 14, "enforcement": "always"}, True),
    ],
    ids=str,
)
def test_a_stricter_change_is_taken_back_by_itself_unless_one_says_otherwise(
    tenant: Tenant, administrator: User, before: dict[str, Any], after: dict[str, Any], expected: bool
) -> None:
    client = verified_client(administrator)
    tenant.policy.versions.update(document=document(**before))
    drafted(administrator, **after)
    assert client.get(page_of(tenant)).context["form"]["until_confirmed"].value() is expected


def test_an_exclude_that_goes_is_stricter(client: Client, administrator: User, tenant: Tenant) -> None:
    entry = {"kind": "group", "value": "Interns", "reason": "r", "until": "2030-01-01T00:00:00+00:00"}
    publish_rules(tenant, excludes=[entry])
    drafted(administrator)
    assert client.get(page_of(tenant)).context["form"]["until_confirmed"].value() is True


def test_switching_on_is_stricter(client: Client, administrator: User, tenant: Tenant) -> None:
    publish_rules(tenant, enabled=False)
    drafted(administrator)
    page = client.get(page_of(tenant))
    assert page.context["form"]["until_confirmed"].value() is True
    assert "Switched on" in page.content.decode()
    assert "confirm_off" not in page.context["form"].fields


# -- publishing ------------------------------------------------------------------------------------------------


def test_publishing_makes_a_version_in_force_and_records_it(
    client: Client, administrator: User, tenant: Tenant
) -> None:
    before = newest(tenant)
    drafted(administrator, grace_days=3, enforcement="always")
    response = post(client, tenant, reason=" After the incident. ")
    assert response.url == page_of(tenant, "change")
    after = newest(tenant)
    assert (after.number, after.document) == (2, document(grace_days=3, enforcement="always"))
    assert (after.author_id, after.reason, after.enabled) == (administrator.pk, "After the incident.", True)
    assert MFAPolicy.objects.get(tenant=tenant).confirm_by is None
    assert drafts.draft_of(tenant.policy) is None
    event = last_event(Kind.POLICY_PUBLISHED)
    assert (event.actor_id, event.tenant_id) == (str(administrator.pk), tenant.pk)
    assert (event.payload["before"], event.payload["after"]) == (before.document, after.document)
    assert "Version 2 is in force, from everybody’s next request on." in client.get(response.url).content.decode()


def test_until_it_is_confirmed(client: Client, administrator: User, tenant: Tenant, clock: Any) -> None:
    drafted(administrator, grace_days=3)
    response = client.post(
        page_of(tenant), {"revision": 1, "reason": "r", "how": "enforce", "until_confirmed": "on"}, follow=True
    )
    assert "Sign in again and confirm it before then." in response.content.decode()
    assert in_force(tenant) == 2
    clock.forward(timedelta(minutes=15))
    assert in_force(tenant) == 1


def test_on_trial_stops_nobody_and_keeps_the_draft(client: Client, administrator: User, tenant: Tenant) -> None:
    drafted(administrator, grace_days=3)
    response = client.post(
        page_of(tenant), {"revision": 1, "reason": "r", "how": "report", "until_confirmed": "on"}, follow=True
    )
    assert "Version 2 is on trial" in response.content.decode()
    policy = MFAPolicy.objects.get(tenant=tenant)
    assert (policy.version, policy.report_version, policy.confirm_by) == (1, 2, None)
    assert drafts.draft_of(policy) is not None
    assert last_event(Kind.POLICY_REPORT_STARTED).actor_id == str(administrator.pk)


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"reason": None}, "reason"),
        ({"reason": "   "}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"how": None}, "how"),
        ({"how": "sideways"}, "how"),
        ({"revision": None}, "revision"),
        ({"revision": "0"}, "revision"),
        ({"revision": "1.5"}, "revision"),
        ({"revision": "9" * 30}, "__all__"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_missing_is_said_at_its_field(
    client: Client, administrator: User, tenant: Tenant, said: dict[str, Any], wrong: str
) -> None:
    drafted(administrator, grace_days=3)
    assert set(errors_of(post(client, tenant, **said))) == {wrong}
    assert in_force(tenant) == 1
    assert drafts.draft_of(tenant.policy) is not None


# -- switching off ---------------------------------------------------------------------------------------------


@pytest.mark.security(66)
def test_switching_off_warns_asks_and_bites_at_the_next_request(
    client: Client, administrator: User, tenant: Tenant
) -> None:
    theirs = client_of(UserFactory(tenant=tenant))
    assert theirs.get("/").url.startswith(reverse("mfa_enrol"))
    drafts.save(tenant.policy, tenant.policy.versions.get().document, enabled=False, actor=administrator, revision=0)
    page = client.get(page_of(tenant)).content.decode()
    assert 'name="confirm_off"' in page
    assert "Switched off" in page
    assert set(errors_of(post(client, tenant))) == {"confirm_off"}
    assert newest(tenant).number == 1
    assert post(client, tenant, confirm_off="on").status_code == 302
    assert theirs.get("/").status_code == 200
    assert last_event(Kind.POLICY_SWITCHED_OFF).tenant_id == tenant.pk
    drafts.begin(tenant.policy, tenant.policy.versions.get(number=1), actor=administrator)
    assert post(client, tenant).status_code == 302
    assert theirs.get("/").url.startswith(reverse("mfa_enrol"))
    assert last_event(Kind.POLICY_SWITCHED_ON).tenant_id == tenant.pk


@pytest.mark.parametrize(
    ("rules", "how", "asked"),
    [
        ({"enforcement": "optional"}, "enforce", True),
        ({"enforcement": "optional"}, "report", False),
        ({"grace_days": 1}, "enforce", False),
    ],
    ids=str,
)
def test_only_what_ends_a_protection_is_asked_about(
    client: Client, administrator: User, tenant: Tenant, rules: dict[str, Any], how: str, asked: bool
) -> None:
    drafted(administrator, **rules)
    response = post(client, tenant, how=how)
    assert (response.status_code == 200) is asked
    if asked:
        assert set(errors_of(response)) == {"confirm_off"}


# -- what the flow refuses -------------------------------------------------------------------------------------


def test_a_lock_out_names_whom_it_would_stop(client: Client, administrator: User, tenant: Tenant) -> None:
    drafted(administrator, strength={"administrator": "phishing_resistant"})
    page = client.get(page_of(tenant))
    assert "On trial it can be published all the same" in page.content.decode()
    assert "still waits for its confirmation" not in page.content.decode()
    (sentence,) = errors_of(post(client, tenant, reason="Keys for all."))["__all__"]
    assert sentence == "Nobody could administer this tenant any more. These would be stopped: ada@acme.example."
    assert in_force(tenant) == 1
    assert last_event(Kind.POLICY_PUBLISH_REFUSED).payload["code"] == "locks_out"


def test_a_failing_test_is_named(client: Client, administrator: User, tenant: Tenant) -> None:
    drafted(administrator, tests=[FAILS])
    response = post(client, tenant, reason="Try <i>this</i>.")
    assert errors_of(response)["__all__"] == ["These tests of the policy fail: =Nobody <b>needs</b> one."]
    body = response.content.decode()
    assert "Try &lt;i&gt;this&lt;/i&gt;." in body
    assert last_event(Kind.POLICY_PUBLISH_REFUSED).payload["code"] == "tests_fail"


def test_a_document_that_is_refused_is_said_rule_by_rule(
    client: Client, administrator: User, tenant: Tenant, settings: Any
) -> None:
    drafted(administrator, break_glass=[str(UserFactory(tenant=tenant).pk)])
    (sentence,) = errors_of(post(client, tenant))["__all__"]
    assert sentence.startswith("The accounts for emergencies: ")
    drafted(administrator, revision=1, grace_days=9)
    settings.MFA_POLICY_FLOOR = '{"grace_days": 3}'
    (sentence,) = errors_of(post(client, tenant))["__all__"]
    assert sentence == "The grace of people who were here before: The platform demands more of every tenant here."
    assert in_force(tenant) == 1


def test_a_draft_that_somebody_else_changed_is_shown_anew_with_what_was_typed(
    client: Client, administrator: User, tenant: Tenant
) -> None:
    drafted(administrator, grace_days=3)
    drafted(administrator, grace_days=5, revision=1)
    response = post(client, tenant, revision=1, reason="Mine.")
    assert "Somebody else changed this policy meanwhile." in errors_of(response)["__all__"][0]
    assert newest(tenant).number == 1
    form = response.context["form"]
    assert (form["revision"].value(), form["reason"].value()) == ("2", "Mine.")
    assert "<ins>5 days" in response.content.decode()
    assert post(client, tenant, revision=2, reason="Mine.").status_code == 302


def test_a_draft_that_is_gone_is_said_to_be_gone(client: Client, administrator: User, tenant: Tenant) -> None:
    drafted(administrator, grace_days=3)
    drafts.discard(tenant.policy, actor=administrator, revision=1)
    assert post(client, tenant).url == page_of(tenant, "change")


def test_a_draft_begun_from_an_older_version_goes_on_when_somebody_says_so(
    client: Client, administrator: User, tenant: Tenant
) -> None:
    drafted(administrator, grace_days=3)
    publish_rules(tenant, grace_days=7)
    page = client.get(page_of(tenant)).content.decode()
    assert "This draft was begun from version 1; meanwhile version 2 is in force." in page
    assert "<del>7 days" in page
    assert set(errors_of(post(client, tenant))) == {"__all__"}
    assert client.post(page_of(tenant, "draft_rebase"), {"revision": 1}).url == page_of(tenant)
    assert last_event(Kind.POLICY_DRAFT_SAVED).payload["revision"] == 2
    assert "This draft was begun from" not in client.get(page_of(tenant)).content.decode()
    assert post(client, tenant).status_code == 302
    assert newest(tenant).document["grace_days"] == 3


def test_only_the_draft_that_was_looked_at_goes_on(client: Client, administrator: User, tenant: Tenant) -> None:
    drafted(administrator, grace_days=3)
    publish_rules(tenant, grace_days=7)
    response = client.post(page_of(tenant, "draft_rebase"), {"revision": 9}, follow=True)
    assert "Somebody else changed or removed this draft meanwhile." in response.content.decode()
    assert drafts.draft_of(tenant.policy).based_on == 1  # type: ignore[union-attr]


# -- freshness -------------------------------------------------------------------------------------------------


@pytest.mark.security(51)
def test_publishing_needs_a_fresh_factor_and_nothing_typed_is_lost(administrator: User, tenant: Tenant) -> None:
    client = stale_client(administrator)
    drafted(administrator, grace_days=3)
    proof = f"{reverse('mfa_reauthenticate')}?next={page_of(tenant).replace('/', '%2F')}"
    assert client.get(page_of(tenant)).url == proof
    response = post(client, tenant, reason="Typed for a long time.", how="report")
    assert response.url == proof
    assert (newest(tenant).number, events(Kind.POLICY_REPORT_STARTED)) == (1, 0)
    fresh = verified_client(administrator)
    session, stale = fresh.session, client.session
    session["typed_to_publish"] = stale["typed_to_publish"]
    session.save()
    form = fresh.get(page_of(tenant)).context["form"]
    assert (form["reason"].value(), form["how"].value()) == ("Typed for a long time.", "report")
    assert fresh.get(page_of(tenant)).context["form"]["reason"].value() is None


def test_what_was_typed_for_another_policy_is_not_shown(administrator: User, tenant: Tenant) -> None:
    client = verified_client(administrator)
    drafted(administrator, grace_days=3)
    session = client.session
    session["typed_to_publish"] = {"policy": "another", "said": {"reason": "theirs"}}
    session.save()
    assert client.get(page_of(tenant)).context["form"]["reason"].value() is None


def test_the_page_costs_the_same_for_many_administrators(
    client: Client, administrator: User, tenant: Tenant, django_assert_max_num_queries: Any
) -> None:
    drafted(administrator, grace_days=3)
    client.get(page_of(tenant))
    for _ in range(2):
        AdministratorFactory.create_batch(3, tenant=tenant)
        with django_assert_max_num_queries(26):
            assert client.get(page_of(tenant)).status_code == 200


def test_while_one_waits_the_next_falls_back_to_what_was_confirmed(
    client: Client, administrator: User, tenant: Tenant, clock: Any
) -> None:
    published(administrator, grace_days=2, how={"until_confirmed": True})
    drafted(administrator, grace_days=3)
    assert "Version 2 still waits for its confirmation." in client.get(page_of(tenant)).content.decode()
    assert post(client, tenant, until_confirmed="on").status_code == 302
    clock.forward(timedelta(minutes=15))
    assert in_force(tenant) == 1
