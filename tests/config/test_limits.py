"""What no request may bring: too much, NUL, half characters, too many fields. Always 4xx, never 500."""

import asyncio
import io
import json
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.test import AsyncClient, Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from config.handlers import WSGIHandler
from config.middleware import fault_of

pytestmark = [pytest.mark.urls("tests.config.urls"), pytest.mark.security(22), pytest.mark.security(89)]

FORM = "application/x-www-form-urlencoded"
LIMIT = 64 * 1024
ECHO = "/probe/echo/"
BAD = HTTPStatus.BAD_REQUEST
TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Unreadable(io.RawIOBase):
    """A body that must not be read."""

    def read(self, size: int = -1) -> bytes:
        raise AssertionError("the body was read")


@pytest.fixture
def stranger() -> Client:
    """Somebody unknown, who is shown error pages."""
    return Client(raise_request_exception=False)


def serve(method: str, content_type: str, query: str, body: bytes = b"") -> int:
    """The status that the site's own WSGI handler gives; what it raises outside of Django is raised."""
    environ = RequestFactory().generic(method, ECHO, body, CONTENT_TYPE="").environ
    environ |= {"CONTENT_TYPE": content_type, "QUERY_STRING": query}
    handler = WSGIHandler()
    return handler.get_response(handler.request_class(environ)).status_code


def test_the_limit_is_what_the_promise_says() -> None:
    assert settings.REQUEST_BODY_LIMIT == settings.DATA_UPLOAD_MAX_MEMORY_SIZE == LIMIT


def test_a_body_at_the_limit_arrives_and_one_byte_more_does_not(stranger: Client) -> None:
    arrived = stranger.post(ECHO, b"a=" + b"x" * (LIMIT - 2), content_type=FORM)
    assert arrived.json()["length"] == LIMIT
    assert stranger.post(ECHO, b"a=" + b"x" * (LIMIT - 1), content_type=FORM).status_code == TOO_LARGE


@pytest.mark.parametrize("content_type", [FORM, "application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_a_field_of_ten_megabytes_is_refused_unread(content_type: str) -> None:
    request = WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": ECHO,
            "CONTENT_TYPE": content_type,
            "CONTENT_LENGTH": str(10 * 1024 * 1024),
            "wsgi.input": Unreadable(),
        }
    )
    assert fault_of(request) == TOO_LARGE


def test_a_field_of_ten_megabytes_gets_a_page_that_says_so(stranger: Client) -> None:
    response = stranger.post(ECHO, {"code": "1" * 10 * 1024 * 1024})
    assert response.status_code == TOO_LARGE
    assert b"too long" in response.content


def test_a_program_is_told_in_json(stranger: Client) -> None:
    response = stranger.post(ECHO, {"code": "1" * 100_000}, headers={"accept": "application/json"})
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "request_too_large"


@pytest.mark.parametrize("length", ["-1", "1e3", "٣", "12 ", "0x10", "9" * 5000])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    request = RequestFactory().post(ECHO, b"a=b", content_type=FORM, CONTENT_LENGTH=length)
    assert fault_of(request) in (BAD, TOO_LARGE)


