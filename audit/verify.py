"""`python -m audit.verify FILE`: is this export of a chain what was recorded? For auditors, on their own machine.

Python's standard library and `cryptography`; no Django, no settings, no database, and no secret key.
"""

import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

from audit import statements
from audit.chain import PLATFORM
from audit.damage import Damage
from audit.encoding import visible
from audit.errors import CheckpointUnsound, KeyMalformed, NoSuchKey, NotAnExport, NotWhole
from audit.export_format import NO_PROOF
from audit.export_reading import ExportHead, read_events, read_head
from audit.proof import Promise, Proof, promises_about, prove
from audit.row import Row

PROVED: Final = 0
TAMPERED: Final = 1
WRONG_ARGUMENTS: Final = 2
CANNOT_TELL: Final = 3
ENDS_EARLY: Final = 4
EVERY: Final = 0.2  # seconds between two steps of the progress bar
WIDTH: Final = 30  # characters of it
LONGEST: Final = 1000  # characters of a message, which may name a file

DESCRIPTION = """\
Check the file of `manage.py audit_export_chain`: compute every hash anew, compare with the signed checkpoints, and
name the first event that was edited, removed, inserted, swapped or re-dated.

The hashes alone show that the events fit together, which whoever wrote the file can arrange. What was recorded is
proved by checkpoints: take their files, and the public keys, from where they were kept out of reach of whoever gave
you the export."""
EPILOGUE = """\
Examples:
  python -m audit.verify chain.jsonl --checkpoints checkpoints/ --public-keys 1aBc…= 2dEf…=
  python -m audit.verify chain.jsonl --checkpoints checkpoints/ --public-keys @keys.txt    one a line
  python -m audit.verify - < chain.jsonl                                                   fits together?

Exit codes: 0 whole, and proved up to the checkpoint that is named; 1 not what was recorded; 2 wrong arguments;
3 it cannot be told (no checkpoint of this chain, no public key, not a whole export); 4 whole and proved, but
checkpoints know newer events than the file, which says that it is older than they are."""


class CannotTell(Exception):
    """Why there is no verdict, as a sentence."""


class Tampered(Exception):
    """What is wrong outside the file, as a sentence."""


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    options = _parse(arguments)
    try:
        return _check(options)
    except (CannotTell, Tampered) as told:
        print(visible(str(told), LONGEST))
        return TAMPERED if isinstance(told, Tampered) else CANNOT_TELL


def _parse(arguments: list[str]) -> Namespace:
    parser = ArgumentParser(
        prog="python -m audit.verify",
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=RawDescriptionHelpFormatter,
        fromfile_prefix_chars="@",
    )
    parser.add_argument("file", metavar="FILE", help='the export, or "-" for standard input')
    parser.add_argument("--checkpoints", type=Path, metavar="DIR", help="the directory of the signed checkpoints")
    parser.add_argument("--public-keys", nargs="+", metavar="KEY", help="all AUDIT_CHECKPOINT_PUBLIC_KEYS")
    options = parser.parse_args(arguments)
    if (options.checkpoints is None) != (options.public_keys is None):
        parser.error("--checkpoints and --public-keys need each other")
    return options


def _check(options: Namespace) -> int:
    with ExitStack() as stack:
        file = _open(options.file, stack)
        head = _head(file)
        print(f"{_name(head)}: {head.sequence} events, exported on {head.at}.")
        promises = _promises(options, head)
        try:
            proof = prove(head, _shown(read_events(file), head.sequence), promises)
        except OSError as error:
            raise CannotTell(f"The file cannot be read: {error.strerror}.") from error
    return _told(head, proof)


def _open(name: str, stack: ExitStack) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(name).open("rb"))
    except OSError as error:
        raise CannotTell(f"The file cannot be read: {error.strerror}.") from error


def _head(file: BinaryIO) -> ExportHead:
    try:
        return read_head(file)
    except NotWhole as error:
        raise CannotTell(f"{NO_PROOF} Ask for an export of the whole chain.") from error
    except NotAnExport as error:
        raise CannotTell(f"The file cannot be checked: {error}.") from error
    except OSError as error:
        raise CannotTell(f"The file cannot be read: {error.strerror}.") from error


def _name(head: ExportHead) -> str:
    return "Platform" if head.chain == PLATFORM else f"Tenant {head.chain}"


def _promises(options: Namespace, head: ExportHead) -> dict[int, Promise]:
    """What the checkpoints say of this chain, by event number."""
    if options.checkpoints is None:
        return {}
    texts = [text for each in options.public_keys for text in each.split(",") if text]
    try:
        found = statements.Reading(options.checkpoints, statements.public_keys(texts))
        promises = promises_about(head.chain, found)
    except KeyMalformed as error:
        raise CannotTell(f"A public key: {error}.") from error
    except NoSuchKey as error:
        raise CannotTell(f"Checkpoints: {error}.") from error
    except CheckpointUnsound as error:
        raise Tampered(f"Checkpoints were tampered with: {error}.") from error
    except OSError as error:
        raise CannotTell(f"Checkpoints cannot be read: {error.strerror}.") from error
    if not found.count:
        raise CannotTell("There is no checkpoint in that directory.")
    known = f"{found.count} checkpoints, the last of {found.last_at}"
    print(f"{known}; their signatures are right and none is missing between.")
    return promises


def _told(head: ExportHead, proof: Proof) -> int:
    """Say what is proved and what is not."""
    if proof.finding is not None:
        print(f"{_name(head)}: {proof.finding}.")
        if proof.finding.damage is Damage.REWRITTEN and proof.proved is not None:
            by = proof.proved
            print(f"The change is after number {by.sequence}, which checkpoint {by.checkpoint} proves.")
        print("This is not what was recorded.")
        return TAMPERED
    print(f"Numbers 1 to {proof.events} fit together." if proof.events else "The chain has no event.")
    if proof.proved is None:
        print("No checkpoint names an event of it: whoever wrote the file could have made all this up.")
        return CANNOT_TELL
    return _told_of_promises(proof, proof.proved)


def _told_of_promises(proof: Proof, by: Promise) -> int:
    print(f"Proved up to number {by.sequence}, by checkpoint {by.checkpoint} of {by.at}.")
    if by.sequence < proof.events:
        print(f"Numbers {by.sequence + 1} to {proof.events} are newer than that: nothing signed vouches for them.")
    if proof.absent is None:
        return PROVED
    known = proof.absent
    print(
        f"Checkpoint {known.checkpoint} of {known.at} knows number {known.sequence}. The file says that it is older; "
        "or its end was cut off."
    )
    return ENDS_EARLY


def _shown(events: Iterator[Row], total: int) -> Iterator[Row]:
    """The same events, with a bar on a terminal."""
    if not sys.stderr.isatty():
        yield from events
        return
    due = 0.0
    for number, event in enumerate(events, start=1):
        if (now := time.monotonic()) >= due:
            due = now + EVERY
            done = min(number / max(total, 1), 1)
            sys.stderr.write(f"\r{'#' * round(WIDTH * done):.<{WIDTH}} {done:4.0%}")
            sys.stderr.flush()
        yield event
    sys.stderr.write("\r\x1b[K")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
