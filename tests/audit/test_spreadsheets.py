"""No cell of a list is a formula, whatever a name is made of."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.spreadsheets import csv_lines, csv_of_columns, harmless

DISGUISED = {
    "x;=1": "x;'=1",
    "x,=1": "x,'=1",
    "x|@a": "x|'@a",
    "x\t+1": "x\t'+1",
    "x\n-1": "x\n'-1",
    "x\r=1": "x\r'=1",
    'x"=1': "x\"'=1",
    "x; \u200b=1": "x;' \u200b=1",
    "\u200b=1": "'\u200b=1",
    "\ufeff =1": "'\ufeff =1",
    "\u202e=1": "'\u202e=1",
    "\uff1d1": "'\uff1d1",
    "\uff0b1": "'\uff0b1",
    "\uff0d1": "'\uff0d1",
    "\uff20a": "'\uff20a",
    "=1;=2": "'=1;'=2",
}


@pytest.mark.parametrize(("cell", "shown"), DISGUISED.items(), ids=ascii)
def test_nor_is_one_that_is_disguised_or_that_another_separator_lays_bare(cell: str, shown: str) -> None:
    assert harmless(cell) == shown


def test_numbers_stay_numbers() -> None:
    assert [*csv_lines([[-1, -0.5, "-1"]])][1:] == ["-1,-0.5,'-1\r\n"]


INNOCENT = ["", "Ada", "a=b", "'=1", "1-2", "Ü", "Ann-Lee, Ada", "a-b+c@acme.example", "x; y", 'the "so-called" one']


@pytest.mark.parametrize("cell", INNOCENT, ids=repr)
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert harmless(cell) == cell


def test_lines_are_made_one_at_a_time() -> None:
    def rows() -> Iterator[list[str]]:
        yield ["a", 'b "c", d']
        raise AssertionError("read ahead")

    lines = csv_lines(rows())
    assert [next(lines), next(lines)] == ["\ufeff", 'a,"b ""c"", d"\r\n']


CELLS = st.text(alphabet=st.sampled_from(" \t\r\n\x1f;,|\"'=-+@ab\u200b\uff1dé"), max_size=8) | st.text(max_size=8)


@pytest.mark.security(87)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_a_table_by_columns_is_the_same_as_by_lines(rows: list[tuple[str, str]]) -> None:
    assert csv_of_columns(zip(*rows, strict=True)) == "".join([*csv_lines(rows)][1:])


@pytest.mark.parametrize(("cell", "shown"), DISGUISED.items(), ids=ascii)
def test_a_disguised_one_among_innocent_ones_is_none_either(cell: str, shown: str) -> None:
    column = [*INNOCENT, cell]
    expected = [*csv_lines((one, one) for one in [*INNOCENT, shown])][1:]
    assert csv_of_columns([column, column]) == "".join(expected)


@pytest.mark.security(87)
@pytest.mark.parametrize("sign", "=+-@")
def test_a_formula_after_a_cell_that_ends_in_a_letter_is_none(sign: str) -> None:
    assert csv_of_columns([["b", f"{sign}1"], ["c", "d"]]) == f"b,c\r\n'{sign}1,d\r\n"
