"""What is measured, on which database, and what is demanded of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bench.figures import Row, ratio, spread
from tests.bench.sides import Served, Side

MOST_STATEMENTS = 32
PEOPLE_A_SECOND = 100_000 / 60  # that a trial has to get through

PEERS = {
    "plain": ("signed-in request, against plain Django unenforced", 1.0, 1.5),
    "otp": ("signed-in request, against django-otp's otp_required", 1.4, 2.0),
}


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to look: bursts of every side and their seconds; processes of every side and walks in each; a crowd."""

    bursts: int
    seconds: int
    processes: int
    walks: int
    people: int


def throughput(where: str, sides: dict[str, Side], effort: Effort) -> Iterator[Row]:
    """Signed-in requests a second, of each side that is no peer against each peer.

    The remark is the same ratio by the CPU that the server's process spent on a request, which other work on the
    machine disturbs less.
    """
    with ExitStack() as stack:
        served = {name: _serve(stack, side) for name, side in sides.items()}
        bursts = _in_turn(served, effort)
    rates = {name: [rate for rate, _ in found] for name, found in bursts.items()}
    spent = {name: [cpu for _, cpu in found] for name, found in bursts.items()}
    for name in [name for name in sides if name not in PEERS]:
        for peer, (what, must, reach) in PEERS.items():
            figure, noise = ratio(rates[name], rates[peer])
            remark = f"by CPU {ratio(spent[peer], spent[name])[0]:.2f}×" if all(spent[name]) else ""
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


def trial(where: str, side: Side, effort: Effort) -> Iterator[Row]:
    """A policy tried over a whole tenant, and what the batches are worth: against judging one person at a time."""
    told = side.run("trial", effort.people)
    limit, rate = effort.people / PEOPLE_A_SECOND, effort.people / told["seconds"]
    what = f"a policy tried over {effort.people:,} people".replace(",", " ")
    noise = spread(told["batched"])
    yield Row(what, where, told["seconds"], noise, limit, limit / 2, unit=" s", remark=f"{rate:.0f} people/s")
    figure, noise = ratio(told["one_by_one"], told["batched"])
    yield Row("the same, against one person at a time", where, figure, noise, 1.5, 3, True)


def people(where: str, side: Side, effort: Effort) -> Iterator[Row]:
    """The admin's list of people of one tenant, against Django's own."""
    told = side.run("people", effort.people)
    for what, name, other, must in (
        ("list of people, first page, against Django's own", "first", "stock", 0.3),
        ("its last page, against its first", "last", "first", 1.5),
        ("its last page, against Django's own", "last", "stock_last", 0.3),
        ("search by part of an address, against Django's own", "search", "stock_search", 0.05),
    ):
        figure, noise = ratio(told[name], told[other])
        shows = where == "PostgreSQL" and effort.people >= 100_000  # trigrams are PostgreSQL's, and pay with the size
        demanded = must if shows or name != "search" else None
        yield Row(what, where, figure, noise, demanded, remark=f"{median(told[name]):.1f} ms")


def _serve(stack: ExitStack, side: Side) -> Served:
    return stack.enter_context(side.served(side.run("prepare")["cookie"]))


def _in_turn(served: dict[str, Served], effort: Effort) -> dict[str, list[tuple[float, float]]]:
    """Bursts of every side, one after the other, there and back; the first of each only warms it up."""
    bursts: dict[str, list[tuple[float, float]]] = {name: [] for name in served}
    for number in range(effort.bursts + 1):
        for name in served if number % 2 else reversed(served):
            bursts[name].append(served[name].burst(effort.seconds))
    return {name: found[1:] for name, found in bursts.items()}


def _measured(what: str, ours: Side, theirs: Side, effort: Effort) -> tuple[list[Any], list[Any]]:
    rounds = [(ours.run(what, effort.walks), theirs.run(what, effort.walks)) for _ in range(effort.processes)]
    return [mine for mine, _ in rounds], [other for _, other in rounds]


def _medians(told: list[dict[str, list[float]]]) -> list[float]:
    return [median(answer["milliseconds"]) for answer in told]


def _aside(name: str) -> str:
    return "" if name == "ours" else f" ({name})"
