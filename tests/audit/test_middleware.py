"""Every request has its context, every response its id, in threads and in loops."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, RequestFactory

from audit import context
from audit.middleware import HEADER, RequestContextMiddleware

GIVEN = "edge-7f3a.2026_01"


def seen_by_view(**headers: str) -> tuple[context.RequestContext, HttpResponse]:
    """What a view behind the middleware sees, and the response."""
    seen: list[context.RequestContext] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(context.current())
        return HttpResponse()

    response = RequestContextMiddleware(view)(RequestFactory().get("/", **headers))
    assert isinstance(response, HttpResponse)
    return seen[0], response


def test_a_view_sees_address_agent_and_id_and_the_response_echoes_it() -> None:
    seen, response = seen_by_view(REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="Firefox")
    assert (seen.ip, seen.user_agent, seen.person) == ("192.0.2.7", "Firefox", None)
    assert UUID(seen.request_id).version == 7
    assert response[HEADER] == seen.request_id
    assert not context.in_request()


def test_two_requests_have_two_ids() -> None:
    assert seen_by_view()[0].request_id != seen_by_view()[0].request_id


@pytest.mark.security(88)
def test_an_agent_is_one_bounded_line() -> None:
    agent = seen_by_view(HTTP_USER_AGENT="Mozilla\u202e\r\nGET " + "x" * 65_000)[0].user_agent
    assert agent.startswith("Mozilla\\u202e\\u000d\\u000aGET xx")
    assert len(agent) == 300


@pytest.mark.parametrize(
    ("depth", "given", "kept"),
    [
        (1, GIVEN, True),
        (0, GIVEN, False),
        (1, "short", False),
        (1, "x" * 65, False),
        (1, "id with spaces", False),
        (1, "-starts-with-dash", False),
        (1, GIVEN + "\n", False),
        (1, "идентификатор", False),
        (1, "", False),
    ],
)
def test_an_id_is_taken_from_a_trusted_proxy_if_well_formed(settings: Any, depth: int, given: str, kept: bool) -> None:
    settings.TRUSTED_PROXY_COUNT = depth
    assert (seen_by_view(HTTP_X_REQUEST_ID=given)[0].request_id == given) is kept


def test_the_context_ends_when_a_view_fails() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        RequestContextMiddleware(view)(RequestFactory().get("/"))
    assert not context.in_request()


def test_concurrent_requests_of_one_loop_do_not_mix() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        context.set_person(request.path)
        await asyncio.sleep(0.01)
        mine = context.current()
        return HttpResponse(f"{mine.person} {mine.request_id}")

    middleware = RequestContextMiddleware(view)
    assert asyncio.iscoroutinefunction(middleware) or middleware.is_async

    async def all_at_once() -> list[Any]:
        paths = [f"/{number}" for number in range(20)]
        return await asyncio.gather(*(middleware(AsyncRequestFactory().get(path)) for path in paths))

    responses = asyncio.run(all_at_once())
    said = [response.content.decode().split() for response in responses]
    assert [path for path, _ in said] == [f"/{number}" for number in range(20)]
    assert [request_id for _, request_id in said] == [response[HEADER] for response in responses]
    assert len({request_id for _, request_id in said}) == 20
