"""Forms of the pages for security keys and passkeys."""

import unicodedata

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import CredentialForm

LONGEST_NAME = 100  # characters
_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji need them


class KeyNameForm(forms.Form):
    """What a person calls a key."""

    name = forms.CharField(label=_("Name"), max_length=LONGEST_NAME, widget=forms.TextInput({"autocomplete": "off"}))

    def clean_name(self) -> str:
        """On one line, and without characters that hide or reorder others."""
        name = " ".join(self.cleaned_data["name"].split())
        if any(unicodedata.category(sign) in ("Cc", "Cf", "Cs") and sign not in _JOINERS for sign in name):
            raise forms.ValidationError(_("Use letters, digits and ordinary signs."), code="invalid_name")
        return name


class AddKeyForm(KeyNameForm, CredentialForm):
    """A new key: the browser's answer, and a name if the person gives one."""

    field_order = ["credential", "name"]

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["name"].required = False
