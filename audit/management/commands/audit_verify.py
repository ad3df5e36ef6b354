"""`manage.py audit_verify`: is the record what was recorded?"""

import os
import sqlite3
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, cast
from uuid import UUID

from django.conf import settings
from django.core.management.base import CommandError
from django.db import Error as AnyDatabaseError
from rich.console import Console
from rich.progress import Progress

from audit import keys, rows, statements
from audit.chain import PLATFORM
from audit.damage import Damage
from audit.errors import CheckpointUnsound, KeyMalformed, NoSuchKey
from audit.management.answering import AnsweringCommand
from audit.management.arguments import chain_id
from audit.promises import Promises
from audit.verification import Verdict, verify

TAMPERED: Final = 1
CANNOT_TELL: Final = 3


class Command(AnsweringCommand):
    """Harmless at any time and while people work: reads, and holds nothing. Needs `AUDIT_HMAC_KEYS`, all of them."""

    help = (
        "Read every event, compute its hash and its seal anew, and name the first in each chain that was edited,\n"
        "removed, inserted, swapped or re-dated, or where the newest ones are missing. Every tenant has a chain, and\n"
        "the platform has one.\n\n"
        "With --checkpoints also: history that somebody with the keys wrote anew, and newest events that were cut off\n"
        "together with a head that was put back to match, up to the last checkpoint. Take the directory from where\n"
        "the database's administrators cannot write. AUDIT_CHECKPOINT_PUBLIC_KEYS has to hold all public keys.\n\n"
        "Examples:\n"
        "  manage.py audit_verify                                everything\n"
        "  manage.py audit_verify --tenant platform              the platform's own chain\n"
        "  manage.py audit_verify --tenant 3f0c8a52-…            one tenant's, by its id; whether another chain has\n"
        "                                                        events that name the tenant, a look at all tells\n"
        "  manage.py audit_verify --checkpoints /srv/checkpoints   and compare with what was signed\n"
        "  manage.py audit_verify --since 2026-11-01             from the first event of that day; what is\n"
        "                                                        before it is believed, not looked at\n"
        "  manage.py audit_verify --processes 1                  leave the other processors to the site\n\n"
        "Exit codes: 0 whole; 1 tampered with; 2 wrong arguments; 3 it cannot be told (a key is missing, no such\n"
        "chain, or it broke off)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--tenant", type=chain_id, metavar="ID", help='one tenant, by its id, or "platform"')
        parser.add_argument("--since", type=moment, metavar="TIME", help="a day or a time (ISO 8601; UTC if not said)")
        parser.add_argument("--checkpoints", type=Path, metavar="DIR", help="compare with the signed files in it")
        parser.add_argument("--processes", type=count, default=os.cpu_count(), metavar="N", help="1 to 64")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if not keys.by_id():
                raise CommandError("AUDIT_HMAC_KEYS is empty: seals cannot be checked.", returncode=CANNOT_TELL)
            with closing(Promises()) as promised:
                self._read(options["checkpoints"], promised)
                verdicts = self._look(options["tenant"], options["since"], options["processes"], promised)
                if options["tenant"] is None and (wrong := rows.contradiction()) is not None:
                    self.stdout.write(f"The database file contradicts itself: {wrong}")
                    verdicts.tampered += 1
        except KeyMalformed as error:
            raise CommandError(f"A key in the settings: {error}.", returncode=CANNOT_TELL) from error
        except rows.Unreadable as error:
            raise CommandError(f"The record was tampered with: {error}", returncode=TAMPERED) from error
        except (AnyDatabaseError, sqlite3.Error, BrokenProcessPool) as error:
            raise CommandError(f"It broke off: {type(error).__name__}.", returncode=CANNOT_TELL) from error
        self._judge(verdicts, options["since"])

    def _read(self, directory: Path | None, promised: Promises) -> None:
        """Keep what the checkpoints say, and say how many they are."""
        if directory is None:
            return
        try:
            found = statements.Reading(directory, statements.public_keys(settings.AUDIT_CHECKPOINT_PUBLIC_KEYS))
            promised.add(found)
        except NoSuchKey as error:
            raise CommandError(f"Checkpoints: {error}.", returncode=CANNOT_TELL) from error
        except CheckpointUnsound as error:
            raise CommandError(f"Checkpoints were tampered with: {error}.", returncode=TAMPERED) from error
        except OSError as error:
            raise CommandError(f"Checkpoints cannot be read: {error.strerror}.", returncode=CANNOT_TELL) from error
        if not found.count:
            raise CommandError(f"There is no checkpoint in {directory}.", returncode=CANNOT_TELL)
        self.stdout.write(f"{found.count} checkpoints, the last of {found.last_at}; what is newer, none vouches for.")

    def _look(self, tenant: UUID | None, since: datetime | None, processes: int, promised: Promises) -> "Tally":
        """Look at the chains, with a bar on a terminal, and say what is wrong above it."""
        console = Console(file=cast(IO[str], self.stdout), soft_wrap=True, markup=False, highlight=False)
        tally = Tally()
        with Progress(console=console, transient=True, disable=not self.stdout.isatty()) as progress:
            bar = progress.add_task("Events", total=_total(tenant))
            chains: Iterable[UUID] = [tenant] if tenant else _everything(promised)

            def advance(events: int) -> None:
                progress.update(bar, advance=events)

            verdicts = verify(chains, since=since, processes=processes, progress=advance, promised=promised)
            for verdict in verdicts:
                tally.add(verdict)
                if verdict.finding or tenant:
                    console.print(sentence(verdict))
        return tally

    def _judge(self, tally: "Tally", since: datetime | None) -> None:
        """Say how it ended, and what that does not prove."""
        self.stdout.write(f"{tally.events} events looked at in {tally.chains} chains, {tally.wrong} of them not whole.")
        if since is not None:
            self.stdout.write(f"What is dated before {since:%Y-%m-%d %H:%M} UTC was not looked at.")
        if tally.tampered:
            raise CommandError("The record was tampered with.", returncode=TAMPERED)
        if tally.wrong or not tally.chains:
            raise CommandError("Whether the record is whole cannot be told.", returncode=CANNOT_TELL)


