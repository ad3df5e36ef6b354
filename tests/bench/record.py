"""What recording costs, and how fast the record is verified and exported: PostgreSQL alone."""

from collections.abc import Iterator, Sequence
from statistics import median

from tests.bench.figures import Row, ratio, spread
from tests.bench.rows import Effort
from tests.bench.sides import Side

MIB = 100
VERIFIED, EXPORTED = 100_000, 50_000  # events a second
PAGE = 50  # milliseconds of a page's statements
SAME = 1.2  # the deepest page may take so much of the first
MANY, FEW_ROUNDS = 1_000_000, 2
MORE_WALKS = 4  # than of other rows

COMPARED = (
    ("recording by 8 writers in 1 000 tenants, against plain insert", "tenants", 0.3),
    ("recording by 8 writers in one tenant, against plain insert", "tenant", 0.12),
)

READ = (
    ("audit_export_chain", "record_exported", EXPORTED),
    ("export by filter, JSON Lines", "record_as_json_lines", EXPORTED),
    ("export by filter, CSV", "record_as_csv", EXPORTED),
)

Rounds = Sequence[dict[str, float]]


def rows(where: str, side: Side, large: Side, effort: Effort) -> Iterator[Row]:
    """Every way in turn, round by round, each round in a process of its own; `large` has chains to be read."""
    side.run("prepare")
    yield _sign_in(where, side, effort)
    yield from _recording(where, side, effort)
    large.run("prepare")
    large.run("record_fill", effort.events)
    rounds = range(effort.processes if effort.events <= MANY else FEW_ROUNDS)
    verified, hashed = zip(*[(large.run("record_verified"), large.run("record_hashed")) for _ in rounds], strict=True)
    yield _beside_hashing(where, verified, hashed)
    yield from _read("audit_verify", where, verified, VERIFIED)
    for what, name, demanded in READ:
        yield from _read(what, where, [large.run(name) for _ in rounds], demanded)
    yield from _listed(where, large.run("record_pages"))


def _recording(where: str, side: Side, effort: Effort) -> Iterator[Row]:
    side.run("record_table")
    rounds = [side.run("record_rates") for _ in range(effort.processes)]
    rates = {name: [told[name] for told in rounds] for name in rounds[0]}
    for what, name, must in COMPARED:
        figure, noise = ratio(rates[name], rates["plain"])
        remark = f"{median(rates[name]):.0f} events/s, {median(rates['plain']):.0f}"
        yield Row(what, where, figure, noise, must, higher_is_better=True, remark=remark)


def _beside_hashing(where: str, verified: Rounds, hashed: Rounds) -> Row:
    """What verifying takes beyond looking at everything, whatever the machine."""
    figure, noise = ratio(*([told["rate"] for told in side] for side in (verified, hashed)))
    remark = f"{median(told['rate'] for told in hashed):.0f} events/s read and hashed by one process"
    what = "audit_verify, against reading each event as a text and hashing it"
    return Row(what, where, figure, noise, higher_is_better=True, remark=remark)


def _read(what: str, where: str, rounds: Rounds, demanded: int) -> Iterator[Row]:
    rates = [told["rate"] for told in rounds]
    remark = f"{median(told['cpu'] for told in rounds):.1f} µs of CPU each, without the database's"
    figures = (median(rates), spread(rates))
    yield Row(what, where, *figures, demanded, higher_is_better=True, unit=" events/s", remark=remark)
    yield Row("its memory above start", where, max(told["memory"] for told in rounds), 0, MIB, unit=" MiB")


def _listed(where: str, pages: dict[str, dict[str, float]]) -> Iterator[Row]:
    """What each question takes of the database, on the dearer of its first page and its deepest."""
    for question, taken in pages.items():
        first, deepest = taken["first"], taken["deepest"]
        remark = f"deepest page {deepest:.1f} ms, {taken['queries']:.0f} queries"
        what = f"list of events: {question}"
        yield Row(what, where, max(first, deepest), 0, PAGE, unit=" ms", remark=remark)
    figure, noise = ratio(*([taken[name] for taken in pages.values()] for name in ("deepest", "first")))
    yield Row("the deepest page, against the first", where, figure, noise, SAME, remark="over all questions")


def _sign_in(where: str, side: Side, effort: Effort) -> Row:
    """Each sign-in against the one beside it: between two of them the weather changes less than what is asked for."""
    rounds = [side.run("record_in_sign_ins", effort.walks * MORE_WALKS) for _ in range(effort.processes)]
    ratios = [ratio(told["recorded"], told["silent"])[0] for told in rounds]
    recorded, silent = (median(median(told[name]) for told in rounds) for name in ("recorded", "silent"))
    what, remark = "CPU of a sign-in, against one that records nothing", f"{recorded:.2f} ms, {silent:.2f} ms"
    return Row(what, where, median(ratios), spread(ratios), 1.05, remark=remark)
