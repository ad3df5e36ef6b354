"""What of a policy's form is asked for on this site, within what the platform lets a tenant choose."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.assurance import Method
from policies import document as documents
from policies import floor as floors
from policies.admin.draft_form.fields import WholeNumber, options
from policies.admin.draft_form.ground import Ground
from policies.admin.draft_form.rules import LEVELS, MINIMUM, NUMBERS, STRENGTHS, VERIFICATIONS
from policies.admin.draft_form.terms import EVERY, FOR_ROLES, METHOD_NAMES, source_name

Fields = dict[str, Any]


def fit(fields: Fields, ground: Ground) -> None:
    """Fit the fields of one form: add what depends on the site, narrow, fix and leave out."""
    _add(fields, ground)
    _narrow(fields["enforcement"], LEVELS, ground, "enforcement")
    _narrow(fields["minimum_factors"], MINIMUM, ground, "minimum_factors")
    _narrow(fields["user_verification"], VERIFICATIONS, ground, "user_verification")
    _narrow_lists(fields, ground)
    _fix(fields, ground)
    for name, is_there in _installed(fields, ground).items():
        if not is_there:
            del fields[name]


def _add(fields: Fields, ground: Ground) -> None:
    for name, label in NUMBERS.items():
        least, greatest = documents.BOUNDS[name]
        allowed = ground.strong_enough(name, range(least, greatest + 1))
        fields[name] = WholeNumber(label=label, least=min(allowed), greatest=max(allowed))
    places = [(str(place), _place(place)) for place in range(1, len(ground.methods) + 1)]
    for method in ground.methods:
        words: Any = METHOD_NAMES[method]
        choices = [*places, ("", _("Not allowed"))]
        fields[f"place_{method}"] = forms.ChoiceField(label=words, choices=choices, required=False)
    for role in documents.ROLES:
        others = ground.floor.get("strength", {})
        strong = [name for name in STRENGTHS if not ground.is_weaker("strength", {**others, role: name})]
        fields[f"strength_{role}"] = options(FOR_ROLES[role], [(name, STRENGTHS[name]) for name in strong])


def _place(place: int) -> Any:
    return _("Allowed, offered first") if place == 1 else _("Allowed, at place %(place)d") % {"place": place}


def _narrow(field: Any, choices: Mapping[Any, Any], ground: Ground, key: str) -> None:
    field.choices = [(value, choices[value]) for value in ground.strong_enough(key, choices)]


def _narrow_lists(fields: Fields, ground: Ground) -> None:
    """What the platform has chosen already is not for a tenant to choose."""
    scope = ground.floor.get("scope", {})
    fields["scope_groups"].choices = [(one, one) for one in ground.groups if one not in scope.get("groups", ())]
    sources = [one for one in ground.installed.sources if one not in scope.get("sources", ())]
    fields["scope_sources"].choices = [(one, source_name(one)) for one in sources]
    for name, chosen in (
        ("scope_roles", scope.get("roles", ())),
        ("trusted_browser_never", ground.floor.get("trusted_browser_never", ())),
    ):
        fields[name].choices = [(role, EVERY[role]) for role in documents.ROLES if role not in chosen]


def _fix(fields: Fields, ground: Ground) -> None:
    """What only one value is left of is shown, and cannot be changed."""
    floor = ground.floor
    fixed = {
        "enabled": floors.forbids_switching_off(floor),
        "scope_who": floor.get("scope", {}).get("everyone", False),
        "scope_staff": floor.get("scope", {}).get("staff", False),
        "attested": ground.is_weaker("attestation", "none"),
        "synced_passkeys": ground.is_weaker("synced_passkeys", True),
        "passkey_login": ground.is_weaker("passkey_login", True),
    }
    for name, field in fields.items():
        is_only = type(field.widget) is forms.RadioSelect and len(field.choices) == 1
        is_one = isinstance(field, WholeNumber) and field.min_value == field.max_value
        field.disabled = is_only or is_one or fixed.get(name, False)


def _installed(fields: Fields, ground: Ground) -> dict[str, bool]:
    """Which fields are there; a field that is not named is always."""
    installed, is_free = ground.installed, not fields["scope_who"].disabled
    keys = Method.WEBAUTHN.value in installed.methods
    scope = ("scope_roles", "scope_groups", "scope_sources")
    return {
        **dict.fromkeys(("trusted_browser_days", "trusted_browser_never"), installed.trusted_browsers),
        **dict.fromkeys(("sso_trust_mfa", "sso_amr", "sso_acr", "sso_max_age_minutes"), installed.sso),
        **dict.fromkeys(("user_verification", "attested", "synced_passkeys"), keys),
        **dict.fromkeys(("aaguids_allowed", "aaguids_denied"), keys),
        **{name: is_free and bool(fields[name].choices) for name in scope},
        "scope_staff": is_free,
        "scope_sources": is_free and installed.sso,
        "passkey_login": keys and installed.passkey_login,
    }
