"""Quiet hours: when nobody is to be written to, by the clock on the wall where they are. Pure."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def is_quiet(begins: time, ends: time, now: datetime, zone: ZoneInfo) -> bool:
    """Whether `now` lies from `begins` to before `ends`; they may go over midnight. Equal: no hour is quiet."""
    clock = now.astimezone(zone).time()
    return begins <= clock < ends if begins <= ends else clock >= begins or clock < ends


def ends_at(begins: time, ends: time, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours of `now` end; None if it is not quiet.

    An end that the change to summer time leaves out is an hour later, by its first sense (PEP 495). An end that the
    change back brings twice is the one that is still to come.
    """
    if not is_quiet(begins, ends, now, zone):
        return None
    local = now.astimezone(zone)
    day = local.date() if local.time() < ends else local.date() + timedelta(days=1)
    end = datetime.combine(day, ends, zone)
    return end if end.astimezone(UTC) > now.astimezone(UTC) else end.replace(fold=1)
