"""The rows as a table that reads on a terminal and in Markdown."""

from collections.abc import Iterable

from tests.bench.figures import Row, Verdict
from tests.bench.peers import ROOT

HEAD = ("what", "where", "figure", "noise", "must", "reach", "", "remark")
SMALL = 0.1  # where two places are one digit
RIGHT = frozenset({2, 3, 4, 5})
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"


def table(rows: Iterable[Row]) -> str:
    """Every row in one line; columns aligned."""
    lines = [HEAD, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    ruler = ["-" * (width - 1) + (":" if number in RIGHT else "-") for number, width in enumerate(widths)]
    return "\n".join(_line(line, widths) for line in (lines[0], ruler, *lines[1:]))


def _cells(row: Row) -> tuple[str, ...]:
    sign = "≥" if row.higher_is_better else "≤"
    demands = ["" if demand is None else f"{sign} {demand:g}{row.unit}" for demand in (row.must, row.reach)]
    noise = f"± {row.noise:.0%}" if row.noise else ""
    return (row.what, row.where, _number(row), noise, *demands, str(row.verdict), row.remark)


def _number(row: Row) -> str:
    places = (3 if row.unit == "×" and row.figure < SMALL else 2) if row.unit else 0
    return f"{row.figure:.{places}f}{row.unit}"


def _line(cells: Iterable[str], widths: list[int]) -> str:
    padded = (
        cell.rjust(width) if number in RIGHT else cell.ljust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"


def sentence(rows: list[Row]) -> str:
    """What it comes to."""
    missed = [row for row in rows if row.verdict is Verdict.MISSED]
    if missed:
        return f"{len(missed)} of {len(rows)} rows miss what they must by more than the machine's noise."
    return "Every row is what it must be, as far as this machine can tell."


def record(rows: list[Row]) -> None:
    """Put the table where docs/benchmarks.md keeps the latest one."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{table(rows)}\n{END}{after}")
