"""The page on which a draft is edited: saved for later, never over others’ work, and closed to other tenants."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant, User
from audit.kinds import Kind
from policies import document as documents
from policies.flows import drafts
from policies.models import PolicyDraft, PolicyVersion
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, publish_rules, verified_client
from tests.policies.admin_scene import Side, events, last_event, root, stale_client
from tests.policies.documents import exclude, policy_test
from tests.policies.draft_scene import address, changed, controls, shown

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(time_zone="Europe/Berlin")


@pytest.fixture
def administrator(tenant: Tenant) -> User:
    return AdministratorFactory(tenant=tenant, email="ada@example.com")


def send(client: Client, tenant: Tenant, page: str = "draft", **changes: Any) -> Any:
    return client.post(address(tenant.policy, page), changed(shown(client, tenant.policy), **changes))


def in_force(tenant: Tenant) -> dict[str, Any]:
    return PolicyVersion.objects.get(policy=tenant.policy, number=1).document


def draft_of(tenant: Tenant) -> PolicyDraft:
    return PolicyDraft.objects.get(policy=tenant.policy)


# -- looking and saving ----------------------------------------------------------------------------------------


def test_what_is_in_force_is_where_a_draft_begins(client: Client, tenant: Tenant) -> None:
    publish_rules(tenant, grace_days=7, name="Keys for all")
    fields = shown(client, tenant.policy)
    assert (fields["grace_days"], fields["name"]) == (["7"], ["Keys for all"])
    assert (fields["draft"], fields["revision"], fields["based_on"]) == ([""], ["0"], ["2"])
    assert not PolicyDraft.objects.exists()


def test_saving_makes_a_draft_and_changes_nothing_for_anybody(
    client: Client, administrator: User, tenant: Tenant
) -> None:
    before = PolicyVersion.objects.count()
    response = send(client, tenant, grace_days="3", save="yes")
    assert response.url == address(tenant.policy)
    draft = draft_of(tenant)
    assert draft.document == in_force(tenant) | {"grace_days": 3}
    assert (draft.enabled, draft.revision, draft.based_on, draft.author_id) == (True, 1, 1, administrator.pk)
    assert PolicyVersion.objects.count() == before
    event = last_event(Kind.POLICY_DRAFT_SAVED)
    assert (event.actor_id, event.tenant_id, event.payload["revision"]) == (str(administrator.pk), tenant.pk, 1)
    assert event.payload["after"] == draft.document


def test_a_draft_is_shown_and_saved_again(client: Client, tenant: Tenant) -> None:
    send(client, tenant, grace_days="3")
    fields = shown(client, tenant.policy)
    assert (fields["grace_days"], fields["draft"], fields["revision"]) == (["3"], [str(draft_of(tenant).pk)], ["1"])
    assert send(client, tenant, enabled=None).status_code == 302
    draft = draft_of(tenant)
    assert (draft.revision, draft.enabled, draft.document["grace_days"]) == (2, False, 3)


def test_save_and_try_leads_to_the_try(client: Client, tenant: Tenant) -> None:
    assert send(client, tenant, grace_days="3", **{"try": "yes"}).url == address(tenant.policy, "try")
    assert draft_of(tenant).document["grace_days"] == 3


def test_what_the_page_shows_is_what_it_sends(client: Client, administrator: User, tenant: Tenant) -> None:
    person = UserFactory(tenant=tenant)
    person.groups.add(Group.objects.create(name="finance"))
    document = documents.default_document() | {
        "description": "<script>alert(1)</script> & so on",
        "excludes": [exclude("person", str(person.pk)), exclude("group", "finance")],
        "tests": [policy_test(groups=["finance"], methods=["sms_code", "totp"])],
        "break_glass": [str(person.pk)],
        "aaguids_denied": ["42b4fb4a-2866-43b2-9bf7-6c6669c2e5d3"],
        "trusted_browser_days": 3,
    }
    drafts.save(tenant.policy, document, enabled=True, actor=administrator, revision=0)
    assert send(client, tenant).status_code == 302
    assert draft_of(tenant).document == document
    assert "<script>alert" not in client.get(address(tenant.policy)).content.decode()


def test_a_mistake_saves_nothing_and_keeps_what_was_typed(client: Client, tenant: Tenant) -> None:
    response = send(client, tenant, grace_days="1e3", name="Typed for a long time", excludes_0_reason="because")
    body = response.content.decode()
    assert response.status_code == 200
    assert "<title>Error: " in body
    assert 'href="#rule_grace_days"' in body
    assert 'href="#id_excludes-0-until"' in body
    assert "Give a whole number from 0 to 90, with the digits 0 to 9." in body
    typed = controls(body)
    assert (typed["grace_days"], typed["name"]) == (["1e3"], ["Typed for a long time"])
    assert typed["excludes-0-reason"] == ["because"]
    assert not PolicyDraft.objects.exists()
    assert events(Kind.POLICY_DRAFT_SAVED) == 0


def test_every_complaint_leads_to_something_on_the_page(client: Client, tenant: Tenant) -> None:
    wrong = {"grace_days": "x", "place_totp": "1", "excludes_0_reason": "x", "tests_0_methods": ["totp"], "name": ""}
    response = send(client, tenant, **wrong, break_glass_1="nobody@example.com")
    assert response.context["complaints"]
    for where, _label, _sentence in response.context["complaints"]:
        assert f'id="{where}"' in response.content.decode()


def test_more_rows_keep_what_was_typed_and_save_nothing(client: Client, tenant: Tenant) -> None:
    group = Group.objects.create(name="finance")
    UserFactory(tenant=tenant).groups.add(group)
    typed = {"grace_days": "not yet", "excludes_0_whom": "group:finance", "excludes_0_until": "soon", "enabled": None}
    response = send(client, tenant, **typed, break_glass_1="nobody@example.com", more="excludes")
    body = response.content.decode()
    fields = controls(body)
    assert fields["excludes-TOTAL_FORMS"] == ["4"]  # the one that was written, and three empty ones
    assert (fields["excludes-0-whom"], fields["excludes-0-until"]) == (["group:finance"], ["soon"])
    assert (fields["grace_days"], fields["break_glass_1"]) == (["not yet"], ["nobody@example.com"])
    assert "enabled" not in fields
    assert "Nothing was saved" not in body
    assert 'name="tests-0-groups"' in body  # the group that was named a moment ago can be tested
    assert not PolicyDraft.objects.exists()


def test_rows_are_added_again_and_again_up_to_the_most(client: Client, tenant: Tenant) -> None:
    fields = shown(client, tenant.policy)
    for _ in range(20):
        fields = controls(client.post(address(tenant.policy), {**fields, "more": "tests"}).content.decode())
    assert fields["tests-TOTAL_FORMS"] == ["50"]


def test_a_draft_begun_from_an_older_version_says_so(client: Client, administrator: User, tenant: Tenant) -> None:
    drafts.save(tenant.policy, documents.default_document(), enabled=True, actor=administrator, revision=0)
    assert "is in force by now" not in client.get(address(tenant.policy)).content.decode()
    publish_rules(tenant, grace_days=7)
    assert "begun from version 1; version 2 is in force by now" in client.get(address(tenant.policy)).content.decode()


def test_a_policy_that_cannot_be_read_is_edited_from_the_default(tenant: Tenant) -> None:
    client = verified_client(root())
    PolicyVersion.objects.filter(policy__tenant=tenant).update(document={"schema": 99})
    assert send(client, tenant).status_code == 302
    assert draft_of(tenant).document == documents.default_document()


def test_a_policy_without_any_version_is_edited_from_the_default(tenant: Tenant) -> None:
    client = verified_client(root())
    PolicyVersion.objects.filter(policy__tenant=tenant).delete()
    fields = shown(client, tenant.policy)
    assert fields["enforcement"] == ["required"]


# -- two at once -----------------------------------------------------------------------------------------------


@pytest.fixture
def other(tenant: Tenant) -> User:
    return AdministratorFactory(tenant=tenant, email="grace@example.com")


def others_draft(tenant: Tenant, other: User, revision: int = 0, **rules: Any) -> PolicyDraft:
    return drafts.save(tenant.policy, in_force(tenant) | rules, enabled=True, actor=other, revision=revision)


def test_who_comes_second_is_told_by_whom_and_sees_both(client: Client, tenant: Tenant, other: User) -> None:
    fields = shown(client, tenant.policy)
    others_draft(tenant, other, grace_days=5)
    sent = changed(fields, grace_days="30", name="Mine")
    response = client.post(address(tenant.policy), sent)
    body = response.content.decode()
    assert response.status_code == 200
    assert "<bdi>grace@example.com</bdi> saved the draft on " in body
    change = response.context["stale"].change
    assert change.removed == ["5 days of grace for people who were here before"]
    assert change.added == ["30 days of grace for people who were here before"]
    assert change.also == ["its name"]
    assert (controls(body)["grace_days"], controls(body)["name"]) == (["30"], ["Mine"])
    assert (draft_of(tenant).document["grace_days"], draft_of(tenant).revision) == (5, 1)
    again = client.post(address(tenant.policy), changed(controls(body)))
    assert again.status_code == 200
    assert draft_of(tenant).document["grace_days"] == 5


def test_a_form_that_is_sent_twice_is_saved_once(client: Client, tenant: Tenant) -> None:
    fields = changed(shown(client, tenant.policy), grace_days="3")
    for _ in range(2):
        assert client.post(address(tenant.policy), fields).status_code == 302
    assert draft_of(tenant).revision == 1
    assert client.post(address(tenant.policy), changed(fields, enabled=None)).context["stale"].what == "saved"


def test_who_saw_it_may_save_instead(client: Client, administrator: User, tenant: Tenant, other: User) -> None:
    fields = shown(client, tenant.policy)
    others_draft(tenant, other, grace_days=5)
    seen = controls(client.post(address(tenant.policy), changed(fields, grace_days="30")).content.decode())
    assert client.post(address(tenant.policy), changed(seen, replace="yes")).status_code == 302
    draft = draft_of(tenant)
    assert (draft.document["grace_days"], draft.revision, draft.author_id) == (30, 2, administrator.pk)


def test_not_over_what_came_after_what_they_saw(client: Client, tenant: Tenant, other: User) -> None:
    fields = shown(client, tenant.policy)
    others_draft(tenant, other, grace_days=5)
    seen = controls(client.post(address(tenant.policy), changed(fields, grace_days="30")).content.decode())
    others_draft(tenant, other, 1, grace_days=6)
    response = client.post(address(tenant.policy), changed(seen, replace="yes"))
    assert response.context["stale"].what == "saved"
    assert draft_of(tenant).document["grace_days"] == 6


def test_what_was_published_meanwhile_is_not_undone_by_an_edit(client: Client, tenant: Tenant) -> None:
    fields = shown(client, tenant.policy)
    publish_rules(tenant, grace_days=7)
    response = client.post(address(tenant.policy), changed(fields, idle_minutes="20"))
    assert (response.context["stale"].what, response.context["stale"].who) == ("published", "system")
    assert "Version 2 is in force meanwhile" in response.content.decode()
    assert not PolicyDraft.objects.exists()
    seen = controls(response.content.decode())
    assert client.post(address(tenant.policy), changed(seen, replace="yes")).status_code == 302
    assert draft_of(tenant).based_on == 2


def test_a_draft_that_was_discarded_meanwhile_is_not_there_again(client: Client, tenant: Tenant, other: User) -> None:
    others_draft(tenant, other)
    fields = shown(client, tenant.policy)
    drafts.discard(tenant.policy, actor=other, revision=1)
    response = client.post(address(tenant.policy), changed(fields))
    assert (response.context["stale"].what, response.context["stale"].who) == ("discarded", "grace@example.com")
    assert not PolicyDraft.objects.exists()


def test_a_draft_begun_anew_is_another_one(client: Client, tenant: Tenant, other: User) -> None:
    others_draft(tenant, other)
    fields = shown(client, tenant.policy)
    drafts.discard(tenant.policy, actor=other, revision=1)
    others_draft(tenant, other, grace_days=5)
    assert client.post(address(tenant.policy), changed(fields)).context["stale"].what == "saved"
    assert draft_of(tenant).document["grace_days"] == 5


# -- the summary -----------------------------------------------------------------------------------------------


def summary(client: Client, tenant: Tenant, **changes: Any) -> Any:
    response = send(client, tenant, "draft_summary", **changes)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    return response.json()


def test_the_summary_says_what_is_typed_and_changes_nothing(client: Client, tenant: Tenant) -> None:
    before = events(Kind.POLICY_DRAFT_SAVED)
    said = summary(client, tenant, grace_days="3", place_totp="", name="Keys", enabled=None)
    assert "3 days of grace for people who were here before" in said["sentences"]
    assert said["removed"] == ["TOTP as fallback", "14 days of grace for people who were here before"]
    assert said["added"] == [
        "The policy is switched off: nothing is demanded",
        "3 days of grace for people who were here before",
        "Changed as well: its name",
    ]
    assert said["errors"] == {}
    assert not PolicyDraft.objects.exists()
    assert events(Kind.POLICY_DRAFT_SAVED) == before


def test_the_summary_compares_with_what_is_in_force_not_with_the_draft(
    client: Client, tenant: Tenant, other: User
) -> None:
    others_draft(tenant, other, grace_days=5)
    assert summary(client, tenant)["added"] == ["5 days of grace for people who were here before"]


def test_the_summary_names_what_is_wrong_by_field(client: Client, tenant: Tenant) -> None:
    said = summary(client, tenant, grace_days="-1", excludes_0_whom="role:user", excludes_0_until="2001-01-01")
    assert said["sentences"] == said["added"] == said["removed"] == []
    assert said["errors"] == {
        "grace_days": "Give a whole number from 0 to 90, with the digits 0 to 9.",
        "excludes-0-reason": "Say why.",
        "excludes-0-until": "Choose a day that is not over.",
    }


def test_the_summary_names_people_by_their_addresses(client: Client, tenant: Tenant) -> None:
    person = UserFactory(tenant=tenant, email="sailor@example.com")
    day = in_a_month()
    said = summary(
        client,
        tenant,
        excludes_0_whom="person",
        excludes_0_address=person.email,
        excludes_0_reason="at sea",
        excludes_0_until=day,
    )
    assert f"Not demanded of sailor@example.com until {day}" in said["added"]


def in_a_month() -> str:
    return str((datetime.now(UTC) + timedelta(days=30)).date())


@pytest.mark.security(71)
def test_the_summary_needs_the_forms_token_and_a_post(administrator: User, tenant: Tenant) -> None:
    client = verified_client(administrator)
    where = address(tenant.policy, "draft_summary")
    assert client.get(where).status_code == 405
    strict = Client(HTTP_HOST="localhost", enforce_csrf_checks=True)
    strict.cookies = client.cookies
    fields = shown(client, tenant.policy)
    del fields["csrfmiddlewaretoken"]
    for page in (where, address(tenant.policy)):
        assert strict.post(page, fields).status_code == 403
    assert not PolicyDraft.objects.exists()


# -- who may ---------------------------------------------------------------------------------------------------


@pytest.mark.security(51)
def test_the_form_is_shown_after_a_fresh_factor_so_that_saving_needs_none(administrator: User, tenant: Tenant) -> None:
    fields = shown(verified_client(administrator), tenant.policy)
    later = stale_client(administrator)
    response = later.get(address(tenant.policy))
    assert response.url.startswith(reverse("mfa_reauthenticate") + "?next=%2Fadmin%2Fpolicies")
    assert later.post(address(tenant.policy, "draft_summary"), fields).status_code == 200
    assert later.post(address(tenant.policy), changed(fields, grace_days="2")).status_code == 302
    assert draft_of(tenant).document["grace_days"] == 2


@pytest.mark.security(84)
@pytest.mark.parametrize("page", ["draft", "draft_summary"])
def test_another_tenants_draft_does_not_exist(page: str) -> None:
    mine, theirs = Side(), Side()
    client = mine.client()
    fields = shown(client, mine.tenant.policy)
    for ask in (client.get, client.post):
        response = ask(address(theirs.tenant.policy, page), fields)
        assert response.status_code == 404
        assert theirs.mark not in response.content.decode()
        assert last_event(Kind.ADMIN_REFUSED).payload["reason"] == "not_found"
    assert not PolicyDraft.objects.exists()


@pytest.mark.security(84)
def test_the_page_names_nobody_of_another_tenant() -> None:
    mine, theirs = Side(), Side()
    theirs.person.groups.add(Group.objects.create(name=f"group of {theirs.mark}"))
    document = documents.default_document() | {
        "excludes": [exclude("person", str(theirs.person.pk))],
        "break_glass": [str(theirs.administrator.pk)],
    }
    drafts.save(mine.tenant.policy, document, enabled=True, actor=mine.administrator, revision=0)
    client = mine.client()
    body = client.get(address(mine.tenant.policy)).content.decode()
    assert theirs.mark not in body
    assert str(theirs.person.pk) in body  # whoever was named once and is not here: by id, so that it can be removed
    said = send(client, mine.tenant, "draft_summary").content.decode()
    assert theirs.mark not in said


def test_who_may_only_read_a_policy_does_not_edit_it() -> None:
    default = Tenant.objects.get(is_default=True)
    client = verified_client(AdministratorFactory(tenant=default))
    fields = shown(verified_client(root()), default.policy)
    for page in ("draft", "draft_summary"):
        assert client.post(address(default.policy, page), fields).status_code == 403
    assert client.get(address(default.policy)).status_code == 403
    assert not PolicyDraft.objects.exists()


# -- what it costs ---------------------------------------------------------------------------------------------


def test_the_page_costs_the_same_for_many_people_groups_and_rows(
    client: Client, administrator: User, tenant: Tenant, django_assert_num_queries: Any
) -> None:
    client.get(address(tenant.policy))
    document = documents.default_document()
    for number in range(3):
        people = [UserFactory(tenant=tenant) for _ in range(number + 1)]
        people[0].groups.add(Group.objects.create(name=f"group {number}"))
        document["excludes"] = [*document["excludes"], *[exclude("person", str(one.pk)) for one in people]]
        revision = draft_of(tenant).revision if number else 0
        drafts.save(tenant.policy, document, enabled=True, actor=administrator, revision=revision)
        # the session; the policy and its version; fresh: rules and what they own; the draft, the version, what
        # they name (2), groups; and the numbers (3)
        with django_assert_num_queries(13):
            fields = shown(client, tenant.policy)
        with django_assert_num_queries(9):
            client.post(address(tenant.policy, "draft_summary"), fields)
