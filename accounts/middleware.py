"""Who is asking, in which language, by which clock: found without a query of their own."""

from collections.abc import Callable
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.crypto import constant_time_compare
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject

from accounts.flows import own_sessions
from accounts.gates import Gate, gate_of
from accounts.models import User
from audit import context


class AuthenticationMiddleware(DjangoAuthenticationMiddleware):
    """Django's, but the person comes with the session's own SELECT.

    Django's checks are all kept: the backend is still configured, the session's hash still fits the password
    (with `SECRET_KEY_FALLBACKS`), the person is still active.
    """

    def process_request(self, request: HttpRequest) -> None:
        request.user = SimpleLazyObject(partial(person_in, request))  # type: ignore[assignment]
        request.auser = partial(_aperson, request)
        context.set_person(request.user)


class LanguageMiddleware(LocaleMiddleware):
    """The language chosen with the switch, else the person's own, else what the browser asks for.

    No address of the site carries a language, so none is looked for there.
    """

    def process_request(self, request: HttpRequest) -> None:
        language = self.of_person(request) or translation.get_language_from_request(request)
        translation.activate(language)
        request.LANGUAGE_CODE = language

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        patch_vary_headers(response, ("Accept-Language",))
        response.headers.setdefault("Content-Language", request.LANGUAGE_CODE)
        return response

    def of_person(self, request: HttpRequest) -> str:
        """What the signed-in person has chosen for good; nobody is looked up where that changes nothing."""
        if settings.LANGUAGE_COOKIE_NAME in request.COOKIES or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return ""
        language: str = getattr(person_in(request), "language", "")
        return language if language and translation.check_for_language(language) else ""


class TimeZoneMiddleware(MiddlewareMixin):
    """Every moment on a page is told by the clock of the person's tenant; by UTC to whoever is nobody yet.

    For a public page nobody is looked up who was not found already.
    """

    def process_view(self, request: HttpRequest, view: Callable[..., Any], args: object, kwargs: object) -> None:
        known = hasattr(request, "_cached_user") or gate_of(view) is not Gate.PUBLIC
        person = person_in(request) if known and settings.SESSION_COOKIE_NAME in request.COOKIES else None
        if isinstance(person, User):
            timezone.activate(person.tenant.zone)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        timezone.deactivate()
        return response


def person_in(request: Any) -> User | AnonymousUser:
    """Whoever asks: `request.user` without its lazy wrapping, which costs at every look."""
    found: User | AnonymousUser | None = getattr(request, "_cached_user", None)
    if found is None:
        found = request._cached_user = person_of(request.session) or AnonymousUser()
    return found


async def _aperson(request: HttpRequest) -> User | AnonymousUser:
    return await sync_to_async(person_in)(request)


def person_of(session: Any) -> User | None:
    """The active person whose session this is, or nobody; a session whose password changed is ended, and recorded."""
    person = _named_in(session)
    if person is None or _hash_fits(session, person):
        return person
    own_sessions.end_outdated(person, session)
    return None


def person_still_in(session: Any) -> User | None:
    """As `person_of`, of a session that is only looked at: it is neither ended nor given a new key."""
    person = _named_in(session)
    if person is None:
        return None
    held = session.get(HASH_SESSION_KEY, "")
    hashes = (person.get_session_auth_hash(), *person.get_session_auth_fallback_hash())
    return person if any(constant_time_compare(held, one) for one in hashes) else None


def _named_in(session: Any) -> User | None:
    """The active person whom a session names, whatever their password is now."""
    person: User | None = session.person
    if (
        person is None
        or not person.is_active
        or session.get(SESSION_KEY) != str(person.pk)
        or session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS
    ):
        return None
    return person


def _hash_fits(session: Any, person: User) -> bool:
    held = session.get(HASH_SESSION_KEY, "")
    current = person.get_session_auth_hash()
    if constant_time_compare(held, current):
        return True
    if any(constant_time_compare(held, old) for old in person.get_session_auth_fallback_hash()):
        session.cycle_key()
        session[HASH_SESSION_KEY] = current
        return True
    return False
