"""What is demanded of many people at once: one query for all their tenants' rules, none for each person."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from accounts.admin.scope import person_of
from policies import demands, facts
from policies.admin.paged_list import PagedList


class PeopleList(PagedList):
    """A page of people, each with `demanded`, and `names_tenant`: one's own need not be named in every line."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        people: list[Any] = list(self.result_list)
        rules = facts.rules_by_tenant(person.tenant_id for person in people)
        known, now = facts.gather_many(people, owning=False), timezone.now()
        for person in people:
            own = rules.get(person.tenant_id)
            person.names_tenant = person_of(request).is_superuser
            person.demanded = own is None or demands.is_demanded(own, known[person.pk], now)
        self.result_list = people
