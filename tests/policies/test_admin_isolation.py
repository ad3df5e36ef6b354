"""A tenant's administrator among another tenant's objects: they are not there, whatever is tried."""

import itertools
import re
import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django_tasks_db.models import DBTaskResult

from accounts.flows import people
from accounts.models import Binding, HelpRequest, Session, Tenant, User
from audit.kinds import Kind
from audit.models import AuditEvent
from policies.admin.event_filters import FieldFilter
from policies.models import Campaign, MFAPolicy, Reminder, ReminderRound
from policies.rollout.listed import Which
from tests.factories import UserFactory, verified_client
from tests.policies.admin_scene import SEEN_BY_TENANTS, Side, a_group, events, last_event, registered, root, url
from tests.policies.reminding_scene import newcomer

pytestmark = [pytest.mark.django_db, pytest.mark.security(84)]


@pytest.fixture
def mine() -> Side:
    return Side()


@pytest.fixture
def theirs() -> Side:
    return Side()


@pytest.fixture
def client(mine: Side) -> Client:
    return mine.client()


def label(model: type[Model]) -> str:
    return model.__name__


def test_every_model_of_the_admin_is_in_one_of_these_tests() -> None:
    assert set(registered()) == {*SEEN_BY_TENANTS, Group, DBTaskResult}


@pytest.mark.parametrize("model", SEEN_BY_TENANTS, ids=label)
def test_no_page_of_another_tenants_object_exists(client: Client, theirs: Side, model: type[Model]) -> None:
    before = model._default_manager.count()
    chosen = theirs.id_of(model)
    for name, ask in itertools.product(("change", "history", "delete"), (client.get, client.post)):
        response = ask(url(model, name, chosen), {"post": "yes", "name": "taken over"})
        assert response.status_code == 404
        assert theirs.mark not in response.content.decode()
        refusal = last_event(Kind.ADMIN_REFUSED)
        assert (refusal.payload["reason"], refusal.payload["page"]) == ("not_found", response.request["PATH_INFO"])
    assert model._default_manager.count() == before + (6 if model is AuditEvent else 0)  # the refusals


@pytest.mark.parametrize("model", SEEN_BY_TENANTS, ids=label)
def test_an_id_that_never_was_gets_the_same_answer(client: Client, theirs: Side, model: type[Model]) -> None:
    unknown = str(uuid.uuid4())
    answers = [client.get(url(model, "change", one)) for one in (theirs.id_of(model), unknown, "x' OR 1=1")]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    foreign, never, _garbage = [without_address(answer) for answer in answers]
    assert foreign == never


def without_address(response: Any) -> str:
    """The page without the form token and its own address, which it repeats."""
    body = response.content.decode().replace(response.request["PATH_INFO"], "")
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", body)


@pytest.mark.parametrize("model", SEEN_BY_TENANTS, ids=label)
def test_no_list_shows_another_tenants_objects(client: Client, theirs: Side, model: type[Model]) -> None:
    for query in ("", "?q=example", "?o=1", "?o=-2.1", "?all=", "?p=1", "?_popup=1", "?_facets=True"):
        response = client.get(url(model) + query)
        body = response.content.decode()
        assert response.status_code == 200, query
        assert theirs.mark not in body
        assert str(theirs.tenant.pk) not in body
        assert url(model, "change", theirs.id_of(model)) not in body


@pytest.mark.parametrize("model", [User, MFAPolicy, Binding, Session, Reminder, Campaign], ids=label)
def test_a_filter_by_another_tenant_filters_nothing(client: Client, theirs: Side, model: type[Model]) -> None:
    plain = client.get(url(model)).context["cl"]
    filtered = client.get(url(model), {"tenant": theirs.tenant.pk}).context["cl"]
    assert [one.pk for one in filtered.result_list] == [one.pk for one in plain.result_list] != []
    assert "tenant" not in [one.parameter_name for one in filtered.filter_specs]


