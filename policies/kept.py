"""Decisions of sign-ins as they were kept, read back: to be explained, and to be judged anew on the same facts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from django.db.models import Q, QuerySet

from accounts.assurance import Method
from accounts.models import User
from policies import facts, receipts
from policies.models import DecidedSignIn, PolicyVersion
from policies.terms import Decision, Outcome, Reason, Rules


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a person's sign-ins goes on: after this row, in the order from the newest."""

    at: datetime
    id: int

    @classmethod
    def of(cls, row: DecidedSignIn) -> Self:
        return cls(row.at, row.pk)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What `str` wrote; None for anything else, and for a moment that has no place in the calendar of UTC."""
        moment, _, number = text.partition("_")
        try:
            at, place = datetime.fromisoformat(moment), int(number)
            at = at if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        return None if at.tzinfo is None or not 0 <= place < 2**63 else cls(at, place)

    def __str__(self) -> str:
        return f"{self.at.isoformat()}_{self.id}"


def sign_ins_of(person: User, viewer: User | None = None) -> QuerySet[DecidedSignIn]:
    """The person's decisions, newest first. A viewer sees those made in the person's tenant of today, the platform's
    administrators all; None is the site itself."""
    found = DecidedSignIn.objects.filter(person_id=person.pk).order_by("-at", "-pk")
    if viewer is not None and not viewer.is_superuser:
        found = found.filter(tenant=person.tenant_id)
    return found


def page_of(rows: QuerySet[DecidedSignIn], place: Place | None, size: int) -> tuple[list[DecidedSignIn], Place | None]:
    """So many of these rows after a place, and where the next page begins; None at the end. By key, never by OFFSET."""
    if place is not None:
        rows = rows.filter(Q(at__lt=place.at) | Q(at=place.at, pk__lt=place.id))
    found = list(rows[: size + 1])
    return found[:size], Place.of(found[size - 1]) if len(found) > size else None


def decision_of(row: DecidedSignIn) -> Decision | None:
    """The receipt as it was; None where a newer version of the site wrote it, so that it cannot be read."""
    try:
        return Decision(
            outcome=Outcome(row.outcome),
            reasons=tuple(Reason(reason) for reason in row.reasons),
            facts=receipts.facts_from(row.facts),
            at=row.at,
            deadline=row.deadline,
            satisfied_by=tuple(Method(method) for method in row.satisfied_by),
            policy_version=row.policy_version,
        )
    except (KeyError, TypeError, ValueError):
        return None


def rules_of(row: DecidedSignIn) -> Rules | None:
    """The rules of the version that decided, on the site's ceilings and floor of today; None where it is gone."""
    if row.policy_version is None:
        return None
    versions = PolicyVersion.objects.filter(policy__tenant=row.tenant_id, number=row.policy_version)
    version = versions.select_related("policy").first()
    return None if version is None else facts.rules_from(version)
