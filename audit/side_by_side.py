"""Two things at once: what is fetched next, and what is made of what was fetched before."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Made = TypeVar("Made")


def made_meanwhile(make: Callable[[Part], Made], parts: Iterable[Part]) -> Iterator[Made]:
    """What `make` makes of each part, in their order, while the next part is fetched: two parts are there at a time.

    It is worth a thread where fetching mostly waits. `make` runs in that thread: it asks no database, and for nothing
    else that belongs to the one which fetches. What it raises, and what fetching raises, is raised here; where fetching
    fails, what is being made of the part before is lost.
    """
    with ThreadPoolExecutor(1) as worker:
        making: Future[Made] | None = None
        for part in parts:
            following = worker.submit(make, part)
            if making is not None:
                yield making.result()
            making = following
        if making is not None:
            yield making.result()
