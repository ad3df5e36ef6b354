"""What is said when a draft is published: why, how, and that one means it."""

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.words import WordsField
from policies.models import PolicyVersion

LONGEST_REASON: Final = 500  # characters, as in the table
HOW: Final = (
    (PolicyVersion.Mode.ENFORCE.value, _("In force now, at the next request of everybody in this tenant")),
    (PolicyVersion.Mode.REPORT.value, _("On trial: judged beside what is in force, and stops nobody")),
)
LEAST: Final = 1


class PublishForm(forms.Form):
    """The words with which one draft, as it was shown (`revision`), is published.

    `switches_off`: it ends a protection there is, which asks for a tick of its own unless it is only tried.
    """

    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=LEAST)
    reason = WordsField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea({"rows": 3}),
        help_text=_("Everybody who looks at the history reads it."),
        error_messages={"required": _("Say why you make this change: it becomes part of the record.")},
    )
    how = forms.ChoiceField(label=_("How"), choices=HOW, widget=forms.RadioSelect)
    until_confirmed = forms.BooleanField(
        label=_("Take it back after 15 minutes unless an administrator confirms it"),
        required=False,
        help_text=_(
            "To confirm it, somebody signs in again under the new rules: so it stays only if that still works. "
            "It has no meaning on trial."
        ),
    )
    confirm_off = forms.BooleanField(
        label=_("I understand: from the next request on, a password alone lets people in who have no second factor."),
        required=False,
    )

    def __init__(self, *args: Any, switches_off: bool, **kwargs: Any) -> None:
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)
        self.switches_off = switches_off
        if not switches_off:
            del self.fields["confirm_off"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        enforced = cleaned.get("how") == PolicyVersion.Mode.ENFORCE
        if self.switches_off and enforced and not cleaned.get("confirm_off"):
            self.add_error("confirm_off", _("This switches the protection off. Tick the box if you mean it."))
        cleaned["until_confirmed"] = enforced and cleaned.get("until_confirmed", False)
        return cleaned
