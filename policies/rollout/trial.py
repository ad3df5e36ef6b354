"""A policy tried over everybody: how each sign-in would end under new rules, and how past ones would have. Reads only.

Streamed in batches by key, never by OFFSET: so many people cost more batches, never more memory, and a batch costs
the same few queries whatever its size. What decides is `simulation.sign_in`, the engine that decides for real.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.rows import attach
from policies import facts, receipts
from policies.engine import decide
from policies.models import DecidedSignIn, MFAPolicy, PolicyVersion
from policies.rollout import simulation
from policies.rollout.simulation import Ending, Forecast
from policies.terms import Decision, Outcome, Reason, Rules

BATCH: Final = 1000
REPLAYED_DAYS: Final = 30
KEPT: Final = 50  # how many of the newly stopped a tally holds; the rest are counted


class Trial(NamedTuple):
    """One person: how their next sign-in ends under the rules in force, and under those that are tried."""

    person: User
    before: Forecast
    after: Forecast

    @property
    def is_newly_stopped(self) -> bool:
        return self.after.ending.is_stopped and not self.before.ending.is_stopped


class Replayed(NamedTuple):
    """One past decision: what it was, and what the tried rules make of the same facts at the same moment.

    `before` and `after` are None where the row is of a schema that this version cannot read.
    """

    row: DecidedSignIn
    before: Outcome | None
    after: Decision | None

    @property
    def is_question(self) -> bool:
        """Whether this row is where a sign-in was asked for its second factor; how it ended is another row."""
        return self.before is Outcome.STEP_UP and Reason.SECOND_FACTOR_OWED.value in self.row.reasons

    @property
    def has_changed(self) -> bool:
        return self.after is not None and self.after.outcome is not self.before

    @property
    def is_newly_stopped(self) -> bool:
        return self.after is not None and not self.after.is_allowed and self.before in _LET_IN


_LET_IN: Final = (Outcome.ALLOW, Outcome.ALLOW_IN_GRACE)


def people_tried(policy: MFAPolicy, rules: Rules, now: datetime, *, batch_size: int = BATCH) -> Iterator[list[Trial]]:
    """Every active person of the tenant, signing in at `now` under the rules in force then and under `rules`.

    One list per batch, in the order of the people's ids; three queries each, and two at the start.
    """
    in_force = rules_at(policy, now)
    for people in _batches(policy, batch_size):
        known = facts.gather_many(people)
        yield [
            Trial(
                person,
                simulation.sign_in(in_force, known[person.pk], now),
                simulation.sign_in(rules, known[person.pk], now),
            )
            for person in people
        ]


def rules_at(policy: MFAPolicy, now: datetime) -> Rules | None:
    """The rules in force for the policy's tenant at `now`; None where there are none."""
    versions = PolicyVersion.objects.filter(facts.is_in_force(now), policy=policy)
    found = versions.select_related("policy").first()
    return None if found is None else facts.rules_from(found)


def _batches(policy: MFAPolicy, size: int) -> Iterator[list[User]]:
    people = _people(policy).order_by("pk")
    tenant = policy.tenant
    batch = list(people[:size])
    while batch:
        for person in batch:
            attach(person, "tenant", tenant)
        yield batch
        batch = list(people.filter(pk__gt=batch[-1].pk)[:size]) if len(batch) == size else []


def _people(policy: MFAPolicy) -> QuerySet[User]:
    return User.objects.filter(tenant=policy.tenant_id, is_active=True)


def sign_ins_replayed(
    policy: MFAPolicy, rules: Rules, now: datetime, *, days: int = REPLAYED_DAYS, batch_size: int = BATCH
) -> Iterator[list[Replayed]]:
    """What was decided at sign-ins of the last `days`, judged again by `rules`: on the facts, and at the time, of then.

    One list and one query per batch, in the order in which it was decided; today's state of anybody changes nothing.
    """
    kept = _decided(policy, now, days).order_by("at", "pk")
    batch = list(kept[:batch_size])
    while batch:
        yield [_replayed(row, rules) for row in batch]
        last = batch[-1]
        rest = kept.filter(at__gte=last.at).exclude(at=last.at, pk__lte=last.pk)
        batch = list(rest[:batch_size]) if len(batch) == batch_size else []


def _decided(policy: MFAPolicy, now: datetime, days: int) -> QuerySet[DecidedSignIn]:
    return DecidedSignIn.objects.filter(tenant=policy.tenant_id, at__gt=now - timedelta(days=days), at__lte=now)


def _replayed(row: DecidedSignIn, rules: Rules) -> Replayed:
    try:
        then, before = receipts.facts_from(row.facts), Outcome(row.outcome)
    except (KeyError, ValueError, TypeError):
        return Replayed(row, None, None)  # another schema: not guessed
    return Replayed(row, before, decide(rules, then, row.at))


def size(policy: MFAPolicy) -> tuple[int, int]:
    """How many people and how many decisions of the last 30 days there are to try, for a bar of progress."""
    return _people(policy).count(), _decided(policy, timezone.now(), REPLAYED_DAYS).count()


class Tally:
    """Trials, counted: constant memory however many are added."""

    def __init__(self) -> None:
        self.people = 0
        self.before: Counter[Ending] = Counter()
        self.after: Counter[Ending] = Counter()
        self.moves: Counter[tuple[Ending, Ending]] = Counter()
        self.by_role: dict[str, Counter[Ending]] = defaultdict(Counter)
        self.newly_stopped: list[Trial] = []
        """The first of them; how many there are is in `moves`."""

    @property
    def changed(self) -> int:
        """For how many people something changes."""
        return sum(number for (before, after), number in self.moves.items() if before is not after)

    def add(self, batch: Iterable[Trial]) -> None:
        """Count a batch in."""
        for trial in batch:
            before, after = trial.before.ending, trial.after.ending
            self.people += 1
            self.before[before] += 1
            self.after[after] += 1
            self.moves[before, after] += 1
            self.by_role[trial.person.role][after] += 1
            if trial.is_newly_stopped and len(self.newly_stopped) < KEPT:
                self.newly_stopped.append(trial)


class ReplayTally:
    """Replayed decisions, counted: constant memory however many are added.

    `sign_ins` are those that came to an end, `asked` the questions on the way there; `moves` and `changed` are of
    both, `unreadable` of neither.
    """

    def __init__(self) -> None:
        self.sign_ins = self.asked = self.unreadable = self.changed = 0
        self.moves: Counter[tuple[Outcome, Outcome]] = Counter()
        self.newly_stopped: list[Replayed] = []
        """The first of them; how many there are is in `moves`."""

    def add(self, batch: Iterable[Replayed]) -> None:
        """Count a batch in."""
        for replayed in batch:
            if replayed.before is None or replayed.after is None:
                self.unreadable += 1
                continue
            self.asked += replayed.is_question
            self.sign_ins += not replayed.is_question
            self.changed += replayed.has_changed
            self.moves[replayed.before, replayed.after.outcome] += 1
            if replayed.is_newly_stopped and len(self.newly_stopped) < KEPT:
                self.newly_stopped.append(replayed)
