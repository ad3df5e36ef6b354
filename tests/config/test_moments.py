"""Days and moments as each language writes them, and said in one place."""

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.utils import timezone, translation
from django.utils.formats import date_format

from accounts import moments

ROOT = Path(__file__).parents[2]
AT = datetime(2030, 12, 8, 14, 5, tzinfo=UTC)
SAID = {
    "en": ("8 December 2030", "8 Dec 2030", "8 December 2030, 14:05", "8 December 2030, 14:05 (UTC)"),
    "de": ("8. Dezember 2030", "8. Dez. 2030", "8. Dezember 2030, 14:05", "8. Dezember 2030, 14:05 (UTC)"),
    "ar": ("8 ديسمبر 2030", "8 ديسمبر 2030", "8 ديسمبر 2030, 14:05", "8 ديسمبر 2030, 14:05 (UTC)"),
}


@pytest.mark.parametrize("language", SAID)
def test_a_day_and_a_moment_are_written_as_the_language_writes_them(language: str) -> None:
    with translation.override(language):
        said = (
            date_format(AT, "DATE_FORMAT"),
            date_format(AT, "SHORT_DATE_FORMAT"),
            moments.moment(AT),
            moments.zoned_moment(AT),
        )
        assert said == SAID[language]
        assert date_format(AT, "DATETIME_FORMAT") == f"{said[1]}, 14:05"


def test_templates_say_it_in_the_zone_of_whoever_reads() -> None:
    page = Template("{{ at|moment }} – {{ at|zoned_moment }} – {{ nothing|moment }}{{ nothing|zoned_moment }}")
    with translation.override("de"), timezone.override(ZoneInfo("Asia/Tokyo")):
        assert page.render(Context({"at": AT, "nothing": None})) == (
            "8. Dezember 2030, 23:05 – 8. Dezember 2030, 23:05 (JST) – "
        )


def test_no_page_and_no_module_writes_a_day_in_a_way_of_its_own() -> None:
    own = re.compile(r"""["']j\.? [FMN] ?Y?""")
    rooms = [
        *(ROOT / "templates").rglob("*.*"),
        *(one for room in ("accounts", "policies", "audit", "config") for one in (ROOT / room).rglob("*.py")),
    ]
    found = [one.relative_to(ROOT) for one in rooms if own.search(one.read_text(encoding="utf-8"))]
    assert [one for one in found if one.parts[:2] != ("config", "formats")] == []
    assert len(found) == len(SAID)
