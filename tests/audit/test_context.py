"""Where work comes from: addresses by trusted depth, ids, persons."""

import os
from typing import Any

import pytest
from django.test import RequestFactory

from audit import context

DIRECT = "198.51.100.9"


def client_ip(forwarded: str | None, remote: str = DIRECT) -> str:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return context.client_ip(RequestFactory().get("/", REMOTE_ADDR=remote, **headers))


@pytest.mark.security(30)
@pytest.mark.parametrize(
    ("depth", "forwarded", "address"),
    [
        (0, None, DIRECT),
        (0, "203.0.113.5", DIRECT),
        (1, "203.0.113.5", "203.0.113.5"),
        (1, "6.6.6.6, 203.0.113.5", "203.0.113.5"),
        (1, "6.6.6.6,203.0.113.5", "203.0.113.5"),
        (2, "6.6.6.6, 203.0.113.5, 10.0.0.1", "203.0.113.5"),
        (2, "203.0.113.5", DIRECT),
        (2, "203.0.113.5, 10.0.0.1", "203.0.113.5"),
        (1, None, DIRECT),
        (1, "", DIRECT),
        (1, "203.0.113.5, unknown", DIRECT),
        (1, "203.0.113.5,", DIRECT),
        (1, "203.0.113.5:443", DIRECT),
        (1, "203.0.113.5\r\nX-Evil: 1", DIRECT),
        (1, "203.0.113.005", DIRECT),
        (1, "٢٠٣.0.113.5", DIRECT),
        (1, "x" * 100_000, DIRECT),
        (1, "6.6.6.6," * 10_000 + "2001:DB8:0:0::1", "2001:db8::1"),
        (1, "::ffff:203.0.113.5", "203.0.113.5"),
        (1, "fe80::1%<script>", "fe80::1"),
    ],
)
def test_the_address_comes_from_the_trusted_depth_alone(
    settings: Any, depth: int, forwarded: str | None, address: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = depth
    assert client_ip(forwarded) == address


def test_a_socket_without_an_address_has_none(settings: Any) -> None:
    settings.TRUSTED_PROXY_COUNT = 0
    assert client_ip("203.0.113.5", remote="") == ""
    settings.TRUSTED_PROXY_COUNT = 1
    assert client_ip("203.0.113.5", remote="") == "203.0.113.5"


def test_outside_a_request_there_is_an_id_of_the_process_and_nothing_else() -> None:
    assert context.current() == context.RequestContext(request_id=context.request_id())
    assert len(context.request_id()) == 36
    assert not context.in_request()


def test_a_person_set_outside_a_request_is_not_kept_for_the_next() -> None:
    context.set_person("somebody")
    assert context.current().person is None


def test_a_context_ends_with_its_block_also_when_it_fails() -> None:
    with pytest.raises(ZeroDivisionError), context.use(context.RequestContext(request_id="outer")):
        with context.use(context.RequestContext(request_id="inner")):
            context.set_person("somebody")
            assert (context.request_id(), context.current().person) == ("inner", "somebody")
        assert (context.request_id(), context.current().person) == ("outer", None)
        assert context.in_request()
        raise ZeroDivisionError
    assert not context.in_request()


def test_a_forked_worker_gets_an_id_of_its_own() -> None:
    read, write = os.pipe()
    parent = context.request_id()
    if (child := os.fork()) == 0:
        os.write(write, context.request_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 36).decode() != parent
