"""Answers for programs: `application/problem+json` (RFC 9457) with a stable type and the URL that helps."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse


def wants_json(request: HttpRequest) -> bool:
    """Whether the client asks for JSON and not for a page."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def problem(code: str, status: HTTPStatus, *, help_url: str = "", **members: Any) -> JsonResponse:
    """A problem document; `type` ends in the stable code, `help` is where a person can do something about it.

    `members` are extension members (RFC 9457 §3.2); those that are None are left out.
    """
    document: dict[str, Any] = {
        "type": f"urn:gatehouse:problem:{code}",
        "title": status.phrase,
        "status": int(status),
        "code": code,
    }
    if help_url:
        document["help"] = settings.SITE_URL + help_url
    document |= {name: value for name, value in members.items() if value is not None}
    return JsonResponse(document, status=status, content_type="application/problem+json")
