"""Strict readers for what comes over the wire: base64url, JSON, CBOR.

python-fido2 reads all three leniently: characters outside the alphabet, cut-short byte strings and floats are
let pass, a tag is a KeyError, nesting is followed until Python gives up. So the shape and depth of everything
is checked here first. Every reader raises MalformedAnswer and nothing else.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NoReturn

from fido2 import cbor

from accounts.authenticators.webauthn_errors import MalformedAnswer

JSON_LIMIT: Final = 64 * 1024  # characters
JSON_DEPTH: Final = 20
CBOR_LIMIT: Final = 8 * 1024  # bytes; python-fido2 copies the rest for every item, so its time is quadratic
CBOR_DEPTH: Final = 6
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_STRUCTURE: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|["\[\]{}]', re.DOTALL)  # possessive: linear
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)  # CBOR major types, RFC 8949 §3.1
_FALSE_TRUE_NULL: Final = (20, 21, 22)
_LENGTH_BYTES: Final = {24: 1, 25: 2, 26: 4, 27: 8}


def encode_base64url(data: bytes) -> str:
    """Without padding, as WebAuthn's JSON wants it (RFC 4648 §5)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64url(text: object, *, limit: int = JSON_LIMIT) -> bytes:
    """The bytes of unpadded base64url in its one canonical spelling, at most `limit` of them."""
    if not isinstance(text, str) or len(text) * 3 // 4 > limit or not _BASE64URL.fullmatch(text):
        raise MalformedAnswer
    if len(text) % 4 == 1:
        raise MalformedAnswer
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode_base64url(data) != text:
        raise MalformedAnswer
    return data


def parse_json(text: str) -> object:
    """A JSON text without duplicate keys, NaN or infinities, of bounded size and depth."""
    if len(text) > JSON_LIMIT:
        raise MalformedAnswer
    _check_depth(text)
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except ValueError as error:
        raise MalformedAnswer from error


def parse_cbor(data: bytes) -> object:
    """One CBOR item that fills `data`."""
    value, end = take_cbor(data, 0)
    if end != len(data):
        raise MalformedAnswer
    return value


def take_cbor(data: bytes, start: int) -> tuple[object, int]:
    """The CBOR item at `start`, and where it ends.

    Definite lengths, no tags, no floats, map keys that are integers or text and occur once: the subset that
    CTAP2 writes (CTAP 2.1 §8).
    """
    if len(data) > CBOR_LIMIT:
        raise MalformedAnswer
    end = _end_of_item(data, start, CBOR_DEPTH)
    try:
        return cbor.decode(data[start:end]), end
    except ValueError as error:  # text that is not UTF-8
        raise MalformedAnswer from error


def _check_depth(text: str) -> None:
    """Refuse brackets that nest too deep, outside strings, and a string that does not end."""
    depth = 0
    for match in _STRUCTURE.finditer(text):
        mark = text[match.start()]
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        elif match.end() - match.start() == 1:
            raise MalformedAnswer
        if depth > JSON_DEPTH:
            raise MalformedAnswer


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedAnswer
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedAnswer


def _end_of_item(data: bytes, at: int, depth: int) -> int:
    """Where the item at `at` ends; refuses what is outside the subset, before anything is decoded."""
    major, value, at = _head(data, at)
    if major in (_UNSIGNED, _NEGATIVE):
        return at
    if major in (_BYTES, _TEXT) and at + value <= len(data):
        return at + value
    if major == _SIMPLE and value in _FALSE_TRUE_NULL:
        return at
    if major not in (_ARRAY, _MAP) or depth == 0:
        raise MalformedAnswer
    return _end_of_array(data, at, value, depth) if major == _ARRAY else _end_of_map(data, at, value, depth)


def _end_of_array(data: bytes, at: int, count: int, depth: int) -> int:
    for _ in range(count):
        at = _end_of_item(data, at, depth - 1)
    return at


def _end_of_map(data: bytes, at: int, count: int, depth: int) -> int:
    keys = set()
    for _ in range(count):
        key_end = _end_of_item(data, at, 0)
        if data[at] >> 5 not in (_UNSIGNED, _NEGATIVE, _TEXT):
            raise MalformedAnswer
        keys.add(data[at:key_end])
        at = _end_of_item(data, key_end, depth - 1)
    if len(keys) != count:
        raise MalformedAnswer
    return at


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, argument and where the content begins (RFC 8949 §3)."""
    if at >= len(data):
        raise MalformedAnswer
    major, info = data[at] >> 5, data[at] & 0x1F
    if info < 24:
        return major, info, at + 1
    size = _LENGTH_BYTES.get(info)
    if size is None or major == _SIMPLE or at + 1 + size > len(data):
        raise MalformedAnswer
    return major, int.from_bytes(data[at + 1 : at + 1 + size]), at + 1 + size
