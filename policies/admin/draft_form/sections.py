"""A policy's form as a page: sections with a sentence each, in them rules, and beside every rule what it would meet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.forms import BoundField
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from policies import document as documents
from policies.admin.draft_form.fields import WholeNumber
from policies.admin.draft_form.form import DraftForm
from policies.admin.draft_form.rows import Row, Rows
from policies.admin.draft_form.terms import EVERY, METHOD_NAMES
from policies.admin.effect_sentences import Told

Words = str | Promise
FIXED: Final = gettext_lazy("The platform demands this of every tenant.")


@dataclass(frozen=True)
class Rule:
    """One rule on the page. `key` is the document's, `fields` ask for it (or `rows`), `effects` stand beside it.

    With a `title` the fields are a group under that name. `notes` are what the platform demands; `refused` is what
    is wrong with the rule as a whole.
    """

    key: str
    fields: Sequence[BoundField] = ()
    title: Words = ""
    help: Words = ""
    rows: Rows | None = None
    effects: Sequence[Words] = ()
    notes: Sequence[Words] = ()
    refused: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page: its name in the address, its title, and a sentence on what it decides."""

    name: str
    title: Words
    lead: Words
    rules: Sequence[Rule] = field(default_factory=list)


_GROUPS: Final[Mapping[str, tuple[Words, Words]]] = {
    "scope": (gettext_lazy("Those are"), gettext_lazy("Whoever is any of these.")),
    "allowed": (
        gettext_lazy("Methods, in the order in which they are offered"),
        gettext_lazy("People may choose among those that are allowed. What is allowed no more ends at its next use."),
    ),
    "strength": (gettext_lazy("How strong it has to be"), ""),
    "break_glass": (
        gettext_lazy("Accounts for emergencies"),
        gettext_lazy(
            "Up to two people who need a security key and meet no other rule. Every sign-in of theirs raises an alarm."
        ),
    ),
    "trusted_browser_days": (
        gettext_lazy("Trusted browsers"),
        gettext_lazy("In a browser that somebody trusts, a password alone is enough for so long."),
    ),
    "sso": (gettext_lazy("Single sign-on"), ""),
    "excludes": (
        gettext_lazy("Excluded for a time"),
        gettext_lazy("Nothing is demanded of them until then. There are no exceptions for administrators."),
    ),
    "tests": (
        gettext_lazy("Who signs in, and what is to come of it"),
        gettext_lazy("Each test is somebody who types the right password and has these methods at hand."),
    ),
}
"""What a rule of several fields is called, and what it means."""

_PAGE: Final[tuple[tuple[str, Words, Words, tuple[str, ...]], ...]] = (
    (
        "who",
        gettext_lazy("Who"),
        gettext_lazy("Whom two-step verification is demanded of, and how firmly."),
        ("enabled", "enforcement", "scope_who", "scope"),
    ),
    (
        "with-what",
        gettext_lazy("With what"),
        gettext_lazy("Which methods people may use, and what they have to be able to do."),
        (
            *("allowed", "strength", "minimum_factors", "user_verification", "attested", "synced_passkeys"),
            *("passkey_login", "aaguids_allowed", "aaguids_denied"),
        ),
    ),
    (
        "by-when",
        gettext_lazy("By when"),
        gettext_lazy("How long people may come in without it. The day on which it ends is shown to them."),
        ("grace_days", "new_grace_days", "administrators_grace_days", "snoozes"),
    ),
    (
        "how-often",
        gettext_lazy("How often"),
        gettext_lazy("How long a second factor lasts before it is asked for again."),
        ("second_factor_hours", "idle_minutes", "administrators_idle_minutes", "fresh_minutes"),
    ),
    (
        "exceptions",
        gettext_lazy("Exceptions"),
        gettext_lazy("Whom it is not demanded of for a time, and who still gets in when nobody else does."),
        ("excludes", "break_glass", "trusted_browser_days", "sso"),
    ),
    (
        "tests",
        gettext_lazy("Policy tests"),
        gettext_lazy("What must always be so. A policy that breaks one of these cannot be published."),
        ("tests",),
    ),
    (
        "name",
        gettext_lazy("Name and help"),
        gettext_lazy("What this policy is called, and whom people ask when it stops them."),
        ("name", "description", "contact"),
    ),
)


def sections_of(form: DraftForm, told: Told) -> list[Section]:
    """The page of a form, with what is `told` of each rule; without what this site does not ask for."""
    made = []
    for name, title, lead, keys in _PAGE:
        rules = [_rule(form, key, told) for key in keys]
        made.append(Section(name, title, lead, [rule for rule in rules if rule.fields or rule.rows or rule.notes]))
    return made


