"""Limits on password guesses and on mails asked for, decided in the database.

Nobody who knows only somebody's address may slow that person down, so no counter hangs on an account alone:
password failures count per *account and network* and per *network*. Codes are limited per authenticator
(`accounts.flows.verification`), which only somebody with the right password reaches.
"""

import hashlib
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet
from django.utils import timezone

from accounts.errors import TooManyRequests
from accounts.models import Throttle, User
from audit import context
from audit.kinds import Kind
from audit.log import record


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
BREAK_GLASS_MAIL = Limit("break-glass-mail", 1, timedelta(minutes=15))  # per account: it slows down mail, and nobody
WRONG_SECOND_FACTORS = Limit("wrong-second-factor", 3, timedelta(hours=1))  # per person: it mails, and slows nobody
REFUSED_LINKS = Limit("refused-link", 20, timedelta(hours=1))  # per network: more are not recorded, and none slowed
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

    The try is counted before it is evaluated, all of them in one statement, so that parallel tries cannot
    outrun the limit.
    """
    now = now or timezone.now()
    by_key = {_key(limit, subject): limit for limit, subject in limits}
    over = [row for row in _counted(by_key, now) if row.count > by_key[row.key].count]
    if over:
        fresh = [row for row in over if row.count == by_key[row.key].count + 1]
        until = max(_pause(by_key[row.key], row, now) for row in over)
        raise TooManyRequests(until, is_new=bool(fresh), scope=by_key[(fresh or over)[0].key].scope)


def count_recorded(*limits: tuple[Limit, str], about: User | Callable[[], User | None] | None = None) -> None:
    """As `count`; the refusal that begins a pause is recorded, the ones after it are not: nobody floods the record.

    `about` is whom that one was about, or how to find them. Goes around the unit of work, so that the record stays.
    """
    try:
        count(*limits)
    except TooManyRequests as pause:
        if pause.is_new:
            whom = about() if callable(about) else about
            record(Kind.REQUESTS_THROTTLED, target=whom, scope=pause.scope, until=pause.until)
        raise


def is_first(limit: Limit, subject: str) -> bool:
    """Count one try, and say whether it is the first of its window; later ones neither lengthen nor pause anything."""
    return number(limit, subject) == 1


def number(limit: Limit, subject: str) -> int:
    """Count one try, and say which of its window it is; it pauses nothing."""
    (row,) = _counted({_key(limit, subject): limit}, timezone.now())
    return row.count


def forgive(*limits: tuple[Limit, str]) -> None:
    """Take one try back: it succeeded. Never clears what others failed."""
    keys = [_key(limit, subject) for limit, subject in limits]
    Throttle.objects.filter(key__in=keys, count__gt=0).update(count=F("count") - 1)


def idle(now: datetime) -> QuerySet[Throttle]:
    """Counters whose window is so long over that they mean nothing any more."""
    return Throttle.objects.filter(window_ends_at__lt=now - LONGEST_PAUSE)


def _counted(by_key: dict[str, Limit], now: datetime) -> list[Throttle]:
    """Add one to each counter, or begin its window anew, in one upsert; the rows as they stand then.

    A window that ended less than the longest pause ago leaves its level: whoever goes on waits longer.
    """
    adapt = connection.ops.adapt_datetimefield_value
    values: list[Any] = []
    for key in sorted(by_key):  # always in this order, so that two tries never wait for each other in a ring
        values += [key, adapt(now + by_key[key].window)]
    rows = ", ".join(["(%s, 1, %s, 0)"] * len(by_key))
    moments = [adapt(now), adapt(now - LONGEST_PAUSE), adapt(now)]
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT.format(rows=rows), [*values, *moments])
        found = cursor.fetchall()
    return [
        Throttle(key=key, count=count, window_ends_at=_aware(ends), level=level) for key, count, ends, level in found
    ]


_UPSERT = """
INSERT INTO accounts_throttle AS t (key, count, window_ends_at, level) VALUES {rows}
ON CONFLICT (key) DO UPDATE SET
  count = CASE WHEN t.window_ends_at <= %s THEN 1 ELSE t.count + 1 END,
  level = CASE WHEN t.window_ends_at <= %s THEN 0 ELSE t.level END,
  window_ends_at = CASE WHEN t.window_ends_at <= %s THEN excluded.window_ends_at ELSE t.window_ends_at END
RETURNING key, count, window_ends_at, level
"""


def _aware(moment: datetime) -> datetime:
    """What the database returned for a time, in UTC (SQLite keeps none)."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _pause(limit: Limit, row: Throttle, now: datetime) -> datetime:
    """Used up: the first to notice turns the rest of the window into a pause; every later try meets the same end."""
    until: datetime = row.window_ends_at
    if row.count > limit.count + 1:
        return until
    until = now + min(limit.pause * 2**row.level, LONGEST_PAUSE)
    Throttle.objects.filter(key=row.key).update(level=F("level") + 1, window_ends_at=until)
    return until


def _key(limit: Limit, subject: str) -> str:
    return hashlib.sha256(f"{limit.scope}\x00{subject.lower()}".encode()).hexdigest()
