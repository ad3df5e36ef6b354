"""Which rows hang on which encryption key, and whether each key may go: counted from the ciphertexts themselves.

A ciphertext begins with its key's id and the second in which it was sealed (the Fernet token's version byte and time),
so one grouped query tells both. Nothing is opened.
"""

import struct
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from allauth.mfa.models import Authenticator
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Coalesce, Left

from accounts import canary, keyring
from accounts.keyring import BARE_FERNET_START, KEY_ID, KEY_ID_LENGTH, KeyRing
from accounts.models import Binding
from accounts.sealed import Place, places
from accounts.sealed_rows import foreign

TIME_LENGTH: Final = 12  # characters of base64: nine bytes, the version and the seconds since 1970
START: Final = KEY_ID_LENGTH + 1 + TIME_LENGTH
FOREIGN_DATA: Final = ("secret", "seed", "migrated_codes")  # where stock allauth keeps secrets


class Role(StrEnum):
    """What a key is to this site."""

    PRIMARY = "primary"  # seals, and opens
    OPENS = "decrypt-only"
    MISSING = "missing"  # rows need it, and it is not configured
    RETIRED = "retired"  # nothing needs it, and it must never seal again
    GONE = "not configured"  # nothing needs it: its canary is all that is left


@dataclass(slots=True)
class Tally:
    """How many rows, and when the oldest and the newest of them were sealed (None where that cannot be told)."""

    rows: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    def add(self, rows: int, at: datetime | None) -> None:
        self.rows += rows
        if at is not None:
            self.oldest = min(at, self.oldest or at)
            self.newest = max(at, self.newest or at)


@dataclass(frozen=True, slots=True)
class Foreign:
    """Rows that no key of the ring was named for: readable as they stand, or bare Fernet tokens."""

    plaintext: int = 0
    bare: int = 0
    lost: int = 0  # the row beside is gone, or holds nothing; of allauth's rows: what nobody can take over

    @property
    def rows(self) -> int:
        return self.plaintext + self.bare + self.lost


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One key: its role, what hangs on it by place, whether its canary opens (None: it has none)."""

    key_id: str
    role: Role
    tallies: Mapping[str, Tally]
    canary: bool | None

    @property
    def rows(self) -> int:
        return sum(tally.rows for tally in self.tallies.values())


@dataclass(slots=True)
class Census:
    """Everything there is to know about keys without opening a secret."""

    verdict: canary.Verdict
    keys: list[KeyUse] = field(default_factory=list)
    foreign: dict[str, Foreign] = field(default_factory=dict)
    misfiled: dict[str, int] = field(default_factory=dict)  # the column beside names another key than the ciphertext
    unadopted: dict[str, Foreign] = field(default_factory=dict)  # by type, allauth's rows that have no binding of ours

    @property
    def missing(self) -> list[KeyUse]:
        return [key for key in self.keys if key.role is Role.MISSING]

    @property
    def is_done(self) -> bool:
        """Whether everything stands under the primary key, in its own place."""
        strangers = sum(one.rows for one in (*self.foreign.values(), *self.unadopted.values()))
        elsewhere = sum(key.rows for key in self.keys if key.role is not Role.PRIMARY)
        return not (strangers or elsewhere or any(self.misfiled.values()))


def take() -> Census:
    """Count every place: two queries each, and two more. Raises DatabaseError."""
    census = Census(canary.verdict())
    found: dict[str, dict[str, Tally]] = {}
    for place in places():
        tallies, census.foreign[place.label] = count(place)
        for key_id, tally in tallies.items():
            found.setdefault(key_id, {})[place.label] = tally
        census.misfiled[place.label] = misfiled(place).count()
    census.unadopted = count_unadopted()
    census.keys = _keys(found)
    return census


def count(place: Place) -> tuple[dict[str, Tally], Foreign]:
    """The rows of one place by the id of their key, and those that name none."""
    tallies: dict[str, Tally] = {}
    others: Counter[str] = Counter()
    starts = place.rows().annotate(start=Left("stored", START)).order_by().values_list("start")
    for start, rows in starts.annotate(number=Count("pk")).iterator():
        if start and KEY_ID.fullmatch(start[:KEY_ID_LENGTH]) and start[KEY_ID_LENGTH : KEY_ID_LENGTH + 1] == "$":
            tallies.setdefault(start[:KEY_ID_LENGTH], Tally()).add(rows, _sealed_at(start[KEY_ID_LENGTH + 1 :]))
        else:
            others[_how_it_stands(start)] += rows
    return tallies, Foreign(**others)


def count_unadopted() -> dict[str, Foreign]:
    """allauth's own rows by type, told apart by how the first secret of each begins."""
    kept = [KeyTextTransform("secret", "data"), KeyTextTransform("seed", "data")]
    first_code = KeyTextTransform(0, KeyTransform("migrated_codes", "data"))
    starts = unadopted().annotate(start=Left(Coalesce(*kept, first_code), KEY_ID_LENGTH + 1)).order_by("type")
    found: dict[str, Counter[str]] = {}
    for kind, start in starts.values_list("type", "start").iterator():
        found.setdefault(kind, Counter())[_how_it_stands(start or "")] += 1
    return {kind: Foreign(**counter) for kind, counter in found.items()}


