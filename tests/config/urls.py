"""Addresses on which things go wrong on purpose, for the tests of what every response carries."""

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

from accounts.gates import public
from config import views
from config.urls import urlpatterns as site_patterns

RAISED = {
    "400": SuspiciousOperation,
    "403": PermissionDenied,
    "404": Http404,
    "500": RuntimeError,
    "503": OperationalError,
}


@public
def answer(request: HttpRequest, status: int) -> HttpResponse:
    """Answers with this status."""
    return HttpResponse(b"" if status in (204, 304) else b"<p>answered", status=status)


@public
def fail(request: HttpRequest, status: str) -> HttpResponse:
    """Raises what becomes this status."""
    raise RAISED[status]("failed on purpose")


@public
def echo(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """Says what arrived."""
    return JsonResponse({"post": request.POST, "get": request.GET, "length": len(request.body)})


@public
def kept(request: HttpRequest) -> HttpResponse:
    """Thinks it may be kept by every proxy."""
    return HttpResponse("kept", headers={"Cache-Control": "public, max-age=3600"})


@public
async def aecho(request: HttpRequest) -> HttpResponse:
    """Says what arrived, asynchronously."""
    return JsonResponse({"length": len(request.body)})


pages = [
    path("answer/<int:status>/", answer),
    path("fail/<str:status>/", fail),
    path("echo/", echo),
    path("echo/<path:rest>", echo),
    path("aecho/", aecho),
    path("kept/", kept),
    path("reset/<str:key>/", fail, {"status": "500"}),
]
urlpatterns = [
    path("probe/", include(pages)),
    path("theirs/", include((pages, "admin"), namespace="admin")),
    path("admin/probe/", include((pages, "ours"), namespace="ours")),
    *site_patterns,
]

handler400, handler403 = views.bad_request, views.permission_denied
handler404, handler500 = views.page_not_found, views.server_error
