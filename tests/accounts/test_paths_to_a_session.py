"""Every way in is known: who calls Django's login, and what answers without a gate (security 59)."""

import ast
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.security(59)
ROOMS = ("accounts", "policies", "audit", "config")


def calls_in(source: str) -> set[str]:
    """The names that are called in a module, and what it imports from Django's and allauth's sign-in."""
    tree = ast.parse(source)
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("django.contrib.auth", "allauth"))
        for alias in node.names
    }
    return called | imported


def modules_that(*names: str) -> set[str]:
    found = set()
    for room in ROOMS:
        for path in (settings.BASE_DIR / room).rglob("*.py"):
            if "migrations" not in path.parts and calls_in(path.read_text()) & set(names):
                found.add(str(Path(path).relative_to(settings.BASE_DIR)))
    return found


def test_no_module_of_ours_calls_django_login():
    assert modules_that("django_login", "alogin", "aauthenticate", "force_login") == set()


def test_allauths_flow_is_entered_at_two_places():
    assert modules_that("perform_login", "resume_login") == {"accounts/allauth_compat.py", "accounts/views/webauthn.py"}


def test_one_adapter_turns_a_sign_in_into_a_session():
    callers = {path for path in modules_that("login") if "adapters" in path or "forms" in path}
    assert callers == {"accounts/adapters.py", "accounts/forms.py"}


def test_one_backend_checks_passwords():
    assert settings.AUTHENTICATION_BACKENDS == ["accounts.backends.PasswordBackend"]


def test_internals_of_allauth_come_in_by_one_door():
    offenders = set()
    for room in ROOMS:
        for path in (settings.BASE_DIR / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                module = getattr(node, "module", "") or ""
                if isinstance(node, ast.ImportFrom) and module.startswith("allauth") and "internal" in module:
                    offenders.add(path.name)
    assert offenders == {"allauth_compat.py"}