@pytest.mark.parametrize("model", [User, Tenant, MFAPolicy, Binding, Session, Reminder], ids=label)
def test_searching_for_another_tenants_words_finds_nothing(client: Client, theirs: Side, model: type[Model]) -> None:
    response = client.get(url(model), {"q": theirs.mark})
    assert response.status_code == 200
    assert response.context["cl"].result_count == 0


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        (User, "tenant__id__exact"),
        (User, "tenant__name__startswith"),
        (User, "password__startswith"),
        (User, "webauthn_handle__startswith"),
        (User, "email__startswith"),
        (User, "sessions__session_key__startswith"),
        (User, "bindings__sealed_under"),
        (User, "is_superuser__exact"),
        (Tenant, "people__email__startswith"),
        (Tenant, "policy__code__startswith"),
        (MFAPolicy, "versions__author_label__startswith"),
        (MFAPolicy, "tenant__people__password__startswith"),
        (Binding, "person__email__startswith"),
        (Binding, "person__password__startswith"),
        (Binding, "authenticator__data__startswith"),
        (Binding, "credential__public_key__startswith"),
        (Session, "session_key__startswith"),
        (Session, "session_data__startswith"),
        (Session, "person__tenant__name"),
        (Reminder, "person__password__startswith"),
        (AuditEvent, "tenant_id"),
        (AuditEvent, "salts__contains"),
    ],
)
def test_no_query_string_guesses_at_columns(client: Client, model: type[Model], lookup: str) -> None:
    response = client.get(url(model), {lookup: "a"})
    assert response.status_code == 400
    assert last_event(Kind.ADMIN_REFUSED).payload["reason"] == "not_offered"


@pytest.mark.parametrize(
    ("model", "column"),
    [
        (User, "email"),
        (User, "nothing"),
        (User, "password"),
        (User, "webauthn_handle"),
        (Session, "session_key"),
        (Tenant, "slug"),
    ],
)
def test_objects_are_named_by_their_id_alone(client: Client, mine: Side, model: type[Model], column: str) -> None:
    assert client.get(url(model), {"_to_field": column, "_popup": "1"}).status_code == 400
    assert client.get(url(model, "change", mine.id_of(model)), {"_to_field": column}).status_code == 400


# -- actions ---------------------------------------------------------------------------------------------------


def act(client: Client, model: type[Model], action: str, *ids: Any, **more: Any) -> Any:
    return client.post(url(model), {"action": action, ACTION_CHECKBOX_NAME: [str(one) for one in ids], **more})


@pytest.mark.parametrize(
    ("model", "action"),
    [
        (User, "reset_mfa"),
        (User, "send_reminder"),
        (Campaign, "stop"),
        (Session, "end_sessions"),
        (HelpRequest, "close_requests"),
    ],
    ids=["people", "reminders", "campaigns", "sessions", "requests for help"],
)
def test_an_action_with_another_tenants_id_does_nothing(
    client: Client, mine: Side, theirs: Side, model: type[Model], action: str
) -> None:
    for chosen in ((mine.id_of(model), theirs.id_of(model)), (theirs.id_of(model),), ("no-id",)):
        for how in ({}, {"index": "0"}, {"select_across": "1"}):
            assert act(client, model, action, *chosen, **how).status_code == 404
    assert mine.session.ended_at is None
    assert theirs.session.ended_at is None
    assert not events(Kind.SESSION_ENDED)
    assert not events(Kind.REMINDER_ASKED_FOR)
    assert not events(Kind.CAMPAIGN_STOPPED)
    assert not events(Kind.HELP_CLOSED)


def test_everything_across_pages_is_everything_of_ones_own_tenant(client: Client, mine: Side, theirs: Side) -> None:
    response = act(client, Session, "end_sessions", mine.id_of(Session), select_across="1")
    assert response.status_code == 302
    assert not Session.objects.filter(person=mine.person, ended_at=None).exists()
    assert Session.objects.filter(person=theirs.person, ended_at=None).exists()
    assert last_event(Kind.SESSION_ENDED).tenant_id == mine.tenant.pk


@pytest.mark.parametrize("action", ["delete_selected", "make_verified", "delete_model"])
def test_no_model_has_an_action_that_no_flow_stands_behind(client: Client, mine: Side, action: str) -> None:
    act(client, User, action, mine.person.pk)
    assert User.objects.filter(pk=mine.person.pk).exists()


def test_reset_of_another_tenants_person_does_not_exist(client: Client, mine: Side, theirs: Side) -> None:
    address = reverse("admin:accounts_user_reset_mfa")
    said = {"reason": "lost phone", "verified_how": "video", "confirm": theirs.person.email}
    for ids in (theirs.person.pk, f"{mine.person.pk},{theirs.person.pk}", "", "x", f"{theirs.person.pk},"):
        assert client.get(f"{address}?ids={ids}").status_code == 404
        assert client.post(f"{address}?ids={ids}", said).status_code == 404
    assert theirs.binding.unbound_at is None
    assert not events(Kind.MFA_RESET)


