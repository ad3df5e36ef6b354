"""Which policies look at a group of people, so that none loses its meaning when a group goes."""

from collections.abc import Mapping
from typing import Any

from django.db.models import F, Q

from policies.models import PolicyDraft, PolicyVersion
from policies.terms import Excluded


def tenants_naming(group: str) -> list[str]:
    """The tenants whose policy names a group: in force, to come back in force, on trial, or in a draft. Two queries."""
    counts = Q(number=F("policy__version")) | Q(number=F("policy__fallback_version"))
    versions = PolicyVersion.objects.filter(counts | Q(number=F("policy__report_version"))).order_by()
    stated = [*versions.values_list(*_READ), *PolicyDraft.objects.values_list(*_READ)]
    return sorted({tenant for tenant, document in stated if group in groups_in(document)})


_READ = ("policy__tenant__name", "document")


def groups_in(document: Any) -> set[str]:
    """The groups that a stored document names in its scope, excludes and tests; none where it cannot be read."""
    if not isinstance(document, Mapping):
        return set()
    scope = document.get("scope")
    named = set(_names(scope.get("groups"))) if isinstance(scope, Mapping) else set()
    for entry in _objects(document.get("excludes")):
        if entry.get("kind") == Excluded.GROUP:
            named.update(_names([entry.get("value")]))
    for test in _objects(document.get("tests")):
        named.update(_names(test.get("groups")))
    return named


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _names(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
