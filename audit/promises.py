"""What many checkpoints say of many chains, in little memory: a table in a temporary file, gone with the process."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

from audit.errors import CheckpointUnsound
from audit.statements import Statement

PAGE: Final = 500  # promises
NEW_TABLE: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE promise (chain BLOB, number INTEGER, digest TEXT, PRIMARY KEY (chain, number)) WITHOUT ROWID;
"""


class Promises:
    """Which hash each named event has. To be closed. Everything raises sqlite3.Error where the file finds no room."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("")  # SQLite's name for a file that is gone when it is closed
        self._table.executescript(NEW_TABLE)

    def close(self) -> None:
        """Remove the file."""
        self._table.close()

    def add(self, found: Iterable[Statement]) -> None:
        """Keep what the statements say. Raises CheckpointUnsound where two contradict."""
        for statement in found:
            for chain, (number, digest) in statement.heads.items():
                if self._kept(UUID(chain), number, digest) != digest:
                    raise CheckpointUnsound(
                        f"checkpoint {statement.number} contradicts an older one about chain {chain}"
                    )

    def chains(self) -> Iterator[UUID]:
        """Every chain that is named, in the order of their ids."""
        for (chain,) in self._table.execute("SELECT DISTINCT chain FROM promise ORDER BY chain"):
            yield UUID(bytes=chain)

    def of(self, chain: UUID) -> Iterator[list[tuple[int, str]]]:
        """Numbers and hashes of one chain in the order of the numbers, by the page."""
        found = self._table.execute("SELECT number, digest FROM promise WHERE chain = ? ORDER BY number", [chain.bytes])
        while page := found.fetchmany(PAGE):
            yield page

    def _kept(self, chain: UUID, number: int, digest: str) -> str:
        """The hash that was said of this event first; it stays."""
        new = self._table.execute("INSERT OR IGNORE INTO promise VALUES (?, ?, ?)", [chain.bytes, number, digest])
        if new.rowcount:
            return digest
        kept = self._table.execute("SELECT digest FROM promise WHERE chain = ? AND number = ?", [chain.bytes, number])
        return str(kept.fetchone()[0])
