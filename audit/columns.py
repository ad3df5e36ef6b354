"""Columns of many events as PostgreSQL spells them, on their way into JSON: all at once, for who has no time for each.

Nearly always a column goes on as it is, and a look at the whole of it is enough to know.
"""

import re
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring as quoted  # what JSONEncoder does with a text
from typing import Final

TOGETHER: Final = 250  # events: texts of more leave the processor's cache
REMEMBERED: Final = 1024  # days, and what else is found out once: a record has a few dozen
DAY: Final = len("2026-11-28 ")
MOMENT: Final = len("2026-11-28 12:00:00.000000")  # unless it ends in BC
SPELT: Final = re.compile(r"([1-9]\d{3}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?", re.ASCII)


class Doubt(Exception):
    """The events may be as recording writes them or not: somebody has to look at each properly."""


def escaped(texts: Sequence[str], quote: Callable[[str], str] = quoted) -> Sequence[str]:
    """Texts as JSON has them between quotation marks."""
    together = "".join(texts)
    return texts if quote(together) == f'"{together}"' else [quote(text)[1:-1] for text in texts]


def moments(texts: Sequence[str]) -> list[str]:
    """Moments in UTC as they are hashed and exported, but for the Z: of a year of four digits of our era.

    Raises Doubt: nothing else is spelt so.
    """
    return [_days[at[:DAY]] + at[DAY:] if len(at) == MOMENT and at[-1] != "C" else _moment(at) for at in texts]


class _Days(dict[str, str]):
    """The days of moments, by how PostgreSQL spells them."""

    def __missing__(self, day: str) -> str:
        if len(self) > REMEMBERED:
            self.clear()
        self[day] = told = _moment(f"{day}00:00:00")[:DAY]
        return told


_days: Final = _Days()


def _moment(at: str) -> str:
    """PostgreSQL leaves out what is 0 at the end of a fraction."""
    found = SPELT.fullmatch(at)
    if found is None:
        raise Doubt
    return f"{found[1]}T{found[2]}.{found[3] or '':0<6}"
