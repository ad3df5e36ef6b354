"""Administrators read their tenant's events, and change none."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404, HttpRequest
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from audit import admin as audit_admin
from audit.admin import AuditEventAdmin
from audit.catalogue import CATALOGUE
from audit.declarations import Category
from audit.kinds import Kind
from audit.log import Outcome, record
from audit.models import AuditEvent
from tests.audit.evidence import Person, events_of

pytestmark = pytest.mark.django_db


def staff(tenant_id: UUID | None, **changes: Any) -> SimpleNamespace:
    """A tenant administrator, unless told otherwise."""
    values = {"is_active": True, "is_staff": True, "is_superuser": False, "tenant_id": tenant_id}
    return SimpleNamespace(**values | changes)


def asked_by(user: Any, method: str = "get", **query: str) -> HttpRequest:
    request: HttpRequest = getattr(RequestFactory(), method)("/", query)
    request.user = user
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    return request


@pytest.fixture
def screen() -> AuditEventAdmin:
    return AuditEventAdmin(AuditEvent, AdminSite())


@pytest.fixture
def stranger() -> Person:
    """Somebody of another tenant, of whom one event is known."""
    stranger = Person(email="zoe@other.example")
    record(Kind.SIGNED_OUT, actor=stranger, target=stranger)
    return stranger


def listed(screen: AuditEventAdmin, request: HttpRequest) -> list[AuditEvent]:
    """What the list shows on its page."""
    changes: ChangeList = screen.get_changelist_instance(request)
    return list(changes.result_list)


@pytest.mark.security(84)
def test_a_tenant_administrator_sees_the_own_tenant_alone(
    screen: AuditEventAdmin, person: Person, stranger: Person
) -> None:
    record(Kind.SIGNED_OUT, target=person)
    record(Kind.KEY_CANARY_FAILED)
    assert listed(screen, asked_by(staff(person.tenant_id))) == events_of(person.tenant_id)
    everything = listed(screen, asked_by(staff(person.tenant_id, is_superuser=True)))
    assert {event.tenant_id for event in everything} >= {person.tenant_id, stranger.tenant_id, None}
    assert listed(screen, asked_by(staff(None))) == []


@pytest.mark.security(84)
@pytest.mark.parametrize("view", ["change_view", "history_view"])
def test_another_tenant_s_event_is_not_found(
    screen: AuditEventAdmin, person: Person, stranger: Person, view: str
) -> None:
    [theirs] = events_of(stranger.tenant_id)
    for event_id in (theirs.pk, uuid4(), "nonsense"):
        with pytest.raises(Http404):
            getattr(screen, view)(asked_by(staff(person.tenant_id)), str(event_id))


@pytest.mark.security(84)
@pytest.mark.parametrize("given", ["id", "person", "address"])
def test_a_search_finds_nothing_of_another_tenant(
    screen: AuditEventAdmin, person: Person, stranger: Person, given: str
) -> None:
    [theirs] = events_of(stranger.tenant_id)
    term = {"id": str(theirs.pk), "person": str(stranger.pk), "address": stranger.email}[given]
    assert listed(screen, asked_by(staff(stranger.tenant_id), q=term)) == [theirs]
    assert listed(screen, asked_by(staff(person.tenant_id), q=term)) == []


@pytest.mark.security(88)
def test_nobody_adds_changes_or_removes_events(screen: AuditEventAdmin, stranger: Person) -> None:
    root = staff(None, is_superuser=True)
    [event] = events_of(stranger.tenant_id)
    for refused in (
        lambda: screen.add_view(asked_by(root)),
        lambda: screen.change_view(asked_by(root, "post", outcome="ok"), str(event.pk)),
        lambda: screen.delete_view(asked_by(root, "post", post="yes"), str(event.pk)),
    ):
        with pytest.raises(PermissionDenied):
            refused()
    assert screen.get_actions(asked_by(root)) == {}
    assert events_of(stranger.tenant_id) == [event]


@pytest.mark.parametrize("changes", [{"is_staff": False}, {"is_active": False}])
def test_who_is_not_active_staff_sees_nothing(screen: AuditEventAdmin, changes: dict[str, bool]) -> None:
    request = asked_by(staff(uuid4(), is_superuser=True, **changes))
    assert not screen.has_module_permission(request)
    with pytest.raises(PermissionDenied):
        screen.changelist_view(request)


@pytest.mark.parametrize("field", ["actor", "target", "id", "request", "label", "nothing", "part"])
def test_a_search_is_exact(screen: AuditEventAdmin, person: Person, field: str) -> None:
    record(Kind.SIGNED_OUT, actor=person, target=person)
    [event] = events_of(person.tenant_id)
    term, found = {
        "actor": (event.actor_id, True),
        "target": (event.target_id, True),
        "id": (str(event.pk), True),
        "request": (event.request_id, True),
        "label": (" ANNA@acme.example ", True),
        "nothing": ("  ", True),
        "part": ("anna", False),
    }[field]
    assert (listed(screen, asked_by(staff(person.tenant_id), q=term)) == [event]) is found


def test_filters_narrow_by_outcome_subject_and_kind(screen: AuditEventAdmin, person: Person) -> None:
    user = staff(person.tenant_id)
    record(Kind.SIGNED_OUT, target=person)
    record(Kind.SIGN_IN_FAILED, target=person)
    record(Kind.MFA_RESET, target=person, outcome=Outcome.FAILED)
    signed_out, failed, reset = events_of(person.tenant_id)
    assert listed(screen, asked_by(user)) == [reset, failed, signed_out]
    assert listed(screen, asked_by(user, outcome="refused")) == [failed]
    assert listed(screen, asked_by(user, outcome="failed")) == [reset]
    assert listed(screen, asked_by(user, category="sign_in")) == [failed, signed_out]
    assert listed(screen, asked_by(user, category="sign_in", kind="session:signed_out")) == [signed_out]
    assert listed(screen, asked_by(user, category="no such")) == []
    assert listed(screen, asked_by(user, request_id=failed.request_id)) == [reset, failed, signed_out]


def test_the_kinds_offered_are_those_of_the_chosen_subject(screen: AuditEventAdmin, person: Person) -> None:
    def offered(**query: str) -> list[str]:
        changes = screen.get_changelist_instance(asked_by(staff(person.tenant_id), **query))
        [kinds] = [f for f in changes.filter_specs if f.parameter_name == "kind"]
        return [value for value, _ in kinds.lookup_choices]

    assert offered(kind="mfa:reset") == sorted(CATALOGUE)
    of_keys = sorted(kind for kind in Kind if kind.startswith("key:"))
    assert offered(category=Category.KEYS.value) == of_keys and "key:canary_failed" in of_keys


@pytest.mark.parametrize("query", ["actor_label__regex", "payload__reason", "tenant_id", "hash__startswith"])
def test_queries_cannot_be_composed_in_the_address_bar(screen: AuditEventAdmin, person: Person, query: str) -> None:
    from django.contrib.admin.exceptions import DisallowedModelAdminLookup

    with pytest.raises(DisallowedModelAdminLookup):
        listed(screen, asked_by(staff(person.tenant_id), **{query: "(a+)+"}))


def test_a_page_counts_no_further_than_the_newest(
    screen: AuditEventAdmin, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_admin, "COUNTED", 3)
    monkeypatch.setattr(AuditEventAdmin, "list_per_page", 2)
    for _ in range(5):
        record(Kind.SIGNED_OUT, target=person)
    newest = events_of(person.tenant_id)[::-1]
    with CaptureQueriesContext(connection) as queries:
        assert listed(screen, asked_by(staff(person.tenant_id))) == newest[:2]
    assert len(queries) == 2
    assert "LIMIT 3" in queries[0]["sql"]
    assert listed(screen, asked_by(staff(person.tenant_id), p="2")) == newest[2:3]


def test_kinds_are_offered_once_a_subject_is_chosen(screen: AuditEventAdmin, person: Person) -> None:
    changes = screen.get_changelist_instance(asked_by(staff(person.tenant_id)))
    assert [spec.parameter_name for spec in changes.filter_specs] == ["outcome", "category"]


def test_the_time_is_told_to_the_second_with_its_zone(screen: AuditEventAdmin) -> None:
    event = AuditEvent(at=datetime(2026, 5, 1, 22, 30, 15, 999999, tzinfo=UTC))
    assert screen.when(event) == "2026-05-01 22:30:15 UTC"
    with timezone.override("Europe/Berlin"):
        assert screen.when(event) == "2026-05-02 00:30:15 CEST"


def test_a_row_tells_in_words_what_happened(screen: AuditEventAdmin, person: Person) -> None:
    record(Kind.MFA_RESET, actor=person, target=person, reason="<script>")
    [event] = events_of(person.tenant_id)
    with translation.override("en"):
        assert screen.what(event) == "anna@acme.example reset the authenticators of anna@acme.example."
        assert (screen.result(event), screen.severity(event)) == ("Succeeded", "Warning")
    assert "&lt;script&gt;" in screen.facts(event)
    strange = AuditEvent(kind="ghost:seen", outcome="haunted")
    assert (screen.what(strange), screen.result(strange), screen.severity(strange)) == (
        "ghost:seen",
        "haunted",
        "—",
    )


def test_the_tenant_is_named_to_the_platform_s_administrators_alone(screen: AuditEventAdmin) -> None:
    assert "tenant_id" in screen.get_list_display(asked_by(staff(None, is_superuser=True)))
    assert "tenant_id" not in screen.get_list_display(asked_by(staff(uuid4())))


def test_a_page_shows_the_event_without_a_form_to_save(screen: AuditEventAdmin, person: Person) -> None:
    record(Kind.SIGNED_OUT, target=person)
    [event] = events_of(person.tenant_id)
    response = screen.change_view(asked_by(staff(person.tenant_id)), str(event.pk))
    assert response.status_code == 200
    context = response.context_data  # type: ignore[attr-defined]
    assert context["original"] == event
    assert not any((context["has_change_permission"], context["has_delete_permission"]))
