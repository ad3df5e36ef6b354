"""Every rule of a policy as a field, in the words of people. `fitting` fits them to a site and its platform."""

from typing import Final

from django import forms
from django.utils.translation import gettext_lazy as _

from policies import document as documents
from policies.admin.draft_form.fields import Lines, Products, WholeNumber, boxes, options, words, yes_or_no
from policies.admin.draft_form.terms import EVERY
from policies.document_fields import MAX_AGE_MINUTES
from policies.terms import Enforcement, UserVerification

EVERYONE: Final = "everyone"
SOME: Final = "some"
GREATEST: Final = 2**31 - 1
LEVELS: Final = {
    Enforcement.OPTIONAL.value: _("Optional: people may set it up"),
    Enforcement.REQUIRED.value: _("Required: nobody is let in without"),
    Enforcement.ALWAYS.value: _("Always: at every sign-in, without exception"),
}
STRENGTHS: Final = {
    "multi_factor": _("Any allowed method will do"),
    "phishing_resistant": _("Only a passkey or security key will do"),
}
VERIFICATIONS: Final = {
    UserVerification.DISCOURAGED.value: _("Not asked for: touching the key is enough"),
    UserVerification.PREFERRED.value: _("Asked for where the key can; other keys are accepted too"),
    UserVerification.REQUIRED.value: _("Demanded: a key that does not ask is refused"),
}
MINIMUM: Final = {1: _("One method"), 2: _("Two independent methods, so that losing one stops nobody")}
NUMBERS: Final = {
    "grace_days": _("Days for people who were here before it was demanded"),
    "new_grace_days": _("Days for new people, from their first sign-in"),
    "administrators_grace_days": _("Days for administrators"),
    "snoozes": _("How often the reminder can be put off"),
    "trusted_browser_days": _("Days for which a browser may be trusted"),
    "second_factor_hours": _("A second factor lasts for (hours)"),
    "idle_minutes": _("An unused session ends after (minutes)"),
    "administrators_idle_minutes": _("An administrator’s ends after (minutes)"),
    "fresh_minutes": _("Before a sensitive change it may be this old (minutes)"),
}
_ROLES: Final = [(role, EVERY[role]) for role in documents.ROLES]


def _account(label: object) -> forms.CharField:
    attributes = {"dir": "ltr", "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
    return forms.CharField(label=label, max_length=254, required=False, widget=forms.TextInput(attributes))  # type: ignore[arg-type]


class RuleFields(forms.Form):
    """`draft` and `revision` are the draft's as it was read (without one "" and 0), `based_on` what it begins from."""

    draft = forms.CharField(widget=forms.HiddenInput, max_length=36, required=False)
    revision = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=GREATEST)
    based_on = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=GREATEST)
    enabled = yes_or_no(
        _("The policy is switched on"),
        _("Switched off it demands nothing, and keeps its rules for when it is switched on again."),
    )
    enforcement = options(_("Two-step verification is"), LEVELS.items())
    scope_who = options(
        _("It is demanded of"), [(EVERYONE, _("everyone")), (SOME, _("those ticked below, and nobody else"))]
    )
    scope_roles = boxes(_("Roles"), _ROLES)
    scope_groups = boxes(_("Groups"), ())
    scope_staff = yes_or_no(_("Everybody who may use the administration"))
    scope_sources = boxes(_("People who sign in by"), ())
    minimum_factors = forms.TypedChoiceField(
        label=_("Everybody needs"), choices=MINIMUM.items(), coerce=int, widget=forms.RadioSelect
    )
    user_verification = options(_("A PIN, a fingerprint or a face when a key is used is"), VERIFICATIONS.items())
    attested = yes_or_no(
        _("Only keys whose maker vouches for them"), _("Passkeys of telephones and browsers mostly cannot show this.")
    )
    synced_passkeys = yes_or_no(
        _("Passkeys that are copied between devices will do"),
        _("Most passkeys of telephones are. Whoever gets into that account has the passkey."),
    )
    passkey_login = yes_or_no(_("People may sign in with a passkey instead of a password"))
    aaguids_allowed = Products(
        label=_("Only keys of these products"),
        help_text=_("One to a line: the name of a product, or its AAGUID. Empty: every product."),
    )
    aaguids_denied = Products(
        label=_("Never keys of these products"), help_text=_("One to a line: the name of a product, or its AAGUID.")
    )
    break_glass_1 = _account(_("First account, by mail address"))
    break_glass_2 = _account(_("Second account, by mail address"))
    trusted_browser_never = boxes(_("Never for"), _ROLES)
    sso_trust_mfa = yes_or_no(_("The second factor of the identity provider is trusted"))
    sso_amr = Lines(label=_("Accepted “amr” values"), help_text=_("One to a line."))
    sso_acr = Lines(label=_("Accepted “acr” values"), help_text=_("One to a line."))
    sso_max_age_minutes = WholeNumber(
        label=_("A sign-in there may be this old (minutes)"), least=MAX_AGE_MINUTES[0], greatest=MAX_AGE_MINUTES[1]
    )
    name = words("name", _("Name"), required=True)
    description = words("description", _("Description"), _("For whoever looks at the list of policies."), rows=3)
    contact = words("contact", _("Whom to ask for help"), _("Shown on every page that stops somebody."))
