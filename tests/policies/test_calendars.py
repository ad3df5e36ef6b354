"""The entry for a calendar: its lines are folded and its texts escaped as RFC 5545 has it."""

from datetime import UTC, datetime

import pytest

from policies import calendars

AT = datetime(2030, 3, 31, 21, 59, tzinfo=UTC)


def entry(**changes: object) -> str:
    values: dict[str, object] = {
        "uid": "deadline.1@example.com",
        "sequence": 3,
        "at": AT,
        "made_at": AT.replace(day=1),
        "summary": "Set it up",
        "description": "Before then",
        "url": "https://example.com/",
    }
    return calendars.deadline(**values | changes)  # type: ignore[arg-type]


def unfolded(text: str) -> list[str]:
    return text.replace("\r\n ", "").split("\r\n")


def test_an_entry_says_when_in_utc_and_replaces_the_one_before() -> None:
    lines = unfolded(entry())
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-2:] == ["END:VCALENDAR", ""]
    for line in ("UID:deadline.1@example.com", "SEQUENCE:3", "DTSTAMP:20300301T215900Z", "DTSTART:20300331T215900Z"):
        assert line in lines


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Acme, Health; Ltd", "Acme\\, Health\\; Ltd"),
        ("a\\b", "a\\\\b"),
        ("two\nlines\r\nthree", "two\\nlines\\nthree"),
        ("bell\x07 and \u202ebidi", "bell and bidi"),
        ("x\r\nBEGIN:VEVENT", "x\\nBEGIN:VEVENT"),
    ],
    ids=["separators", "backslash", "line-ends", "controls", "no-line-of-their-own"],
)
def test_what_a_name_brings_along_stays_a_text(text: str, written: str) -> None:
    assert f"SUMMARY:{written}" in unfolded(entry(summary=text))


def test_long_lines_are_folded_at_75_octets_and_no_character_is_cut() -> None:
    summary = "Zweistufige Anmeldung — früher heißt sicherer, مرحبا بكم " * 5
    text = entry(summary=summary)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert f"SUMMARY:{calendars.escaped(summary)}" in unfolded(text)
