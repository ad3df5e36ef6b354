"""Charts as SVG, laid out here and drawn by templates: no script, no inline style, colours from the stylesheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 600  # user units; the page scales the picture
HEIGHT: Final = 160


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with its part of a whole: `percent` is a whole number, `width` is in user units of `WIDTH`.

    `into` names the list of these people, if there is one; `url` is where it leads.
    """

    label: str
    number: int
    percent: int
    width: float
    tone: str = ""
    into: str = ""
    url: str = ""


def bar(label: str, number: int, of: int, *, tone: str = "", into: str = "") -> Bar:
    """One bar. Of nothing it is empty; a percentage is 0 or 100 only where it is exactly so."""
    share = number / of if of else 0.0
    percent = round(share * 100)
    if number and percent == 0:
        percent = 1
    elif number < of and percent == 100:
        percent = 99
    return Bar(label, number, percent, round(share * WIDTH, 1), tone, into)


def line(values: Sequence[float | None], *, most: float) -> str:
    """The `points` of a polyline over `WIDTH` by `HEIGHT`: equal steps from left to right, None leaves a gap out.

    A single point stands there twice: of one alone nothing is drawn, of two the round ends are (SVG 2, §13.5.4).
    """
    step = WIDTH / max(len(values) - 1, 1)
    points = [
        f"{round(index * step, 1)},{round(HEIGHT - HEIGHT * min(value / most, 1), 1) if most else HEIGHT}"
        for index, value in enumerate(values)
        if value is not None
    ]
    return " ".join(points * 2 if len(points) == 1 else points)
