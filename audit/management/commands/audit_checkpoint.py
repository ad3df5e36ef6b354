"""`manage.py audit_checkpoint`: sign where the record stands, and write that outside the database."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any, Final

from django.conf import settings
from django.core.management.base import CommandError
from django.db import Error as AnyDatabaseError
from django.utils import timezone

from audit import checkpoints, statements
from audit.errors import KeyMalformed, KeyMissing, RecordNotWhole
from audit.management.answering import AnsweringCommand

FAILED: Final = 1
NO_KEY: Final = 3
NOT_WHOLE: Final = 4


class Command(AnsweringCommand):
    """Harmless at any time."""

    help = (
        "Sign the newest event of every chain, and write that where a database administrator cannot: into\n"
        "AUDIT_CHECKPOINT_DIR, by mail to AUDIT_CHECKPOINT_MAIL, and into the log. Needs AUDIT_CHECKPOINT_KEY, which\n"
        "the web processes must not have. What is newer than the last checkpoint is verified first; a chain that is\n"
        "not whole keeps its last signed place.\n\n"
        "Examples:\n"
        "  manage.py audit_checkpoint                make one now\n"
        "  manage.py audit_checkpoint --if-due       only after a day, a publish, a reset or a change of keys (cron)\n"
        "  manage.py audit_checkpoint --new-key      print a new key and its public key; changes nothing\n\n"
        "Exit codes: 0 made, or not due; 1 it could not be written or mailed; 2 wrong arguments; 3 no proper key;\n"
        "4 made, but not everything in the record is whole."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--if-due", action="store_true", help="do nothing where none is due")
        which.add_argument("--new-key", action="store_true", help="print a new pair of keys")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["new_key"]:
            text = statements.new_key()
            self.stdout.write(f"AUDIT_CHECKPOINT_KEY={text}")
            self.stdout.write(f"AUDIT_CHECKPOINT_PUBLIC_KEYS={statements.signing_key(text).public}")
            return
        if not settings.AUDIT_CHECKPOINT_KEY:
            raise CommandError("AUDIT_CHECKPOINT_KEY is not set.", returncode=NO_KEY)
        now = timezone.now()
        try:
            if options["if_due"] and not checkpoints.is_due(now):
                self.stdout.write("None is due.")
                return
            made = checkpoints.make(now)
        except KeyMalformed as error:
            raise CommandError(f"AUDIT_CHECKPOINT_KEY: {error}.", returncode=NO_KEY) from error
        except KeyMissing as error:
            raise CommandError(str(error), returncode=NO_KEY) from error
        except RecordNotWhole as error:
            raise CommandError(f"The record was tampered with: {error}.", returncode=NOT_WHOLE) from error
        except (OSError, AnyDatabaseError) as error:
            raise CommandError(
                f"It could not be written or mailed: {type(error).__name__}.", returncode=FAILED
            ) from error
        self.stdout.write(f"Checkpoint {made.number}: SHA-256 {statements.digest_of(made.text)}")
