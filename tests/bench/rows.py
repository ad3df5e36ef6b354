"""What is measured, on which database, and what is demanded of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bench.figures import Row, ratio, spread
from tests.bench.sides import Served, Side

MOST_STATEMENTS = 32
TRIED = 100_000  # people at most
PEOPLE_A_SECOND = TRIED / 60  # that a trial has to get through
SHOWN = 1_000_000  # people on the site of which something is demanded; on a smaller one, counting naively costs less
SAME = 1.2

PEERS = {
    "plain": ("signed-in request, against plain Django unenforced", 1.0, 1.5),
    "otp": ("signed-in request, against django-otp's otp_required", 1.4, 2.0),
}


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to look: bursts of every side and their seconds; processes of every side and walks in each.

    And how many people, secrets and events there are.
    """

    bursts: int
    seconds: int
    processes: int
    walks: int
    people: int
    secrets: int
    events: int


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
    count = min(effort.people, TRIED)
    told = side.run("trial", count)
    limit, rate = count / PEOPLE_A_SECOND, count / told["seconds"]
    what = f"a policy tried over {_spaced(count)} people"
    noise = spread(told["batched"])
    yield Row(what, where, told["seconds"], noise, limit, limit / 2, unit=" s", remark=f"{rate:.0f} people/s")
    figure, noise = ratio(told["one_by_one"], told["batched"])
    yield Row("the same, against one person at a time", where, figure, noise, 1.5, 3, True)


PAGES = (
    ("status page of a tenant of {big}, against counting with EXISTS", "status", "naive_status", "database", 1 / 50),
    (
        "status page of all {people}, against counting with EXISTS",
        "status_of_all",
        "naive_status_of_all",
        "database",
        1 / 10,
    ),
    ("list of the tenant's people, against Django's own", "list", "stock_list", "page", 0.3),
    ("its last page, against its first", "list_end", "list", "page", SAME),
    ("list of all people, against Django's own", "list_of_all", "stock_list_of_all", "page", 0.3),
    ("its last page, against its first", "list_of_all_end", "list_of_all", "page", SAME),
    ("search in the tenant by part of an address, against no index", "search", "stock_search", "database", 0.05),
    (
        "search everywhere by part of an address, against no index",
        "search_of_all",
        "stock_search_of_all",
        "database",
        0.05,
    ),
    ("search everywhere for what one in 14 has, against no index", "common", "stock_common", "database", None),
)
"""What a row is called, the two pages that it compares, by what, and what that must be at `SHOWN` people and more.

Counting and searching are statements, so the database's time is compared; a list is a page: by the clock on the wall.
The remark has the other ratio too.
"""


def site(where: str, side: Side, effort: Effort) -> Iterator[Row]:
    """Pages of a large site, and what a recount of everybody takes."""
    told = side.run("site", effort.people)
    sizes = {"big": _spaced(effort.people // 10), "people": _spaced(effort.people)}
    for what, ours, theirs, kind, must in PAGES:
        figure, noise = ratio(told[ours][kind], told[theirs][kind])
        remark = ", ".join(_both(told, ours, theirs, each) for each in ("database", "page"))
        demanded = must if effort.people >= SHOWN else None
        yield Row(what.format(**sizes), where, figure, noise, demanded, remark=remark)
    recount = side.run("recount")
    what, grown = f"check_enrolment_state over {sizes['people']}", recount["after"] - recount["before"]
    yield Row(what, where, recount["seconds"], 0, unit=" s", remark=f"{grown:.0f} MB more than before")


def _both(told: dict[str, Any], ours: str, theirs: str, kind: str) -> str:
    mine, other = (median(told[name][kind]) for name in (ours, theirs))
    return f"{kind} {mine:.1f} : {other:.0f} ms ({mine / other:.3f}×)"


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


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
