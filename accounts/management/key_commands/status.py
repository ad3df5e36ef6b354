"""`mfa_keys status`: which keys there are, what hangs on each, and which may go."""

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from accounts import key_census
from accounts.canary import Verdict
from accounts.flows import retirement
from accounts.key_census import Census, KeyUse, Role, Tally
from accounts.key_errors import KeyWorkRefused
from accounts.management.key_commands import told

HELP: Final = "Say which keys there are, how many rows of each table hang on each, and which may go. Reads only."
EXAMPLES: Final = """\
  manage.py mfa_keys status           for people
  manage.py mfa_keys status --json    for programs"""
UNUSED: Final = {Role.OPENS, Role.GONE}  # what may be retired, once nothing needs it
HINTS: Final = {
    Role.PRIMARY: "It seals what is new.",
    Role.OPENS: "Nothing needs it: mfa_keys retire may go on.",
    Role.MISSING: "{rows} rows need it: put it back, last in the list.",
    Role.RETIRED: "Nothing needs it: take it out of MFA_ENCRYPTION_KEYS, where it still stands.",
    Role.GONE: "Nothing needs it: mfa_keys retire makes sure that it never seals again.",
}
Obstacles = Mapping[str, KeyWorkRefused | None]  # by the ids of keys

SINGS: Final = {True: "canary ok", False: "canary does not open", None: "no canary"}


def add_arguments(parser: ArgumentParser) -> None:
    """None of its own."""


def run(answer: told.Answer, options: dict[str, Any]) -> int:
    """Well when the canary opens and everything stands under the primary key."""
    census = key_census.take()
    obstacles = {key.key_id: retirement.obstacle(key.key_id) for key in census.keys}
    answer.tell(as_document(census, obstacles), *lines(census, obstacles))
    return told.DONE if census.verdict is Verdict.OK and census.is_done else told.LEFT


def as_document(census: Census, obstacles: Obstacles) -> dict[str, Any]:
    """The census by name, for programs, and what stands in the way of retiring each key."""
    keys = [
        {
            "id": key.key_id,
            "role": key.role,
            "canary": key.canary,
            "rows": {place: asdict(tally) for place, tally in key.tallies.items()},
            "may_retire": key.role in UNUSED and obstacles[key.key_id] is None,
            "why_not": None if obstacles[key.key_id] is None else str(obstacles[key.key_id]),
            "hint": hint(key, obstacles[key.key_id]),
        }
        for key in census.keys
    ]
    foreign = {place: asdict(one) for place, one in census.foreign.items()}
    foreign |= {_allauths(kind): asdict(one) for kind, one in census.unadopted.items()}
    not_adopted = {kind: one.rows for kind, one in census.unadopted.items()}
    about = {"keys": keys, "foreign": foreign, "misfiled": census.misfiled, "not_adopted": not_adopted}
    return {"canary": census.verdict, "done": census.is_done, **about}


def hint(key: KeyUse, obstacle: KeyWorkRefused | None) -> str:
    """What to do about a key."""
    if key.role in UNUSED and obstacle is not None:
        return f"Not to be retired yet: {obstacle}"
    return HINTS[key.role].format(rows=key.rows)


def lines(census: Census, obstacles: Obstacles) -> Iterator[str]:
    """The same for people: a paragraph for each key, then what belongs to none."""
    yield f"The key canary is {census.verdict}."
    for key in census.keys:
        yield ""
        yield f"{key.key_id}  {key.role}, {SINGS[key.canary]}"
        for place, tally in key.tallies.items():
            yield f"    {tally.rows:>9}  {place}{_span(tally)}"
        yield f"    {hint(key, obstacles[key.key_id])}"
    yield from _strangers(census)


def _strangers(census: Census) -> Iterator[str]:
    told_of = [
        (place, number, what)
        for place, one in census.foreign.items()
        for number, what in (
            (one.plaintext, "stand in plain text: run mfa_keys adopt"),
            (one.bare, "are bare Fernet tokens: run mfa_keys adopt"),
            (one.lost, "hold nothing: those people need a reset"),
        )
    ]
    told_of += [
        (place, number, "name another key beside them: run mfa_keys rotate")
        for place, number in census.misfiled.items()
    ]
    for kind, one in census.unadopted.items():
        how = f"wait for mfa_keys adopt: {one.plaintext} in plain text, {one.bare} as bare Fernet tokens"
        told_of.append((_allauths(kind), one.rows, how))
    if found := [line for line in told_of if line[1]]:
        yield ""
        yield from (f"    {number:>9}  {place} {what}" for place, number, what in found)


def _allauths(kind: str) -> str:
    return f"allauth's {kind}"


def _span(tally: Tally) -> str:
    if tally.oldest is None or tally.newest is None:
        return ""
    return f", sealed {_day(tally.oldest)} to {_day(tally.newest)}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
