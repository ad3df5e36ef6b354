"""From rounds to a ratio, its noise and a verdict."""

from dataclasses import dataclass
from enum import StrEnum
from statistics import median, quantiles


class Verdict(StrEnum):
    """How a row stands to what it must and should reach."""

    REACHED = "reached"
    MET = "met"
    UNSURE = "within noise"  # below what it must, by less than the machine's noise
    MISSED = "MISSED"
    NOTED = ""  # nothing is demanded


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a figure, how far the machine can be trusted with it, and what is demanded.

    `noise` is a fraction of the figure. `higher_is_better` says on which side of `must` and `reach` it should be.
    """

    what: str
    where: str
    figure: float
    noise: float
    must: float | None = None
    reach: float | None = None
    higher_is_better: bool = False
    unit: str = "×"
    remark: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.must is None:
            return Verdict.NOTED
        if self.reach is not None and self._holds(self.figure, self.reach):
            return Verdict.REACHED
        if self._holds(self.figure, self.must):
            return Verdict.MET
        favour = self.figure * (1 + self.noise if self.higher_is_better else 1 - self.noise)
        return Verdict.UNSURE if self._holds(favour, self.must) else Verdict.MISSED

    def _holds(self, figure: float, demanded: float) -> bool:
        return figure >= demanded if self.higher_is_better else figure <= demanded


def spread(rounds: list[float]) -> float:
    """Half the distance between the quartiles of the rounds, as a fraction of their median."""
    if len(rounds) < 2:
        return 0.0
    lower, _, upper = quantiles(rounds, n=4, method="inclusive")
    return (upper - lower) / 2 / median(rounds)


def ratio(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    """The median of the rounds' ratios, and their spread.

    Round by round, because both sides of a round met the same weather.
    """
    pairs = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return median(pairs), spread(pairs)
