"""Where the work at hand comes from: address, browser, request id and person, for events and log lines."""

import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from audit.identifiers import uuid7


@dataclass(slots=True)
class RequestContext:
    """What is known of a request. `person` may be lazy and anonymous; its model is not known here.

    `heads` are ends of chains that were read on the way: number and hash of the newest event.
    """

    ip: str = ""
    user_agent: str = ""
    request_id: str = ""
    person: Any = None
    heads: dict[UUID, tuple[int, str]] = field(default_factory=dict)


_current: ContextVar[RequestContext | None] = ContextVar("audit_request_context", default=None)


def current() -> RequestContext:
    """The context of the request at hand; outside one, without address and with an id of this process."""
    return _current.get() or RequestContext(request_id=_process_id())


def request_id() -> str:
    """The id that ties events, log lines and responses together."""
    return current().request_id


def in_request() -> bool:
    """Whether somebody asked for what is being done, rather than a command or a worker."""
    return _current.get() is not None


def set_person(person: Any) -> None:
    """Say who asks; also after somebody signed in or out. Outside a request it does nothing."""
    if (context := _current.get()) is not None:
        context.person = person


def expect_head(chain: UUID, sequence: int | None, digest: str | None) -> None:
    """Say where this chain ended when it was looked at, so that recording in this request need not look.

    A word that is out of date costs a statement, and nothing else.
    """
    if (context := _current.get()) is not None and sequence is not None and digest is not None:
        context.heads[chain] = sequence, digest


@contextmanager
def use(context: RequestContext) -> Iterator[RequestContext]:
    """Make `context` the current one: for each request, and for each piece of a worker's work."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


def client_ip(request: HttpRequest) -> str:
    """The client's address in its shortest spelling, or "" where there is none.

    With `TRUSTED_PROXY_COUNT` = N it is the Nth entry from the right of X-Forwarded-For, the one our
    outermost proxy wrote; everything further left is the client's word. An entry that is missing or
    is no address changes nothing: REMOTE_ADDR counts.
    """
    depth: int = settings.TRUSTED_PROXY_COUNT
    if depth > 0:
        entries = request.META.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", depth)
        if len(entries) >= depth and (address := _address(entries[-depth].strip())):
            return address
    return _address(request.META.get("REMOTE_ADDR", ""))


@lru_cache(maxsize=1024)
def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if address.version == 6:
        address = address.ipv4_mapped or ipaddress.IPv6Address(int(address))  # without a zone, which is free text
    return str(address)


@lru_cache(maxsize=1)
def _process_id() -> str:
    return str(uuid7(datetime.now(UTC)))


os.register_at_fork(after_in_child=_process_id.cache_clear)
