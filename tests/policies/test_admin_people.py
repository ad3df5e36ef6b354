"""People in the admin: listed with what is demanded of them, added by invitation, changed and deleted by flows."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enrolment_state import Factors
from accounts.errors import NotAllowed, NotFresh
from accounts.flows import people as flows
from accounts.models import Role, Tenant, User
from audit.kinds import Kind
from policies import demands, facts
from policies.admin.people import PersonAdmin
from policies.admin.people_forms import PersonForm
from policies.models import MFAPolicy
from tests.factories import (
    AdministratorFactory,
    TenantFactory,
    UserFactory,
    client_of,
    enrol_recovery_codes,
    enrol_totp,
    publish_rules,
    verified_client,
)
from tests.policies.admin_scene import a_group, events, last_event, root, stale_client, url

pytestmark = pytest.mark.django_db

LIST = url(User)
ADD = url(User, "add")


@pytest.fixture
def person(tenant: Tenant) -> User:
    return UserFactory(tenant=tenant, name="Pat Person")


def form_of(person: User, **changes: Any) -> dict[str, Any]:
    """What the form of a person's page sends when nothing but these is changed."""
    typed = {"name": person.name, "language": person.language, "role": person.role}
    typed |= {"is_active": "on"} if person.is_active else {}
    return typed | changes


def columns(response: Any) -> dict[str, Any]:
    return {person.email: person for person in response.context["cl"].result_list}


# -- the list --------------------------------------------------------------------------------------------------


def test_the_list_shows_demand_and_methods(client: Client, tenant: Tenant, person: User) -> None:
    scope = {"everyone": False, "roles": ["administrator"], "groups": [], "staff": False, "sources": []}
    publish_rules(tenant, scope=scope)
    enrol_totp(person)
    enrol_recovery_codes(person)
    bare = UserFactory(tenant=tenant)
    response = client.get(LIST, {"q": "example"})
    shown = columns(response)
    assert not shown[person.email].demanded
    assert shown[person.email].factors == Factors.APP | Factors.RECOVERY_CODES
    assert shown[bare.email].factors == 0
    body = response.content.decode()
    assert '<span class="pill">App</span> <span class="pill">Recovery codes</span>' in body
    assert "Not required" in body
    assert ">Required<" in body  # the administrator


def test_what_the_list_says_is_what_the_gate_asks(tenant: Tenant) -> None:
    """The bulk answer is the single one, for every kind of person under every kind of policy."""
    off, bare = TenantFactory(), TenantFactory()
    publish_rules(tenant, scope={"everyone": False, "roles": [], "groups": [], "staff": True, "sources": []})
    publish_rules(off, enabled=False)
    MFAPolicy.objects.filter(tenant=bare).delete()
    for home in (tenant, off, bare, TenantFactory(rules={"enforcement": "optional"}), TenantFactory()):
        for role, superuser in ((Role.USER, False), (Role.ADMINISTRATOR, False), (Role.USER, True)):
            UserFactory(tenant=home, role=role, is_superuser=superuser)
    people = User.objects.select_related("tenant")
    rules = facts.rules_by_tenant(person.tenant_id for person in people)
    known, now = facts.gather_many(people), timezone.now()
    answers = {
        person: (own := rules.get(person.tenant_id)) is None or demands.is_demanded(own, known[person.pk], now)
        for person in people
    }
    assert answers == {person: facts.mfa_required(person) for person in people}
    assert set(answers.values()) == {True, False}


