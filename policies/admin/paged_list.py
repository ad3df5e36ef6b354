"""Lists as fast for ten million rows as for a hundred, and on their last page as on their first.

A page begins after the last row of the one before it: an index finds the place, and nothing is skipped row by row.
Nothing is counted beyond `COUNTED`: whoever wants to know more searches, filters, or asks the status page.
"""

from functools import cached_property
from typing import Any, ClassVar, Final

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR
from django.core.paginator import InvalidPage, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.scope import ScopedList

COUNTED: Final = 1000  # rows
AFTER: Final = "after"
BEFORE: Final = "before"


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts up to `COUNTED` and no further; `is_more` says that there are more."""

    @cached_property
    def counted(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[: COUNTED + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self.counted, COUNTED)

    @property
    def is_more(self) -> bool:
        return self.counted > COUNTED


class PagedList(ScopedList):
    """A list by `key` that goes from page to page by `?after=` and `?before=`; in another order by numbers.

    `previous_page` and `next_page` are the query strings of the neighbours, empty where there are none.
    """

    key: ClassVar[str] = "email"
    by_key: bool
    previous_page = next_page = ""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Where a page begins is no filter: links of filters and columns begin anew."""
        for name in (AFTER, BEFORE):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        self.by_key = ORDER_VAR not in self.params
        return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        """As Django's, without counting everything; a list that fits on its first page is counted by reading it."""
        self.paginator = BoundedPaginator(self.queryset, self.list_per_page)
        page = self._first_page(request)
        if page is not None and not self.next_page:
            self.paginator.counted = len(page)
        self.result_count, self.is_more = self.counted()
        self.show_full_result_count, self.full_result_count = False, None
        self.show_admin_actions = True
        self.can_show_all = not self.is_more and self.result_count <= self.list_max_show_all
        self.multi_page = self.result_count > self.list_per_page
        self.result_list: Any = self._page(request) if page is None else page

    # -- what a list with an order of its own says otherwise ------------------------------------------------------

    def counted(self) -> tuple[int, bool]:
        """How many rows there are, and whether there are more than that."""
        return self.paginator.count, self.paginator.is_more

    def following(self, after: str, size: int) -> list[Any]:
        """The rows after this place, in the order of the list; from its beginning where the place is empty."""
        return list(self.queryset.filter(**{f"{self.key}__gt": after})[:size])

    def preceding(self, before: str, size: int) -> list[Any]:
        """The rows before this place, the nearest first."""
        return list(self.queryset.filter(**{f"{self.key}__lt": before}).order_by(f"-{self.key}")[:size])

    # -- pages ---------------------------------------------------------------------------------------------------

    def _first_page(self, request: HttpRequest) -> list[Any] | None:
        """None if another one is asked for."""
        if not self.by_key or self.show_all or request.GET.get(AFTER) or request.GET.get(BEFORE):
            return None
        return self._page_by_key("", "")

    def _page(self, request: HttpRequest) -> list[Any]:
        if self.show_all and self.can_show_all:
            return list(self.queryset)
        if self.by_key:
            return self._page_by_key(request.GET.get(AFTER, ""), request.GET.get(BEFORE, ""))
        try:
            return list(self.paginator.page(self.page_num).object_list)
        except InvalidPage:
            raise IncorrectLookupParameters from None

    def _page_by_key(self, after: str, before: str) -> list[Any]:
        """One more than the page holds is read: that says whether the list goes on."""
        backwards = bool(before and not after)
        found = (
            self.preceding(before, self.list_per_page + 1)
            if backwards
            else self.following(after, self.list_per_page + 1)
        )
        page = found[: self.list_per_page]
        is_more = len(found) > len(page)
        goes_back, goes_on = (is_more, True) if backwards else (bool(after), is_more)
        if backwards:
            page.reverse()
        if page:
            self.previous_page = self._neighbour(BEFORE, page[0]) if goes_back else ""
            self.next_page = self._neighbour(AFTER, page[-1]) if goes_on else ""
        elif after or before:
            self.previous_page = self.get_query_string()  # the list became shorter: to its beginning
        return page

    def _neighbour(self, name: str, row: Any) -> str:
        return self.get_query_string({name: getattr(row, self.key)})
