"""What became of a round of reminders so far: a constant number of queries, however many people it is about."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Min
from django.utils import timezone

from accounts.models.mail import OPEN
from policies.models import Reminder, ReminderRound
from policies.rollout.remindable import Spared

State = Reminder.State

TOLD: Final = 5  # answers of the mail server that are shown; the rest are counted together


@dataclass(frozen=True, slots=True)
class Trouble:
    """So many reminders about which the mail server said the same: "" if nothing yet, None if several other things.

    `next_at`: when the first of them is tried again; None where that is now, or never.
    """

    number: int
    said: str | None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How a round stands. `spared` has a number for each reason; `later` are those that a later round asked again."""

    people: int
    gone_through: int
    waiting: int
    sent: int
    unsure: int
    given_up: int
    later: int
    spared: dict[Spared, int]
    waits: list[Trouble]
    failures: list[Trouble]
    is_over: bool

    @property
    def done(self) -> int:
        """Of how many people it is known what became."""
        return self.gone_through - self.waiting


def progress_of(begun: ReminderRound) -> Progress:
    """How a round stands now; one query."""
    rows: list[Any] = list(
        begun.reminders.order_by().values("state", "trouble").annotate(number=Count("pk"), first=Min("due_at"))
    )
    counted = Counter[str]()
    for row in rows:
        counted[row["state"]] += row["number"]
    spared = Counter({Spared(why): number for why, number in begun.spared.items()})
    for row in rows:
        if row["state"] == State.SPARED and row["trouble"] in set(Spared):
            spared[Spared(row["trouble"])] += row["number"]
    waiting = sum(counted[state] for state in OPEN)
    return Progress(
        people=max(begun.people, begun.gone_through),
        gone_through=begun.gone_through,
        waiting=waiting,
        sent=counted[State.SENT],
        unsure=counted[State.UNSURE],
        given_up=counted[State.FAILED],
        later=begun.queued - counted.total(),
        spared=dict(spared),
        waits=_troubles(row for row in rows if row["state"] in OPEN),
        failures=_troubles(row | {"first": None} for row in rows if row["state"] == State.FAILED),
        is_over=begun.finished_at is not None and not waiting,
    )


def _troubles(rows: Iterable[dict[str, Any]]) -> list[Trouble]:
    """By what was said, the most frequent first; behind `TOLD` of them the others together."""
    now, found = timezone.now(), Counter[str]()
    firsts: dict[str, datetime] = {}
    for row in rows:
        said, first = row["trouble"], row["first"]
        found[said] += row["number"]
        if first is not None and first > now:
            firsts[said] = min(first, firsts.get(said, first))
    told = [Trouble(number, said, firsts.get(said)) for said, number in found.most_common(TOLD)]
    rest = found.total() - sum(one.number for one in told)
    return [*told, Trouble(rest, None)] if rest else told
