"""The list of events: newest first, nothing counted, and no page dearer than another."""

from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.admin.scope import person_of
from accounts.models import Tenant
from audit import reading
from audit.models import AuditEvent
from audit.selections import Format
from policies.admin.event_filters import TenantFilter
from policies.admin.paged_list import PagedList
from policies.evidence.asked import Asked, is_too_wide, selection_in

_NAME = Subquery(Tenant.objects.filter(pk=OuterRef("tenant_id")).order_by().values("name"))
UNREAD = ("salts", "digests", "prev_hash", "hash", "mac", "key_id")  # columns that no list shows


class EventList(PagedList):
    """A page of events, each with the name of its tenant where the list shows it.

    `asked` is what is asked for, `tenants` the ids of the tenants among that.
    """

    key = "id"
    formats = tuple(Format)

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """The selection is read by `following` and `preceding`; Django's own way to the rows stays without any."""
        self.asked, reader = Asked.of(request.GET), person_of(request)
        self.selection = reading.Selection()
        super().get_queryset(request, exclude_parameters)
        self.tenants = next((spec.ids for spec in self.filter_specs if isinstance(spec, TenantFilter)), None)
        self.selection = selection_in(self.tenants, self.asked, seen_by=reader, now=timezone.now())
        if is_too_wide(self.asked, self.tenants):
            self.selection = reading.Selection(branches=())
            self.why_empty = _("Too many tenants have this in their name. Type more of it.")
        self.by_key = True
        return self.root_queryset.none()

    def counted(self) -> tuple[int, bool]:
        """Nobody counts events: all that is known is whether they fit on a page."""
        if "counted" in vars(self.paginator):
            return self.paginator.count, False
        return self.list_per_page, True

    def following(self, after: str, size: int) -> list[Any]:
        return self._read(reading.newest(self.selection, size, before=_place(after)))

    def preceding(self, before: str, size: int) -> list[Any]:
        return self._read(reading.oldest(self.selection, size, after=_place(before)))

    def _read(self, events: QuerySet[AuditEvent]) -> list[Any]:
        """With the names of their tenants; a tenant that is gone keeps its id."""
        found = list(events.defer(*UNREAD).annotate(named_tenant=_NAME))
        for event in found:
            event.named_tenant = event.named_tenant or event.tenant_id or ""
        return found


def _place(text: str) -> UUID | None:
    """Where a page begins; what is no id is the beginning."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
