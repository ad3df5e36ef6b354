"""Lists that are downloaded: recorded as they begin, and broken off when whoever asked may not have them any more.

One rule, asked again before each batch that is read and each piece that is sent (`Export.each`): the session goes on
and is still theirs, the gate would let it in now, and they have the right to the list. A file that is broken off must
not look whole: `ExportStopped` ends the answer in the middle, so that the connection breaks and the browser says so.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import session_store
from accounts.errors import NotAllowed
from accounts.middleware import person_still_in
from accounts.models import Tenant, User
from accounts.session_store import SessionStore
from audit import context
from audit.kinds import Kind
from audit.log import record
from policies import enforcement
from policies.errors import PolicyError

Right = Callable[[User], bool]


class ExportStopped(PolicyError):
    """A download was broken off; `why` says by which part of the rule."""

    code = "export_stopped"
    message = _("This list is not complete: the download was broken off. Sign in and download it again.")

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


@dataclass(slots=True)
class Export:
    """One download: `what` of a tenant as a file; `may` says of a person whether they have the right to it.

    `rows` is how many people (or events) were read so far.
    """

    session: SessionStore
    actor: User
    tenant: Tenant | None
    what: str
    format: str
    may: Right
    rows: int = 0
    here: context.RequestContext = field(default_factory=context.current)

    def each(self, parts: Iterable[Any], *, counted: bool = False) -> Iterator[Any]:
        """These parts one after the other, each only while the rule holds. Raises ExportStopped (recorded)."""
        following = iter(parts)
        while True:
            self.require_standing()
            part = next(following, None)
            if part is None:
                return
            self.rows += len(part) if counted else 0
            yield part

    def require_standing(self) -> None:
        """Raise ExportStopped unless it may go on."""
        if (why := self.why_not()) is not None:
            with context.use(self.here):
                self.record_end(why)
            raise ExportStopped(why)

    def record_end(self, why: str) -> None:
        """Record that it was broken off, by which part of the rule."""
        record(
            Kind.EXPORT_STOPPED,
            actor=self.actor,
            target=self.tenant,
            tenant=self.tenant,
            list=self.what,
            format=self.format,
            rows=self.rows,
            code=why,
        )

    def why_not(self) -> str | None:
        """By which part of the rule it may not go on; None where it may."""
        session = session_store.again(self.session)
        person = person_still_in(session)
        if person is None or person.pk != self.actor.pk:
            return "session_ended"
        if not self.may(person):
            return NotAllowed.code
        return None if enforcement.lets_in(session, person, timezone.now()) else "access_denied"


def begin(export: Export, *, rows: int | None = None, search: str = "", role: str = "") -> Export:
    """Record that somebody downloads a list, before anything of it is read. Raises NotAllowed.

    `rows`: how many people it will be, where that is known; `search` and `role` are the filters.
    """
    if not export.may(export.actor):
        raise NotAllowed
    record(
        Kind.EXPORT_BEGUN,
        actor=export.actor,
        target=export.tenant,
        tenant=export.tenant,
        list=export.what,
        format=export.format,
        search=search or None,
        role=role or None,
        rows=rows,
    )
    return export
