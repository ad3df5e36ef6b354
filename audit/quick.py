"""What `chain.fault_of` finds nothing wrong with, found quickly: two fifths of its time. PostgreSQL alone.

The same bytes are hashed and the same seals computed, from texts instead of objects. It only ever says that an event
is whole. Any doubt, of whatever kind, is for `chain.fault_of` to decide (`tests/audit/test_quick.py` holds both against
each other). It is written for speed: a call more costs a hundredth.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring as quoted  # what JSONEncoder does with a text
from typing import Any, Final
from unicodedata import is_normalized

from audit.chain import FORM, PAYLOAD, PERSONAL_COLUMNS, to_json
from audit.raw_rows import RawRow, has_moment
from audit.row import Row

BLOCK: Final = 64  # bytes, of SHA-256
DIGITS: Final = 15  # that an integer may have and be below 2^53 whatever they are
SHAPES: Final = 1024  # of personal values that are remembered; kinds of events have a few dozen

_NAMES: Final = list(Row.__slots__)

Sealer = Callable[[bytes], str]


class _Doubt(Exception):
    """The event may be whole or not: somebody has to look at it properly."""


def sealers(keys: Mapping[str, bytes]) -> dict[str, Sealer]:
    """By key id, what computes `chain.authenticate` with the key worked in once (RFC 2104)."""
    return {name: _sealer(key) for name, key in keys.items()}


def certain(page: Sequence[RawRow], number: int, previous: str, seals: Mapping[str, Sealer]) -> tuple[int, str]:
    """How far the events of a page are whole beyond doubt: number and hash of the last one that is.

    The first should be number `number` + 1 and follow the one hashed `previous`.
    """
    try:
        for row in page:
            previous = _hash_of(row, number + 1, previous, seals)
            number += 1
    except (_Doubt, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        pass  # whatever else it holds than recording writes
    return number, previous


def _hash_of(row: RawRow, number: int, previous: str, seals: Mapping[str, Sealer]) -> str:
    """The hash of an event that is whole. Raises whatever a value that is none raises."""
    (
        identifier,
        form,
        chain,
        sequence,
        tenant,
        kind,
        at,
        outcome,
        actor_id,
        _actor,
        target_type,
        target_id,
        _target,
        _ip,
        _agent,
        request_id,
        payload,
        salts,
        digests,
        prev_hash,
        digest,
        mac,
        key,
    ) = row
    if form != FORM or sequence != number or prev_hash != previous:
        raise _Doubt
    if not has_moment(row):
        raise _Doubt
    told, plain = _committed(row, payload, salts, digests)
    text = (
        f'{{"actor_id":{quoted(actor_id)},"at":"{at[:-2]}","chain":"{chain}","digests":{told},"form":{form},'
        f'"id":"{identifier}","kind":{quoted(kind)},"outcome":{quoted(outcome)},"payload":{plain},'
        f'"request_id":{quoted(request_id)},"sequence":{sequence},"target_id":{quoted(target_id)},'
        f'"target_type":{quoted(target_type)},"tenant_id":{_or_null(tenant)}}}'
    )
    if not (text.isascii() or is_normalized("NFC", text)):
        raise _Doubt
    computed = sha256(bytes.fromhex(previous) + text.encode())
    if computed.hexdigest() != digest or seals[key](computed.digest()) != mac:
        raise _Doubt
    return str(digest)


def _or_null(tenant: str | None) -> str:
    return "null" if tenant is None else f'"{tenant}"'


class _Shape:
    """Which personal values an event has, and how their salts and digests are written then."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """`names` in the order in which PostgreSQL writes them; text that stands between quotation marks there."""
        self.values = [(_place_of(name), name.removeprefix(PAYLOAD), f"\0{name}\0") for name in names]
        self.absent = [place for name, place in _PLACES.items() if name not in names]
        self.only_columns = len(names) + len(self.absent) == len(_PLACES)
        members = [f'"{name.replace("%", "%%")}"' for name in names]
        self.stored = "{" + ", ".join(f'{each}: "%s"' for each in members) + "}"
        self.order = sorted(range(len(names)), key=names.__getitem__)
        self.canonical = "{" + ",".join(f'{members[each]}:"%s"' for each in self.order) + "}"


_shape = lru_cache(SHAPES)(_Shape)
_PLACES: Final = {name: _NAMES.index(name) for name in PERSONAL_COLUMNS}


def _place_of(name: str) -> int | None:
    """The place of a personal column in a row; None for a payload field. Raises KeyError for what is neither."""
    return None if name.startswith(PAYLOAD) else _PLACES[name]


def _committed(row: RawRow, payload: str, salts: str, digests: str) -> tuple[str, str]:
    """Digests and plain payload in canonical form, where every copy has its salt and fits its digest."""
    parts = salts.split('"')
    given, shape = parts[3::4], _shape(tuple(parts[1::4]))
    if "\\" in salts or shape.stored % tuple(given) != salts:
        raise _Doubt
    if any([row[place] for place in shape.absent]):
        raise _Doubt
    fields: Any = None if shape.only_columns else _fields(payload)
    found = []
    for salt, (place, field, head) in zip(given, shape.values, strict=True):
        value = fields.pop(field) if place is None else row[place] or _doubt("")
        text = quoted(value) if isinstance(value, str) else to_json(value)
        if not (text.isascii() or is_normalized("NFC", text)):
            raise _Doubt
        found.append(sha256(f"{salt}{head}{text}".encode()).hexdigest())
    if shape.stored % tuple(found) != digests:
        raise _Doubt
    told = shape.canonical % tuple([found[each] for each in shape.order])
    return told, _plain(payload) if fields is None else to_json(fields) if fields else "{}"


@lru_cache(SHAPES)
def _plain(payload: str) -> str:
    """A payload without personal values in canonical form: a few of them are in most events."""
    return to_json(_fields(payload))


def _integer(text: str) -> int:
    if len(text) > DIGITS:
        raise _Doubt
    return int(text)


def _doubt(text: str) -> Any:
    raise _Doubt


_read = json.JSONDecoder(parse_float=_doubt, parse_int=_integer, parse_constant=_doubt).raw_decode


def _fields(payload: str) -> dict[str, Any]:
    """The payload, of what the canonical form knows: no fractions, no large integers."""
    found = _read(payload)[0]
    if not isinstance(found, dict):
        raise _Doubt
    return found


def _sealer(key: bytes) -> Sealer:
    inner, outer = (sha256(bytes(byte ^ pad for byte in key.ljust(BLOCK, b"\0"))) for pad in (0x36, 0x5C))

    def seal(digest: bytes) -> str:
        begun, ended = inner.copy(), outer.copy()
        begun.update(digest)
        ended.update(begun.digest())
        return ended.hexdigest()

    return seal
