"""When somebody was given an administrator's rights, and by whom.

A second administrator counts only if they are another human being. An account that somebody made for that purpose is
known by its rights: they are younger than what they approve, or come from whoever asked for it. And who gives rights
up, or has them taken, is helped as an administrator for a while, so that a demotion is no way round the approval.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone

from accounts.models import User

COLUMNS: Final = ("administrator_since", "administrator_until", "administrator_by")
"""The columns of `User` that `note` changes; the caller, who holds the row, saves them."""
COUNTS_FOR: Final = timedelta(days=7)  # after the rights ended
SETTLED: Final = timedelta(days=30)  # when who was made an administrator stands on their own feet


@dataclass(frozen=True, slots=True)
class Rights:
    """What an account could do to others at a moment."""

    is_staff: bool
    is_platform: bool
    is_active: bool
    tenant_id: UUID | None

    def reach_beyond(self, other: "Rights") -> bool:
        """Whether they reach people whom the others did not."""
        if not (self.is_staff and self.is_active):
            return False
        if not (other.is_staff and other.is_active):
            return True
        return not other.is_platform and (self.is_platform or self.tenant_id != other.tenant_id)


NONE: Final = Rights(is_staff=False, is_platform=False, is_active=False, tenant_id=None)


def of(person: User) -> Rights:
    """The rights of a person as their row stands in memory."""
    return Rights(person.is_staff, person.is_superuser, person.is_active, person.tenant_id)


def note(person: User, before: Rights, *, by: User | None) -> None:
    """Set what changed between `before` and now; `by` is whoever changed it, None the site's operator."""
    after = of(person)
    if after.reach_beyond(before):
        person.administrator_since, person.administrator_until = timezone.now(), None
        person.administrator_by = by.pk if by is not None else None
    elif before.is_staff and not after.is_staff:
        person.administrator_until = timezone.now()


def counts_as_administrator(person: User, now: datetime) -> bool:
    """Whether somebody is helped as an administrator: they are one, or were within the last seven days.

    Of whom the end was not noted, because their row was changed past the flows, too.
    """
    if person.is_staff:
        return True
    until = person.administrator_until
    return person.administrator_since is not None and (until is None or until > now - COUNTS_FOR)


def is_independent(approver: User, requester: User, asked_at: datetime) -> bool:
    """Whether an approver may count as somebody else than who asked, by where the rights of the two come from.

    Rights that nobody noted do not count, nor younger ones than the request, nor any that the requester handed
    down, directly or through others. Who was made an administrator by the approver counts as their own after 30 days.
    """
    since = approver.administrator_since
    if since is None or since >= asked_at or requester.pk in lineage(approver):
        return False
    young = requester.administrator_since is None or requester.administrator_since > asked_at - SETTLED
    return not (young and approver.pk in lineage(requester))


def lineage(person: User) -> set[UUID]:
    """Whoever gave this person their rights, whoever gave them theirs, and so on."""
    return set(_givers(person))


def _givers(person: User) -> Iterator[UUID]:
    seen, giver = {person.pk}, person.administrator_by
    while giver is not None and giver not in seen:
        seen.add(giver)
        yield giver
        giver = User.objects.filter(pk=giver).values_list("administrator_by", flat=True).first()
