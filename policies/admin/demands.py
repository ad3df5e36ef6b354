"""What is demanded of many people at once: one query for all their tenants' rules, none for each person."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.db.models import F
from django.http import HttpRequest

from accounts.admin.scope import ScopedList
from accounts.models import User
from policies import engine, facts
from policies.models import PolicyVersion


def rules_by_tenant(tenant_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, engine.Rules]:
    """The rules in force for each of these tenants; a tenant without a policy is missing."""
    versions = PolicyVersion.objects.filter(policy__tenant__in=set(tenant_ids), number=F("policy__version"))
    return {one.policy.tenant_id: facts.rules_from(one) for one in versions.select_related("policy")}


def is_demanded(rules: engine.Rules | None, person: User) -> bool:
    """As `facts.mfa_required`, by rules that were fetched before: whose demand it is hangs on the role alone."""
    if rules is None:
        return True
    known = engine.Facts(role=person.role, is_staff=person.is_staff, is_active=True, tenant_is_active=True)
    return engine.is_demanded(rules, known)


class PeopleList(ScopedList):
    """A page of people, each with `demanded`."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        people: list[Any] = list(self.result_list)
        rules = rules_by_tenant(person.tenant_id for person in people)
        for person in people:
            person.demanded = is_demanded(rules.get(person.tenant_id), person)
        self.result_list = people
