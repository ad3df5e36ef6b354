"""The fields that a policy's form is made of: they bound what is typed, and say in one sentence what is wrong."""

import re
from typing import Any, Final
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.authenticators.aaguids import PRODUCTS, product_name
from accounts.words import hides
from policies.document_fields import LONGEST

_DIGITS: Final = re.compile("[0-9]{1,9}")
_LONGEST_LIST: Final = 20_000  # characters


class WholeNumber(forms.IntegerField):
    """A whole number between two bounds, in ASCII digits and nothing else: no sign, point, exponent or space inside."""

    def __init__(self, *, least: int, greatest: int, **kwargs: Any) -> None:
        self.least, self.greatest = least, greatest
        super().__init__(min_value=least, max_value=greatest, **kwargs)

    def clean(self, value: Any) -> int:
        """The number. Raises ValidationError with one sentence that names the bounds."""
        text = "" if value is None else str(value).strip()
        if _DIGITS.fullmatch(text) and self.least <= int(text) <= self.greatest:
            return int(text)
        sentence = _("Give a whole number from %(least)d to %(greatest)d, with the digits 0 to 9.")
        raise ValidationError(sentence, code="number", params={"least": self.least, "greatest": self.greatest})

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {**super().widget_attrs(widget), "inputmode": "numeric", "step": 1}


class Words(forms.CharField):
    """A text of people on one line: what a text area breaks is joined, what nobody sees is refused."""

    def to_python(self, value: Any) -> str:
        text = re.sub(r"[\t\r\n]+", " ", super().to_python(value) or "")
        if hides(text):
            raise ValidationError(_("Leave out control characters and others that cannot be seen."), code="invisible")
        return text


class Products(forms.CharField):
    """AAGUIDs, one to a line, each with the name of its product behind it; a name alone stands for all of its own.

    Cleaned to a list of AAGUIDs in the one spelling that a document stores, each once.
    """

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea({"rows": 4, "spellcheck": "false", "dir": "ltr", "class": "lines"})
        super().__init__(required=False, max_length=_LONGEST_LIST, widget=widget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(line_of, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        """The AAGUIDs. Raises ValidationError with the first line that is none."""
        lines = str(super().clean(value)).splitlines()
        return list(dict.fromkeys(one for line in lines if line.strip() for one in _aaguids_in(line.strip())))


def line_of(aaguid: str) -> str:
    """An AAGUID and what it is sold as."""
    return f"{aaguid}  {product_name(UUID(aaguid))}".strip()


def _aaguids_in(line: str) -> list[str]:
    try:
        return [str(UUID(line.split()[0].encode("ascii").decode()))]
    except ValueError:
        named = [str(aaguid) for aaguid, product in PRODUCTS.items() if product.casefold() == line.casefold()]
    if not named:
        sentence = _("“%(line)s” is neither an AAGUID nor a product that we know by name.")
        raise ValidationError(sentence, params={"line": line[:60]}, code="aaguid")
    return named


class Lines(forms.CharField):
    """Values, one to a line, each once; cleaned to a list."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea({"rows": 3, "spellcheck": "false", "dir": "ltr", "class": "lines"})
        super().__init__(required=False, max_length=_LONGEST_LIST, widget=widget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        lines = str(super().clean(value)).splitlines()
        return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def boxes(label: Any, choices: Any, help_text: Any = "") -> forms.MultipleChoiceField:
    """Any number of choices, as boxes to tick."""
    return forms.MultipleChoiceField(
        label=label, choices=choices, help_text=help_text, required=False, widget=forms.CheckboxSelectMultiple
    )


def options(label: Any, choices: Any, help_text: Any = "") -> forms.ChoiceField:
    """One choice, all of them in sight."""
    return forms.ChoiceField(label=label, choices=choices, help_text=help_text, widget=forms.RadioSelect)


def yes_or_no(label: Any, help_text: Any = "") -> forms.BooleanField:
    """A box to tick."""
    return forms.BooleanField(label=label, help_text=help_text, required=False)


def words(name: str, label: Any, help_text: Any = "", *, rows: int = 0, required: bool = False) -> Words:
    """A text, as long as the document's `name` may be; in an area of so many `rows`, if any."""
    widget = forms.Textarea({"rows": rows}) if rows else forms.TextInput()
    return Words(label=label, help_text=help_text, max_length=LONGEST[name], required=required, widget=widget)
