"""What every response carries, and what no request may bring.

Each runs on every request, so each is a handful of comparisons for the ordinary one (`tests/bench` measures).
"""

import json
import re
from collections.abc import Awaitable, Callable
from functools import cache
from http import HTTPStatus
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.constants import HEADER as CSP_HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseFileResponse  # type: ignore[import-untyped]

from audit import context
from config.views import refusal

Handler = Callable[[HttpRequest], Any]
Answer = HttpResponseBase | Awaitable[HttpResponseBase]

POWERFUL_FEATURES = (
    "accelerometer autoplay camera display-capture fullscreen geolocation gyroscope hid idle-detection"
    " magnetometer microphone midi payment screen-wake-lock serial usb xr-spatial-tracking"
)
PERMISSIONS_POLICY = ", ".join(
    [
        *(f"{feature}=()" for feature in POWERFUL_FEATURES.split()),
        "publickey-credentials-create=(self)",
        "publickey-credentials-get=(self)",
    ]
)
DEBUG_PAGES = (HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR)
CSP_OVERRIDES = {"_csp_config", "_csp_update", "_csp_replace", "_csp_exempt"}  # what csp.decorators leave behind
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
UTF_8 = {"utf-8", "utf8", "us-ascii"}
JSON_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
JSON_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class _Middleware:
    """Runs synchronously or asynchronously, as the handler inside it does."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)  # type: ignore[type-var]


class SecurityHeadersMiddleware(_Middleware):
    """The headers that Django does not set, on every response whatever its status.

    Nothing but static files may be kept by a browser or a proxy: pages show names, states and secrets. The request
    learns its id, for the log lines that Django writes when the context is gone (`config.logs`).
    """

    def __call__(self, request: HttpRequest) -> Answer:
        request.request_id = context.request_id()  # type: ignore[attr-defined]
        return self._call_async(request) if self.is_async else _guarded(self.get_response(request))

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        return _guarded(await self.get_response(request))


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """django-csp's policy, built once: no page of ours has a nonce.

    Our pages demand Trusted Types as well; the admin's jQuery does not bear them. A view with one of django-csp's
    decorators gets a policy built for it.
    """

    def __call__(self, request: HttpRequest) -> Answer:
        inner: Handler = self.get_response
        return self._call_async(request) if self.async_mode else self.process_response(request, inner(request))

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        inner: Handler = self.get_response
        return self.process_response(request, await inner(request))

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not CSP_OVERRIDES.isdisjoint(vars(response)):
            return super().process_response(request, response)
        if settings.DEBUG and response.status_code in DEBUG_PAGES:
            return response
        match = request.resolver_match
        response.headers.setdefault(CSP_HEADER, _policy(match is not None and "admin" in match.app_names))
        return response


class RequestLimitsMiddleware(_Middleware):
    """Refuses what no view should meet: a body over REQUEST_BODY_LIMIT, NUL, lone surrogates, too many fields.

    A body that says it is too long is not read. PostgreSQL stores neither NUL nor surrogates, so they would
    be errors of ours further in.
    """

    def __call__(self, request: HttpRequest) -> Answer:
        if self.is_async:
            return self._call_async(request)
        status = fault_of(request)
        return self.get_response(request) if status is None else _refused(request, status)

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        status = fault_of(request)
        if status is not None:
            return _refused(request, status)
        return await self.get_response(request)  # type: ignore[no-any-return]


def fault_of(request: HttpRequest) -> HTTPStatus | None:
    """Why this request goes no further, or None. Reads the body only when its stated length is allowed."""
    meta = request.META
    query = meta.get("QUERY_STRING")
    if _is_unstorable(request.path_info) or (query and ("%00" in query or _is_unstorable(query))):
        return HTTPStatus.BAD_REQUEST
    length = meta.get("CONTENT_LENGTH") or ""
    if not length and "HTTP_TRANSFER_ENCODING" not in meta:
        return _fault_of_charset(request) if request.content_params else None
    return _fault_of_length(request, length) or _fault_of_charset(request) or _fault_of_body(request)


def _fault_of_length(request: HttpRequest, length: str) -> HTTPStatus | None:
    if not length:  # sent in chunks: ASGI has counted them, WSGI would take the body for empty
        scope = getattr(request, "scope", None)
        if scope is None:
            return HTTPStatus.LENGTH_REQUIRED
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if scope.get("gatehouse.too_large") else None
    if not (length.isascii() and length.isdigit()):
        return HTTPStatus.BAD_REQUEST
    too_long = len(length) > 10 or int(length) > settings.REQUEST_BODY_LIMIT
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_long else None


def _fault_of_charset(request: HttpRequest) -> HTTPStatus | None:
    """Only UTF-8: in another charset harmless bytes would decode to NUL, or to anything."""
    charset = (request.content_params or {}).get("charset", "utf-8")
    return None if charset.lower() in UTF_8 else HTTPStatus.BAD_REQUEST


def _fault_of_body(request: HttpRequest) -> HTTPStatus | None:
    try:
        faulty = _is_faulty(request, request.body)
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        faulty = True
    return HTTPStatus.BAD_REQUEST if faulty else None


def _is_faulty(request: HttpRequest, body: bytes) -> bool:
    if request.content_type == FORM:
        return b"%00" in body or b"\0" in body or body.count(b"&") >= settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    if request.content_type == MULTIPART:
        texts = (text for name, values in request.POST.lists() for text in (name, *values))
        return any(_is_unstorable(text) for text in texts)
    if request.content_type == "application/json":
        return b"\0" in body or bool(JSON_NUL.search(body)) or _has_lone_surrogate(body)
    return False


def _has_lone_surrogate(body: bytes) -> bool:
    if not JSON_SURROGATE.search(body):
        return False
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False  # no JSON at all: the view says so
    return False


def _is_unstorable(text: str) -> bool:
    """Whether a database would refuse the text: NUL, or a surrogate without its other half."""
    if "\0" in text:
        return True
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _refused(request: HttpRequest, status: HTTPStatus) -> HttpResponseBase:
    code = "request_too_large" if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "bad_request"
    return refusal(request, status, code, "400.html")


def _guarded(response: HttpResponseBase) -> HttpResponseBase:
    headers = response.headers
    headers["Permissions-Policy"] = PERMISSIONS_POLICY
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if not isinstance(response, WhiteNoiseFileResponse) and "no-store" not in headers.get("Cache-Control", ""):
        headers["Cache-Control"] = "no-store"
    return response


@cache
def _policy(under_admin: bool) -> str:
    trusted_types = {} if under_admin else {"require-trusted-types-for": ["'script'"]}
    return build_policy(update=trusted_types)
