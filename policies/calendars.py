"""A deadline as an entry for a calendar: RFC 5545, with its folding and escaping, and nothing else of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

CONTENT_TYPE: Final = "text/calendar; charset=utf-8; method=PUBLISH"
_OCTETS: Final = 75  # of one line, without its end (§3.1)
_ESCAPED: Final = {"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"}  # §3.3.11


def deadline(
    *, uid: str, sequence: int, at: datetime, made_at: datetime, summary: str, description: str, url: str
) -> str:
    """A calendar with one entry at `at` (aware), and an alarm the day before.

    The same `uid` with a higher `sequence` replaces an entry that was sent before (§3.8.7.4). Times are written in
    UTC, so that no time zone has to be described; every calendar shows them in its owner's.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Gatehouse//Deadlines//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        f"SEQUENCE:{sequence}",
        f"DTSTAMP:{_moment(made_at)}",
        f"DTSTART:{_moment(at)}",
        f"SUMMARY:{escaped(summary)}",
        f"DESCRIPTION:{escaped(description)}",
        f"URL:{url}",
        "TRANSP:TRANSPARENT",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        f"DESCRIPTION:{escaped(summary)}",
        "TRIGGER:-P1D",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{part}\r\n" for line in lines for part in folded(line))


def escaped(text: str) -> str:
    """A text value: separators escaped, line ends as `\\n`, other control characters gone (§3.3.11)."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = [sign for sign in plain if sign in "\n\t" or (sign.isprintable() or sign == " ")]
    return "".join(_ESCAPED.get(sign, sign) for sign in kept)


def folded(line: str) -> Iterator[str]:
    """A content line in pieces of at most 75 octets; those after the first begin with a space (§3.1).

    No character is cut in two.
    """
    piece, size = "", 0
    for sign in line:
        octets = len(sign.encode())
        if size + octets > _OCTETS:
            yield piece
            piece, size = " ", 1
        piece, size = piece + sign, size + octets
    yield piece


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
