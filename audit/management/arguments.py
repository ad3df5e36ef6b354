"""What several commands of the record take on their command lines."""

from argparse import ArgumentTypeError
from uuid import UUID

from audit.chain import PLATFORM


def chain_id(text: str) -> UUID:
    """Which chain. Raises ArgumentTypeError."""
    try:
        return PLATFORM if text == "platform" else UUID(text)
    except ValueError as error:
        raise ArgumentTypeError(f'an id or "platform", not {text!r}') from error
