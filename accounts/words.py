"""What people write for the record, such as a reason: on one line, and nothing that hides or reorders the rest."""

import re
import unicodedata
from typing import Any, Final

from django import forms

from accounts.errors import UnreadableWords

HIDDEN: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of Unicode: control, format (bidi too), surrogate, line and paragraph separators."""


def hides(text: str) -> bool:
    """Whether there is a character in it that could hide or reorder the rest, or break the line."""
    return any(unicodedata.category(character) in HIDDEN for character in text)


def one_line(text: str) -> str:
    """The text with breaks and rows of blanks as single spaces, none at its ends. Raises UnreadableWords."""
    text = re.sub(r"[ \t\r\n]+", " ", text)
    if hides(text):
        raise UnreadableWords
    return text.strip()


class WordsField(forms.CharField):
    """As `one_line`, in a form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)

    def to_python(self, value: Any) -> str:
        try:
            return one_line(super().to_python(value) or "")
        except UnreadableWords as refusal:
            raise forms.ValidationError(str(refusal), code=refusal.code) from refusal
