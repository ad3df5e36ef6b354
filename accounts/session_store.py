"""Django sessions on our own table: one SELECT brings session, person and tenant.

While a sign-in is under way, the same SELECT brings whose it is: as `proving`, never as the session's person.

`SESSION_ENGINE` names this module. Invariants:

* A save writes the session's data and the columns this request changed, nothing else: a grant, a proof or an
  end that another request wrote meanwhile stays.
* An ended session cannot be saved back to life: the UPDATE finds no row and Django interrupts the request.
* A new key replaces the old one in place (`cycle_key`), by the statement that saves what made it necessary: no proof
  and no person is ever written under a key that was known before. The public id stays.
* No session outlives `SESSION_COOKIE_AGE` from its sign-in, however often it is saved.
* The table holds a digest of the key in the cookie: whoever reads the database cannot take a session over.
* The session's data is believed only behind its MAC under `SECRET_KEY` (or a fallback); else it is empty.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import models
from django.utils import timezone
from django.utils.crypto import constant_time_compare, get_random_string

from accounts import assurance
from accounts.models.people import User
from accounts.models.sessions import Session
from accounts.models.tenants import Tenant
from accounts.rows import Select, attach
from audit import context

if TYPE_CHECKING:
    from collections.abc import Callable, Container

TOUCH_EVERY = timedelta(minutes=5)
MAC_LENGTH = 64  # hex digits
PROVED_BY = "proved_by"  # whose proofs the row holds: one session may see several people try


def stored_key(session_key: str) -> str:
    """What the table holds for a key in a cookie: 160 bits of its SHA-256, 40 hex digits."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:40]


@lru_cache(maxsize=8)
def _mac_key(secret: str) -> bytes:
    return hashlib.sha256(f"accounts.session_store\0{secret}".encode()).digest()


def _mac(secret: str, text: str) -> str:
    """HMAC-SHA-256 in hex: data that somebody wrote into the table by another way is not believed."""
    return hmac.digest(_mac_key(secret), text.encode(), "sha256").hex()


