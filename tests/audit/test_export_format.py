"""The lines of an export: one each, and a head that says what the file proves."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from audit import export_format

AT = datetime(2026, 11, 28, 14, 0, 0, 7, tzinfo=timezone(timedelta(hours=2)))
CHAIN = UUID(int=7)


def test_the_head_of_a_chain_says_that_it_is_whole_and_where_it_ends():
    assert export_format.head_of_chain(CHAIN, sequence=3, digest="ab", at=AT) == {
        "format": "gatehouse-audit",
        "version": 2,
        "whole": True,
        "at": "2026-11-28T12:00:00.000007Z",
        "chain": str(CHAIN),
        "sequence": 3,
        "hash": "ab",
    }


def test_the_head_of_a_selection_says_that_it_proves_nothing():
    head = export_format.head_of_selection({"kind": "session:signed_out"}, at=AT.astimezone(UTC))
    assert (head["whole"], head["filter"]) == (False, {"kind": "session:signed_out"})
    assert "proves nothing" in head["note"]


@given(st.dictionaries(st.text(), st.text()))
def test_whatever_a_text_holds_it_stays_one_line_of_ascii(texts: dict[str, str]):
    line = export_format.line_of(texts)
    assert (line.isascii(), line.splitlines()) == (True, [line[:-1]])
    assert json.loads(line) == texts
