"""Keys: what is refused at the start, with the command that mends it, and never shown."""

import base64
from typing import Any

import pytest

from audit import keys
from audit.checks import check_keys
from audit.errors import KeyMalformed, KeyMissing

GOOD = base64.urlsafe_b64encode(b"\xfb" * 32).decode()
OTHER = base64.urlsafe_b64encode(b"b" * 32).decode()
SHORT = base64.urlsafe_b64encode(b"c" * 31).decode()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([GOOD], []),
        ([GOOD, OTHER], []),
        ([GOOD.replace("-", "+").replace("_", "/")], []),
        ([], ["audit.E001"]),
        ([SHORT], ["audit.E002"]),
        (["not a key"], ["audit.E002"]),
        ([GOOD.rstrip("=")], ["audit.E002"]),
        (["schlüssel"], ["audit.E002"]),
        ([""], ["audit.E002"]),
        ([GOOD, SHORT], ["audit.E002"]),
        ([GOOD, GOOD], ["audit.E003"]),
        ([GOOD, GOOD.replace("-", "+").replace("_", "/")], ["audit.E003"]),
    ],
)
def test_bad_keys_are_errors_with_the_command_that_mends_them(
    settings: Any, given: list[str], found: list[str]
) -> None:
    settings.AUDIT_HMAC_KEYS = given
    problems = check_keys(None)
    assert [problem.id for problem in problems] == found
    assert all(problem.is_serious() for problem in problems)
    assert all("openssl rand -base64 32 | tr '+/' '-_'" in str(problem.hint) for problem in problems)


@pytest.mark.security(87)
def test_a_key_is_in_no_message_and_no_repr(settings: Any) -> None:
    settings.AUDIT_HMAC_KEYS = [SHORT, GOOD, GOOD]
    assert not any(text in str(problem) for problem in check_keys(None) for text in (SHORT, GOOD))
    assert "secret" not in repr(keys.parse(GOOD))
    with pytest.raises(KeyMalformed) as refused:
        keys.parse(SHORT)
    assert SHORT not in str(refused.value)


def test_the_first_key_is_for_new_events_and_all_are_for_old_ones(settings: Any) -> None:
    settings.AUDIT_HMAC_KEYS = [GOOD, OTHER]
    assert keys.primary() == keys.parse(GOOD)
    assert keys.by_id() == {keys.parse(GOOD).id: b"\xfb" * 32, keys.parse(OTHER).id: b"b" * 32}
    settings.AUDIT_HMAC_KEYS = []
    with pytest.raises(KeyMissing):
        keys.primary()
