"""A whole chain is written the same, quickly or properly: PostgreSQL has both ways."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import chain_export, raw_rows, rows
from tests.audit.test_quick import change_somewhere, properly
from tests.audit.test_verification import sql, undone

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def written(chain: UUID) -> list[str]:
    return "".join(chain_export.pieces(rows.head_of(chain))).splitlines(keepends=True)


def test_quickly_and_properly_the_same_is_written(hostile_chain: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_rows, "PAGE", 4)
    found = written(hostile_chain)
    monkeypatch.setattr(raw_rows, "are_there", lambda: False)
    assert [json.loads(line) for line in found] == [json.loads(line) for line in written(hostile_chain)]
    assert [list(json.loads(line)) for line in found] == [list(json.loads(line)) for line in written(hostile_chain)]
    assert "".join(found).isascii()
    assert "".join(found).splitlines(keepends=True) == found
    assert len(found) == 9


def test_a_moment_that_no_export_can_hold_breaks_it_off(hostile_chain: UUID) -> None:
    with undone():
        sql("UPDATE audit_auditevent SET at = '2026-11-28 16:00:00 BC' WHERE sequence = 2")
        with pytest.raises(rows.Unreadable):
            written(hostile_chain)


def test_events_that_are_missing_are_missing_in_it_too(hostile_chain: UUID) -> None:
    with undone():
        sql("DELETE FROM audit_auditevent WHERE chain = %s AND sequence = 3", hostile_chain)
        assert [json.loads(line)["sequence"] for line in written(hostile_chain)][:4] == [1, 2, 4, 5]


@pytest.mark.security(88)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_so_it_is_whatever_stands_in_the_table(hostile_chain: UUID, data: st.DataObject) -> None:
    with undone():
        change_somewhere(hostile_chain, data)
        with properly():
            slow = read_of(hostile_chain)
        assert read_of(hostile_chain) == slow


def read_of(chain: UUID) -> Any:
    """What a reader of the file finds in it; nothing where it breaks off."""
    try:
        return [json.loads(line) for line in written(chain)]
    except rows.Unreadable:
        return None


@pytest.mark.security(88)
def test_signs_that_part_columns_shift_nothing(hostile_chain: UUID) -> None:
    with undone():
        sql("ALTER TABLE audit_auditevent ALTER target_type DROP NOT NULL")
        move = "UPDATE audit_auditevent SET target_type = NULL, actor_label = actor_label || %s || target_type"
        assert sql(f"{move} WHERE chain = %s AND sequence = 4", raw_rows.FIELD, hostile_chain) == 1
        found = [json.loads(line) for line in written(hostile_chain)]
        assert found[3]["target_type"] is None
        assert raw_rows.FIELD in found[3]["actor_label"]
