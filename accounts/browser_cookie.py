"""The cookie that names a browser: 256 random bits, kept for 400 days, and worth nothing without a first factor."""

import re
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def token_in(request: HttpRequest) -> str:
    """What this browser calls itself; empty where it says nothing, or nothing that could be of ours."""
    given = request.COOKIES.get(settings.BROWSER_COOKIE_NAME, "")
    return given if _SHAPE.fullmatch(given) else ""


def give(response: HttpResponseBase, token: str) -> None:
    """Let the browser keep its name: never readable by a script, and never sent along by another site's forms."""
    response.set_cookie(
        settings.BROWSER_COOKIE_NAME,
        token,
        max_age=settings.BROWSER_COOKIE_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
