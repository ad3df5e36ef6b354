"""Health, and the pages for what went wrong: nothing here tells a stranger more than that it did."""

import sys
from collections.abc import Callable
from functools import cache as remembered
from http import HTTPStatus

import redis
from django.core.cache import cache
from django.db import Error as AnyDatabaseError
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from accounts import canary
from accounts.gates import public
from accounts.problems import problem, wants_json
from policies.flows import periodic, workers

RETRY_AFTER = 5  # seconds
READY_KEY = "readyz"
UNAVAILABLE = (AnyDatabaseError, redis.RedisError, OSError)


@public
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers: 200, without a query."""
    return JsonResponse({"status": "ok"})


@public
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Everything that a sign-in needs is there: 200, else 503. Says which part failed, never why.

    Work behind the pages is told as well, and decides nothing: without it people still sign in.
    """
    parts = {"database": _holds(_database_answers)}
    for name, check in NEEDS_DATABASE.items():
        parts[name] = parts["database"] and _holds(check)
    parts["cache"] = _holds(_cache_answers)
    ready = all(parts.values())
    document = {"status": "ready" if ready else "not ready"}
    document |= {name: "ok" if holds else "failed" for name, holds in parts.items()}
    for name, check in BEHIND.items():
        document[name] = "unknown" if not parts["migrations"] else "ok" if _holds(check) else "late"
    return JsonResponse(document, status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form was too old, or not ours."""
    return refusal(request, HTTPStatus.FORBIDDEN, "csrf_failed", "403_csrf.html", of_site=True)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler400; the request is not trusted far enough to build the page from it."""
    return refusal(request, HTTPStatus.BAD_REQUEST, "bad_request", "400.html")


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler403."""
    return refusal(request, HTTPStatus.FORBIDDEN, "access_denied", "403.html", of_site=True)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler404; the same for what does not exist and for what is another tenant's."""
    return refusal(request, HTTPStatus.NOT_FOUND, "not_found", "404.html", of_site=True)


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500, which needs no database; when the database is what failed, it is a 503 to be tried again."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        response = refusal(request, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "503.html")
        response["Retry-After"] = str(RETRY_AFTER)
        return response
    return refusal(request, HTTPStatus.INTERNAL_SERVER_ERROR, "server_error", "500.html")


def refusal(
    request: HttpRequest, status: HTTPStatus, code: str, template: str, *, of_site: bool = False
) -> HttpResponse:
    """A page in the client's language, or a problem document for a program that asked for JSON.

    Only with `of_site` does the page have the site's name and footer, which take session and database.
    """
    if wants_json(request):
        return problem(code, status)
    if of_site:
        return HttpResponse(render_to_string(template, request=request), status=status)
    with translation.override(translation.get_language_from_request(request)):
        return HttpResponse(render_to_string(template), status=status)


def _holds(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except UNAVAILABLE:
        return False


def _database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _is_migrated() -> bool:
    return _newest_migrations() <= MigrationRecorder(connection).applied_migrations().keys()


@remembered
def _newest_migrations() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).graph.leaf_nodes())


def _cache_answers() -> bool:
    cache.set(READY_KEY, READY_KEY, timeout=RETRY_AFTER)
    return bool(cache.get(READY_KEY) == READY_KEY)


def _has_worker() -> bool:
    return workers.is_one_at_work(timezone.now())


def _is_on_time() -> bool:
    return periodic.is_on_time(timezone.now())


BEHIND = {"worker": _has_worker, "periodic": _is_on_time}
NEEDS_DATABASE = {"migrations": _is_migrated, "keys": canary.is_healthy}
