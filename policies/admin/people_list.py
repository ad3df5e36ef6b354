"""The list of people, as fast for a hundred thousand as for a hundred, and on its last page as on its first.

Ordered by address, a page begins after the last address of the one before it: an index finds the place, and nothing is
skipped row by row. Nobody is counted beyond `COUNTED`: whoever wants to know more asks the status page.
"""

from functools import cached_property
from typing import Any, Final

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR
from django.core.paginator import InvalidPage, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.scope import ScopedList

COUNTED: Final = 1000  # people
AFTER: Final = "after"
BEFORE: Final = "before"


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts up to `COUNTED` and no further; `is_more` says that there are more."""

    @cached_property
    def counted(self) -> int:
        people: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return people.order_by()[: COUNTED + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self.counted, COUNTED)

    @property
    def is_more(self) -> bool:
        return self.counted > COUNTED


class PagedList(ScopedList):
    """A list by address that goes from page to page by `?after=` and `?before=`; in another order by numbers.

    `previous_page` and `next_page` are the query strings of the neighbours, empty where there are none.
    """

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
        """As Django's, without counting everybody; a list that fits on its first page is counted by reading it."""
        self.paginator = BoundedPaginator(self.queryset, self.list_per_page)
        page = self._first_page(request)
        if page is not None and not self.next_page:
            self.paginator.counted = len(page)
        self.result_count = self.paginator.count
        self.is_more = self.paginator.is_more
        self.show_full_result_count, self.full_result_count = False, None
        self.show_admin_actions = True
        self.can_show_all = not self.is_more and self.result_count <= self.list_max_show_all
        self.multi_page = self.result_count > self.list_per_page
        self.result_list: Any = self._page(request) if page is None else page

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
        if before and not after:
            found = list(self.queryset.filter(email__lt=before).order_by("-email")[: self.list_per_page + 1])
            page = found[: self.list_per_page][::-1]
            goes_back, goes_on = len(found) > len(page), True
        else:
            found = list(self.queryset.filter(email__gt=after)[: self.list_per_page + 1])
            page = found[: self.list_per_page]
            goes_back, goes_on = bool(after), len(found) > len(page)
        if page:
            self.previous_page = self.get_query_string({BEFORE: page[0].email}) if goes_back else ""
            self.next_page = self.get_query_string({AFTER: page[-1].email}) if goes_on else ""
        elif after or before:
            self.previous_page = self.get_query_string()  # the list became shorter: to its beginning
        return page
