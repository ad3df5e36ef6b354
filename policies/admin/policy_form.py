"""A tenant's policy as a form: what is typed becomes a whole document, judged by `policies.document` alone."""

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Role
from accounts.views.presentation import LABELS
from policies import document as documents
from policies.facts import supported_methods
from policies.models import PolicyVersion
from policies.terms import Enforcement

LONGEST_REASON = 500  # characters, as in the table
STAFF = "staff"
LEVELS: Final = (
    (Enforcement.OPTIONAL.value, _("Optional: people may set it up")),
    (Enforcement.REQUIRED.value, _("Required: nobody is let in without")),
    (Enforcement.ALWAYS.value, _("Always: at every sign-in, without exception")),
)
ROLES: Final = [(role, label) for role, label in Role.choices if role in documents.ROLES]
_NAMES: Final = {method.value: words for method, words in LABELS.items()}
STRONG: Final = "phishing_resistant"
SHOWN_AT: Final = {"strength": "strong_roles"}
"""Where an error of the document is shown, if not at the field of the same name."""


def _number(name: str, label: Any, help_text: Any = "") -> forms.IntegerField:
    least, greatest = documents.BOUNDS[name]
    return forms.IntegerField(label=label, min_value=least, max_value=greatest, help_text=help_text)


def _choices(label: Any, choices: Any, help_text: Any = "", *, required: bool = False) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, choices=choices, help_text=help_text, required=required, widget=forms.CheckboxSelectMultiple
    )


class PolicyForm(forms.Form):
    """The version in force, to be made into the next one."""

    based_on = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    enabled = forms.BooleanField(
        label=_("The policy is switched on"),
        required=False,
        help_text=_("Switched off it demands nothing, and keeps its level for when it is switched on again."),
    )
    enforcement = forms.ChoiceField(label=_("Two-step verification is"), choices=LEVELS, widget=forms.RadioSelect)
    scope = forms.ChoiceField(
        label=_("It is demanded of"),
        choices=[("everyone", _("everyone")), ("some", _("those ticked below"))],
        widget=forms.RadioSelect,
    )
    scope_people = _choices(_("Those are"), [*ROLES, (STAFF, _("Everybody who may use the administration"))])
    allowed = _choices(_("Allowed methods"), [(name, _NAMES[name]) for name in documents.METHODS if name in _NAMES], required=True)
    preferred = forms.ChoiceField(
        label=_("Offered first"), choices=[(name, _NAMES[name]) for name in documents.METHODS if name in _NAMES]
    )
    strong_roles = _choices(_("Only a passkey or security key will do for"), ROLES)
    passkey_login = forms.BooleanField(
        label=_("People may sign in with a passkey instead of a password"), required=False
    )
    grace_days = _number(
        "grace_days", _("Days of grace"), _("For people who were here before it was demanded. New people have none.")
    )
    second_factor_hours = _number("second_factor_hours", _("A second factor lasts for (hours)"))
    idle_minutes = _number("idle_minutes", _("An unused session ends after (minutes)"))
    administrators_idle_minutes = _number("administrators_idle_minutes", _("An administrator’s ends after (minutes)"))
    fresh_minutes = _number("fresh_minutes", _("For sensitive changes it lasts for (minutes)"))
    confirm_off = forms.BooleanField(
        label=_("I understand: from the next request on, a password alone lets people in who have no second factor."),
        required=False,
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea({"rows": 3}),
        help_text=_("Everybody who looks at the history reads it."),
    )

    def __init__(self, *args: Any, current: PolicyVersion, **kwargs: Any) -> None:
        self.current = current
        self.before = _readable(current.document)
        kwargs["initial"] = {**_initial(self.before), "enabled": current.enabled, "based_on": current.number}
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)
        unsupported = set(documents.METHODS) - set(supported_methods())
        if unsupported:
            names = ", ".join(str(_NAMES[name]) for name in documents.METHODS if name in unsupported)
            self.fields["allowed"].help_text = _("Not available on this site: %(names)s.") % {"names": names}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and cleaned["preferred"] not in cleaned["allowed"]:
            self.add_error("preferred", _("Choose one of the allowed methods."))
        if self.errors:
            return cleaned
        cleaned["document"] = self._document(cleaned)
        self._judge(cleaned["document"])
        if not self.errors:
            self._compare(cleaned)
        return cleaned

    @property
    def asks_to_confirm(self) -> bool:
        """Whether the box that confirms switching off is shown: only who switches off sees it."""
        return "confirm_off" in self.errors or bool(self.data.get("confirm_off"))

    def refuse(self, errors: dict[str, str]) -> None:
        """Show what is wrong with the document, each sentence at its field."""
        for key, sentence in errors.items():
            name = SHOWN_AT.get(key, key)
            self.add_error(name if name in self.fields else None, sentence)

    def _judge(self, document: dict[str, Any]) -> None:
        try:
            documents.validate(document)
        except documents.DocumentError as error:
            self.refuse(error.errors)

    def _compare(self, cleaned: dict[str, Any]) -> None:
        """With the version in force: something has to be different, and less protection has to be meant."""
        after, was_on = cleaned["document"], self.current.enabled
        if after == self.current.document and cleaned["enabled"] == was_on:
            self.add_error(None, _("Nothing is different from the version in force."))
            return
        demanded, demands = was_on and documents.demands(self.before), cleaned["enabled"] and documents.demands(after)
        if demanded and not demands and not cleaned["confirm_off"]:
            self.add_error("confirm_off", _("This switches the protection off. Tick the box if you mean it."))

    def _document(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        some = set(cleaned["scope_people"]) if cleaned["scope"] == "some" else set()
        return {
            "schema": documents.SCHEMA,
            "enforcement": cleaned["enforcement"],
            "scope": {
                "everyone": cleaned["scope"] == "everyone",
                "roles": [role for role in documents.ROLES if role in some],
                "staff": STAFF in some,
            },
            "allowed": self._in_order(cleaned["allowed"], cleaned["preferred"]),
            "strength": dict.fromkeys(cleaned["strong_roles"], STRONG),
            "passkey_login": cleaned["passkey_login"],
            **{name: cleaned[name] for name in documents.BOUNDS},
        }

    def _in_order(self, allowed: list[str], preferred: str) -> list[str]:
        """The preferred one first if it is allowed, the others as they stood, new ones last."""
        order = [preferred, *self.before["allowed"], *documents.METHODS]
        return sorted(allowed, key=order.index)


def _readable(document: Any) -> dict[str, Any]:
    """The document, or the default one where this version cannot read what another wrote."""
    try:
        documents.validate(document)
    except documents.DocumentError:
        return documents.default_document()
    return dict(document)


def _initial(document: dict[str, Any]) -> dict[str, Any]:
    scope = document["scope"]
    return {
        **{name: document[name] for name in (*documents.BOUNDS, "enforcement", "allowed", "passkey_login")},
        "scope": "everyone" if scope["everyone"] else "some",
        "scope_people": [*scope["roles"], *([STAFF] if scope["staff"] else [])],
        "preferred": document["allowed"][0] if document["allowed"] else documents.METHODS[0],
        "strong_roles": [role for role, strength in document["strength"].items() if strength == STRONG],
    }