def test_invitation_to_another_tenants_person_does_not_exist(client: Client, theirs: Side) -> None:
    invited = UserFactory(tenant=theirs.tenant, password=None)
    assert client.post(reverse("admin:accounts_user_invite", args=[invited.pk])).status_code == 404
    assert not events(Kind.INVITATION_SENT)


# -- choices ---------------------------------------------------------------------------------------------------


def autocomplete(client: Client, app: str, model: str, field: str, term: str = "") -> Any:
    query = {"app_label": app, "model_name": model, "field_name": field, "term": term}
    return client.get(reverse("admin:autocomplete"), query)


@pytest.mark.parametrize(
    ("model", "field"), [("binding", "person"), ("session", "person"), ("user", "tenant")], ids=lambda value: value
)
def test_autocomplete_offers_ones_own_tenant_alone(
    client: Client, mine: Side, theirs: Side, model: str, field: str
) -> None:
    for term in ("", "example", theirs.mark, theirs.tenant.name):
        found = autocomplete(client, "accounts", model, field, term).json()["results"]
        assert theirs.mark not in str(found)
    assert mine.mark in str(autocomplete(client, "accounts", model, field, mine.mark).json())


@pytest.mark.parametrize(
    ("app", "model", "field"),
    [
        ("accounts", "tenant", "people"),
        ("accounts", "user", "bindings"),
        ("accounts", "user", "email"),
        ("accounts", "user", "nothing"),
        ("accounts", "webauthncredential", "binding"),
        ("accounts", "invitation", "person"),
        ("account", "emailaddress", "user"),
        ("mfa", "authenticator", "user"),
        ("admin", "logentry", "user"),
        ("nowhere", "x", "y"),
    ],
)
def test_autocomplete_answers_for_fields_of_the_admins_own_forms_only(
    client: Client, app: str, model: str, field: str
) -> None:
    assert autocomplete(client, app, model, field).status_code == 404


def test_autocomplete_without_arguments_is_not_found(client: Client) -> None:
    assert client.get(reverse("admin:autocomplete")).status_code == 404


def test_groups_are_not_offered_to_tenants(client: Client) -> None:
    a_group()
    assert autocomplete(client, "accounts", "user", "groups").status_code == 403


def test_no_form_offers_another_tenant(client: Client, mine: Side, theirs: Side) -> None:
    for address in (url(User, "add"), url(User, "change", mine.person.pk), url(Tenant, "change", mine.tenant.pk)):
        body = client.get(address).content.decode()
        assert theirs.mark not in body
        assert 'name="tenant"' not in body
        assert 'name="groups"' not in body


def test_the_redirect_to_any_objects_own_page_is_gone(client: Client) -> None:
    """Django's shortcut looks up any object of any model, in nobody's scope."""
    with pytest.raises(NoReverseMatch):
        reverse("admin:view_on_site", args=[1, 1])
    assert client.get("/admin/r/1/1/").status_code == 404


# -- histories -------------------------------------------------------------------------------------------------


def test_a_history_shows_the_events_of_ones_own_tenant_alone(mine: Side, theirs: Side) -> None:
    """Somebody who moved here brings no history: it stays in the chain of where they were."""
    platform = root()
    people.change(theirs.person, actor=platform, name="Moved later")
    people.change(theirs.person, actor=platform, tenant=mine.tenant)
    body = mine.client().get(url(User, "history", theirs.person.pk)).content.decode()
    assert "changed" in body
    shown = {event.tenant_id for event in _events_on(mine.client(), theirs.person)}
    assert shown == {mine.tenant.pk}
    seen_by_root = {event.tenant_id for event in _events_on(verified_client(platform), theirs.person)}
    assert seen_by_root == {mine.tenant.pk, theirs.tenant.pk}


def _events_on(client: Client, person: User) -> list[AuditEvent]:
    return list(client.get(url(User, "history", person.pk)).context["events"])


@pytest.mark.parametrize("model", [User, Tenant, MFAPolicy, Binding, Session, Reminder], ids=label)
def test_every_object_has_a_history_of_recorded_events(client: Client, mine: Side, model: type[Model]) -> None:
    response = client.get(url(model, "history", mine.id_of(model)))
    assert response.status_code == 200
    assert all(event.tenant_id == mine.tenant.pk for event in response.context["events"])


