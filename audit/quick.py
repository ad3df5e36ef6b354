"""What `chain.fault_of` finds nothing wrong with, found quickly: a quarter of its time. PostgreSQL alone.

The same bytes are hashed and the same seals computed, from texts instead of objects and for many events at once: column
by column, and what is personal for all events together that have the same. It only ever says that events are whole. Any
doubt, of whatever kind, is for `chain.fault_of` to decide (`tests/audit/test_quick.py` holds both against each other).
It is written for speed: a call more for each event costs a hundredth.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import chain as chained
from itertools import repeat
from typing import Final
from unicodedata import is_normalized
from uuid import UUID

from audit import quick_payloads, raw_rows
from audit.chain import BESIDE_COPIES, FORM, PAYLOAD, PERSONAL_COLUMNS
from audit.columns import REMEMBERED, Doubt, escaped, moments
from audit.entries import SALT_LENGTH
from audit.quick_payloads import getter
from audit.raw_rows import FIELD, Columns

TOGETHER: Final = 500  # events
BLOCK: Final = 64  # bytes, of SHA-256
DIGEST: Final = 32  # bytes

_CANONICAL: Final = (
    '{"actor_id":"%s","at":"%sZ","chain":"%s","digests":%s,"form":%s,"id":"%s","kind":"%s","outcome":"%s",'
    '"payload":%s,"request_id":"%s","sequence":%s,"target_id":"%s","target_type":"%s","tenant_id":%s}'
).__mod__
_PERSONAL: Final = (*PERSONAL_COLUMNS, "payload", "salts", "digests")
_BESIDE_COPIES: Final = str(BESIDE_COPIES)
_FORMS: Final = {_BESIDE_COPIES, str(FORM)}
_NONE_LEFT: Final = "{}"  # digests of an event of which nothing was erased

Sealer = Callable[[bytes], bytes]


_UNUSUAL: Final = (Doubt, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def sealers(keys: Mapping[str, bytes]) -> dict[str, Sealer]:
    """By key id, what computes `chain.authenticate` with the key worked in once (RFC 2104)."""
    return {name: _sealer(key) for name, key in keys.items()}


def last_hash(
    page: Sequence[str], chain: UUID, *, number: int, previous: str, seals: Mapping[str, Sealer]
) -> str | None:
    """The hash of the last event of a page (`raw_rows.read`), where all of them are whole beyond doubt; otherwise None.

    The first should be number `number` + 1 of the chain and follow the one hashed `previous`.
    """
    try:
        for done in range(0, len(page), TOGETHER):
            records = page[done : done + TOGETHER]
            previous = _last_hash(records, str(chain), after=number + done, previous=previous, seals=seals)
    except _UNUSUAL:  # one of them holds what recording does not write
        return None
    return previous


def _last_hash(records: Sequence[str], chain: str, *, after: int, previous: str, seals: Mapping[str, Sealer]) -> str:
    """The hash of the last of some events that are whole. Raises whatever a value that is none raises."""
    columns = raw_rows.columns(records)
    hashes = columns["hash"]
    if columns["sequence"] != tuple(map(str, range(after + 1, after + 1 + len(records)))):
        raise Doubt
    if columns["prev_hash"] != (previous, *hashes[:-1]):
        raise Doubt
    link, links = bytes.fromhex(previous), []
    for text in _canonical(columns, chain, is_ascii=all(map(str.isascii, records))):
        link = sha256(link + text.encode()).digest()
        links.append(link)
    sealed = [seals[key](link) for key, link in zip(columns["key_id"], links, strict=True)]
    if not (_spell(hashes, links) and _spell(columns["mac"], sealed)):
        raise Doubt
    return hashes[-1]


def _spell(texts: Sequence[str], digests: Sequence[bytes]) -> bool:
    """Whether each text is the digest in its place, in hex."""
    return set(map(len, texts)) == {2 * DIGEST} and "".join(texts) == b"".join(digests).hex()


def _canonical(columns: Columns, chain: str, *, is_ascii: bool) -> Iterable[str]:
    """The canonical forms of events."""
    form = columns["form"][0]
    if form not in _FORMS or set(columns["form"]) != {form}:
        raise Doubt
    digests, payloads = _committed(columns, are_beside=form == _BESIDE_COPIES, is_ascii=is_ascii)
    in_order = (
        escaped(columns["actor_id"]),
        moments(columns["at"]),
        repeat(chain),
        digests,
        repeat(form),
        escaped(columns["id"]),
        escaped(columns["kind"]),
        escaped(columns["outcome"]),
        payloads,
        escaped(columns["request_id"]),
        columns["sequence"],
        escaped(columns["target_id"]),
        escaped(columns["target_type"]),
        [f'"{tenant}"' if tenant else "null" for tenant in escaped(columns["tenant_id"])],
    )
    texts = map(_CANONICAL, zip(*in_order))  # noqa: B905  # two of them have no end
    return texts if is_ascii else map(_composed, texts)


def _composed(text: str) -> str:
    """A text, if it is in NFC."""
    if not is_normalized("NFC", text):
        raise Doubt
    return text


def _committed(columns: Columns, *, are_beside: bool, is_ascii: bool) -> tuple[list[str], list[str]]:
    """Digests and plain payloads in canonical form, where every copy has its salt and nothing was erased.

    `are_beside`: the digests stand beside the copies.
    """
    salts, alike = columns["salts"], defaultdict(list)
    for place, key in enumerate(zip(columns["kind"], map(len, salts), strict=True)):
        alike[key].append(place)
    digests, payloads = [""] * len(salts), [""] * len(salts)
    for places in alike.values():
        pick = getter(places)
        shape = _shape(tuple(salts[places[0]].split('"')[1::4]))
        group = {name: pick(columns[name]) for name in _PERSONAL}
        found, plains = shape.committed(group, is_ascii=is_ascii)
        if group["digests"] != (tuple(map(shape.stored, found)) if are_beside else (_NONE_LEFT,) * len(places)):
            raise Doubt
        for place, told, plain in zip(places, map(shape.canonical, map(shape.ordered, found)), plains, strict=True):
            digests[place], payloads[place] = told, plain
    return digests, payloads


class _Shape:
    """Which personal values events have, and how their salts and digests are written then."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """`names` in the order in which PostgreSQL writes them; text that stands between quotation marks there."""
        salt, plain = "x" * (2 * SALT_LENGTH), [name.replace("%", "%%") for name in names]
        self.names = names
        self.fields = tuple([name for name in names if name.startswith(PAYLOAD)])
        self.columns = [name for name in names if not name.startswith(PAYLOAD)]
        if not set(self.columns) <= set(PERSONAL_COLUMNS):
            raise Doubt
        self.absent = [name for name in PERSONAL_COLUMNS if name not in names]
        self.stored = ("{" + ", ".join(f'"{name}": "%s"' for name in plain) + "}").__mod__
        example = self.stored((salt,) * len(names))
        self.salts = getter([slice(*found.span()) for found in re.finditer(salt, example)])
        self.marks = example.count('"')
        self.preimages = FIELD.join(
            f"%s\0{name}\0%s" if name.startswith(PAYLOAD) else f'%s\0{name}\0"%s"' for name in plain
        ).__mod__
        order = sorted(range(len(names)), key=names.__getitem__)
        self.ordered = getter(order)
        self.canonical = ("{" + ",".join(f'"{plain[each]}":"%s"' for each in order) + "}").__mod__

    def committed(self, columns: Columns, *, is_ascii: bool) -> tuple[list[tuple[str, ...]], Iterable[str]]:
        """The digests, in the order of `names`, and plain payloads of events that all have these values."""
        if any([any(columns[name]) for name in self.absent]) or any(["" in columns[name] for name in self.columns]):
            raise Doubt
        values: dict[str, Iterable[str]] = {name: escaped(columns[name]) for name in self.columns}
        *told, payloads = quick_payloads.parted(columns["payload"], self.fields)
        values |= zip(self.fields, told, strict=True)
        return self._computed(self._given(columns["salts"]), values, is_ascii=is_ascii), payloads

    def _given(self, salts: Sequence[str]) -> list[tuple[str, ...]]:
        """The salts of each event: as long as recording makes them, and nothing beside them."""
        given, together = list(map(self.salts, salts)), "".join(salts)
        if tuple(map(self.stored, given)) != salts:
            raise Doubt
        if "\\" in together or together.count('"') != self.marks * len(salts):
            raise Doubt
        return given

    def _computed(
        self, given: list[tuple[str, ...]], values: Mapping[str, Iterable[str]], *, is_ascii: bool
    ) -> list[tuple[str, ...]]:
        """The digests of each event, all hashed in a row."""
        if not self.names:
            return given  # none
        salts = zip(*given, strict=True)
        each = chained.from_iterable(zip(salts, [values[name] for name in self.names], strict=True))
        together = FIELD.join(map(self.preimages, zip(*each, strict=True)))
        if not is_ascii:
            _composed(together)
        hashed = [one.hexdigest() for one in map(sha256, together.encode().split(FIELD.encode()))]
        return list(zip(*[iter(hashed)] * len(self.names), strict=True))


_shape = lru_cache(REMEMBERED)(_Shape)


def _sealer(key: bytes) -> Sealer:
    inner, outer = (sha256(bytes(byte ^ pad for byte in key.ljust(BLOCK, b"\0"))) for pad in (0x36, 0x5C))

    def seal(digest: bytes) -> bytes:
        begun, ended = inner.copy(), outer.copy()
        begun.update(digest)
        ended.update(begun.digest())
        return ended.digest()

    return seal