def test_the_list_costs_the_same_for_many_people(
    client: Client, tenant: Tenant, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get(LIST)
    for _ in range(3):
        enrol_totp(UserFactory(tenant=tenant))
        with django_assert_num_queries(4):  # session, people; rules, groups
            assert client.get(LIST).status_code == 200
    monkeypatch.setattr(PersonAdmin, "list_per_page", 2)
    with django_assert_num_queries(5):  # and those who are on other pages are counted
        assert client.get(LIST).status_code == 200


def test_the_platforms_list_costs_one_query_more(django_assert_num_queries: Any) -> None:
    client = verified_client(root())
    client.get(LIST)
    for _ in range(3):
        UserFactory(tenant=TenantFactory())
        with django_assert_num_queries(5):  # and the tenants to filter by
            assert client.get(LIST).status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"enrolled": "yes"}, {"admin", "enrolled"}),
        ({"enrolled": "no"}, {"bare", "off"}),
        ({"method": "totp"}, {"admin", "enrolled"}),
        ({"method": "webauthn"}, set()),
        ({"role": "administrator"}, {"admin"}),
        ({"active": "no"}, {"off"}),
        ({"role": "emperor"}, {"admin", "enrolled", "bare", "off"}),
        ({"q": "BARE@"}, {"bare"}),
        ({"q": "bare nobody"}, set()),
    ],
    ids=lambda value: " ".join(sorted(value)) or "nobody",
)
def test_people_are_found_by_what_they_are(tenant: Tenant, query: dict[str, str], found: set[str]) -> None:
    administrator = AdministratorFactory(tenant=tenant, email="admin@people.example")
    enrol_totp(UserFactory(tenant=tenant, email="enrolled@people.example"))
    UserFactory(tenant=tenant, email="bare@people.example")
    UserFactory(tenant=tenant, email="off@people.example", is_active=False)
    shown = columns(verified_client(administrator).get(LIST, query))
    assert {email.partition("@")[0] for email in shown} == found


# -- adding ----------------------------------------------------------------------------------------------------