# -- the platform ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", SEEN_BY_TENANTS, ids=label)
def test_a_platform_administrator_sees_every_tenant(mine: Side, theirs: Side, model: type[Model]) -> None:
    client = verified_client(root())
    for side in (mine, theirs):
        assert client.get(url(model, "change", side.id_of(model))).status_code == 200
    shown = client.get(url(model)).content.decode()
    assert mine.mark in shown
    assert theirs.mark in shown


def test_a_platform_administrator_filters_by_tenant(mine: Side, theirs: Side) -> None:
    shown = verified_client(root()).get(url(User), {"tenant": mine.tenant.pk})
    emails = {person.email for person in shown.context["cl"].result_list}
    assert emails == {mine.person.email, mine.administrator.email}


def test_every_filter_takes_only_what_it_offers() -> None:
    for model, model_admin in admin.site._registry.items():
        for one in model_admin.list_filter:
            assert issubclass(one, admin.SimpleListFilter | FieldFilter), (model, one)


# -- the status and the reminders from it ----------------------------------------------------------------------


def a_round(side: Side) -> ReminderRound:
    return ReminderRound.objects.create(
        tenant=side.tenant,
        which="without",
        of_everybody=True,
        people=1,
        actor_id=side.administrator.pk,
        actor_label=str(side.administrator),
    )


def test_another_tenants_round_of_reminders_does_not_exist(client: Client, mine: Side, theirs: Side) -> None:
    foreign = a_round(theirs)
    for tenant, round_id in ((theirs.tenant, foreign.pk), (mine.tenant, foreign.pk), (mine.tenant, uuid.uuid4())):
        response = client.get(reverse("admin:mfa_status_round", args=[tenant.pk, round_id]))
        assert response.status_code == 404
        assert theirs.mark not in response.content.decode()
    own = client.get(reverse("admin:mfa_status_round", args=[mine.tenant.pk, a_round(mine).pk]))
    assert own.status_code == 200


@pytest.mark.parametrize("which", list(Which))
def test_nobody_is_reminded_from_another_tenants_list(client: Client, mine: Side, theirs: Side, which: Which) -> None:
    for said in ("everybody", "chosen", str(theirs.person.pk), str(mine.person.pk)):
        address = reverse("admin:mfa_status_remind", args=[theirs.tenant.pk, which])
        assert client.post(address, {"remind": said, "person": [theirs.person.pk]}).status_code == 404
        assert client.get(address).status_code == 404
    assert not ReminderRound.objects.exists()
    assert not events(Kind.REMINDER_ASKED_FOR)


def test_nobody_of_another_tenant_is_chosen_in_ones_own_list(client: Client, mine: Side, theirs: Side) -> None:
    address = reverse("admin:mfa_status_remind", args=[mine.tenant.pk, "without"])
    for said in (str(theirs.person.pk), str(uuid.uuid4()), "no-id", ""):
        assert client.post(address, {"remind": said}).status_code == 404
        assert client.post(address, {"remind": "chosen", "person": [mine.person.pk, said]}).status_code == 404
    assert not ReminderRound.objects.exists()
    assert not Reminder.objects.exclude(pk__in=[mine.reminder.pk, theirs.reminder.pk]).exists()


def test_everybody_in_a_list_is_everybody_of_ones_own_tenant(
    mine: Side, theirs: Side, client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    owing = [newcomer(side.tenant) for side in (mine, theirs)]
    address = reverse("admin:mfa_status_remind", args=[mine.tenant.pk, "without"])
    with django_capture_on_commit_callbacks(execute=True):
        client.post(address, {"remind": "everybody", "q": "", "tenant": theirs.tenant.pk})
    reminded = Reminder.objects.filter(round__isnull=False).values_list("person_id", flat=True)
    assert set(reminded) == {owing[0].pk}


def test_the_status_shows_campaigns_and_rounds_of_ones_own_tenant_alone(
    client: Client, mine: Side, theirs: Side
) -> None:
    a_round(theirs)
    assert client.get(reverse("admin:mfa_status_of", args=[theirs.tenant.pk])).status_code == 404
    response = client.get(reverse("admin:mfa_status_of", args=[mine.tenant.pk]), {"tenant": theirs.tenant.pk})
    assert list(response.context["campaigns"]) == [mine.campaign]
    assert list(response.context["rounds"]) == []
    body = response.content.decode()
    assert theirs.mark not in body and str(theirs.tenant.pk) not in body
