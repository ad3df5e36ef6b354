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
    f'{{"actor_id":%s,"at":"%sZ","chain":"%s","digests":{{%s}},"form":{FORM},"id":"%s","kind":%s,"outcome":%s,'
    '"payload":%s,"request_id":%s,"sequence":'
).__mod__
_AFTER: Final = ',"target_id":%s,"target_type":%s,"tenant_id":%s}'.__mod__
_ROW: Final = (
    '{"id":"%s","form":%d,"chain":"%s","tenant_id":%s,"kind":%s,"at":"%s","outcome":%s,"actor_id":%s,'
    '"actor_label":%s,"target_type":%s,"target_id":%s,"target_label":%s,"ip":%s,"user_agent":%s,"request_id":%s,'
    '"payload":%s,"salts":{%s},"digests":{}'
).__mod__
_PLACE: Final = ',"sequence":%d,"prev_hash":"%s","hash":"%s","mac":"%s","key_id":"%s"}'.__mod__
_MOMENT: Final = len("2026-11-28T12:00:00.000000")  # without its zone, which is UTC

COLUMNS: Final = tuple(Row.__slots__)  # of `Draft.as_json`


class Draft:
    """An entry of `entry_of` on its way into its chain. Raises NotCanonical."""

    __slots__ = ("_after", "_before", "_row", "entry")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        salts, digests = _commit_to_personal_values(entry)
        told, payload = _payload_of(entry)
        identifier, at, where = str(entry.id), entry.at.isoformat(timespec="microseconds"), str(entry.chain)
        owner = where if entry.tenant_id is entry.chain else entry.tenant_id
        tenant = "null" if owner is None else f'"{owner}"'
        kind, outcome, actor = quoted(entry.kind), quoted(entry.outcome), quoted(entry.actor_id)
        about, target, request = quoted(entry.target_type), quoted(entry.target_id), quoted(entry.request_id)
        before = (actor, at[:_MOMENT], where, digests, identifier, kind, outcome, told, request)
        self._before, self._after = _bytes(_BEFORE(before)), _bytes(_AFTER((target, about, tenant)))
        who = (actor, quoted(entry.actor_label), about, target, quoted(entry.target_label))
        whence = (quoted(entry.ip), quoted(entry.user_agent), request)
        event = (identifier, entry.form, where, tenant, kind, at, outcome)
        self._row = _ROW((*event, *who, *whence, payload, salts))

    def form(self, sequence: int) -> bytes:
        """What is hashed of the entry, which has this number."""
        return b"%b%d%b" % (self._before, sequence, self._after)

    def seal(self, sequence: int, previous: str, key: Key) -> str:
        """Give the entry its place, hash and MAC; returns the hash for the next one."""
        entry = self.entry
        entry.sequence, entry.prev_hash, entry.key_id = sequence, previous, key.id
        entry.hash = digest = chain.link(previous, self.form(sequence))
        entry.mac = key.authenticate(digest)
        return digest

    def as_json(self) -> str:
        """The row, for a database that makes of texts what its columns are."""
        entry = self.entry
        return self._row + _PLACE((entry.sequence, entry.prev_hash, entry.hash, entry.mac, entry.key_id))


def _commit_to_personal_values(entry: Entry) -> tuple[str, str]:
    """Salt and digest every personal value that is there; the chain holds the digests alone.

    Returns the members of salts and digests as JSON in canonical form. The row has no digests: its copies say them.
    """
    values = {name: value for name in chain.PERSONAL_COLUMNS if (value := getattr(entry, name))}
    if entry.personal:
        values |= {PAYLOAD + name: entry.payload[name] for name in entry.personal if name in entry.payload}
    random, begin = os.urandom(SALT_LENGTH * len(values)).hex(), 0
    salts, digests = [], []
    for name in sorted(values):
        salt = entry.salts[name] = random[begin : begin + 2 * SALT_LENGTH]
        salts.append(f'"{name}":"{salt}"')
        digests.append(f'"{name}":"{_digest_of(salt, name, values[name])}"')
        begin += 2 * SALT_LENGTH
    return ",".join(salts), ",".join(digests)


def _payload_of(entry: Entry) -> tuple[str, str]:
    """The payload as JSON: what is hashed of it, and all of it."""
    if not entry.payload:
        return "{}", "{}"
    payload = to_json(entry.payload)
    if entry.personal.isdisjoint(entry.payload):
        return payload, payload
    plain = {name: value for name, value in entry.payload.items() if PAYLOAD + name not in entry.salts}
    return to_json(plain), payload


def _digest_of(salt: str, name: str, value: Any) -> str:
    if isinstance(value, str) and value.isascii():
        return sha256(f"{salt}\0{name}\0{quoted(value)}".encode()).hexdigest()
    return chain.digest_of(salt, name, value)


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