def complaints(form: DraftForm) -> list[tuple[str, str, str]]:
    """Everything that is wrong with a form: where on the page, what that is called, and the sentence."""
    return list(_complaints(form))


def _rule(form: DraftForm, key: str, told: Told) -> Rule:
    fields = [form[name] for name in _fields_of(form, key)]
    title, explained = _GROUPS.get(key, ("", ""))
    rows = form.kinds.get(key)
    notes = list(_notes(form, key, fields))
    if rows is not None and form.ground.is_weaker(key, [{}]):
        rows = None
    return Rule(
        key=key,
        fields=fields,
        title=title,
        help=explained,
        rows=rows,
        effects=told.get(key, ()),
        notes=notes,
        refused=form.refused.get(key, ""),
    )


def _fields_of(form: DraftForm, key: str) -> list[str]:
    groups = {
        "scope": ["scope_roles", "scope_groups", "scope_staff", "scope_sources"],
        "allowed": [f"place_{method}" for method in form.ground.methods],
        "strength": [f"strength_{role}" for role in documents.ROLES],
        "break_glass": ["break_glass_1", "break_glass_2"],
        "trusted_browser_days": ["trusted_browser_days", "trusted_browser_never"],
        "sso": ["sso_trust_mfa", "sso_amr", "sso_acr", "sso_max_age_minutes"],
    }
    return [name for name in groups.get(key, [key]) if name in form.fields]


def _notes(form: DraftForm, key: str, fields: Sequence[BoundField]) -> Iterator[Words]:
    """What the platform's floor leaves of a rule."""
    floor = form.ground.floor
    is_for_some = not floor.get("scope", {"everyone": False})["everyone"]
    key = {"attested": "attestation", "scope_who": "" if is_for_some else "scope"}.get(key, key)
    if key == "enabled" and form.fields["enabled"].disabled:
        yield FIXED
    if key not in floor or not (fields or key == "excludes"):
        return
    if key == "scope" and is_for_some:
        yield _("The platform demands it of these at least: %(people)s.") % {
            "people": ", ".join(_people(floor["scope"]))
        }
    elif key == "excludes":
        yield _("The platform lets no tenant exclude anybody.")
    elif isinstance(bounds := fields[0].field, WholeNumber) and not bounds.disabled:
        yield _("The platform allows %(least)d to %(greatest)d.") % {
            "least": bounds.least,
            "greatest": bounds.greatest,
        }
    elif key == "allowed":
        names = ", ".join(str(METHOD_NAMES[method]) for method in floor["allowed"])
        yield _("The platform allows no others than these: %(methods)s.") % {"methods": names}
    elif key in ("aaguids_allowed", "aaguids_denied"):
        yield _products_note(key, floor[key])
    elif any(bound.field.disabled for bound in fields):
        yield FIXED
    else:
        yield _("The platform demands this much at least.")


def _products_note(key: str, aaguids: Sequence[str]) -> str:
    if key == "aaguids_allowed":
        return _("The platform allows no others than these: %(products)s.") % {"products": ", ".join(aaguids)}
    return _("The platform always refuses these: %(products)s.") % {"products": ", ".join(aaguids)}


def _people(scope: Mapping[str, Any]) -> list[str]:
    roles = [str(EVERY[role]) for role in scope["roles"]]
    return [*roles, *scope["groups"], *scope["sources"], *([_("staff")] if scope["staff"] else [])]


def _complaints(form: DraftForm) -> Iterator[tuple[str, str, str]]:
    for name, found in form.errors.items():
        if name in form.fields and form[name].is_hidden:
            yield f"rule_{name}", "", _("This page cannot be saved as it is: open it once more.")
        elif name in form.fields:
            yield f"rule_{name}", str(form[name].label), str(found[0])
    for key, sentence in form.refused.items():
        yield f"group_{key}", str(_GROUPS[key][0]), sentence
    for key, rows in form.kinds.items():
        called = str(_GROUPS[key][0])
        yield from ((f"group_{key}", called, str(wrong)) for wrong in rows.non_form_errors())
        for place, row in enumerate(rows.forms, 1):
            yield from _complaints_of_row(called, place, row)


def _complaints_of_row(called: str, place: int, row: Row) -> Iterator[tuple[str, str, str]]:
    words = _("%(kind)s, row %(place)d: %(field)s")
    for name, found in row.errors.items():
        label = row[name].label if name in row.fields else ""
        yield f"id_{row.add_prefix(name)}", words % {"kind": called, "place": place, "field": label}, str(found[0])
