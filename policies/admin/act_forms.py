"""What administrators type who ask for an act on somebody's account: parsed and bounded; the rules are the flow's."""

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.flows import access_passes
from accounts.flows.intervention_rules import Word
from accounts.models import CallerCheck, Intervention
from accounts.models.people import normalise_address
from accounts.words import WordsField
from policies.admin.people_forms import ConfirmedForm

VerifiedHow = Intervention.VerifiedHow
LIFETIMES: Final = (
    (10, _("10 minutes")),
    (60, _("1 hour")),
    (240, _("4 hours")),
    (480, _("8 hours")),
    (1440, _("24 hours")),
)


class ActForm(ConfirmedForm):
    """Why, on whose word, and the typed confirmation. `check`: a caller check that was passed with this person."""

    verified_how = forms.ChoiceField(label=_("How did you make sure who asked?"))
    ticket = WordsField(label=_("Support ticket"), max_length=60, required=False)

    field_order = ("address", "minutes", "reason", "verified_how", "ticket", "confirm")

    def __init__(self, *args: Any, check: CallerCheck | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [one for one in VerifiedHow.choices if one[0] != VerifiedHow.CALLER_CHECK or check is not None]
        how: Any = self.fields["verified_how"]
        how.choices = [("", _("Choose…")), *known]
        if check is not None:
            how.initial, self.fields["ticket"].initial = VerifiedHow.CALLER_CHECK, check.ticket

    @property
    def word(self) -> Word:
        """What was said, once the form is valid."""
        return Word(**{name: self.cleaned_data[name] for name in ("reason", "verified_how", "ticket")})

    @property
    def what(self) -> dict[str, Any]:
        """What the act takes beside the person."""
        return {}


class AddressForm(ActForm):
    """Another mail address."""

    address = forms.EmailField(
        label=_("New mail address"),
        max_length=254,
        widget=forms.EmailInput({"autocomplete": "off", "dir": "ltr", "class": "vTextField"}),
        help_text=_("A link goes there. The old address stays in use until somebody has followed it."),
    )

    def clean_address(self) -> str:
        return normalise_address(self.cleaned_data["address"])

    @property
    def what(self) -> dict[str, Any]:
        return {"address": self.cleaned_data["address"]}


class PassForm(ActForm):
    """An access pass, and how long it is good for."""

    minutes = forms.TypedChoiceField(
        label=_("Good for"),
        coerce=int,
        choices=LIFETIMES,
        initial=access_passes.MINUTES,
        help_text=_("From the moment at which it is shown to you."),
    )

    @property
    def what(self) -> dict[str, Any]:
        return {"minutes": self.cleaned_data["minutes"]}
