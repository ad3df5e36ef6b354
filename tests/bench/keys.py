"""What sealing every secret anew costs, and whom it keeps waiting: PostgreSQL alone."""

from collections.abc import Iterator
from statistics import median

from tests.bench.figures import Row, ratio, spread
from tests.bench.rows import Effort
from tests.bench.sides import Side

SECRETS_A_SECOND = 1_000_000 / 60  # that a rotation has to get through
MIB = 100
MORE_WALKS = 4  # than of other rows, so that the slowest of twenty are several

COMPARED = (
    ("rotate, against save() per row", "rotate", "save", 20),
    ("rotate, against bulk_update", "rotate", "bulk_update", 4),
    ("rotate, share of the UPDATE without cryptography", "rotate", "update", 0.45),
    ("rotate by two workers, share of the same", "two workers", "update", 0.6),
    ("rotate, share of cryptography alone in one core", "rotate", "cryptography", 0.25),  # 60 s at 67 000 rows a second
)


def rows(where: str, side: Side, effort: Effort) -> Iterator[Row]:
    """Every way in turn, round by round, each round in a process of its own."""
    side.run("prepare")
    side.run("secrets", effort.secrets)
    rounds = [side.run("rates") for _ in range(effort.processes)]
    rates = {name: [told[name] for told in rounds] for name in rounds[0]}
    for what, name, other, must in COMPARED:
        figure, noise = ratio(rates[name], rates[other])
        remark = f"{median(rates[name]):.0f} rows/s, {median(rates[other]):.0f}"
        yield Row(what, where, figure, noise, must, higher_is_better=True, remark=remark)
    what = f"rotate over {effort.secrets:,} secrets".replace(",", " ")
    seconds = [effort.secrets / rate for rate in rates["rotate"]]
    limit = effort.secrets / SECRETS_A_SECOND
    yield Row(what, where, median(seconds), spread(seconds), limit, unit=" s")
    yield Row("its memory above start", where, max(rates["memory"]), 0, MIB, unit=" MiB")
    yield _sign_in(where, side, effort)
    told = side.run("openings")
    figure, noise = ratio(told["five"], told["one"])
    yield Row("opening a secret, five keys against one", where, figure, noise, 1.05)


def _sign_in(where: str, side: Side, effort: Effort) -> Row:
    rounds = [side.run("sign_in_beside", effort.walks * MORE_WALKS) for _ in range(effort.processes)]
    alone, beside = [told["alone"] for told in rounds], [told["beside"] for told in rounds]
    figure, noise = ratio(beside, alone)
    remark = f"{median(beside):.0f} ms, {median(alone):.0f} ms"
    return Row("p95 of a sign-in during rotation, against one without", where, figure, noise, 1.5, remark=remark)
