"""UUIDv7 as in RFC 9562."""

from datetime import UTC, datetime, timedelta

from audit.identifiers import uuid7

MOMENT = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


def test_the_id_carries_version_variant_and_milliseconds() -> None:
    made = uuid7(MOMENT)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == int(MOMENT.timestamp() * 1000)


def test_ids_sort_by_time_to_the_microsecond() -> None:
    later = [uuid7(MOMENT + timedelta(microseconds=n)) for n in range(2000)]
    assert later == sorted(later)
    assert [made.hex for made in later] == sorted(made.hex for made in later)


def test_ids_of_one_moment_keep_their_order_and_differ() -> None:
    made = [uuid7(MOMENT) for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == 1000


def test_a_clock_before_1970_still_gives_an_id() -> None:
    assert uuid7(datetime(1960, 1, 1, tzinfo=UTC)).version == 7