def test_a_body_in_chunks_must_say_how_long_it_is_under_wsgi() -> None:
    request = RequestFactory().post(ECHO, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")
    assert fault_of(request) == HTTPStatus.LENGTH_REQUIRED


@pytest.mark.parametrize("path", ["/probe/echo/%00", "/probe/echo/a%00b", "/%00", "/accounts/login/%00/"])
def test_nul_in_a_path_is_refused(stranger: Client, path: str) -> None:
    assert stranger.get(path).status_code == BAD


@pytest.mark.parametrize("query", ["q=%00", "q=a%00b", "%00=q", "next=/%00", "q=\0"])
def test_nul_in_a_query_is_refused(stranger: Client, query: str) -> None:
    assert stranger.get(ECHO, QUERY_STRING=query).status_code == BAD


@pytest.mark.parametrize("body", [b"code=%00", b"code=12\x0034", b"%00=1", b"code=1&email=a%00b@example.com"])
def test_nul_in_a_form_is_refused(stranger: Client, body: bytes) -> None:
    assert stranger.post(ECHO, body, content_type=FORM).status_code == BAD


@pytest.mark.parametrize("fields", [{"code": "12\x0034"}, {"co\x00de": "1"}])
def test_nul_in_a_multipart_form_is_refused(stranger: Client, fields: dict[str, str]) -> None:
    assert stranger.post(ECHO, fields).status_code == BAD


@pytest.mark.parametrize("body", [r'{"a": "\u0000"}', r'["\\\u0000"]', '{"a": "\0"}', r'{"\u0000": 1}'])
def test_nul_in_json_is_refused(stranger: Client, body: str) -> None:
    assert stranger.post(ECHO, body, content_type="application/json").status_code == BAD


@pytest.mark.parametrize("body", [r'{"a": "\ud800"}', r'["\udc00\ud800"]', r'{"\uDBFF": 1}', r'"\ud83dx"'])
def test_half_a_character_in_json_is_refused(stranger: Client, body: str) -> None:
    assert stranger.post(ECHO, body, content_type="application/json").status_code == BAD


@pytest.mark.parametrize("body", [r'{"a": "\\u0000"}', r'{"a": "\ud83d\ude00"}', r'{"a": "\\ud800"}', "no json", "["])
def test_what_only_looks_like_it_arrives(stranger: Client, body: str) -> None:
    assert stranger.post(ECHO, body, content_type="application/json").status_code == HTTPStatus.OK


def test_half_a_character_in_a_path_is_refused() -> None:
    request = RequestFactory().get(ECHO)
    request.path_info = "/probe/echo/\ud800"
    assert fault_of(request) == BAD


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "latin-1", "idna", "rot13", "cp037", "no-such", ""])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_charset_cannot_smuggle_anything(charset: str, method: str) -> None:
    nul_in_utf_7 = b"code=%2BAAA-"
    assert serve(method, f"{FORM}; charset={charset}", nul_in_utf_7.decode(), nul_in_utf_7) == BAD


def test_too_many_fields_are_no_error_of_ours_before_the_first_middleware() -> None:
    fields = "&".join("a=1" for _ in range(2001))
    assert serve("GET", f"{FORM}; charset=utf-8", fields) == BAD


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8"])
def test_saying_utf_8_is_no_fault(stranger: Client, charset: str) -> None:
    response = stranger.post(ECHO, b"name=Zo%C3%AB", content_type=f"{FORM}; charset={charset}")
    assert response.json()["post"] == {"name": "Zoë"}


def test_too_many_fields_are_refused(stranger: Client) -> None:
    limit = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    bodies = {count: "&".join(f"{n:x}=" for n in range(count)).encode() for count in (limit, limit + 1)}
    answers = {n: stranger.post(ECHO, body, content_type=FORM).status_code for n, body in bodies.items()}
    assert answers == {limit: HTTPStatus.OK, limit + 1: BAD}


def test_too_many_fields_in_a_query_are_refused(stranger: Client) -> None:
    assert stranger.get(ECHO, QUERY_STRING="&".join("a=1" for _ in range(2001))).status_code == BAD


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--"]
)
def test_a_damaged_multipart_form_is_no_error_of_ours(stranger: Client, body: bytes) -> None:
    response = stranger.post(ECHO, body, content_type="multipart/form-data; boundary=x")
    assert response.status_code in (HTTPStatus.OK, BAD)


def test_a_multipart_form_without_boundary_is_refused(stranger: Client) -> None:
    assert stranger.post(ECHO, b"a", content_type="multipart/form-data").status_code == BAD


@given(
    body=st.binary(max_size=300),
    content_type=st.sampled_from([FORM, "application/json", "multipart/form-data; boundary=x"]),
)
def test_no_body_at_all_is_an_error_of_ours(body: bytes, content_type: str) -> None:
    request = RequestFactory().post(ECHO, body, content_type=content_type)
    assert fault_of(request) in (None, BAD)


@given(text=st.text())
def test_what_is_let_through_can_be_stored(text: str) -> None:
    request = RequestFactory().post(ECHO, json.dumps({"text": text}), content_type="application/json")
    storable = "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
    assert (fault_of(request) is None) is storable


def ask(path: str, body: Any, **extra: Any) -> Any:
    """One request on the asynchronous path."""
    client = AsyncClient(raise_request_exception=False)
    return asyncio.run(client.post(path, body, content_type=FORM, **extra))


def test_the_asynchronous_path_refuses_alike() -> None:
    assert ask("/probe/aecho/", b"a=1").json() == {"length": 3}
    assert ask("/probe/aecho/", b"a=" + b"x" * LIMIT).status_code == TOO_LARGE
    assert ask("/probe/aecho/", b"a=%00").status_code == BAD
