"""Is this the right encryption key? A known text under every primary key there was tells before any user.

`wsgi.py` and `asgi.py` call `verify_at_start`; `/readyz` and the second factor ask `is_healthy`, whatever seals asks
`may_seal`. A site with a wrong key starts, so that it can say what is wrong; it refuses second factors, raises an
alarm, and changes nothing. A new key in front of the old one is right: the old one opens its canary, the new one gets
its own.

A primary that has a canary and does not open it is not the key of that id, or somebody changed the row. Nothing is
sealed then, neither apps nor by `mfa_keys`: it might be under a key that nobody keeps. If another key still vouches for
the ring, codes are checked as before. That is safe: a ciphertext proves by itself under which key it was sealed, for
which row and for whom, and a canary adds nothing to that.
"""

import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import connection, connections, router

from accounts import keyring
from accounts.models import KeyCanary
from accounts.sealed import places
from audit.kinds import Kind
from audit.log import record, unit_of_work

RECHECK_SECONDS: Final = 30.0
SONG: Final = "this key is the right one"

logger = logging.getLogger(__name__)


class Verdict(StrEnum):
    """What the canaries say about the configured keys; the values are stable and stand in audit events."""

    OK = "ok"
    MISSING = "missing"  # none is stored, so nothing is known
    UNREADABLE = "unreadable"  # some are stored and none opens, or the keys are no key ring
    PRIMARY_UNREADABLE = "primary_unreadable"  # that of the primary does not open, and another one does


OPENS: Final = {Verdict.OK, Verdict.PRIMARY_UNREADABLE}  # what is stored may be opened


@dataclass(frozen=True, slots=True)
class _Observation:
    keys: tuple[str, ...]
    verdict: Verdict
    at: float  # monotonic seconds

    def holds(self, keys: tuple[str, ...], now: float) -> bool:
        """A good verdict holds as long as the keys stay; a bad one is looked at again after a while."""
        return self.keys == keys and (self.verdict is Verdict.OK or now - self.at < RECHECK_SECONDS)


_last: _Observation | None = None  # what this process knows


def verdict() -> Verdict:
    """Judge the configured keys by the stored canaries. One query, no change. Raises DatabaseError.

    Good is a ring that opens any of them, if its primary is known or it opens the newest: a new key is put in
    front of the one that was primary before it, not in front of some older one. A new primary has no canary until
    it is made; one that has its canary must open it. A key that was retired neither vouches for a ring nor may be its
    primary.
    """
    try:
        ring = keyring.current()
    except keyring.MisconfiguredKeys:
        return Verdict.UNREADABLE
    rows = list(KeyCanary.objects.order_by("created_at").values_list("key_id", "ciphertext", "retired_at"))
    stored = {key_id: ciphertext for key_id, ciphertext, retired_at in rows if retired_at is None}
    if ring.primary_id in {key_id for key_id, _ciphertext, retired_at in rows if retired_at is not None}:
        return Verdict.UNREADABLE
    if not stored:
        return Verdict.MISSING
    opened = [key_id for key_id, ciphertext in stored.items() if _opens(ring, key_id, ciphertext)]
    if opened and ring.primary_id in stored:
        return Verdict.OK if ring.primary_id in opened else Verdict.PRIMARY_UNREADABLE
    return Verdict.OK if opened and opened[-1] == list(stored)[-1] else Verdict.UNREADABLE


def opened() -> dict[str, bool]:
    """Of every stored canary, by the id of its key: whether it opens under the configured keys."""
    ring = keyring.current()
    stored = KeyCanary.objects.filter(retired_at=None).values_list("key_id", "ciphertext")
    return {key_id: _opens(ring, key_id, ciphertext) for key_id, ciphertext in stored}


def newer_than_primary() -> list[str]:
    """The configured keys that became primary after the one that is primary now: the list is in the wrong order."""
    primary, *others = keyring.current().ids
    made = dict(KeyCanary.objects.filter(retired_at=None).values_list("key_id", "created_at"))
    return [key_id for key_id in others if key_id in made and primary in made and made[key_id] > made[primary]]


def retired() -> set[str]:
    """The ids of the keys that were retired."""
    return set(KeyCanary.objects.exclude(retired_at=None).values_list("key_id", flat=True))


def needed_but_absent() -> list[str]:
    """The ids of keys that stored secrets hang on and that are not configured. Raises MisconfiguredKeys."""
    return sorted({key_id for place in places() for key_id in place.key_ids()} - set(keyring.current().ids))


def ensure() -> Verdict:
    """Judge the keys and, if they are right, see to it that the primary has its canary.

    Right are keys that open a stored canary, and on the first start those that nothing speaks against: as
    long as no secret hangs on another key. Otherwise nothing is changed. Raises what the database raises.
    """
    found = verdict()
    if found is not Verdict.OK and (found is not Verdict.MISSING or _sealed_under_other_keys()):
        return found
    key_id = keyring.primary_key_id()
    if not KeyCanary.objects.filter(key_id=key_id).exists():
        Context().run(_make, key_id)  # for the platform's chain, whoever's request came first
    return Verdict.OK


