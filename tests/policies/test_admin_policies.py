"""A policy's own pages in the admin: what is in force, what waits, what is being changed, and what was."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Tenant, User
from audit.kinds import Kind
from policies.admin.policies import PAGES
from policies.flows import drafts, publish
from policies.models import MFAPolicy, PolicyDraft, PolicyVersion
from tests.factories import AdministratorFactory, TenantFactory, UserFactory, enrol_totp, publish_rules, verified_client
from tests.policies.admin_scene import Side, events, last_event, root, stale_client, url
from tests.policies.publishing_scene import document, drafted, give_key, in_force, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory(name="Acme")


@pytest.fixture
def administrator(tenant: Tenant) -> User:
    return AdministratorFactory(tenant=tenant, email="ada@acme.example")


def page_of(tenant: Tenant, page: str = "change", *args: Any) -> str:
    return url(MFAPolicy, page, tenant.policy.pk, *args)


def body_of(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def draft_of(tenant: Tenant) -> PolicyDraft | None:
    return drafts.draft_of(tenant.policy)


# -- the overview ----------------------------------------------------------------------------------------------


def test_the_page_says_what_is_in_force_who_made_it_so_and_why(client: Client, tenant: Tenant) -> None:
    publish_rules(tenant, grace_days=7, name="Our rules")
    body = body_of(client, page_of(tenant))
    for words in (
        "Our rules",
        "Require MFA for login",
        "7 days of grace",
        "for a test",
        "The tenant was made.",
        "system",
    ):
        assert words in body
    assert "There is one draft at a time" not in body


def test_people_in_a_document_are_shown_by_their_addresses(client: Client, tenant: Tenant) -> None:
    excluded = UserFactory(tenant=tenant, email="carla@acme.example")
    emergency = UserFactory(tenant=tenant, email="sealed@acme.example")
    give_key(emergency)
    soon, late = (timezone.now() + timedelta(days=days) for days in (13, 15))
    entry = {"kind": "person", "value": str(excluded.pk), "reason": "Lost a phone.", "until": soon.isoformat()}
    later = {"kind": "group", "value": "Interns", "reason": "They leave.", "until": late.isoformat()}
    publish_rules(tenant, excludes=[entry, later], break_glass=[str(emergency.pk)])
    response = client.get(page_of(tenant))
    body = response.content.decode()
    assert "Not demanded of carla@acme.example" in body
    assert str(excluded.pk) not in body
    assert [one.reason for one in response.context["in_force"]["ending"]] == ["Lost a phone."]
    assert f'{reverse("admin:accounts_user_change", args=[emergency.pk])}"><bdi>sealed@acme.example' in body


def test_an_account_for_emergencies_that_is_gone_is_said_to_be_gone(client: Client, tenant: Tenant) -> None:
    emergency = UserFactory(tenant=tenant)
    publish_rules(tenant, break_glass=[str(emergency.pk)])
    User.objects.filter(pk=emergency.pk).delete()
    assert "An account that is no longer there" in body_of(client, page_of(tenant))


def test_the_draft_is_shown_with_what_it_would_change_and_the_steps(
    client: Client, administrator: User, tenant: Tenant
) -> None:
    assert "Change this policy" in body_of(client, page_of(tenant))
    drafted(administrator, grace_days=3, contact="extension 1", tests=[])
    body = body_of(client, page_of(tenant))
    assert "Last changed by ada@acme.example" in body
    assert "<del>14 days of grace for people who were here before</del>" in body
    assert "<ins>3 days of grace for people who were here before</ins>" in body
    assert "Also changed: whom to ask for help." in body
    for page in ("draft", "try", "publish", "draft_discard"):
        assert f'"{page_of(tenant, page)}"' in body


def test_what_people_typed_is_text_and_nothing_else(client: Client, administrator: User, tenant: Tenant) -> None:
    hostile = "<script>alert(1)</script>"
    Tenant.objects.filter(pk=tenant.pk).update(name=hostile)
    User.objects.filter(pk=administrator.pk).update(email=f'"{hostile}"@acme.example')
    publish.publish(tenant.policy, document(name=hostile, contact=hostile), actor=None, reason=hostile)
    administrator.refresh_from_db()
    drafted(administrator, name=hostile, description=hostile)
    for page in ("change", "try", "publish", "report"):
        body = body_of(client, page_of(tenant, page))
        assert hostile not in body
        assert "&lt;script&gt;" in body
    body = body_of(client, page_of(tenant, "version", 2))
    assert hostile not in body


@pytest.mark.parametrize("floor", ['{"grace_days": 3}', ""], ids=["floor", "none"])
def test_what_holds_is_shown_where_the_floor_demands_more(
    client: Client, tenant: Tenant, settings: Any, floor: str
) -> None:
    settings.MFA_POLICY_FLOOR = floor
    response = client.get(page_of(tenant))
    days = [one for one in response.context["in_force"]["sentences"] if "days of grace" in one]
    assert days == [f"{3 if floor else 14} days of grace for people who were here before"]
    assert ("The platform demands more" in response.content.decode()) is bool(floor)


def test_a_version_that_waits_is_prominent_and_says_what_to_do(
    client: Client, administrator: User, tenant: Tenant, clock: Any
) -> None:
    published(administrator, grace_days=1, how={"until_confirmed": True})
    clock.forward(timedelta(minutes=5, seconds=40))
    body = body_of(client, page_of(tenant))
    assert "Version 2 waits for its confirmation" in body
    assert "for 9 more minutes" in body
    assert "version 1 comes back by itself" in body
    assert "Sign in again first, for instance in a private window" in body
    assert page_of(tenant, "confirm") not in body
    again = body_of(verified_client(administrator), page_of(tenant))
    assert f'action="{page_of(tenant, "confirm")}"' in again


def test_a_version_that_nobody_confirmed_is_said_to_be_out_of_force(
    client: Client, administrator: User, tenant: Tenant, clock: Any
) -> None:
    published(administrator, grace_days=1, how={"until_confirmed": True})
    clock.forward(timedelta(minutes=15))
    client = verified_client(administrator)
    body = body_of(client, page_of(tenant))
    assert "Version 2 is out of force: nobody confirmed it in time." in body
    assert "Version 1 is in force again." in body
    assert "14 days of grace" in body
    published(administrator, grace_days=2)  # writes down that it lapsed
    states = {one["version"].number: one["state"] for one in client.get(page_of(tenant)).context["versions"]}
    assert "In force" in states[3]
    assert "nobody confirmed it" in states[2]
    assert "Replaced" in states[1]
    change = next(
        one["change"] for one in client.get(page_of(tenant)).context["versions"] if one["version"].number == 3
    )
    assert change.removed == ["14 days of grace for people who were here before"]  # not of the one that lapsed
    assert client.get(page_of(tenant, "version", 3)).context["before"].number == 1


def test_the_history_is_paged_and_every_version_has_its_difference(client: Client, tenant: Tenant) -> None:
    for days in range(21):
        publish_rules(tenant, grace_days=days)
    first, second = client.get(page_of(tenant)), client.get(page_of(tenant) + "?p=2")
    assert [len(one.context["versions"]) for one in (first, second)] == [20, 2]
    assert first.context["versions"][-1]["change"].added == ["1 day of grace for people who were here before"]
    oldest = second.context["versions"][-1]
    assert (oldest["version"].number, len(oldest["change"].removed)) == (1, 0)
    assert client.get(page_of(tenant) + "?p=999").status_code == 200


def test_a_document_that_cannot_be_read_is_said_to_be_strict(tenant: Tenant) -> None:
    client = verified_client(root())
    publish_rules(tenant)
    PolicyVersion.objects.filter(policy__tenant=tenant, number=2).update(document={"schema": 99})
    body = body_of(client, page_of(tenant))
    assert "the strictest rules apply" in body
    assert "cannot be compared here" in body
    assert "the strictest rules apply" in body_of(client, page_of(tenant, "version", 2))
    assert "the strictest rules apply" in body_of(client, url(MFAPolicy))


def test_a_policy_without_any_version_is_shown(tenant: Tenant) -> None:
    client = verified_client(root())
    PolicyVersion.objects.filter(policy__tenant=tenant).delete()
    assert "None: nobody is let in" in body_of(client, url(MFAPolicy))
    assert "None: nobody is let in" in body_of(client, page_of(tenant))


def test_the_page_costs_the_same_for_many_versions(
    client: Client, administrator: User, tenant: Tenant, django_assert_max_num_queries: Any
) -> None:
    drafted(administrator, grace_days=1)
    client.get(page_of(tenant))
    for _ in range(2):
        for days in range(3):
            publish_rules(tenant, grace_days=days)
        # the request's session and person; policy, its version; events; versions, their count, the one before
        # them, the current ones; the draft; people named
        with django_assert_max_num_queries(14):
            assert client.get(page_of(tenant)).status_code == 200


# -- the list --------------------------------------------------------------------------------------------------


def test_the_list_says_what_is_under_way(client: Client, administrator: User, tenant: Tenant) -> None:
    published(administrator, grace_days=1, how={"mode": "report"})
    published(administrator, grace_days=1, how={"until_confirmed": True})
    drafted(administrator, grace_days=2)
    body = body_of(client, url(MFAPolicy))
    for words in ("To be confirmed", "On trial", "Draft", "Require MFA for login"):
        assert words in body


def test_the_list_costs_the_same_for_many_policies(django_assert_num_queries: Any) -> None:
    client = verified_client(root())
    client.get(url(MFAPolicy))
    for _ in range(2):
        TenantFactory()
        # the request's session, the tenants to filter by, the count, the rows; and the versions in force
        with django_assert_num_queries(5):
            assert client.get(url(MFAPolicy)).status_code == 200


def test_no_policy_is_added_or_deleted_by_hand(tenant: Tenant) -> None:
    client = verified_client(root())
    assert client.get(url(MFAPolicy, "add")).status_code == 403
    assert client.post(url(MFAPolicy, "delete", tenant.policy.pk), {"post": "yes"}).status_code == 403
    assert MFAPolicy.objects.filter(tenant=tenant).exists()


def test_the_overview_of_the_console_says_what_is_under_way(
    client: Client, administrator: User, tenant: Tenant, django_assert_max_num_queries: Any
) -> None:
    index = reverse("admin:index")
    assert "Under way" not in body_of(client, index)
    other = AdministratorFactory(tenant=TenantFactory(name="Globex"))
    verified_client(other)
    published(other, how={"until_confirmed": True})
    assert "Under way" not in body_of(client, index)
    published(administrator, how={"mode": "report"})
    published(administrator, how={"until_confirmed": True})
    client = verified_client(administrator)
    client.get(index)
    with django_assert_max_num_queries(5):  # session; acts, requests; the policies; whom the trial would have stopped
        body = body_of(client, index)
    assert "Version 3 of the policy goes out of force at" in body
    assert "Version 2 is on trial: it would have stopped nobody so far." in body
    assert "Globex" in body_of(verified_client(root()), index)


# -- one version -----------------------------------------------------------------------------------------------


def test_a_version_shows_sentences_difference_document_and_reason(client: Client, tenant: Tenant) -> None:
    publish_rules(tenant, grace_days=7)
    body = body_of(client, page_of(tenant, "version", 2))
    for words in (
        "for a test",
        "What it changed against version 1",
        "<del>14 days",
        "<ins>7 days",
        "second_factor_hours",
    ):
        assert words in body
    assert "The first version" in body_of(client, page_of(tenant, "version", 1))


@pytest.mark.parametrize("number", [0, 3, 10**30], ids=str)
def test_a_version_that_never_was_does_not_exist(client: Client, tenant: Tenant, number: int) -> None:
    assert client.get(page_of(tenant, "version", number)).status_code == 404
    assert client.post(page_of(tenant, "draft_begin", number)).status_code == 404


def test_going_back_is_a_draft_of_an_old_version(client: Client, administrator: User, tenant: Tenant) -> None:
    publish_rules(tenant, grace_days=1)
    response = client.post(page_of(tenant, "draft_begin", 1))
    assert response.url == page_of(tenant, "draft")
    draft = draft_of(tenant)
    assert draft is not None
    first = tenant.policy.versions.get(number=1)
    assert (draft.document, draft.based_on, draft.author_id) == (first.document, 2, administrator.pk)
    assert last_event(Kind.POLICY_DRAFT_SAVED).actor_id == str(administrator.pk)
    assert in_force(tenant) == 2


def test_a_draft_there_is_is_not_overwritten(client: Client, administrator: User, tenant: Tenant) -> None:
    mine = drafted(administrator, grace_days=9)
    response = client.post(page_of(tenant, "draft_begin", 1), follow=True)
    assert "There is a draft already." in response.content.decode()
    assert draft_of(tenant) == mine
    assert "discard the draft first" in body_of(client, page_of(tenant))
    assert "discard the draft first" in body_of(client, page_of(tenant, "version", 1))


def test_an_old_version_that_can_no_longer_be_said_is_refused_in_a_sentence(client: Client, tenant: Tenant) -> None:
    publish_rules(tenant)
    PolicyVersion.objects.filter(policy__tenant=tenant, number=1).update(document=document(grace_days=999))
    response = client.post(page_of(tenant, "draft_begin", 1), follow=True)
    assert "Version 1 says what can no longer be published." in response.content.decode()
    assert draft_of(tenant) is None


# -- discarding ------------------------------------------------------------------------------------------------


def test_a_draft_is_discarded_and_what_is_in_force_stays(client: Client, administrator: User, tenant: Tenant) -> None:
    draft = drafted(administrator, grace_days=9)
    response = client.post(page_of(tenant, "draft_discard"), {"revision": draft.revision}, follow=True)
    assert "The draft is gone." in response.content.decode()
    assert draft_of(tenant) is None
    assert in_force(tenant) == 1
    assert last_event(Kind.POLICY_DRAFT_DISCARDED).actor_id == str(administrator.pk)


@pytest.mark.parametrize("revision", ["1", "", "0", "-1", "x", "9" * 5000, "²"], ids=lambda text: text[:3])
def test_only_the_draft_that_was_looked_at_is_discarded(
    client: Client, administrator: User, tenant: Tenant, revision: str
) -> None:
    drafted(administrator, grace_days=9)
    drafted(administrator, grace_days=8, revision=1)
    response = client.post(page_of(tenant, "draft_discard"), {"revision": revision}, follow=True)
    assert "Somebody else changed or removed this draft meanwhile." in response.content.decode()
    assert draft_of(tenant) is not None
    assert events(Kind.POLICY_DRAFT_DISCARDED) == 0


# -- confirming ------------------------------------------------------------------------------------------------


def test_who_signed_in_afterwards_confirms(client: Client, administrator: User, tenant: Tenant, clock: Any) -> None:
    published(administrator, grace_days=1, how={"until_confirmed": True})
    clock.forward(timedelta(seconds=5))
    response = verified_client(administrator).post(page_of(tenant, "confirm"), follow=True)
    assert "Confirmed. The version stays in force." in response.content.decode()
    clock.forward(timedelta(minutes=20))
    assert in_force(tenant) == 2
    event = last_event(Kind.POLICY_CONFIRMED)
    assert (event.actor_id, event.payload["version"]) == (str(administrator.pk), 2)


def test_who_signed_in_before_is_told_to_sign_in_again(
    client: Client, administrator: User, tenant: Tenant, clock: Any
) -> None:
    clock.forward(timedelta(seconds=5))
    published(administrator, grace_days=1, how={"until_confirmed": True})
    response = client.post(page_of(tenant, "confirm"), follow=True)
    assert "Sign in again first, in this or another browser" in response.content.decode()
    assert events(Kind.POLICY_CONFIRMED) == 0
    assert MFAPolicy.objects.get(tenant=tenant).confirm_by is not None


@pytest.mark.parametrize("waits", [False, True], ids=["nothing waits", "too late"])
def test_there_may_be_nothing_to_confirm(
    client: Client, administrator: User, tenant: Tenant, clock: Any, waits: bool
) -> None:
    if waits:
        published(administrator, grace_days=1, how={"until_confirmed": True})
        clock.forward(timedelta(minutes=15))
    response = verified_client(administrator).post(page_of(tenant, "confirm"), follow=True)
    assert "There is nothing to confirm any more." in response.content.decode()
    assert (in_force(tenant), events(Kind.POLICY_CONFIRMED)) == (1, 0)


@pytest.mark.security(51)
def test_confirming_needs_a_fresh_factor_and_comes_back_to_the_policy(administrator: User, tenant: Tenant) -> None:
    client = verified_client(administrator)
    published(administrator, grace_days=1, how={"until_confirmed": True})
    PolicyVersion.objects.filter(number=2, policy=tenant.policy).update(created_at=timezone.now() - timedelta(hours=1))
    client = stale_client(administrator)
    response = client.post(page_of(tenant, "confirm"))
    assert response.url.startswith(reverse("mfa_reauthenticate"))
    assert response.url.endswith("%2Fchange%2F")
    assert events(Kind.POLICY_CONFIRMED) == 0


@pytest.mark.parametrize("who", ["of another tenant", "on days of grace"])
def test_it_is_not_offered_to_whom_it_would_refuse(administrator: User, tenant: Tenant, clock: Any, who: str) -> None:
    rules: dict[str, Any] = {"grace_days": 1}
    if who == "on days of grace":
        person = AdministratorFactory(tenant=tenant, known_since=timezone.now() - timedelta(days=9))
        for one in (administrator, person):
            enrol_totp(one)
        give_key(administrator)
        rules = {"strength": {"administrator": "phishing_resistant"}, "administrators_grace_days": 7}
    else:
        person = root()
    published(administrator, how={"until_confirmed": True}, **rules)
    clock.forward(timedelta(seconds=5))
    browser = verified_client(person)
    body = body_of(browser, page_of(tenant))
    assert "An administrator of this tenant has to confirm it" in body
    assert page_of(tenant, "confirm") not in body
    answer = browser.post(page_of(tenant, "confirm"), follow=True).content.decode()
    assert "An administrator of this tenant has to confirm it" in answer
    assert events(Kind.POLICY_CONFIRMED) == 0
    assert MFAPolicy.objects.get(tenant=tenant).confirm_by is not None


# -- whose it is -----------------------------------------------------------------------------------------------

ADDRESSES = [(name, (1,) if "number" in path else ()) for path, name, _page in PAGES]
READ_ONLY = {"version", "report"}


@pytest.mark.security(84)
@pytest.mark.parametrize(("name", "args"), [("change", ()), *ADDRESSES], ids=str)
@pytest.mark.parametrize("verb", ["get", "head", "post", "put", "patch", "delete", "options"])
def test_another_tenants_policy_does_not_exist(name: str, args: tuple[int, ...], verb: str) -> None:
    mine, theirs = Side(), Side()
    drafted(theirs.administrator, grace_days=1)
    client = mine.client()
    response = getattr(client, verb)(page_of(theirs.tenant, name, *args))
    assert response.status_code == 404
    assert theirs.mark not in response.content.decode().replace(response.request["PATH_INFO"], "")
    assert last_event(Kind.ADMIN_REFUSED).payload["reason"] == "not_found"
    draft = draft_of(theirs.tenant)
    assert (draft is not None and draft.revision, in_force(theirs.tenant)) == (1, 1)


@pytest.mark.security(84)
@pytest.mark.parametrize(("name", "args"), ADDRESSES, ids=str)
def test_a_tenants_administrator_reads_the_platforms_own_policy_and_changes_nothing(
    name: str, args: tuple[int, ...]
) -> None:
    default = Tenant.objects.get(is_default=True)
    client = verified_client(AdministratorFactory(tenant=default))
    for verb in ("get", "post"):
        response = getattr(client, verb)(page_of(default, name, *args))
        if name in READ_ONLY:
            assert response.status_code == (200 if verb == "get" else 405)
        else:
            assert response.status_code == 403
            assert last_event(Kind.ADMIN_REFUSED).payload["reason"] == "not_allowed"
    assert (draft_of(default), in_force(default)) == (None, 1)
    body = body_of(client, page_of(default))
    assert "Only the platform’s administrators change this policy." in body
    assert page_of(default, "draft") not in body


@pytest.mark.parametrize(("name", "args"), [("change", ()), *ADDRESSES], ids=str)
def test_who_is_no_administrator_is_not_let_in(tenant: Tenant, name: str, args: tuple[int, ...]) -> None:
    client = verified_client(UserFactory(tenant=tenant))
    for verb in ("get", "post"):
        response = getattr(client, verb)(page_of(tenant, name, *args))
        assert response.status_code in (302, 403)
    assert draft_of(tenant) is None


@pytest.mark.parametrize("name", ["confirm", "draft_discard", "draft_rebase", "report_stop"])
def test_what_changes_something_is_posted(client: Client, tenant: Tenant, name: str) -> None:
    assert client.get(page_of(tenant, name)).status_code == 405
    assert client.get(page_of(tenant, "draft_begin", 1)).status_code == 405
    strict = Client(enforce_csrf_checks=True, HTTP_HOST="localhost")
    strict.cookies = client.cookies
    assert strict.post(page_of(tenant, name)).status_code == 403
