"""Django's handlers, but a request's text is UTF-8 whatever charset it claims.

Django decodes the query string in the claimed charset while it builds the request, before any middleware. With
`charset=rot13`, or any claim and too many fields, that raises where nothing answers: a 500 at a stranger's wish.
"""

from collections.abc import Mapping
from typing import Any

import django
from django.core.handlers.asgi import ASGIHandler as DjangoASGIHandler
from django.core.handlers.asgi import ASGIRequest as DjangoASGIRequest
from django.core.handlers.wsgi import WSGIHandler as DjangoWSGIHandler
from django.core.handlers.wsgi import WSGIRequest as DjangoWSGIRequest
from django.utils.http import parse_header_parameters


class _InUTF8:
    """Notes the claimed charset, for `RequestLimitsMiddleware` to refuse, and does not act on it."""

    content_type: str | None
    content_params: dict[str, str] | None

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class WSGIRequest(_InUTF8, DjangoWSGIRequest):
    """A request of a WSGI server, in UTF-8."""


class ASGIRequest(_InUTF8, DjangoASGIRequest):
    """A request of an ASGI server, in UTF-8."""


class WSGIHandler(DjangoWSGIHandler):
    """What `config.wsgi` serves."""

    request_class = WSGIRequest


class ASGIHandler(DjangoASGIHandler):
    """What `config.asgi` serves."""

    request_class = ASGIRequest


def wsgi_application() -> WSGIHandler:
    """Django set up, and its handler: `get_wsgi_application` with ours."""
    django.setup(set_prefix=False)
    return WSGIHandler()


def asgi_application() -> ASGIHandler:
    """Django set up, and its handler: `get_asgi_application` with ours."""
    django.setup(set_prefix=False)
    return ASGIHandler()