def rows_under(key_id: str) -> int:
    """How many rows need this key, by what their ciphertexts say or by the column beside them."""
    own = Q(start=f"{key_id}$")
    return sum(
        place.rows().annotate(start=Left("stored", KEY_ID_LENGTH + 1)).filter(own | Q(**{place.key_id: key_id})).count()
        for place in places()
    )


def waiting_to_be_adopted() -> int:
    """How many secrets of another site there are that no key is named for, wherever they stand."""
    in_place = sum(foreign(place, "").count() for place in places())
    return in_place + unadopted().count()


def misfiled(place: Place) -> "QuerySet[Any]":
    """Rows whose column names another key than their ciphertext does."""
    rows = place.rows().annotate(named=Left("stored", KEY_ID_LENGTH), mark=Left("stored", KEY_ID_LENGTH + 1))
    wrong: QuerySet[Any] = rows.filter(mark__endswith="$").exclude(named=F(place.key_id))
    return wrong


def unadopted() -> "QuerySet[Authenticator]":
    """allauth's own rows with secrets in them, brought in from another site and not taken over yet."""
    taken_over = Binding.objects.filter(authenticator=OuterRef("pk"))
    return Authenticator.objects.filter(~Exists(taken_over), data__has_any_keys=list(FOREIGN_DATA))


def _how_it_stands(start: str | None) -> str:
    """Which figure of `Foreign` a text belongs to that begins so. One with the mark of a key is nobody's plain text."""
    if not start or start[KEY_ID_LENGTH : KEY_ID_LENGTH + 1] == "$":
        return "lost"
    return "bare" if start.startswith(BARE_FERNET_START) else "plaintext"


def _keys(found: Mapping[str, Mapping[str, Tally]]) -> list[KeyUse]:
    ring, canaries, retired = keyring.current(), canary.opened(), canary.retired()
    others = sorted({*found, *canaries, *retired} - set(ring.ids))
    return [
        KeyUse(
            key_id, _role(key_id, ring, retired, bool(found.get(key_id))), found.get(key_id, {}), canaries.get(key_id)
        )
        for key_id in (*ring.ids, *others)
    ]


def _role(key_id: str, ring: KeyRing, retired: set[str], is_needed: bool) -> Role:
    if key_id == ring.primary_id:
        return Role.PRIMARY
    if key_id not in ring.ids:
        return Role.MISSING if is_needed else Role.RETIRED if key_id in retired else Role.GONE
    return Role.RETIRED if key_id in retired and not is_needed else Role.OPENS


def _sealed_at(start: str) -> datetime | None:
    """The time in the first characters of a Fernet token; None where there is none that makes sense."""
    try:
        version, seconds = struct.unpack(">BQ", urlsafe_b64decode(start))
        return datetime.fromtimestamp(seconds, tz=UTC) if version == 0x80 else None
    except (ValueError, struct.error, OverflowError, OSError):
        return None
