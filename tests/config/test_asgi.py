"""Under an ASGI server: the same site, and no body over the limit gets past the door."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import pytest

pytestmark = [pytest.mark.security(89), pytest.mark.django_db(transaction=True)]

CHUNK = 16 * 1024


def ask(chunks: Iterable[bytes], *headers: tuple[bytes, bytes], path: str = "/accounts/login/") -> tuple[int, int]:
    """Send a body in chunks; returns the status and how many chunks were taken."""
    return asyncio.run(_ask(list(chunks), list(headers), path))


async def _ask(chunks: list[bytes], headers: list[tuple[bytes, bytes]], path: str) -> tuple[int, int]:
    from config.asgi import application

    sent: list[dict[str, Any]] = []
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        if taken == len(chunks):
            await asyncio.Event().wait()
        taken += 1
        return {"type": "http.request", "body": chunks[taken - 1], "more_body": taken < len(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST" if chunks != [b""] else "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"text/plain"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    await asyncio.wait_for(application(scope, receive, send), timeout=20)
    return sent[0]["status"], taken


def test_a_page_is_served() -> None:
    assert ask([b""]) == (HTTPStatus.OK, 1)


def test_a_body_that_says_it_is_too_long_is_not_read() -> None:
    stated = (b"content-length", str(10 * 1024 * 1024).encode())
    assert ask([b"x" * CHUNK] * 640, stated) == (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 0)


def test_a_body_that_does_not_say_is_read_no_further_than_the_limit() -> None:
    status, taken = ask([b"x" * CHUNK] * 640, (b"transfer-encoding", b"chunked"))
    assert (status, taken) == (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 5)


def test_a_body_at_the_limit_is_taken() -> None:
    status, taken = ask([b"x" * CHUNK] * 4, (b"content-length", str(4 * CHUNK).encode()))
    assert (status, taken) == (HTTPStatus.FORBIDDEN, 4)  # and then refused for want of a token


def test_health_is_well() -> None:
    assert ask([b""], path="/healthz") == (HTTPStatus.OK, 1)
