"""The registry of sealed places: whatever is sealed anywhere is in it, and what is in it can be rotated."""

import ast
import re
import uuid
from pathlib import Path

import pytest
from django.apps import apps as installed
from django.conf import settings as site
from django.db import connection, models
from django.test.utils import isolate_apps

from accounts import keyring, sealed
from accounts.flows import enrolment
from accounts.models import KeyCanary
from accounts.sealed import PENDING_TOTP, TOTP, Place
from tests.accounts.sealed_scene import add_key, rotate
from tests.factories import UserFactory, enrol_recovery_codes, enrol_totp, session_of

ROOMS = ("config", "policies", "accounts", "audit")
MAKE_CONTEXTS = {"accounts/keyring.py", "accounts/sealed.py", "accounts/canary.py"}
CIPHERTEXT = re.compile(r"[0-9a-f]{8}\$gAAAA")
SOUNDS_SEALED = re.compile(r"sealed|cipher|encrypt")
CANARIES = {(KeyCanary._meta.db_table, "ciphertext")}  # one under each key, which stays there


def registered_columns() -> set[tuple[str, str]]:
    """Table and column of every ciphertext that the registry knows."""
    return {
        (place.home._meta.db_table, place.ciphertext if place.beside is None else place.beside[1])
        for place in sealed.places()
    }


def key_id_columns() -> set[tuple[str, str]]:
    return {(place.model._meta.db_table, place.key_id) for place in sealed.places()}


@pytest.mark.security(86)
def test_contexts_are_made_by_the_registry_and_nowhere_else():
    makers = set()
    for path in (path for room in ROOMS for path in (Path(site.BASE_DIR) / room).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "keyring" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            name = node.func if isinstance(node, ast.Call) else None
            called = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
            if called == "Context" and not (isinstance(name, ast.Name) and "from contextvars import" in source):
                makers.add(str(path.relative_to(site.BASE_DIR)))
    assert makers <= MAKE_CONTEXTS


@pytest.mark.security(86)
def test_a_column_that_sounds_sealed_is_registered():
    found = {
        (model._meta.db_table, field.column)
        for model in installed.get_models()
        for field in model._meta.local_concrete_fields
        if SOUNDS_SEALED.search(field.name)
    }
    assert found - CANARIES <= registered_columns() | key_id_columns()
    assert (PENDING_TOTP.model._meta.db_table, "sealed") in found


@pytest.mark.django_db
@pytest.mark.security(86)
def test_whatever_the_flows_seal_stands_in_a_registered_column():
    person, other = UserFactory(), UserFactory()
    enrol_totp(person)
    enrol_recovery_codes(person)
    enrolment.begin_totp(other, session_of(other))
    found = {
        (model._meta.db_table, field.column)
        for model in installed.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.CharField | models.TextField | models.JSONField | models.BinaryField)
        for value in model._default_manager.values_list(field.name, flat=True)
        if CIPHERTEXT.search(value.decode("latin-1") if isinstance(value, bytes) else str(value))
    }
    assert found - CANARIES == registered_columns()


def test_a_kind_belongs_to_one_place():
    twin = Place(kind=TOTP.kind, label="twins", model=TOTP.model, owner="person_id")
    with pytest.raises(ValueError, match="totp"):
        sealed.register(twin)
    sealed.register(TOTP)
    assert [place.kind for place in sealed.places()] == ["totp", "pending-totp"]


@pytest.mark.django_db(transaction=True)
@isolate_apps("tests")
@pytest.mark.parametrize("database", ["any", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_field_that_is_registered_later_is_rotated_counted_and_proven(settings, monkeypatch, database):
    class Number(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        owner_id = models.UUIDField()
        sealed = models.TextField()
        sealed_under = models.CharField(max_length=8, db_index=True)

        class Meta:
            app_label = "tests"

        def __str__(self) -> str:
            return str(self.pk)

    from accounts import key_census

    monkeypatch.setattr(sealed, "_places", dict(sealed._places))
    numbers = Place(kind="number", label="telephone numbers", model=Number, owner="owner_id")
    sealed.register(numbers)
    with connection.schema_editor() as editor:
        editor.create_model(Number)
    try:
        row = Number(owner_id=uuid.uuid4())
        row.sealed = keyring.seal("+49 30 1234", numbers.context(row.pk, row.owner_id))
        row.sealed_under = keyring.primary_key_id()
        row.save()
        primary = add_key(settings)
        assert key_census.take().keys[1].tallies["telephone numbers"].rows == 1
        assert rotate()[0].done == 1
        row.refresh_from_db()
        assert row.sealed_under == primary == keyring.key_id_of(row.sealed)
        assert keyring.unseal(row.sealed, numbers.context(row.pk, row.owner_id)) == "+49 30 1234"
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Number)
