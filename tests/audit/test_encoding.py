"""Text from outside stays on one line, in order and within bounds."""

import unicodedata

import pytest
from django.utils.safestring import SafeString
from hypothesis import given
from hypothesis import strategies as st

from audit.encoding import visible

HOSTILE = "\r\n\0\x1b\x7f\x85\u200b\u200e\u202e\u2066\u2069\u2028\u2029\u061c\ufeff\ud800\U000e0041\u0301e"
hostile_text = st.text(st.one_of(st.sampled_from(HOSTILE), st.characters()), max_size=400)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Anna", "Anna"),
        ("Anna\r\nadmin signed in", "Anna\\u000d\\u000aadmin signed in"),
        ("nul\0", "nul\\u0000"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("lone \ud83d", "lone \\ud83d"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("e\u0301", "é"),
        ("\u202e\u0301", "\\u202é"),
        ("\u0645\u06cc\u200c\u062f", "\u0645\u06cc\u200c\u062f"),
        ("non\u00a0breaking", "non\u00a0breaking"),
    ],
)
def test_what_hides_or_reorders_is_written_out(raw: str, shown: str) -> None:
    assert visible(raw, 100) == shown


@pytest.mark.security(88)
@given(hostile_text, st.integers(1, 300))
def test_any_text_becomes_one_bounded_line_in_nfc(raw: str, limit: int) -> None:
    shown = visible(raw, limit)
    assert len(shown) <= limit
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not any(unicodedata.bidirectional(c) in {"RLO", "LRO", "RLI", "LRI", "FSI", "PDI"} for c in shown)
    assert unicodedata.is_normalized("NFC", shown)
    assert visible(shown, limit) == shown
    shown.encode()


def test_long_text_is_cut_and_says_so() -> None:
    assert visible("a" * 10_000_000, 8) == "aaaaaaa…"
    assert visible("a" * 8, 8) == "aaaaaaaa"
    assert visible("a" * 9, 8) == "aaaaaaa…"


@pytest.mark.parametrize("raw", ["Anna", "Anna\n", "Zoë"])
def test_what_is_a_text_and_more_comes_out_as_a_text(raw: str) -> None:
    """Marked safe for HTML, or a member of an enumeration: rows and drivers know texts alone."""
    assert type(visible(SafeString(raw), 20)) is str
