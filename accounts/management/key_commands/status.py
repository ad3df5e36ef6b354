"""`mfa_keys status`: which keys there are, what hangs on each, and which may go."""

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from django.core.management.base import BaseCommand

from accounts import key_census
from accounts.canary import Verdict
from accounts.key_census import Census, Tally
from accounts.management.key_commands import told

HELP: Final = "Say which keys there are, how many rows of each table hang on each, and which may go. Reads only."
EXAMPLES: Final = """\
  manage.py mfa_keys status           for people
  manage.py mfa_keys status --json    for programs"""
SINGS: Final = {True: "canary ok", False: "canary does not open", None: "no canary"}


def add_arguments(parser: ArgumentParser) -> None:
    """None of its own."""


def run(command: BaseCommand, options: dict[str, Any]) -> int:
    """Well when the canary opens and everything stands under the primary key."""
    census = key_census.take()
    if options["json"]:
        told.say_json(command, as_document(census))
    else:
        for line in lines(census):
            command.stdout.write(line)
    return told.DONE if census.verdict is Verdict.OK and census.is_done else told.LEFT


def as_document(census: Census) -> dict[str, Any]:
    """The census by name, for programs."""
    keys = [
        {
            "id": key.key_id,
            "role": key.role,
            "canary": key.canary,
            "rows": {place: asdict(tally) for place, tally in key.tallies.items()},
            "may_retire": key.may_retire,
            "hint": key.hint,
        }
        for key in census.keys
    ]
    foreign = {place: asdict(one) for place, one in census.foreign.items()}
    about = {"keys": keys, "foreign": foreign, "misfiled": census.misfiled, "not_adopted": census.unadopted}
    return {"canary": census.verdict, "done": census.is_done, **about}


def lines(census: Census) -> Iterator[str]:
    """The same for people: a paragraph for each key, then what belongs to none."""
    yield f"The key canary is {census.verdict}."
    for key in census.keys:
        yield ""
        yield f"{key.key_id}  {key.role}, {SINGS[key.canary]}"
        for place, tally in key.tallies.items():
            yield f"    {tally.rows:>9}  {place}{_span(tally)}"
        yield f"    {key.hint}"
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
    told_of += [(f"allauth's {kind}", number, "wait for mfa_keys adopt") for kind, number in census.unadopted.items()]
    if found := [line for line in told_of if line[1]]:
        yield ""
        yield from (f"    {number:>9}  {place} {what}" for place, number, what in found)


def _span(tally: Tally) -> str:
    if tally.oldest is None or tally.newest is None:
        return ""
    return f", sealed {_day(tally.oldest)} to {_day(tally.newest)}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
