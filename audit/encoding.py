"""Text from outside, made harmless and bounded before anybody reads it in a log, a table or a terminal."""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format (bidi too), surrogate, line, paragraph
_JOINERS = "\u200c\u200d"  # needed by Persian, Indic scripts and emoji; they reorder nothing
_MARK = "…"


def visible(text: str, limit: int) -> str:
    """`text` in NFC, on one line of at most `limit` characters, what hides or reorders spelt as an escape (\\u…).

    Encodes CR, LF, NUL and other control characters, bidi and other invisible marks, and lone surrogates.
    Doing it twice changes nothing. A longer text ends in “…”.
    """
    if type(text) is str and len(text) <= limit and text.isascii() and text.isprintable():
        return text  # as mostly; what is a text and more becomes one below
    start = text[: 4 * limit]
    if not start.isprintable():
        start = "".join(map(_shown, start))
    if not start.isascii():
        start = unicodedata.normalize("NFC", start)  # last: a written-out mark may meet a combining one
    if len(start) <= limit and len(text) <= 4 * limit:
        return start
    return start[: limit - 1] + _MARK


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN or character in _JOINERS:
        return character
    point = ord(character)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
