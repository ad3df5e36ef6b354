"""How pages and mail say when: the day as the language writes it (`config.formats`), then the time by the clock."""

from datetime import datetime

from django.utils.formats import date_format, get_format


def moment(at: datetime) -> str:
    """Day and time to the minute, in the zone that `at` has; the zone is named beside it."""
    return date_format(at, f"{get_format('DATE_FORMAT')}, H:i")


def zoned_moment(at: datetime) -> str:
    """The same with the name of the zone."""
    return date_format(at, f"{get_format('DATE_FORMAT')}, H:i (T)")
