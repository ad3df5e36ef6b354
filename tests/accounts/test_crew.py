"""Threads at one task: what they say arrives, and what goes wrong in one is not lost in it."""

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from accounts import crew


def alive() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("crew_")]


def test_what_every_thread_says_arrives() -> None:
    assert sorted(crew.overlapped(lambda: iter_of(3), threads=2)) == [0, 0, 1, 1, 2, 2]
    assert alive() == []


def iter_of(number: int) -> Iterator[int]:
    yield from range(number)


def test_what_one_thread_raises_ends_the_others_and_is_raised() -> None:
    turns = count()

    def task() -> Iterator[int]:
        if next(turns) == 1:
            raise ZeroDivisionError
        while True:  # until it is told to stop
            yield 1

    with pytest.raises(ZeroDivisionError):
        for _step in crew.overlapped(task):
            pass
    assert alive() == []


def test_broken_off_it_ends_every_thread() -> None:
    steps = crew.overlapped(count_for_ever)
    assert next(steps) == 0
    steps.close()
    assert alive() == []


def count_for_ever() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1