def install(sender: Any, *, using: str, **kwargs: Any) -> None:
    """Receiver of `post_migrate`: the first canary. Waits until both rooms have all their tables."""
    is_ours = sender.label == KeyCanary._meta.app_label and using == router.db_for_write(KeyCanary)
    if not is_ours or not _migrated(using):
        return
    if (found := ensure()) is not Verdict.OK:
        logger.error("The key canary is %s: check MFA_ENCRYPTION_KEYS before you start the site.", found)


def is_healthy() -> bool:
    """Whether second factors can be checked: from memory while all is well, else looked at every 30 s.

    The first bad verdict of a process is recorded as an alarm. Raises what the database raises, when looking.
    """
    keys, now = tuple(settings.MFA_ENCRYPTION_KEYS), time.monotonic()
    if _last is None or not _last.holds(keys, now):
        _observe(verdict(), keys, now)
    return _last is not None and _last.verdict in OPENS


def may_seal() -> bool:
    """Whether the primary may seal something new, for the transaction around it. Raises what the database raises.

    Asked of the database each time: a process that was not restarted remembers its primary as good when that was
    retired meanwhile. On PostgreSQL the primary's row is held in share mode until the transaction ends, and whoever
    retires the key takes it whole (`hold`): either what is sealed here is counted there, or it is refused here.
    """
    return ensure() is Verdict.OK and not _is_retired(keyring.primary_key_id())


def hold(key_id: str) -> None:
    """For the transaction around it: wait for whoever seals under this key, and let nobody begin to."""
    KeyCanary.objects.get_or_create(key_id=key_id, defaults={"ciphertext": ""})
    KeyCanary.objects.select_for_update().get(key_id=key_id)


def verify_at_start() -> None:
    """Judge the keys as a process starts. Never stops the start: the site must be there to say what is wrong.

    Works in a thread of its own, because servers import the application inside an event loop or before they
    fork: neither may have a database connection left over.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="key-canary") as start:
        start.submit(_verify_and_disconnect).result()


@unit_of_work
def _make(key_id: str) -> None:
    ciphertext = keyring.seal(SONG, _context(key_id))
    _canary, made = KeyCanary.objects.get_or_create(key_id=key_id, defaults={"ciphertext": ciphertext})
    if made:
        record(Kind.KEY_CANARY_MADE, key=key_id)


def _verify_and_disconnect() -> None:
    try:
        _observe(ensure(), tuple(settings.MFA_ENCRYPTION_KEYS), time.monotonic())
        _look_for_missing_keys()
    except AnyDatabaseError as error:
        logger.warning("The key canary will be checked at the first use: %s", type(error).__name__)
    finally:
        _disconnect()


def _look_for_missing_keys() -> None:
    """An alarm where rows need a key that was taken out too early; with no right key at all there was one already."""
    if _last is not None and _last.verdict in OPENS and (missing := needed_but_absent()):
        logger.critical("Secrets are sealed under keys that MFA_ENCRYPTION_KEYS lacks: %s", ", ".join(missing))
        record(Kind.KEY_MISSING, keys=missing)


def _observe(found: Verdict, keys: tuple[str, ...], now: float) -> None:
    global _last
    known_bad = _last is not None and _last.keys == keys and _last.verdict is not Verdict.OK
    _last = _Observation(keys, found, now)
    if found is not Verdict.OK and not known_bad:
        _raise_alarm(found)


def _raise_alarm(found: Verdict) -> None:
    refused = "Nothing new is sealed" if found in OPENS else "Second factors are refused"
    logger.critical("%s: the key canary is %s. Check MFA_ENCRYPTION_KEYS.", refused, found)
    try:
        key_id = keyring.primary_key_id()
    except keyring.MisconfiguredKeys as error:
        logger.critical("%s", error)
        key_id = ""
    Context().run(record, Kind.KEY_CANARY_FAILED, key=key_id, reason=found.value)  # as a canary that is made


def _opens(ring: keyring.KeyRing, key_id: str, ciphertext: str) -> bool:
    try:
        return ring.unseal(ciphertext, _context(key_id)) == SONG
    except keyring.UnreadableSecret:
        return False


def _context(key_id: str) -> keyring.Context:
    nobody = uuid.UUID(int=0)
    return keyring.Context("key_canary", row=uuid.uuid5(nobody, key_id), owner=nobody)


def _is_retired(key_id: str) -> bool:
    """Whether it is, as of this moment: held in share mode (PostgreSQL), or by SQLite's one writer."""
    share = " FOR SHARE" if connection.vendor == "postgresql" else ""
    table = connection.ops.quote_name(KeyCanary._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT retired_at FROM {table} WHERE key_id = %s{share}", [key_id])  # noqa: S608
        return bool(cursor.fetchone() != (None,))


def _sealed_under_other_keys() -> bool:
    """Whether a stored secret hangs on a key that is not configured."""
    return bool(needed_but_absent())


def _migrated(using: str) -> bool:
    rooms = ("audit", "accounts")
    needed = {model._meta.db_table for room in rooms for model in apps.get_app_config(room).get_models()}
    return needed <= set(connections[using].introspection.table_names())


def _disconnect() -> None:
    connection.close()
    if close_pool := getattr(connection, "close_pool", None):  # PostgreSQL: its threads do not survive a fork
        close_pool()
