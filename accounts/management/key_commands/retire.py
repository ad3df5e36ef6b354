"""`mfa_keys retire`: a key that nothing needs may go."""

from argparse import ArgumentParser
from typing import Any, Final

from accounts.flows import retirement
from accounts.management.key_commands import told

HELP: Final = "Record that a key is gone. Refused while it is the first one, or while one row needs it."
EXAMPLES: Final = """\
  manage.py mfa_keys retire 1f2ff153              the key of this id, as mfa_keys status lists it
  manage.py mfa_keys retire 1f2ff153 --dry-run    only say whether it may go
  manage.py mfa_keys retire 1f2ff153 --json       for programs"""


def add_arguments(parser: ArgumentParser) -> None:
    """Which key."""
    parser.add_argument("key_id", metavar="KEY_ID", help="eight hex digits, as mfa_keys status lists them")
    parser.add_argument("--dry-run", action="store_true", help="say whether it may go, and change nothing")


def run(answer: told.Answer, options: dict[str, Any]) -> int:
    """Well when it is retired, also when it was before."""
    key_id, dry_run = options["key_id"], options["dry_run"]
    is_new = retirement.retire(key_id, dry_run=dry_run)
    if not is_new:
        words = f"{key_id} was retired before."
    elif dry_run:
        words = f"Nothing needs {key_id}: it may go."
    else:
        words = f"{key_id} is retired. Take it out of MFA_ENCRYPTION_KEYS on every machine, and restart."
    answer.tell({"key": key_id, "retired": not dry_run or not is_new, "before": not is_new}, words)
    return told.DONE
