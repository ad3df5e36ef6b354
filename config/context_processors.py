"""What every page knows of the site it is on, found without a query of its own."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.functional import SimpleLazyObject

from policies.flows import snoozes

HELP_URL = reverse_lazy("help")


def site(request: HttpRequest) -> dict[str, Any]:
    """`gatehouse` (see `facts`) and `gate`: how the session stands, also on pages that are not behind the gate.

    Not `site`: allauth's views put `django.contrib.sites`' object of that name into the contexts of their pages.
    """
    return {"gatehouse": facts(request), "gate": SimpleLazyObject(lambda: snoozes.seen_by(request))}


def facts(request: HttpRequest | None) -> dict[str, Any]:
    """name, url, help_url, signup_open, languages as (code, name) and brand: whose pages these seem to be."""
    return {
        "name": settings.SITE_NAME,
        "url": settings.SITE_URL,
        "help_url": HELP_URL,
        "languages": settings.LANGUAGES,
        "signup_open": settings.SIGNUP_OPEN,
        "brand": SimpleLazyObject(lambda: _brand(request)),
    }


def _brand(request: HttpRequest | None) -> str:
    """The person's tenant, which came with the session's own SELECT; before sign-in the site is neutral."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return str(user.tenant.name)
    return str(settings.SITE_NAME)
