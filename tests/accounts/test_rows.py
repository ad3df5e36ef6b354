"""The hand-written SELECTs: the same instances as the ORM's, by a shorter way."""

import threading
from datetime import UTC

import pytest
from django.db import connections, models, transaction
from django.utils import timezone

from accounts.models import Binding, Session, Tenant, User, WebAuthnCredential
from accounts.rows import Change, Select, attach
from accounts.session_store import stored_key
from tests.factories import UserFactory, enrol_totp, session_of

pytestmark = pytest.mark.django_db

JOINED = Select(
    "accounts_session s LEFT JOIN accounts_user p ON p.id = s.person_id"
    " LEFT JOIN accounts_tenant t ON t.id = p.tenant_id WHERE s.session_key = %s",
    "1 + 1",
    s=Session,
    p=User,
    t=Tenant,
)


def columns(instance: models.Model) -> dict[str, object]:
    """Every column with its value and the value's type, for equal values of different types are not the same."""
    names = [field.attname for field in instance._meta.concrete_fields]
    return {name: (type(vars(instance)[name]), vars(instance)[name]) for name in names}


def signed_in_session() -> tuple[str, User]:
    person = UserFactory()
    enrol_totp(person)
    session = session_of(person)
    person.last_login = timezone.now()
    person.save()
    Session.objects.update(person=person, signed_in_at=timezone.now(), ip="2001:db8::1", grant_tenant=person.tenant_id)
    return stored_key(session.session_key), person


def test_every_column_is_what_the_orm_reads():
    key, person = signed_in_session()
    row, found, tenant, two = JOINED.first(key)
    assert columns(row) == columns(Session.objects.get(session_key=key))
    assert columns(found) == columns(User.objects.get(pk=person.pk))
    assert columns(tenant) == columns(Tenant.objects.get(pk=person.tenant_id))
    assert two == 2


@pytest.mark.postgres
def test_every_column_is_what_the_orm_reads_on_postgresql():
    test_every_column_is_what_the_orm_reads()


def test_times_are_in_utc():
    key, _ = signed_in_session()
    row, person, *_ = JOINED.first(key)
    assert row.last_seen_at.tzinfo is UTC
    assert person.last_login.tzinfo is UTC


def test_an_instance_is_saved_as_one_that_the_orm_read(django_assert_num_queries):
    key, _ = signed_in_session()
    _, person, *_ = JOINED.first(key)
    assert not person._state.adding
    assert person._state.db == "default"
    person.name = "Somebody else"
    person.save(update_fields=["name"])
    assert User.objects.get(pk=person.pk).name == "Somebody else"


def test_what_was_attached_is_not_looked_up(django_assert_num_queries):
    key, _ = signed_in_session()
    _, person, tenant, _ = JOINED.first(key)
    attach(person, "tenant", tenant)
    with django_assert_num_queries(0):
        assert person.tenant is tenant


def test_a_left_join_that_finds_nothing_gives_none():
    session = session_of(UserFactory())
    row, person, tenant, _ = JOINED.first(stored_key(session.session_key))
    assert row.person_id is None
    assert person is None
    assert tenant is None
    assert JOINED.first("no such key") is None


def test_all_gives_every_row_and_takes_ids_as_parameters():
    people = [UserFactory(), UserFactory()]
    for person in people:
        enrol_totp(person)
    live = Select(
        "accounts_binding b LEFT JOIN accounts_webauthncredential c ON c.binding_id = b.id"
        " WHERE b.person_id = %s AND b.bound_at < %s",
        b=Binding,
        c=WebAuthnCredential,
    )
    [(binding, credential)] = live.all(people[0].pk, timezone.now())
    assert binding == Binding.objects.get(person=people[0])
    assert credential is None


def test_a_change_gives_the_row_as_it_stands_after_it():
    key, person = signed_in_session()
    moved = Change(
        "accounts_session SET ip = %s, last_seen_at = %s WHERE session_key = %s AND person_id = %s",
        accounts_session=Session,
    )
    now = timezone.now()
    assert moved.first("192.0.2.9", now, key, UserFactory().pk) is None
    (row,) = moved.first("192.0.2.9", now, key, person.pk)
    assert (row.ip, row.last_seen_at) == ("192.0.2.9", now)
    assert columns(row) == columns(Session.objects.get(session_key=key))


@pytest.mark.postgres
def test_a_change_gives_the_row_as_it_stands_after_it_on_postgresql():
    test_a_change_gives_the_row_as_it_stands_after_it()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_what_is_said_to_be_held_is_held_on_postgresql():
    person = UserFactory()
    enrol_totp(person)
    held = Select(
        "accounts_user p JOIN accounts_binding b ON b.person_id = p.id WHERE p.id = %s",
        held=("p", "b"),
        p=User,
        b=Binding,
    )
    answers: list[str] = []

    def try_to_hold(model: type[models.Model]) -> None:
        with transaction.atomic():
            free = model.objects.select_for_update(skip_locked=True).values_list("pk", flat=True)
            answers.append("free" if list(free) else "held")

    with transaction.atomic():
        assert held.first(person.pk) is not None
        for model in (User, Binding):
            thread = threading.Thread(target=closing(try_to_hold), args=(model,))
            thread.start()
            thread.join()
    assert answers == ["held", "held"]


def closing(work):
    def done(*args):
        try:
            work(*args)
        finally:
            connections.close_all()

    return done
