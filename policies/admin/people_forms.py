"""What administrators type about people: they parse and bound it, and hold no rules."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from django import forms
from django.conf import settings
from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy as _

from accounts.admin.scope import FlowForm
from accounts.flows.people import OutsideDefaultTenant
from accounts.models import Tenant, User
from accounts.models.people import normalise_address
from accounts.words import WordsField

if TYPE_CHECKING:
    TenantChoiceField = forms.ModelChoiceField[Tenant]
    GroupChoiceField = forms.ModelMultipleChoiceField[Group]
else:
    TenantChoiceField = forms.ModelChoiceField
    GroupChoiceField = forms.ModelMultipleChoiceField

LONGEST_REASON = 500  # characters


class PersonForm(FlowForm):
    """Somebody new, or somebody's particulars. Who is no platform administrator has no tenant to choose."""

    tenant = TenantChoiceField(label=_("tenant"), queryset=Tenant.objects.all(), empty_label=None)
    groups = GroupChoiceField(
        label=_("groups"), queryset=Group.objects.all(), required=False, widget=forms.CheckboxSelectMultiple
    )
    language = forms.ChoiceField(
        label=_("language"),
        choices=[("", _("As their browser asks")), *settings.LANGUAGES],
        required=False,
        help_text=_("Of pages and mail."),
    )

    class Meta:
        model = User
        fields = ("email", "name", "tenant", "role", "language", "is_active", "is_superuser", "groups")
        labels = {"is_superuser": _("Platform administrator")}
        help_texts = {
            "is_active": _("Switched off, somebody is signed out at once and cannot sign in."),
            "is_superuser": _("Administers every tenant, and belongs to the default one."),
        }

    def clean(self) -> dict[str, Any] | None:
        """A platform administrator has their place in the default tenant: said at the field that was changed."""
        cleaned = super().clean()
        changed = [name for name in ("tenant", "is_superuser") if name in self.changed_data]
        is_platform = self.cleaned_data.get("is_superuser", self.instance.is_superuser)
        tenant = self.cleaned_data.get("tenant")
        if changed and is_platform and tenant is not None and not tenant.is_default:
            self.add_error(changed[-1], str(OutsideDefaultTenant()))
        return cleaned

    def clean_email(self) -> str:
        """Normalised. Refused where it is anybody's, also as a second address."""
        email = normalise_address(self.cleaned_data["email"])
        if EmailAddress.objects.filter(email__iexact=email, verified=True).exists():
            raise forms.ValidationError(_("Somebody has this address."), code="unique")
        return email


class ConfirmedForm(forms.Form):
    """A reason, and the words that show that one knows what one is about to do."""

    reason = WordsField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea({"rows": 3}),
        help_text=_("It becomes part of the record."),
    )
    confirm = forms.CharField(
        max_length=320,
        strip=True,
        widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "dir": "ltr"}),
    )

    def __init__(self, *args: Any, people: Sequence[User], word: str = "RESET", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = people[0].email if len(people) == 1 else f"{word} {len(people)}"
        self.fields["confirm"].label = _("Type %(words)s to confirm") % {"words": self.expected}

    def clean_confirm(self) -> str:
        typed: str = self.cleaned_data["confirm"]
        if " ".join(normalise_address(typed).split()) != normalise_address(self.expected):
            raise forms.ValidationError(_("Type exactly: %(words)s"), params={"words": self.expected}, code="confirm")
        return typed


class DeletionForm(ConfirmedForm):
    """The deletion of a person."""
