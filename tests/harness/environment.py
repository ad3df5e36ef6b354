"""Complete environments with fresh keys, which take nothing from the developer's own."""

import base64
import os
import secrets

from django.db import connection


def fresh(site_url: str) -> dict[str, str]:
    """Everything the settings demand, for a site at `site_url`; the keys are new at every call."""
    return {
        "GATEHOUSE_DOTENV": "off",
        "DEBUG": "off",
        "SITE_URL": site_url,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "MFA_ENCRYPTION_KEYS": _key(),
        "AUDIT_HMAC_KEYS": _key(),
    }


def for_tests() -> dict[str, str]:
    """The environment of `tests.settings`; PostgreSQL gets enough connections for fifty racing threads."""
    return fresh("http://localhost:8000") | {
        "SIGNUP_OPEN": "on",
        "EMAIL_URL": "memorymail://",
        "TASKS_BACKEND": "django_tasks.backends.immediate.ImmediateBackend",
        "DATABASE_POOL_SIZE": "64",
        "DATABASE_POOL_TIMEOUT": "30",
    }


def of_a_process_beside() -> dict[str, str]:
    """For a process of its own with the shipped settings, on the database of the test that runs."""
    at = connection.settings_dict
    url = f"postgres://{at['USER']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
    if connection.vendor == "sqlite":
        url = f"sqlite:///{at['NAME']}"
    return os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": url}


def for_production() -> dict[str, str]:
    """A site behind HTTPS, as operated: what static checks and `check --deploy` look at."""
    return fresh("https://gatehouse.example.com") | {
        "DATABASE_URL": "sqlite://:memory:",
        "EMAIL_URL": "smtp+tls://gatehouse:password@mail.example.com:587",
        "AUDIT_CHECKPOINT_PUBLIC_KEYS": _key(),
    }


def _key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
