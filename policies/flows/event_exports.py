"""Exports of the record by filter: recorded as they begin and end, and given only while whoever asked may have them.

The rule is that of every list that goes out (`flows.exports`). What is too large to wait for becomes a file, which a
worker writes (`flows.event_files`).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import Q

from accounts.errors import NotAllowed
from accounts.flows.people import answers_for
from accounts.models import Tenant, User
from accounts.scope import tenants_called
from accounts.session_store import SessionStore
from audit import context, reading, selections
from audit.export_format import line_of
from audit.kinds import Kind
from audit.log import record
from audit.reading import Selection
from audit.selections import Format
from policies.evidence.asked import Asked, selection_of
from policies.flows.exports import Export, ExportStopped

NOT_READ: Final = "not_read"  # whoever asked went away


@dataclass(slots=True)
class EventExport(Export):
    """One export of events; of all tenants where `tenant` is None. `id` ties its events together."""

    id: UUID = field(default_factory=uuid4)

    def note(self, kind: Kind, **said: Any) -> None:
        """Record something about it, as of the request that asked for it."""
        with context.use(self.here):
            record(
                kind,
                actor=self.actor,
                target=self.tenant,
                tenant=self.tenant,
                export=self.id,
                format=self.format,
                events=self.rows,
                **said,
            )

    def record_end(self, why: str) -> None:
        self.note(Kind.RECORD_EXPORT_STOPPED, code=why)


def export_of(asked: Asked, form: Format, *, session: SessionStore, actor: User) -> EventExport:
    """An export of what is asked for. Raises NotAllowed for who is no administrator."""
    tenant = _only_tenant(asked) if actor.is_superuser else actor.tenant
    export = EventExport(session, actor, tenant, "events", form.value, may=partial(may_have, tenant=tenant))
    if not export.may(actor):
        raise NotAllowed
    return export


def may_have(person: User, *, tenant: Tenant | None) -> bool:
    """Whether somebody has the right to the record of a tenant; None: of all."""
    if tenant is None:
        return person.is_active and person.is_staff and person.is_superuser
    return answers_for(person, tenant)


def selection_for(asked: Asked, tenant: Tenant | None, *, actor: User, now: datetime) -> Selection:
    """What is asked for, of what the actor may read, in this tenant alone."""
    found = selection_of(asked, seen_by=actor, now=now)
    return found if tenant is None else replace(found, conditions=found.conditions & Q(tenant_id=tenant.pk))


def is_for_a_worker(export: EventExport, asked: Asked, now: datetime) -> bool:
    """Whether there are more events than go out at once."""
    most: int = settings.AUDIT_EXPORT_AT_ONCE
    selection = selection_for(asked, export.tenant, actor=export.actor, now=now)
    return reading.number_of(selection, most + 1) > most


def begin(export: EventExport, asked: Asked, *, by_worker: bool) -> None:
    """Record that it begins, and what was asked for, before anything of it is read."""
    export.note(Kind.RECORD_EXPORT_BEGUN, asked=asked.kept, by_worker=by_worker)


class Outgoing:
    """An export on its way: pieces of the file. How it ends is recorded, also where nobody reads it to its end."""

    def __init__(self, export: EventExport, asked: Asked, now: datetime) -> None:
        self.export = export
        self.is_over = False
        self.pieces = self._pieces(asked, now)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece: bytes = next(self.pieces)
        return piece

    def close(self) -> None:
        self.pieces.close()
        if not self.is_over:
            self.is_over = True
            self.export.record_end(NOT_READ)

    def _pieces(self, asked: Asked, now: datetime) -> Any:
        export, form, digest = self.export, Format(self.export.format), hashlib.sha256()
        selection = selection_for(asked, export.tenant, actor=export.actor, now=now)
        parts = reading.batches(selection, selections.read())
        piece = selections.head(form, asked.kept, now)
        try:
            for batch in export.each(parts, counted=True):
                digest.update(piece)
                yield piece
                piece = selections.lines(form, batch)
        except ExportStopped as stop:
            self.is_over = True
            yield _last_words(form, stop)
            raise
        digest.update(piece)
        yield piece
        self.is_over = True
        export.note(Kind.RECORD_EXPORT_FINISHED, digest=digest.hexdigest())


def _last_words(form: Format, stop: ExportStopped) -> bytes:
    """The last line of a file that is broken off: not every proxy passes a broken connection on."""
    return line_of({"broken_off": stop.why}).encode() if form is Format.JSON_LINES else f"{stop}\r\n".encode()


def _only_tenant(asked: Asked) -> Tenant | None:
    """The tenant that is asked for, where it is one."""
    found = list(tenants_called(asked.tenant)[:2]) if asked.tenant else []
    return found[0] if len(found) == 1 else None
