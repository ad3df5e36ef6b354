"""Fixtures of the browser tests: pages at the running site, and people who are signed in already."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as site_settings
from playwright.sync_api import BrowserContext, expect

from accounts.assurance import Proof
from accounts.models import User
from tests.factories import client_of

PATIENCE = 10_000  # milliseconds, for a page on a busy machine

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any], live_server: Any) -> dict[str, Any]:
    """Pages are named by their path; they look the same on every machine."""
    return browser_context_args | {"base_url": live_server.url, "locale": "en-GB", "timezone_id": "UTC"}


@pytest.fixture(autouse=True)
def served(site: str) -> str:
    """Every browser test needs the running site."""
    return site


@pytest.fixture
def new_context(new_context: Callable[..., BrowserContext]) -> Callable[..., BrowserContext]:
    """As everywhere, but what is not there after a while never comes."""

    def make(**options: Any) -> BrowserContext:
        context = new_context(**options)
        context.set_default_timeout(PATIENCE)
        return context

    return make


@pytest.fixture
def signed_in(site: str) -> Callable[..., BrowserContext]:
    """Put into a browser the session of somebody who proved these things (a password if none is given)."""

    def give(context: BrowserContext, person: User, *proofs: Proof) -> BrowserContext:
        name = site_settings.SESSION_COOKIE_NAME
        key = client_of(person, *proofs).cookies[name].value
        context.add_cookies([{"name": name, "value": key, "url": site, "httpOnly": True, "sameSite": "Lax"}])
        return context

    return give
