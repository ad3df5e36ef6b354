"""Gives every request its context and its id, before anything else looks at it."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from audit.context import RequestContext, client_ip, use
from audit.encoding import visible
from audit.identifiers import uuid7

HEADER = "X-Request-ID"
AGENT_LIMIT = 300  # characters, as in the tables
WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


class RequestContextMiddleware:
    """First in MIDDLEWARE: `audit.context.current()` holds throughout; the response carries X-Request-ID."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._handle_async(request)
        with use(context_of(request)) as context:
            response: HttpResponseBase = self.get_response(request)
            response[HEADER] = context.request_id
        return response

    async def _handle_async(self, request: HttpRequest) -> HttpResponseBase:
        with use(context_of(request)) as context:
            response: HttpResponseBase = await self.get_response(request)
            response[HEADER] = context.request_id
        return response


def context_of(request: HttpRequest) -> RequestContext:
    """The context of a request, before anybody knows the person."""
    return RequestContext(
        ip=client_ip(request),
        user_agent=visible(request.META.get("HTTP_USER_AGENT", ""), AGENT_LIMIT),
        request_id=_given_id(request) or str(uuid7(timezone.now())),
    )


def _given_id(request: HttpRequest) -> str:
    """The id that a trusted proxy gave; anybody else's would let strangers write into our evidence."""
    given: str = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if settings.TRUSTED_PROXY_COUNT > 0 and WELL_FORMED.fullmatch(given) else ""
