"""From rounds to a ratio, its noise and a verdict; and the table that shows them."""

import re

import pytest

from tests.bench import table
from tests.bench.figures import Row, Verdict, ratio, spread
from tests.bench.peers import PINS, ROOT


def row(figure: float, noise: float, must: float | None, reach: float | None = None, *, higher: bool = True) -> Row:
    return Row("what", "where", figure, noise, must, reach, higher)


def test_a_ratio_is_taken_round_by_round():
    figure, noise = ratio([100, 50, 80], [50, 25, 40])
    assert figure == 2
    assert noise == 0


def test_noise_is_half_the_distance_between_the_quartiles():
    assert spread([8, 9, 10, 11, 12]) == pytest.approx(0.1)
    assert spread([10]) == 0


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (row(1.6, 0.1, 1.0, 1.5), Verdict.REACHED),
        (row(1.2, 0.1, 1.0, 1.5), Verdict.MET),
        (row(0.95, 0.1, 1.0, 1.5), Verdict.UNSURE),
        (row(0.85, 0.1, 1.0, 1.5), Verdict.MISSED),
        (row(0.9, 0.05, 1.25, 1.0, higher=False), Verdict.REACHED),
        (row(1.2, 0.05, 1.25, 1.0, higher=False), Verdict.MET),
        (row(1.3, 0.05, 1.25, 1.0, higher=False), Verdict.UNSURE),
        (row(1.4, 0.05, 1.25, 1.0, higher=False), Verdict.MISSED),
        (row(33, 0, 32, higher=False), Verdict.MISSED),
        (row(33, 0, None), Verdict.NOTED),
    ],
)
def test_the_verdict_forgives_the_noise_and_nothing_more(found: Row, verdict: Verdict):
    assert found.verdict is verdict


def test_the_table_is_aligned_and_names_what_was_missed():
    rows = [row(0.5, 0.1, 1.0, 1.5), row(1.6, 0.0, 1.0, 1.5)]
    lines = table.table(rows).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "MISSED" in lines[2]
    assert table.sentence(rows).startswith("1 of 2 rows")


def test_the_table_is_kept_in_the_page_about_it(tmp_path, monkeypatch):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{table.BEGIN}old\n{table.END}after\n")
    monkeypatch.setattr(table, "PAGE", page)
    table.record([row(1.6, 0.0, 1.0)])
    kept = page.read_text()
    assert kept.startswith(f"before\n{table.BEGIN}| what")
    assert kept.endswith(f"{table.END}after\n")
    assert "old" not in kept


def test_the_peers_run_on_the_versions_that_the_site_runs_on():
    pinned = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
    ours = dict(pinned.findall((ROOT / "requirements.lock").read_text()))
    theirs = dict(pinned.findall(PINS.read_text()))
    del theirs["django-otp"]
    assert {name: ours.get(name) for name in theirs} == theirs