def _total(tenant: UUID | None) -> int | None:
    """How many events there are to look at, as heads say; None where they cannot be read."""
    try:
        return sum(head.sequence for head, _ in ([(rows.head_of(tenant), False)] if tenant else rows.heads().values()))
    except rows.Unreadable:
        return None


def _everything(promised: Promises) -> Iterator[UUID]:
    """Every chain that there is, and those that only checkpoints know any more."""
    seen = set()
    for each in rows.chains():
        seen.add(each)
        yield each
    yield from (each for each in promised.chains() if each not in seen)


class Tally:
    """How many chains and events were looked at, and what is wrong with them."""

    def __init__(self) -> None:
        self.chains = self.events = self.wrong = self.tampered = 0

    def add(self, verdict: Verdict) -> None:
        self.events += verdict.events
        self.chains += bool(verdict.head.found or verdict.events or verdict.finding)
        self.wrong += verdict.finding is not None
        self.tampered += verdict.finding is not None and verdict.finding.damage is not Damage.UNKNOWN_KEY


def sentence(verdict: Verdict) -> str:
    """One line about one chain."""
    head = verdict.head
    name = "Platform" if head.chain == PLATFORM else f"Tenant {head.chain}"
    if verdict.finding:
        return f"{name}: {verdict.finding}."
    if not head.found:
        return f"{name}: nothing is recorded under that id."
    return f"{name}: whole from number {verdict.begins_after + 1} to {head.sequence}."


def moment(text: str) -> datetime:
    """A moment with its zone. Raises ArgumentTypeError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"a day or a time such as 2026-11-01T12:00, not {text!r}") from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def count(text: str) -> int:
    """How many processes. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 64):
        raise ArgumentTypeError(f"a whole number from 1 to 64, not {text!r}")
    return int(text)