class SessionStore(DatabaseStore):
    """The session of one request: Django's dictionary, plus the row's columns as `row` and its `person`.

    `row` is an unsaved `Session` until there is a key. Change columns through the methods below; they are
    written by the next `save`.
    """

    if TYPE_CHECKING:  # Django's own, which its stubs leave out
        _get_session: Callable[..., dict[str, Any]]
        _get_or_create_session_key: Callable[[], str]
        _session_cache: dict[str, Any]

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._row: Session | None = None
        self._joined_person: User | None = None
        self._proving: User | None = None
        self._changed: set[str] = set()
        self._replaced: str | None = None  # the stored key that the next save replaces
        self._written: tuple[str, uuid.UUID | None] | None = None  # data and person as this store last wrote them

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    # -- reading ---------------------------------------------------------------------------------------------

    @property
    def row(self) -> Session:
        """The columns of this session; loads it when that has not happened yet."""
        if self._row is None:
            self._get_session()
        if self._row is None:
            self._row = self._blank_row()
        return self._row

    @property
    def person(self) -> User | None:
        """Whose session this is, with the tenant attached; no query."""
        self._get_session()
        return self._joined_person

    @property
    def proving(self) -> User | None:
        """Whose sign-in was under way when this session was loaded, with the tenant attached; no query.

        A hint that saves a look-up, not believed by itself: the session's data says whose sign-in it is.
        """
        self._get_session()
        return self._proving

    def load(self) -> dict[str, Any]:
        """Session, person and tenant in one hand-written SELECT; an unknown, ended or expired key is empty."""
        found = _read(stored_key(self.session_key)) if self.session_key else None
        if found is None:
            self._session_key = None
            return {}
        self._row, self._joined_person, self._proving = found
        return self.decode(self._row.session_data)

    def encode(self, session_dict: dict[str, Any]) -> str:
        """JSON behind its MAC, both as text: Django's signed and packed form costs ten times as much to read."""
        text = json.dumps(session_dict, separators=(",", ":"))
        return _mac(settings.SECRET_KEY, text) + text

    def decode(self, session_data: str) -> dict[str, Any]:  # type: ignore[override]
        """What was encoded under `SECRET_KEY` or a fallback; anything else is an empty session."""
        mac, text = session_data[:MAC_LENGTH], session_data[MAC_LENGTH:]
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            if constant_time_compare(mac, _mac(secret, text)):
                data: dict[str, Any] = json.loads(text)
                return data
        return {}

    def proofs_of(self, person: User) -> tuple[assurance.Proof, ...]:
        """What this session proved about this person, oldest first; what it proved about another is nothing."""
        if self.get(PROVED_BY) != str(person.pk):
            return ()
        return tuple(assurance.from_json(self.row.proofs))

    # -- changing columns ------------------------------------------------------------------------------------

    def change(self, **columns: Any) -> None:
        """Set columns of the row, to be written by the next save."""
        for name, value in columns.items():
            setattr(self.row, name, value)
        self._changed |= columns.keys()
        self.modified = True

    def start_proving(self, person: User, proof: assurance.Proof) -> None:
        """Begin a sign-in: what an earlier person or attempt proved in this session counts no more."""
        self[PROVED_BY] = str(person.pk)
        self._proving = None
        began: dict[str, Any] = {"proving": person.pk, "browser": None, "replacement_open": False}
        self.change(proofs=assurance.to_json([proof]), **began, **VOID_GRANT)

    def prove(self, person: User, proof: assurance.Proof) -> None:
        """Add a proof to those of the same person; the newest of each authenticator is kept."""
        kept = [old for old in self.proofs_of(person) if _sort(old) != _sort(proof)]
        self[PROVED_BY] = str(person.pk)
        self.change(proofs=assurance.to_json([*kept, proof]), **VOID_GRANT)

    def forget(self, person: User, methods: Container[assurance.Method]) -> None:
        """Drop the proofs by these methods: what they were good for is done."""
        kept = [proof for proof in self.proofs_of(person) if proof.method not in methods]
        self.change(proofs=assurance.to_json(kept), **VOID_GRANT)

    def touch(self, now: datetime) -> None:
        """Note that the session is in use; at most one statement in `TOUCH_EVERY`."""
        if now - self.row.last_seen_at >= TOUCH_EVERY:
            self.row.last_seen_at = now
            self._live_rows().update(last_seen_at=now)

    # -- writing ---------------------------------------------------------------------------------------------

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """The row as it should stand: columns as they are, data, person and expiry from the dictionary."""
        row = self.row
        row.session_key = stored_key(self._get_or_create_session_key())
        row.session_data = self.encode(data)
        person_id = data.get(SESSION_KEY)
        row.person_id = uuid.UUID(person_id) if person_id else None
        if row.person_id and row.signed_in_at is None:
            row.signed_in_at = timezone.now()
            self._changed.add("signed_in_at")
        row.expire_date = min(
            self.get_expiry_date(),
            (row.signed_in_at or row.created_at) + timedelta(seconds=settings.SESSION_COOKIE_AGE),
        )
        return row

    def save(self, must_create: bool = False) -> None:
        """Insert the row, or update data and changed columns of a row that has not ended.

        A second save of the same request writes nothing if nothing changed since. Raises UpdateError when the session
        ended meanwhile or has another key by now: Django answers that the session is gone.
        """
        if self.session_key is None:
            return self.create()
        row = self.create_model_instance(self._get_session(no_load=must_create))
        state = row.session_data, row.person_id
        if must_create:
            models.Model.save(row, force_insert=True)  # one statement; Session.save itself refuses
        elif self._changed or self._replaced or state != self._written:
            columns = {"session_data", "expire_date", "person_id", *self._changed}
            columns |= {"session_key"} if self._replaced else set()
            if not self._live_rows().update(**{name: getattr(row, name) for name in columns}):
                raise UpdateError
        self._changed.clear()
        self._replaced, self._written = None, state
        return None

    def save_new_key(self) -> None:
        """Save at once, in the caller's transaction, if a new key waits for it; raises what `save` raises."""
        if self._replaced is not None:
            self.save()

    def create(self) -> None:
        """Insert a row under a fresh key (the key space makes a collision impossible in practice)."""
        self._session_key = self._get_new_session_key()
        self._row = self._fresh(self._row)
        self.save(must_create=True)
        self.modified = True

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(session_key=stored_key(session_key)).exists()

    def cycle_key(self) -> None:
        """Give the session a new key in place: the next save kills the old one, and writes nothing under it."""
        self._get_session()
        if self.session_key is None:
            return self.create()
        self._replaced = self._replaced or stored_key(self.session_key)
        self._session_key = self._get_new_session_key()
        self.modified = True
        return None

    def flush(self) -> None:
        """End the session and forget everything it held; the request goes on with an empty one."""
        self.delete()
        self.clear()
        self._session_key = None
        self._row = self._joined_person = self._proving = None
        self._changed.clear()
        self._replaced = self._written = None

    def delete(self, session_key: str | None = None) -> None:
        """End a session: the row stays for the record, without data, proofs or grant."""
        if session_key is not None:
            end(Session.objects.filter(session_key=stored_key(session_key)))
        elif self.session_key is not None:
            end(self._live_rows())

    @classmethod
    def clear_expired(cls) -> None:
        Session.objects.filter(expire_date__lt=timezone.now()).delete()

    def _live_rows(self) -> Any:
        key = self._replaced or stored_key(self.session_key or "")  # what the table holds until the next save
        return Session.objects.filter(session_key=key, ended_at=None)

    def _get_new_session_key(self) -> str:
        return get_random_string(32, VALID_KEY_CHARS)  # 165 bits: no look-up for a collision

    def _fresh(self, carried: Session | None) -> Session:
        """A row for a new key; columns set before there was a key (a first proof) come along."""
        return carried if carried is not None and carried._state.adding else self._blank_row()

    @staticmethod
    def _blank_row() -> Session:
        here = context.current()
        return Session(ip=here.ip or None, agent=here.user_agent)

    # -- the asynchronous path: the same methods in a thread -----------------------------------------------------

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)

    async def acreate(self) -> None:
        await sync_to_async(self.create)()

    async def aexists(self, session_key: str) -> bool:
        return await sync_to_async(self.exists)(session_key)

    async def acycle_key(self) -> None:
        await sync_to_async(self.cycle_key)()

    async def aflush(self) -> None:
        await sync_to_async(self.flush)()

    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)

    @classmethod
    async def aclear_expired(cls) -> None:
        await sync_to_async(cls.clear_expired)()