def test_who_is_added_is_mailed_a_link_to_set_a_password(
    client: Client, tenant: Tenant, administrator: User, django_capture_on_commit_callbacks: Any
) -> None:
    assert "password" not in client.get(ADD).context["adminform"].form.fields
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(ADD, {"email": " New@Example.COM ", "name": "New", "role": "user", "language": "de"})
    assert response.url == LIST
    added = User.objects.get(email="new@example.com")
    assert (added.tenant, added.language, added.has_usable_password()) == (tenant, "de", False)
    assert [message.to for message in mail.outbox] == [["new@example.com"]]
    assert "/accounts/invitation/" in mail.outbox[0].body
    for kind in (Kind.PERSON_ADDED, Kind.INVITATION_SENT):
        event = last_event(kind)
        assert (event.actor_id, event.target_id) == (str(administrator.pk), str(added.pk))


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"email": "taken@example.com"}, "email"),
        ({"email": "TAKEN@example.com "}, "email"),
        ({"email": "second@example.com"}, "email"),
        ({"email": "no address"}, "email"),
        ({"email": ""}, "email"),
        ({"role": "emperor"}, "role"),
        ({"language": "xx"}, "language"),
        ({"name": "x" * 151}, "name"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_nothing_is_lost(client: Client, typed: dict[str, str], wrong: str) -> None:
    other = UserFactory(email="taken@example.com", tenant=TenantFactory())
    other.emailaddress_set.create(email="second@example.com", verified=True)
    people = User.objects.count()
    response = client.post(ADD, {"email": "new@example.com", "name": "Kept", "role": "user", "language": ""} | typed)
    assert response.status_code == 200
    assert wrong in response.context["adminform"].form.errors
    assert typed.get("name", "Kept") in response.content.decode()
    assert User.objects.count() == people
    assert not events(Kind.PERSON_ADDED)


# security 51
def test_the_form_to_add_somebody_asks_for_a_fresh_factor_before_it_is_filled_in(administrator: User) -> None:
    response = stale_client(administrator).get(ADD)
    assert response.url == reverse("mfa_reauthenticate") + "?next=%2Fadmin%2Faccounts%2Fuser%2Fadd%2F"


def test_a_platform_administrator_chooses_the_tenant(tenant: Tenant) -> None:
    typed = {"email": "new@example.com", "name": "", "role": "administrator", "language": "", "tenant": tenant.pk}
    assert verified_client(root()).post(ADD, typed).status_code == 302
    assert User.objects.get(email="new@example.com").tenant == tenant
    assert last_event(Kind.PERSON_ADDED).tenant_id == tenant.pk


def test_who_is_added_twice_at_once_is_there_once_and_the_second_is_told(
    client: Client, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other request commits between our look and our insert: the constraint catches it, the form says it."""
    monkeypatch.setattr(PersonForm, "clean_email", lambda form: form.cleaned_data["email"].lower())
    monkeypatch.setattr(PersonForm, "validate_unique", lambda form: monkeypatch.undo())  # blind once
    monkeypatch.setattr(PersonForm, "_post_clean", lambda form: form.validate_unique())
    UserFactory(email="twice@example.com", tenant=tenant)
    response = client.post(ADD, {"email": "Twice@example.com", "name": "", "role": "user", "language": ""})
    assert response.status_code == 200
    assert "email" in response.context["adminform"].form.errors
    assert User.objects.filter(email="twice@example.com").count() == 1


# -- inviting again --------------------------------------------------------------------------------------------


def test_a_new_invitation_goes_to_who_has_no_password(client: Client, tenant: Tenant) -> None:
    waiting = UserFactory(tenant=tenant, password=None)
    address = reverse("admin:accounts_user_invite", args=[waiting.pk])
    assert address in client.get(url(User, "change", waiting.pk)).content.decode()
    assert client.get(address).status_code == 405
    for _ in range(2):
        assert client.post(address).url == url(User, "change", waiting.pk)
    assert waiting.invitations.filter(used_at=None).count() == 1
    assert events(Kind.INVITATION_SENT) == 2


def test_nobody_with_a_password_is_invited(client: Client, person: User) -> None:
    address = reverse("admin:accounts_user_invite", args=[person.pk])
    assert address not in client.get(url(User, "change", person.pk)).content.decode()
    assert b"You may not do this." in client.post(address, follow=True).content
    assert not person.invitations.exists()


# -- changing --------------------------------------------------------------------------------------------------


def test_a_change_is_recorded_with_before_and_after(client: Client, administrator: User, person: User) -> None:
    response = client.post(url(User, "change", person.pk), form_of(person, name="Pat New", role="administrator"))
    assert response.url == LIST
    after = User.objects.get(pk=person.pk)
    assert (after.name, after.role) == ("Pat New", "administrator")
    assert after.security_version > person.security_version
    event = last_event(Kind.PERSON_CHANGED)
    assert event.actor_id == str(administrator.pk)
    assert event.payload["before"] == {"name": "Pat Person", "role": "user"}
    assert event.payload["after"] == {"name": "Pat New", "role": "administrator"}


def test_saving_without_a_change_records_nothing(client: Client, person: User) -> None:
    assert client.post(url(User, "change", person.pk), form_of(person)).status_code == 302
    assert not events(Kind.PERSON_CHANGED)
    assert User.objects.get(pk=person.pk).security_version == person.security_version


# security 68
def test_who_is_switched_off_is_out_at_once(client: Client, person: User) -> None:
    theirs = client_of(person)
    assert theirs.get("/accounts/2fa/enrol/").status_code == 200
    typed = form_of(person)
    del typed["is_active"]
    client.post(url(User, "change", person.pk), typed)
    assert theirs.get("/accounts/2fa/enrol/").url.startswith("/accounts/login/")
    assert last_event(Kind.PERSON_CHANGED).payload["after"] == {"is_active": "False"}


# security 66
def test_an_administrator_made_a_user_leaves_the_admin_at_the_next_request(client: Client, tenant: Tenant) -> None:
    colleague = AdministratorFactory(tenant=tenant)
    theirs = verified_client(colleague)
    assert theirs.get(LIST).status_code == 200
    client.post(url(User, "change", colleague.pk), form_of(colleague, role="user"))
    assert theirs.get(LIST, follow=True).status_code == 403


def test_a_platform_administrator_moves_promotes_and_groups(tenant: Tenant, person: User) -> None:
    boss, group = root(), a_group()
    typed = form_of(person, tenant=boss.tenant.pk, is_superuser="on", groups=[group.pk])
    assert verified_client(boss).post(url(User, "change", person.pk), typed).status_code == 302
    after = User.objects.get(pk=person.pk)
    assert (after.tenant, after.is_superuser, list(after.groups.all())) == (boss.tenant, True, [group])
    assert set(last_event(Kind.PERSON_CHANGED).payload["after"]) == {"tenant", "is_superuser"}
    assert last_event(Kind.GROUPS_CHANGED).payload == {"before": [], "after": [group.name]}


def test_the_form_says_that_platform_administrators_belong_to_the_default_tenant(person: User) -> None:
    boss, colleague = root(), AdministratorFactory(is_superuser=True)
    client = verified_client(boss)
    wrong = [
        (person, "is_superuser", form_of(person, tenant=person.tenant.pk, is_superuser="on")),
        (colleague, "tenant", form_of(colleague, tenant=person.tenant.pk, is_superuser="on")),
    ]
    for one, field, typed in wrong:
        response = client.post(url(User, "change", one.pk), typed)
        assert response.status_code == 200
        assert response.context["adminform"].form.errors == {field: [str(flows.OutsideDefaultTenant())]}
        after = User.objects.get(pk=one.pk)
        assert (after.tenant_id, after.is_superuser) == (one.tenant_id, one.is_superuser)
    stepped_down = form_of(colleague, tenant=person.tenant.pk)
    assert client.post(url(User, "change", colleague.pk), stepped_down).status_code == 302


def test_a_platform_administrator_does_not_step_down_by_mistake() -> None:
    boss = root()
    client = verified_client(boss)
    typed = {"name": "Still here", "language": "", "groups": [], "tenant": TenantFactory().pk}
    assert client.post(url(User, "change", boss.pk), typed).status_code == 302
    after = User.objects.get(pk=boss.pk)
    assert (after.name, after.is_superuser, after.is_active, after.tenant) == ("Still here", True, True, boss.tenant)


def test_a_refusal_of_the_flow_is_shown_with_what_was_typed(
    client: Client, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise NotAllowed

    monkeypatch.setattr("accounts.flows.people._require_may_change", refuse)
    response = client.post(url(User, "change", person.pk), form_of(person, name="Typed with care"))
    assert response.status_code == 200
    assert "You may not do this." in response.content.decode()
    assert "Typed with care" in response.content.decode()
    refusal = last_event(Kind.ADMIN_REFUSED)
    assert refusal.payload == {"page": url(User, "change", person.pk), "reason": "not_allowed"}
    assert User.objects.get(pk=person.pk).name == "Pat Person"


# security 51
def test_a_flow_that_wants_a_fresh_factor_gets_one_first(
    client: Client, person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise NotFresh

    monkeypatch.setattr("accounts.flows.people._require_may_change", refuse)
    response = client.post(url(User, "change", person.pk), form_of(person, name="New"))
    assert response.url.startswith(reverse("mfa_reauthenticate") + "?next=%2Fadmin%2Faccounts%2Fuser")


def test_the_page_lists_authenticators_addresses_and_sessions(client: Client, person: User) -> None:
    enrol_totp(person)
    person.emailaddress_set.create(email="second@example.com", verified=False)
    client_of(person)
    body = client.get(url(User, "change", person.pk)).content.decode()
    for words in ("Authenticator app", "In use", "second@example.com", "Not verified", "1 session"):
        assert words in body
    assert "The policy requires two-step verification of this person." in body
    form = client.get(url(User, "change", person.pk)).context["adminform"].form
    assert set(form.fields) == {"name", "language", "role", "is_active"}


def test_the_page_says_where_nothing_is_demanded_and_grace_is_over(client: Client, person: User) -> None:
    publish_rules(person.tenant, enforcement="optional")
    User.objects.filter(pk=person.pk).update(grace_closed_at=timezone.now())
    body = client.get(url(User, "change", person.pk)).content.decode()
    assert "The policy does not require two-step verification of this person." in body
    assert "Ended by a reset on" in body


def test_groups_are_offered_to_the_platform_as_boxes(person: User) -> None:
    group = Group.objects.create(name="Auditors")
    body = verified_client(root()).get(url(User, "change", person.pk)).content.decode()
    assert f'type="checkbox" name="groups" value="{group.pk}"' in body
