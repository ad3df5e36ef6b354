"""`manage.py audit_export_chain`: one whole chain of the record as a file that anybody can verify."""

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from django.core.management.base import CommandError
from django.db import Error as AnyDatabaseError
from rich.console import Console
from rich.progress import Progress

from audit import chain_export
from audit.chain import PLATFORM
from audit.management.answering import AnsweringCommand
from audit.management.arguments import chain_id
from audit.rows import Head, Unreadable

FAILED: Final = 1
CANNOT_TELL: Final = 3


class Command(AnsweringCommand):
    """Harmless while people work: reads, holds nothing, and leaves one event."""

    help = (
        "Write every event of one chain as JSON Lines: a head line, then a line for each event, with everything that\n"
        "is hashed. `python -m audit.verify FILE` checks it against signed checkpoints, on any machine, with the\n"
        "public keys only. It holds names and addresses: keep it as you keep the record. The export is recorded, as\n"
        "the newest event of the chain and the last of the file.\n\n"
        "Examples:\n"
        "  manage.py audit_export_chain --output platform.jsonl                  the platform's own chain\n"
        "  manage.py audit_export_chain --tenant 3f0c8a52-… --output acme.jsonl  one tenant's, by its id\n"
        "  manage.py audit_export_chain --tenant 3f0c8a52-… | gzip > acme.jsonl.gz\n\n"
        "Exit codes: 0 written; 1 it broke off, and the file is not whole; 2 wrong arguments; 3 nothing is recorded\n"
        "under that id."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--tenant", type=chain_id, default=PLATFORM, metavar="ID", help="one tenant, by its id")
        parser.add_argument("--output", type=Path, metavar="FILE", help="a new file; without it, standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if not chain_export.is_recorded(options["tenant"]):
                raise CommandError("Nothing is recorded under that id.", returncode=CANNOT_TELL)
            with self._opened(options["output"]) as out:
                line, head = chain_export.begin(options["tenant"])
                out.write(line)
                self._write(out, head)
        except Unreadable as error:
            raise CommandError(f"It broke off: {error}", returncode=FAILED) from error
        except (AnyDatabaseError, OSError) as error:
            raise CommandError(f"It broke off: {type(error).__name__}.", returncode=FAILED) from error

    @contextmanager
    def _opened(self, path: Path | None) -> Iterator[TextIO]:
        """Where to write; a file is a new one, for its owner alone, and on the disk in the end."""
        if path is None:
            yield self.stdout  # type: ignore[misc]  # Django's wrapper around a TextIO
            self.stdout.flush()
            return
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def _write(self, out: TextIO, head: Head) -> None:
        """All events, with a bar where somebody watches."""
        shown = sys.stderr.isatty()
        with Progress(console=Console(stderr=True), transient=True, disable=not shown) as progress:
            bar = progress.add_task("Events", total=head.sequence)
            for piece in chain_export.pieces(head):
                out.write(piece)
                progress.update(bar, advance=piece.count("\n"))
        self.stderr.write(f"{head.sequence} events, the last of them this export.")
