"""Structured logs: one line of JSON a record, with the request's id, and nothing secret in it.

Promises (docs/security-model.md, 87 and 88):

* A record is one line whatever it holds; control, bidi and surrogate characters are written as escapes.
* Values under a sensitive name (`password=…`, `{"token": …}`) are withheld, as are bytes, form data and
  uploaded files, wherever they stand in a record.
* A request is named by its route, not its path: paths carry single-use keys.
* The DETAIL of a database error, which quotes the row, is withheld.
"""

import json
import logging
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils.datastructures import MultiValueDict

from audit import context

WITHHELD = "[withheld]"
LONGEST = 8_000  # characters of one text
SENSITIVE_WORDS = (
    "password|passwd|passphrase|secret|token|authorization|cookie|csrf\\w*|session_?(?:key|id|data)|credential"
    "|otp|totp|seed|signature|recovery_codes?|access_pass|api_?key|private_?key|encryption_keys?|hmac_keys?"
)
SENSITIVE_NAME = re.compile(rf"(?:^|[_\W])(?:{SENSITIVE_WORDS})s?(?:$|[_\W\d])|^(?:code|key)s?$", re.IGNORECASE)
SENSITIVE_PAIR = re.compile(
    rf"""((?:[\w-]*(?:{SENSITIVE_WORDS})[\w-]*|\b(?<!_)(?:code|key))["']?\s*[=:]\s*)"""
    r"""(?:(?:Bearer|Basic|Token)\s+)?(?:"[^"]*"|'[^']*'|[^\s,;&)}\]]+)""",
    re.IGNORECASE,
)
DATABASE_DETAIL = re.compile(r"^(\s*DETAIL:).*$", re.MULTILINE)
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # Unicode categories; line ends are Cc, bidi marks Cf
BODIES = (bytes, bytearray, memoryview, MultiValueDict)
STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "request", "request_id"}


class RequestFilter(logging.Filter):
    """Give every record its request's id, and the route in place of the path. Keeps every record.

    Django writes its own line for a refusal when the request's context is gone, so the request is asked first.
    What a client did wrong needs no traceback of ours.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        record.request_id = getattr(request, "request_id", "") or context.request_id()
        if isinstance(request, HttpRequest) and isinstance(record.args, tuple):
            record.args = tuple(_place(request) if arg == request.path else arg for arg in record.args)
        if record.exc_info and isinstance(record.exc_info[1], SuspiciousOperation):
            record.exc_info = None
        return True


class JSONFormatter(logging.Formatter):
    """One record as one line of JSON: time (UTC), level, logger, request, message, extras, exception."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request": getattr(record, "request_id", None),
            "message": text(_message(record)),
        }
        entry |= {name: value(extra, name) for name, extra in _extras(record)}
        if record.exc_info and record.exc_info[0] is not None:
            entry["exception"] = told(self.formatException(record.exc_info))
        if record.stack_info:
            entry["stack"] = told(self.formatStack(record.stack_info))
        return json.dumps({name: part for name, part in entry.items() if part is not None})


def text(raw: str) -> str:
    """A text that fits one line and keeps no secret: pairs withheld, invisible characters escaped, cut."""
    withheld = SENSITIVE_PAIR.sub(rf"\g<1>{WITHHELD}", raw[:LONGEST])
    return withheld if withheld.isprintable() and withheld.isascii() else "".join(map(_visible, withheld))


def value(raw: Any, name: str = "") -> Any:
    """A value fit for a log under `name`: numbers as they are, texts by `text`, bodies and bytes withheld."""
    if isinstance(raw, BODIES) or (name and SENSITIVE_NAME.search(name)):
        return WITHHELD
    if raw is None or isinstance(raw, int) or (isinstance(raw, float) and math.isfinite(raw)):
        return raw
    if isinstance(raw, Mapping):
        return {text(str(key)): value(part, str(key)) for key, part in raw.items()}
    if isinstance(raw, (list, tuple, set, frozenset)):
        return [value(part) for part in raw]
    return text(str(raw))


def _message(record: logging.LogRecord) -> str:
    """The message, its arguments made harmless first; one that does not fit its arguments stays readable."""
    if not record.args:
        return str(record.msg)
    arguments = value(record.args) if isinstance(record.args, Mapping) else tuple(map(value, record.args))
    try:
        return str(record.msg) % arguments
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {arguments!r}"


def _extras(record: logging.LogRecord) -> Iterable[tuple[str, Any]]:
    return ((name, extra) for name, extra in vars(record).items() if name not in STANDARD)


def told(trace: str) -> list[str]:
    """What an exception says, or its traceback, as a list of lines: no line of it can pass for a record."""
    return [text(line) for line in DATABASE_DETAIL.sub(rf"\1 {WITHHELD}", trace[-LONGEST:]).splitlines()]


def route_of(request: HttpRequest) -> str | None:
    """The route, found here where a middleware refused before there was a view; None where nothing is."""
    try:
        match = request.resolver_match or resolve(request.path_info)
    except Resolver404:
        return None
    return f"/{match.route}"


def _place(request: HttpRequest) -> str:
    return route_of(request) or request.path


def _visible(character: str) -> str:
    if unicodedata.category(character) not in INVISIBLE:
        return character
    if character.isascii():
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode()
