"""What is measured, on which database, and what is demanded of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bench.figures import Row, ratio, spread
from tests.bench.sides import Served, Side

MOST_STATEMENTS = 32


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to look: rounds of every side, seconds of a burst, walks of one side in a round."""

    rounds: int
    seconds: int
    walks: int


Rounds = dict[str, list[Any]]


def throughput(where: str, sides: dict[str, Side], effort: Effort) -> Iterator[Row]:
    """A signed-in request of each side; the first of `sides` is ours, `plain` and `otp` are the peers."""
    with ExitStack() as stack:
        served = {name: _serve(stack, side) for name, side in sides.items()}
        for running in served.values():
            running.burst(1)  # warm up
        rounds = _in_turn(served, effort)
    rates = {name: [rate for rate, _ in bursts] for name, bursts in rounds.items()}
    work = {name: [spent for _, spent in bursts] for name, bursts in rounds.items()}
    for name in sides:
        if name in ("plain", "otp"):
            continue
        for peer, what, must, reach in (
            ("plain", "signed-in request, against plain Django unenforced", 1.0, 1.5),
            ("otp", "signed-in request, against django-otp's otp_required", 1.4, 2.0),
        ):
            figure, noise = ratio(rates[name], rates[peer])
            remark = f"CPU of the process {_less(work[name], work[peer])}"
            yield Row(f"{what}{_aside(name)}", where, figure, noise, must, reach, True, remark=remark)


def decision(where: str, side: Side) -> Row:
    """The comparison that most requests end with."""
    rounds = side.run("decision", 20_000)["microseconds"]
    return Row("the decision on the hot path", where, median(rounds), spread(rounds), 5, 1, unit=" µs")


def writes(where: str, side: Side) -> Iterator[Row]:
    """What ordinary requests write."""
    told = side.run("writes")
    remark = f"{told['statements']} statements in {told['requests']} requests"
    yield Row("session writes of an ordinary request", where, told["writes"], 0, 0, unit="", remark=remark)
    yield Row("last-seen written, in five minutes", where, told["touches"], 0, 1, unit="")


def sign_in(where: str, ours: Side, theirs: Side, effort: Effort) -> Iterator[Row]:
    """Password, code page, code, landing: CPU without the password hash; and the statements of the two POSTs."""
    rounds = _measured("sign_in", ours, theirs, effort)
    figure, noise = ratio(*map(_medians, rounds))
    yield Row("password + TOTP sign-in, CPU against allauth", where, figure, noise, 1.25, 1.0)
    statements, others = (len(told[0]["statements"]) for told in rounds)
    remark = f"allauth: {others}"
    yield Row("statements of its two POSTs", where, statements, 0, MOST_STATEMENTS, unit="", remark=remark)


def enrolment(where: str, ours: Side, theirs: Side, effort: Effort) -> Row:
    """The page that shows a new secret."""
    figure, noise = ratio(*map(_medians, _measured("enrolment", ours, theirs, effort)))
    return Row("TOTP enrolment page, CPU against allauth", where, figure, noise, 0.75, 0.5)


def _serve(stack: ExitStack, side: Side) -> Served:
    return stack.enter_context(side.served(side.run("prepare")["cookie"]))


def _in_turn(served: dict[str, Served], effort: Effort) -> Rounds:
    rounds: Rounds = {name: [] for name in served}
    for number in range(effort.rounds):
        names = list(served) if number % 2 == 0 else list(reversed(served))
        for name in names:
            rounds[name].append(served[name].burst(effort.seconds))
    return rounds


def _measured(what: str, ours: Side, theirs: Side, effort: Effort) -> tuple[list[Any], list[Any]]:
    rounds = [(ours.run(what, effort.walks), theirs.run(what, effort.walks)) for _ in range(effort.rounds)]
    return [mine for mine, _ in rounds], [other for _, other in rounds]


def _medians(told: list[dict[str, list[float]]]) -> list[float]:
    return [median(answer["milliseconds"]) for answer in told]


def _less(ours: list[float], theirs: list[float]) -> str:
    if not all(theirs):
        return "unknown"
    return f"{ratio(theirs, ours)[0]:.2f}×"


def _aside(name: str) -> str:
    return "" if name == "ours" else f" ({name})"
