"""Limits on password guesses and on mails asked for, decided in the database.

Nobody who knows only somebody's address may slow that person down, so no counter hangs on an account alone:
password failures count per *account and network* and per *network*. Codes are limited per authenticator
(`accounts.flows.verification`), which only somebody with the right password reaches.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, QuerySet
from django.utils import timezone

from accounts.errors import TooManyRequests
from accounts.models import Throttle
from audit import context


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` in `window`; then a pause of `pause`, doubled while it goes on, an hour at most."""

    scope: str
    count: int
    window: timedelta
    pause: timedelta = timedelta(seconds=30)


LONGEST_PAUSE = timedelta(hours=1)
PASSWORD_BY_ACCOUNT = Limit("password-account", 5, timedelta(minutes=5))
PASSWORD_BY_NETWORK = Limit("password-network", 50, timedelta(minutes=5))
SIGN_UP_BY_NETWORK = Limit("sign-up", 20, timedelta(hours=1), timedelta(minutes=10))
MAIL_BY_ADDRESS = Limit("mail-address", 5, timedelta(hours=1), timedelta(minutes=15))
MAIL_BY_NETWORK = Limit("mail-network", 30, timedelta(hours=1), timedelta(minutes=15))
PASSKEY_BY_NETWORK = Limit("passkey-network", 60, timedelta(minutes=5))


def network_of(ip: str) -> str:
    """The part of an address that one household or office shares: IPv4 whole, IPv6 by its /64."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return "unknown"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


def here() -> str:
    """The network of the request that is being answered."""
    return network_of(context.current().ip)


def count(*limits: tuple[Limit, str], now: datetime | None = None) -> None:
    """Count one try against each (limit, subject); raises TooManyRequests when one is used up.

    The try is counted before it is evaluated, by one conditional UPDATE each, so that parallel tries cannot
    outrun the limit.
    """
    now = now or timezone.now()
    refused = [until for limit, subject in limits if (until := _count(limit, subject, now)) is not None]
    if refused:
        raise TooManyRequests(max(refused))


def forgive(*limits: tuple[Limit, str]) -> None:
    """Take one try back: it succeeded. Never clears what others failed."""
    for limit, subject in limits:
        Throttle.objects.filter(key=_key(limit, subject), count__gt=0).update(count=F("count") - 1)


def idle(now: datetime) -> QuerySet[Throttle]:
    """Counters whose window is so long over that they mean nothing any more."""
    return Throttle.objects.filter(window_ends_at__lt=now - LONGEST_PAUSE)


def _count(limit: Limit, subject: str, now: datetime) -> datetime | None:
    """Count, and return None; or the time when the next try is possible."""
    rows = Throttle.objects.filter(key=_key(limit, subject))
    if rows.filter(window_ends_at__gt=now, count__lt=limit.count).update(count=F("count") + 1):
        return None
    row, made = Throttle.objects.get_or_create(
        key=_key(limit, subject), defaults={"count": 1, "window_ends_at": now + limit.window}
    )
    if made:
        return None
    if row.window_ends_at > now:
        return _pause(limit, row, now) if row.count >= limit.count else _count(limit, subject, now)
    level = row.level if now - row.window_ends_at < LONGEST_PAUSE else 0
    over = rows.filter(window_ends_at=row.window_ends_at)
    if over.update(count=1, level=level, window_ends_at=now + limit.window):
        return None
    return _count(limit, subject, now)  # somebody else began the new window


def _pause(limit: Limit, row: Throttle, now: datetime) -> datetime:
    """Used up: turn the rest of the window into a pause, once; every further try meets the same end."""
    if row.count > limit.count:
        return row.window_ends_at
    until: datetime = now + min(limit.pause * 2**row.level, LONGEST_PAUSE)
    Throttle.objects.filter(key=row.key, count=row.count).update(
        count=limit.count + 1, level=F("level") + 1, window_ends_at=until
    )
    return until


def _key(limit: Limit, subject: str) -> str:
    return hashlib.sha256(f"{limit.scope}\x00{subject.lower()}".encode()).hexdigest()
