"""UUIDs that sort by time (RFC 9562 §5.7), for events and requests."""

import itertools
import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_count = itertools.count()  # `next` is atomic in CPython


def uuid7(at: datetime) -> UUID:
    """A UUIDv7 of the moment `at`.

    48 bits of milliseconds, 12 of the fraction of the millisecond (RFC 9562 §6.2, method 3), 20 of a counter of
    the process (method 1), 42 random ones: ids made in one process at one moment keep their order.
    """
    since = at - _EPOCH
    milliseconds, rest = divmod(since.microseconds, 1000)
    milliseconds += (since.days * 86_400 + since.seconds) * 1000
    number = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (rest * 4096 // 1000) << 64
    tail = (next(_count) & 0xF_FFFF) << 42 | int.from_bytes(os.urandom(6)) >> 6
    return UUID(int=number | 0b10 << 62 | tail)


def earliest(at: datetime) -> UUID:
    """The lowest id that `uuid7` makes of `at`: every event dated earlier has a lower one, every later one a higher."""
    return UUID(int=uuid7(at).int >> 64 << 64 | 0b10 << 62)


def moment_of(identifier: UUID) -> datetime | None:
    """The moment, to the microsecond, that `uuid7` made this of; None for any other UUID."""
    if identifier.version != 7:
        return None
    milliseconds, fraction = identifier.int >> 80, identifier.int >> 64 & 0xFFF
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds, microseconds=-(-fraction * 1000 // 4096))
    except OverflowError:
        return None
