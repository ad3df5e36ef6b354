"""A whole chain is written the same, quickly or properly: PostgreSQL has both ways."""

import json
from uuid import UUID

import pytest

from audit import chain_export, raw_rows, rows
from tests.audit.test_verification import sql, undone

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def written(chain: UUID) -> list[str]:
    return list(chain_export.lines(rows.head_of(chain)))


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
