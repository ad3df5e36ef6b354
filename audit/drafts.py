"""An entry made ready to be numbered: digests of what is personal, what is hashed, and how a row of it is spelt.

All of that is done before a chain is held, in one pass, because sign-ins pay for it. `chain.canonical` and
`chain.digest_of` say which bytes are hashed, and verifying asks them; here they are put together without looking once
more at what recording has seen to (`tests/audit/test_drafts.py` holds both against each other).
"""

import os
from hashlib import sha256
from json.encoder import encode_basestring as quoted  # what JSONEncoder does with a text
from typing import Any, Final
from unicodedata import is_normalized

from audit import chain
from audit.chain import FORM, PAYLOAD, to_json
from audit.entries import SALT_LENGTH, Entry
from audit.errors import NotCanonical
from audit.keys import Key
from audit.row import Row

_BEFORE: Final = (
    f'{{"actor_id":%s,"at":"%sZ","chain":"%s","digests":%s,"form":{FORM},"id":"%s","kind":%s,"outcome":%s,'
    '"payload":%s,"request_id":%s,"sequence":'
).__mod__
_AFTER: Final = ',"target_id":%s,"target_type":%s,"tenant_id":%s}'.__mod__
_ROW: Final = (
    '{"id":"%s","form":%d,"chain":"%s","sequence":%d,"tenant_id":%s,"kind":%s,"at":"%s","outcome":%s,'
    '"actor_id":%s,"actor_label":%s,"target_type":%s,"target_id":%s,"target_label":%s,"ip":%s,"user_agent":%s,'
    '"request_id":%s,"payload":%s,"salts":%s,"digests":%s,"prev_hash":"%s","hash":"%s","mac":"%s","key_id":"%s"}'
).__mod__
_MOMENT: Final = len("2026-11-28T12:00:00.000000")  # without its zone, which is UTC

COLUMNS: Final = tuple(Row.__slots__)  # of `Draft.as_json`, in this order


class Draft:
    """An entry of `entry_of` on its way into its chain. Raises NotCanonical."""

    __slots__ = ("_after", "_at", "_before", "_chain", "_digests", "_id", "_payload", "_salts", "_tenant", "entry")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        _commit_to_personal_values(entry)
        digests, payload = entry.digests, entry.payload
        names = sorted(digests)
        plain = {name: value for name, value in payload.items() if PAYLOAD + name not in digests}
        self._id, self._chain, self._at = str(entry.id), str(entry.chain), entry.at.isoformat(timespec="microseconds")
        self._tenant = None if entry.tenant_id is None else str(entry.tenant_id)
        self._salts, self._digests = _object(names, entry.salts), _object(names, digests)
        told = to_json(plain) if plain else "{}"
        self._payload = told if len(plain) == len(payload) else to_json(payload)
        before = (quoted(entry.actor_id), self._at[:_MOMENT], self._chain, self._digests, self._id, quoted(entry.kind))
        self._before = _bytes(_BEFORE((*before, quoted(entry.outcome), told, quoted(entry.request_id))))
        tenant = "null" if self._tenant is None else f'"{self._tenant}"'
        self._after = _bytes(_AFTER((quoted(entry.target_id), quoted(entry.target_type), tenant)))

    def form(self, sequence: int) -> bytes:
        """What is hashed of the entry, which has this number."""
        return b"%b%d%b" % (self._before, sequence, self._after)

    def seal(self, sequence: int, previous: str, key: Key) -> str:
        """Give the entry its place, hash and MAC; returns the hash for the next one."""
        entry = self.entry
        entry.sequence, entry.prev_hash, entry.key_id = sequence, previous, key.id
        entry.hash = digest = chain.link(previous, self.form(sequence))
        entry.mac = chain.authenticate(key.secret, digest)
        return digest

    def as_json(self) -> str:
        """The row, for a database that makes of texts what its columns are."""
        e = self.entry
        who = (e.actor_id, e.actor_label, e.target_type, e.target_id, e.target_label, e.ip, e.user_agent, e.request_id)
        tenant = "null" if self._tenant is None else f'"{self._tenant}"'
        what = (self._id, e.form, self._chain, e.sequence, tenant, quoted(e.kind), self._at, quoted(e.outcome))
        seal = (e.prev_hash, e.hash, e.mac, e.key_id)
        return _ROW((*what, *map(quoted, who), self._payload, self._salts, self._digests, *seal))


def _commit_to_personal_values(entry: Entry) -> None:
    """Salt and digest every personal value that is there; the chain holds the digests alone."""
    values = {name: value for name in chain.PERSONAL_COLUMNS if (value := getattr(entry, name))}
    values |= {PAYLOAD + name: entry.payload[name] for name in entry.personal if name in entry.payload}
    salts, begin = os.urandom(SALT_LENGTH * len(values)).hex(), 0
    for name, value in values.items():
        salt = entry.salts[name] = salts[begin : begin + 2 * SALT_LENGTH]
        entry.digests[name] = _digest_of(salt, name, value)
        begin += 2 * SALT_LENGTH


def _digest_of(salt: str, name: str, value: Any) -> str:
    if isinstance(value, str) and value.isascii():
        return sha256(f"{salt}\0{name}\0{quoted(value)}".encode()).hexdigest()
    return chain.digest_of(salt, name, value)


def _object(names: list[str], values: dict[str, str]) -> str:
    """Names and hexadecimal digits as JSON in canonical form."""
    return "{" + ",".join([f'"{name}":"{values[name]}"' for name in names]) + "}"


def _bytes(text: str) -> bytes:
    """As the canonical form has them. A quotation mark composes with nothing, so that parts can be looked at."""
    if text.isascii():
        return text.encode()
    if not is_normalized("NFC", text):
        raise NotCanonical("text that is not in NFC")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a lone surrogate") from error
