"""One run of *Try*: the draft over every person and every sign-in kept, and what a page shows of it. Writes nothing."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Role, User
from policies.flows import publish
from policies.models import MFAPolicy, PolicyDraft
from policies.rollout import simulation, trial
from policies.rollout.simulation import Ending
from policies.rollout.trial import ReplayTally, Tally
from policies.terms import Outcome, Rules

ENDINGS: Final[Mapping[Ending, str | Promise]] = {
    Ending.PASSES: _("Get in without a second step"),
    Ending.ASKED: _("Get in after a second step"),
    Ending.IN_GRACE: _("Get in, in grace"),
    Ending.MUST_ENROL: _("Have to set up a method first"),
    Ending.DENIED: _("Do not get in"),
}
OUTCOMES: Final[Mapping[Outcome, str | Promise]] = {
    Outcome.ALLOW: _("let in"),
    Outcome.ALLOW_IN_GRACE: _("let in, in grace"),
    Outcome.STEP_UP: _("asked for a second step"),
    Outcome.ENROL: _("made to set up a method"),
    Outcome.DENY: _("not let in"),
}


class Progress(NamedTuple):
    """How much is done, in people and sign-ins together."""

    done: int
    total: int


class Checked(NamedTuple):
    """One test of the policy; `ending`: how it really ends where that is not what it expects."""

    name: str
    ending: str | Promise

    @property
    def holds(self) -> bool:
        return not self.ending


class Run:
    """A draft tried at one moment. `steps` does it, batch by batch; then everything here is filled."""

    def __init__(self, policy: MFAPolicy, draft: PolicyDraft, now: datetime) -> None:
        self.policy, self.draft, self.now = policy, draft, now
        self.rules = rules_of(policy, draft, now)
        self.people = Tally()
        self.sign_ins = ReplayTally()
        self.tests: list[Checked] = []
        self.administrators: dict[str, list[User]] = {"getting_in": [], "left_out": []}

    @property
    def trusts_browsers(self) -> bool:
        """Whether browsers may be trusted under the draft: none is taken to be, for its publish would end the trust."""
        return self.rules.trusted_browser_days > 0

    def steps(self) -> Iterator[Progress]:
        """The progress, first of nothing and then after each batch."""
        total = sum(trial.size(self.policy))
        done = 0
        yield Progress(0, total)
        for tried in trial.people_tried(self.policy, self.rules, self.now):
            self.people.add(tried)
            done += len(tried)
            yield Progress(min(done, total), total)
        for replayed in trial.sign_ins_replayed(self.policy, self.rules, self.now):
            self.sign_ins.add(replayed)
            done += len(replayed)
            yield Progress(min(done, total), total)
        self.tests = checked(self.draft, self.rules, self.now)
        getting_in, left_out = publish.locked_out(self.policy, self.rules, self.now)
        self.administrators = {"getting_in": getting_in, "left_out": left_out}

    @property
    def newly_stopped(self) -> int:
        """How many people get in today and would be stopped."""
        return sum(count for (old, new), count in self.people.moves.items() if new.is_stopped and not old.is_stopped)

    @property
    def no_longer_stopped(self) -> int:
        """How many people are stopped today and would get in."""
        return sum(count for (old, new), count in self.people.moves.items() if old.is_stopped and not new.is_stopped)

    def rows(self) -> list[dict[str, Any]]:
        """How sign-ins end today and under the draft, in the order of `ENDINGS`."""
        before, after = self.people.before, self.people.after
        return [
            {"words": words, "before": before[ending], "after": after[ending], "stops": ending.is_stopped}
            for ending, words in ENDINGS.items()
        ]

    def moves(self) -> list[dict[str, Any]]:
        """What changes: from, to, and for how many people; the greatest number first."""
        changed = [(move, count) for move, count in self.people.moves.most_common() if move[0] is not move[1]]
        return [
            {"before": ENDINGS[old], "after": ENDINGS[new], "count": count, "stops": new.is_stopped}
            for (old, new), count in changed
        ]

    def roles(self) -> list[str | Promise]:
        """The roles there are, in words."""
        return [words for role, words in Role.choices if role in self.people.by_role]

    def by_role(self) -> list[dict[str, Any]]:
        """How sign-ins end under the draft, with a number for each of `roles`."""
        found = [self.people.by_role[role] for role, _words in Role.choices if role in self.people.by_role]
        return [{"words": words, "counts": [one[ending] for one in found]} for ending, words in ENDINGS.items()]

    def replayed(self) -> list[dict[str, Any]]:
        """What past sign-ins would have come to instead, and how often."""
        changed: Counter[tuple[Outcome, Outcome]] = Counter(
            {move: count for move, count in self.sign_ins.moves.items() if move[0] is not move[1]}
        )
        return [
            {"before": OUTCOMES[old], "after": OUTCOMES[new], "count": count}
            for (old, new), count in changed.most_common()
        ]


def rules_of(policy: MFAPolicy, draft: PolicyDraft, now: datetime) -> Rules:
    """The rules that the draft would state if it were published now."""
    return publish.rules_if_published(policy, draft.document, enabled=draft.enabled, now=now)


def checked(draft: PolicyDraft, rules: Rules, now: datetime) -> list[Checked]:
    """Every test of the draft, with how it ends."""
    tests = draft.document.get("tests", [])
    failing = {test["name"]: ENDINGS[ending] for test, ending in simulation.failing(tests, rules, now)}
    return [Checked(test["name"], failing.get(test["name"], "")) for test in tests]
