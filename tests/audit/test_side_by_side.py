"""What is made of each part comes in order, while the next part is fetched, and nothing is lost or left running."""

import threading
from collections.abc import Iterator

import pytest

from audit.side_by_side import made_meanwhile


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_everything_comes_once_and_in_order(count: int) -> None:
    assert list(made_meanwhile(str, range(count))) == [str(each) for each in range(count)]


def test_the_next_part_is_fetched_while_something_is_made_of_this_one() -> None:
    """If they waited for each other, neither would ever be done."""
    second_is_there = threading.Event()

    def parts() -> Iterator[int]:
        yield 1
        second_is_there.set()
        yield 2

    def make(part: int) -> tuple[int, bool]:
        return part, second_is_there.wait(timeout=30)

    assert list(made_meanwhile(make, parts())) == [(1, True), (2, True)]


def test_no_more_than_two_parts_are_there_at_a_time() -> None:
    fetched: list[int] = []

    def parts() -> Iterator[int]:
        for each in range(9):
            fetched.append(each)
            yield each

    for number, _made in enumerate(made_meanwhile(str, parts())):
        assert len(fetched) <= number + 2


def test_what_making_raises_comes_in_its_place() -> None:
    found: list[int] = []
    with pytest.raises(ZeroDivisionError):
        found.extend(made_meanwhile(lambda part: 6 // part, [3, 2, 0, 1]))
    assert found == [2, 3]


def test_what_fetching_raises_ends_it() -> None:
    def parts() -> Iterator[int]:
        yield 1
        raise LookupError

    with pytest.raises(LookupError):
        list(made_meanwhile(str, parts()))


def test_whoever_goes_away_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    made = made_meanwhile(str, iter(range(1000)))
    assert next(made) == "0"
    assert threading.active_count() == before + 1
    made.close()  # type: ignore[attr-defined]  # of a generator
    assert threading.active_count() == before
