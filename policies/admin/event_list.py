"""The list of events: newest first, nothing counted, and no page dearer than another."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.admin.scope import person_of
from accounts.models import Tenant
from audit import reading
from audit.selections import Format
from policies.admin.paged_list import PagedList
from policies.evidence.asked import Asked, is_too_wide, selection_in, tenants_asked

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
        self.tenants = tenants_asked(self.asked, seen_by=reader)
        self.selection = selection_in(self.tenants, self.asked, seen_by=reader, now=timezone.now())
        if is_too_wide(self.asked, self.tenants):
            self.selection = reading.Selection(branches=())
            self.why_empty = _("More tenants are called so than are looked through at once. Type more of the name.")
        self.by_key = True
        return self.root_queryset.none()

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if "tenant_name" in self.list_display:
            self._name_tenants()

    def counted(self) -> tuple[int, bool]:
        """Nobody counts events: all that is known is whether they fit on a page."""
        if "counted" in vars(self.paginator):
            return self.paginator.count, False
        return self.list_per_page, True

    def following(self, after: str, size: int) -> list[Any]:
        return list(reading.newest(self.selection, size, before=_place(after)).defer(*UNREAD))

    def preceding(self, before: str, size: int) -> list[Any]:
        return list(reading.oldest(self.selection, size, after=_place(before)).defer(*UNREAD))

    def _name_tenants(self) -> None:
        """By one query. A tenant that is gone keeps its id."""
        names = dict(
            Tenant.objects.filter(pk__in={one.tenant_id for one in self.result_list}).values_list("pk", "name")
        )
        for event in self.result_list:
            event.named_tenant = names.get(event.tenant_id) or event.tenant_id or ""


def _place(text: str) -> UUID | None:
    """Where a page begins; what is no id is the beginning."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
