"""What many checkpoints say is kept whole and costs little memory, however many they are."""

import tracemalloc
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from audit import statements
from audit.errors import CheckpointUnsound
from audit.export_reading import ExportHead
from audit.promises import PAGE, Promises
from audit.statements import Statement
from audit.verify import _promises
from tests.audit.export_scene import PRIVATE, PUBLIC

CHAINS = [str(UUID(int=number)) for number in range(1, 201)]
FIRST = UUID(CHAINS[0])


@pytest.fixture
def promises() -> Iterator[Promises]:
    with closing(Promises()) as empty:
        yield empty


def said(number: int, **heads: tuple[int, str]) -> Statement:
    """A statement about chains that are named by the hex digits of their ids."""
    ids = {str(UUID(int=int(chain.removeprefix("c")))): head for chain, head in heads.items()}
    return Statement(number, "", "", "", ids, "")


def test_what_was_said_is_kept_by_chain_and_in_the_order_of_numbers(promises: Promises) -> None:
    promises.add([said(1, c2=(7, "g"), c1=(300, "x")), said(2, c2=(7, "g"), c1=(20, "y")), said(3, c1=(0, "z"))])
    assert list(promises.chains()) == [UUID(int=1), UUID(int=2)]
    assert list(promises.of(UUID(int=1))) == [[(0, "z"), (20, "y"), (300, "x")]]
    assert list(promises.of(UUID(int=2))) == [[(7, "g")]]
    assert list(promises.of(UUID(int=3))) == []


def test_many_promises_come_by_the_page_and_none_is_lost(promises: Promises) -> None:
    promises.add(said(number, c1=(number, str(number))) for number in range(2 * PAGE + 1, 0, -1))
    pages = list(promises.of(FIRST))
    assert [len(page) for page in pages] == [PAGE, PAGE, 1]
    assert [one for page in pages for one in page] == [(number, str(number)) for number in range(1, 2 * PAGE + 2)]


@pytest.mark.security(88)
def test_a_contradiction_is_found_whatever_came_between(promises: Promises) -> None:
    honest = [said(number, c1=(number, str(number)), c2=(1, "a")) for number in range(1, 50)]
    with pytest.raises(CheckpointUnsound, match=f"checkpoint 50 contradicts an older one about chain {FIRST}"):
        promises.add([*honest, said(50, c1=(3, "another"), c2=(1, "a"))])
    assert (3, "3") in next(promises.of(FIRST))


def write(directory: Path, checkpoints: int) -> None:
    """So many files, each with new heads of all chains."""
    key, previous = statements.signing_key(PRIVATE), statements.NONE
    for number in range(1, checkpoints + 1):
        heads = {chain: (number, f"{number:064}") for chain in CHAINS}
        text = statements.sign(key, number=number, at="", previous=previous, heads=heads)
        (directory / f"checkpoint-{number:010}.json").write_text(text)
        previous = statements.digest_of(text)


def into_a_table(directory: Path) -> None:
    with closing(Promises()) as promises:
        promises.add(statements.Reading(directory, statements.public_keys([PUBLIC])))
        assert len(list(promises.chains())) == len(CHAINS)


def alone(directory: Path) -> None:
    head = ExportHead(FIRST, 0, "", "")
    assert _promises(Namespace(checkpoints=directory, public_keys=[PUBLIC]), head)


@pytest.mark.parametrize("read", [into_a_table, alone])
def test_four_times_the_checkpoints_take_no_more_memory(
    tmp_path: Path, read: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    peaks = []
    for checkpoints in (5, 5, 20):  # the first time loads what stays
        directory = tmp_path_factory.mktemp("checkpoints")
        write(directory, checkpoints)
        tracemalloc.start()
        try:
            read(directory)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[2] < peaks[1] * 1.25