def again(session: SessionStore) -> SessionStore:
    """The same session as the table has it now, under whatever key; an empty one if it has ended. Only to look at."""
    key = Session.objects.filter(public_id=session.row.public_id).values_list("session_key", flat=True).first()
    found = SessionStore()
    read = None if key is None else _read(key)
    if read is not None:
        found._row, found._joined_person, found._proving = read
        found._session_cache = found.decode(read[0].session_data)  # where Django's dictionary keeps what it loaded
    return found


VOID_GRANT: dict[str, Any] = {
    "grant_tenant": None,
    "grant_role": "",
    "grant_policy_version": None,
    "grant_floor": "",
    "grant_security_version": None,
    "grant_valid_until": None,
    "grant_deadline": None,
    "grant_idle": None,
}


def end(sessions: Any) -> int:
    """End every session of a queryset at once; returns how many were alive."""
    alive: int = sessions.filter(ended_at=None).update(
        ended_at=timezone.now(), session_data="", proofs=[], proving=None, replacement_open=False, **VOID_GRANT
    )
    return alive


_JOINED = Select(
    f"{Session._meta.db_table} s"
    f" LEFT JOIN {User._meta.db_table} p ON p.id = COALESCE(s.person_id, s.proving)"
    f" LEFT JOIN {Tenant._meta.db_table} t ON t.id = p.tenant_id"
    " WHERE s.session_key = %s AND s.expire_date > %s AND s.ended_at IS NULL",
    s=Session,
    p=User,
    t=Tenant,
)


def _read(key: str) -> tuple[Session, User | None, User | None] | None:
    """A live session by its stored key, its person, and else whose sign-in is under way in it; each with the tenant."""
    found = _JOINED.first(key, timezone.now())
    if found is None:
        return None
    row, person, tenant = found
    if person is not None:
        attach(person, "tenant", tenant)
    if row.person_id is None:
        return row, None, person
    attach(row, "person", person)
    return row, person, None


def _sort(proof: assurance.Proof) -> tuple[object, ...]:
    """Proofs of one sort replace each other; a touch alone never replaces what verified the user too."""
    return proof.method, proof.binding, proof.user_verified
