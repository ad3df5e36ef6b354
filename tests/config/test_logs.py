"""A log line is one line of JSON, whatever is in it, and has no secret in it."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import IntegrityError
from django.http import QueryDict
from django.test import Client, RequestFactory
from django.urls import resolve
from hypothesis import given
from hypothesis import strategies as st

from config.logs import WITHHELD, JSONFormatter, RequestFilter

pytestmark = [pytest.mark.security(87), pytest.mark.security(88)]

CANARY = "s3cr3t-canary"
HOSTILE = [
    'forged\n{"level": "info", "message": "all is well"}',
    "carriage\r\nreturn",
    "nul\0escape\x1b[31m",
    "line\u2028paragraph\u2029next\x85",
    "right\u202eto left\u2066",
    "half \ud800 a character",
    'quote " backslash \\',
]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the site's handler writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    handler.addFilter(RequestFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


@pytest.fixture
def log() -> logging.Logger:
    """A logger of the site."""
    return logging.getLogger("accounts.example")


def only_entry(lines: io.StringIO) -> dict[str, Any]:
    """The one line that was written, read as JSON."""
    written = lines.getvalue().splitlines()
    assert len(written) == 1
    return dict(json.loads(written[0]))


def test_a_line_says_when_what_where_and_for_which_request(lines: io.StringIO, log: logging.Logger) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    log.warning("%s people waited %d s", 3, 7, extra={"queue": "mail"})
    entry = only_entry(lines)
    assert before <= datetime.fromisoformat(entry.pop("time")) <= datetime.now(UTC)
    assert entry.pop("request")
    expected = {"level": "warning", "logger": "accounts.example", "message": "3 people waited 7 s", "queue": "mail"}
    assert entry == expected


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_one_harmless_line(lines: io.StringIO, log: logging.Logger, text: str) -> None:
    log.warning("name %s", text, extra={"agent": text, text: 1})
    entry = only_entry(lines)
    for part in (entry["message"], entry["agent"]):
        assert part.isprintable() or not any(ord(character) < 32 for character in part)
    assert all(" " <= character < "\x7f" for character in lines.getvalue().rstrip("\n"))


@given(text=st.text(), extra=st.recursive(st.text() | st.integers() | st.floats() | st.none() | st.binary(), st.lists))
def test_any_text_at_all_stays_one_line_of_ascii(text: str, extra: Any) -> None:
    record = logging.makeLogRecord({"msg": text, "agent": extra, "levelname": "INFO"})
    line = JSONFormatter().format(record)
    assert line.isascii() and line.isprintable()
    json.loads(line, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "message",
    [
        f"password={CANARY}",
        f"new_password: {CANARY}",
        f"Authorization: Bearer {CANARY}",
        f'{{"secret": "{CANARY}"}}',
        f"{{'csrfmiddlewaretoken': '{CANARY}'}}",
        f"sessionid={CANARY}; path=/",
        f"code={CANARY}",
        f"otpauth?secret={CANARY}&issuer=x",
    ],
)
def test_what_is_named_like_a_secret_is_withheld(lines: io.StringIO, log: logging.Logger, message: str) -> None:
    log.error(message)
    log.error("said %s", message)
    assert CANARY not in lines.getvalue()
    assert WITHHELD in lines.getvalue()


@pytest.mark.parametrize(
    "argument",
    [
        {"password": CANARY},
        {"user": {"totp_secret": CANARY}},
        {"code": CANARY},
        {"api_key": CANARY},
        QueryDict(f"anything={CANARY}"),
        CANARY.encode(),
        [CANARY.encode()],
    ],
)
def test_bodies_and_sensitive_keys_are_withheld(lines: io.StringIO, log: logging.Logger, argument: Any) -> None:
    log.error("got %s", argument)
    log.error("got", extra={"details": argument})
    log.error("got %(name)s", {"name": "x", "more": argument})
    assert CANARY not in lines.getvalue()
    assert len(lines.getvalue().splitlines()) == 3


@pytest.mark.parametrize("name", ["password", "recovery_codes", "session_key", "access_token", "code", "csrf_token"])
def test_sensitive_extras_are_withheld(lines: io.StringIO, log: logging.Logger, name: str) -> None:
    log.error("here", extra={name: CANARY})
    assert only_entry(lines)[name] == WITHHELD


@pytest.mark.parametrize("name", ["status_code", "error_code", "key_id", "author", "tokens_left"])
def test_harmless_names_are_kept(lines: io.StringIO, log: logging.Logger, name: str) -> None:
    log.error("here", extra={name: 7})
    assert only_entry(lines)[name] == (WITHHELD if name == "tokens_left" else 7)


def test_an_exception_is_kept_without_the_row_that_the_database_quotes(lines: io.StringIO, log: logging.Logger) -> None:
    try:
        raise IntegrityError(f"violates a constraint\nDETAIL:  Failing row contains ({CANARY}).")
    except IntegrityError:
        log.exception("could not save")
    entry = only_entry(lines)
    assert "Traceback (most recent call last):" in entry["exception"]
    assert any("violates a constraint" in line for line in entry["exception"])
    assert CANARY not in lines.getvalue()


def test_what_a_client_did_wrong_has_no_traceback(lines: io.StringIO, log: logging.Logger) -> None:
    try:
        raise SuspiciousOperation("Invalid HTTP_HOST header")
    except SuspiciousOperation:
        log.exception("refused")
    assert "exception" not in only_entry(lines)


def test_arguments_that_do_not_fit_lose_nothing_and_raise_nothing() -> None:
    record = logging.makeLogRecord({"msg": "%d people", "args": ("many",)})
    assert "many" in json.loads(JSONFormatter().format(record))["message"]


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["", "?a=%00"])
def test_a_request_that_is_refused_before_its_view_is_known_is_named_by_its_route(
    lines: io.StringIO, query: str
) -> None:
    Client().post(f"/accounts/invitation/{CANARY}/{query}", "x" * 70_000, content_type="text/plain")
    assert "/accounts/invitation/<str:token>/" in only_entry(lines)["message"]
    assert CANARY not in lines.getvalue()


@pytest.mark.urls("tests.config.urls")
def test_a_request_is_named_by_its_route_because_its_path_may_be_a_key(lines: io.StringIO, log: logging.Logger) -> None:
    request = RequestFactory().get(f"/probe/reset/{CANARY}/")
    request.resolver_match = resolve(request.path)
    log.error("Internal Server Error: %s", request.path, extra={"request": request})
    assert only_entry(lines)["message"] == "Internal Server Error: /probe/reset/<str:key>/"


@pytest.mark.django_db
@pytest.mark.urls("tests.config.urls")
def test_the_line_of_a_failed_request_has_the_id_that_the_client_was_given(lines: io.StringIO) -> None:
    response = Client(raise_request_exception=False).get(f"/probe/reset/{CANARY}/?token={CANARY}")
    entry = only_entry(lines)
    assert entry["request"] == response["X-Request-ID"]
    assert entry["status_code"] == 500
    assert CANARY not in lines.getvalue()


@pytest.mark.django_db
def test_the_line_of_a_missing_page_has_its_id_too(lines: io.StringIO) -> None:
    response = Client().get("/no/such/page/\r\nforged")
    assert only_entry(lines)["request"] == response["X-Request-ID"]
