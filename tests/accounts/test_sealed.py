"""The registry of sealed places: whatever is sealed anywhere is in it, and what is in it can be rotated."""

import ast
import re
import subprocess
import sys
import uuid
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps as installed
from django.conf import settings as site
from django.db import connection, models
from django.test.utils import isolate_apps

from accounts import keyring, sealed
from accounts.flows import enrolment
from accounts.sealed import PENDING_TOTP, TOTP, Place
from tests.accounts.sealed_scene import CANARY, add_key, registered, rotate, where_sealed
from tests.factories import UserFactory, enrol_recovery_codes, enrol_totp, session_of

ROOMS = ("config", "policies", "accounts", "audit")
SOUNDS_SEALED = re.compile(r"sealed|cipher|encrypt")

# Who may do what. Before a line is added here: is what it seals in a registered place, so that a rotation reaches it?
MAKE_CONTEXTS = {"accounts.sealed", "accounts.canary"}
SEAL = {
    "accounts.canary": 1,
    "accounts.flows.adoption": 1,
    "accounts.flows.enrolment": 2,
    "accounts.keyring": 2,
    "accounts.resealing": 1,
}
ENCRYPT = {
    "accounts.keyring",
    "accounts.fernet_tokens",
    "accounts.management.key_commands.generate",  # makes keys
    "config.key_sources",  # opens the file that keys come in
}
VERIFY = {
    "accounts.authenticators.webauthn_attestation",
    "accounts.authenticators.webauthn_chain",
    "accounts.authenticators.webauthn_keys",
    "accounts.authenticators.webauthn_roots",
    "audit.statements",
}
SIGNATURES = (
    "x509",
    "exceptions",
    "hazmat.primitives.asymmetric",
    "hazmat.primitives.hashes",
    "hazmat.primitives.serialization",
)
CIPHERS = {"Fernet", "MultiFernet", "Cipher", "AESGCM", "AESGCMSIV", "AESCCM", "AESOCB3", "AESSIV", "ChaCha20Poly1305"}


@cache
def sources() -> list[tuple[str, ast.Module]]:
    """Every module of the rooms: its dotted name and what it says."""
    found = []
    for path in (path for room in ROOMS for path in (Path(site.BASE_DIR) / room).rglob("*.py")):
        name = ".".join(path.relative_to(site.BASE_DIR).with_suffix("").parts)
        found.append((name.removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))))
    return found


def imported(tree: ast.Module) -> dict[str, str]:
    """Every name that is imported anywhere in a module: what it is called there, and its full name."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def calls(tree: ast.Module, name: str) -> list[ast.Call]:
    """The calls of what has this name where it comes from."""
    known = imported(tree)
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [node for node in made if called(node, known).split(".")[-1] == name]


def called(node: ast.Call, known: dict[str, str]) -> str:
    """What a call calls, by its full name where it was imported; contexts of Python's own are none of ours."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    name = known.get(node.func.id, node.func.id) if isinstance(node.func, ast.Name) else ""
    return "" if name.startswith("contextvars.") else name


def callers(name: str) -> Counter[str]:
    """Which modules call what has this name, and how often. The record seals events, and cannot import our keys."""
    found = {module: len(calls(tree, name)) for module, tree in sources() if not module.startswith("audit.")}
    return +Counter(found)


@pytest.mark.security(86)
def test_contexts_are_made_by_the_registry_and_nowhere_else():
    assert set(callers("Context")) == MAKE_CONTEXTS


@pytest.mark.security(86)
def test_every_place_is_registered_as_the_site_starts():
    places = []
    for module, tree in sources():
        made = calls(tree, "Place")
        named = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value in made]
        assert len(named) == len(made), f"{module} makes a place that has no name of its own"
        names = [node.target if isinstance(node, ast.AnnAssign) else node.targets[0] for node in named]
        places += [getattr(import_module(module), name.id) for name in names if isinstance(name, ast.Name)]
    assert TOTP in places and PENDING_TOTP in places
    assert [place.label for place in places if not any(place is one for one in sealed.places())] == []
    assert sorted(place.kind for place in places) == kinds_at_start()


def kinds_at_start() -> list[str]:
    """The kinds of places that a process knows which has set Django up and done nothing else."""
    program = (
        "import django; django.setup(); from accounts import sealed; print(*sorted(p.kind for p in sealed.places()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=site.BASE_DIR, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_place_that_is_not_registered_seals_nothing():
    stray = Place(kind="stray", label="strays", model=TOTP.model, owner="person_id")
    twin = Place(kind=TOTP.kind, label="twins", model=TOTP.model, owner="person_id")
    for place in (stray, twin):
        with pytest.raises(LookupError, match=place.label):
            place.context(uuid.uuid4(), uuid.uuid4())


@pytest.mark.security(86)
def test_every_call_that_seals_is_known():
    assert callers("seal") + callers("sealed") == SEAL


@pytest.mark.security(86)
def test_few_modules_know_cryptography_and_those_that_verify_do_not_encrypt():
    users = {
        module: {
            name.removeprefix("cryptography").strip(".")
            for name in imported(tree).values()
            if name.startswith("cryptography")
        }
        for module, tree in sources()
    }
    assert {module for module, names in users.items() if names} == ENCRYPT | VERIFY
    assert {(one, name) for one in VERIFY for name in users[one] if not name.startswith(SIGNATURES)} == set()


@pytest.mark.security(86)
def test_no_other_module_reaches_a_cipher_in_any_other_way():
    found = set()
    for module, tree in sources():
        for node in ast.walk(tree):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if name in CIPHERS or text.startswith("cryptography."):
                found.add(module)
    assert found <= ENCRYPT


@pytest.mark.security(86)
def test_a_column_that_sounds_sealed_is_registered():
    found = {
        (model._meta.db_table, field.column)
        for model in installed.get_models()
        for field in model._meta.local_concrete_fields
        if SOUNDS_SEALED.search(field.name)
    }
    columns = {(table, column) for table, column, _path in registered() | {CANARY}}
    assert found <= columns | {(place.model._meta.db_table, place.key_id) for place in sealed.places()}
    assert (PENDING_TOTP.model._meta.db_table, "sealed") in found


@pytest.mark.django_db
@pytest.mark.security(86)
def test_whatever_the_flows_seal_stands_in_a_registered_column():
    person, other = UserFactory(), UserFactory()
    enrol_totp(person)
    enrol_recovery_codes(person)
    enrolment.begin_totp(other, session_of(other))
    assert where_sealed() == registered()


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
