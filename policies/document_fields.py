"""What may stand in a policy's document, field by field, and which fields contradict each other.

`validate` answers with one sentence for each field that is wrong, in the language of the moment.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from accounts.assurance import Method, Strength
from accounts.words import hides
from policies.terms import ADMINISTRATOR, LOCAL, Enforcement, Excluded, UserVerification

SCHEMA: Final = 2
ROLES: Final = ("user", ADMINISTRATOR)
METHODS: Final = tuple(
    method.value for method in (Method.WEBAUTHN, Method.TOTP, Method.RECOVERY_CODE, Method.EMAIL_CODE, Method.SMS_CODE)
)
"""What a document may allow. What the site has not installed is left out of the rules (`ceilings`)."""
STRENGTHS: Final = {"multi_factor": Strength.MULTI_FACTOR, "phishing_resistant": Strength.PHISHING_RESISTANT}
BOUNDS: Final = {
    "minimum_factors": (1, 2),
    "grace_days": (0, 90),
    "new_grace_days": (0, 90),
    "administrators_grace_days": (0, 90),
    "snoozes": (0, 10),
    "trusted_browser_days": (0, 30),
    "second_factor_hours": (1, 24),
    "idle_minutes": (10, 60),  # at least twice what passes between two notes that a session is in use
    "administrators_idle_minutes": (10, 60),
    "fresh_minutes": (1, 5),
}
"""The least and the greatest value of each number (security 51, 62, 64)."""
MAX_AGE_MINUTES: Final = (1, 1440)  # of a provider's sign-in that is trusted
LONGEST: Final = {"name": 80, "description": 500, "contact": 200, "reason": 500, "value": 150, "test": 120}
MOST: Final = {"excludes": 100, "aaguids": 200, "break_glass": 2, "tests": 50, "names": 50}
LONGEST_DOCUMENT: Final = 64 * 1024  # characters of JSON: every judgement reads it
EXPECTATIONS: Final = ("allowed", "in_grace", "must_enrol", "denied")
KNOWN: Final = ("before", "new")
_SOURCE = re.compile(rf"{LOCAL}|sso:[a-z0-9][a-z0-9-]{{0,49}}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{3}|\.\d{6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
SINGLE: Final = frozenset({Method.TOTP, Method.EMAIL_CODE, Method.SMS_CODE})
"""The methods of which a person has one authenticator at most."""

Misfit = Any  # a lazy sentence, or None


class DocumentError(ValueError):
    """A document that cannot be published. `errors` has one sentence for each field that is wrong."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(dict(errors))
        self.errors = dict(errors)


def validate(document: object) -> None:
    """Raise DocumentError unless this is a complete document that contradicts itself nowhere."""
    if not isinstance(document, Mapping):
        raise DocumentError({"document": str(_("A policy is an object with one entry for each rule."))})
    errors = dict(_misfits(document))
    if errors or (errors := dict(_contradictions(document))):
        raise DocumentError(errors)
    if len(json.dumps(document)) > LONGEST_DOCUMENT:
        raise DocumentError({"document": str(_("This policy is too long: shorten its lists and texts."))})


def validate_partly(part: Mapping[str, Any]) -> None:
    """Raise DocumentError unless each field of this part of a document is what it should be."""
    errors = {key: message for key, message in _misfits(part) if key in part}
    if errors:
        raise DocumentError(errors)


def _misfits(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each field that is unknown, missing or not what it should be."""
    for key in sorted(document.keys() - _FIELDS.keys(), key=str):
        yield _readable(str(key)[:50]), str(_("There is no such rule."))
    for key, misfit in _FIELDS.items():
        message = misfit(document[key]) if key in document else _("This rule is missing.")
        if message:
            yield key, str(message)


def _schema(value: object) -> Misfit:
    return None if value == SCHEMA and type(value) is int else _("This site writes schema 2 only.")


def _enforcement(value: object) -> Misfit:
    return None if value in [level.value for level in Enforcement] else _("Choose optional, required or always.")


def _scope(value: object) -> Misfit:
    if not isinstance(value, dict) or value.keys() != {"everyone", "roles", "groups", "staff", "sources"}:
        return _("Say whether it is for everyone, and which roles, groups, staff and sources it is for.")
    if type(value["everyone"]) is not bool or type(value["staff"]) is not bool:
        return _("Say yes or no to everyone and to staff.")
    if not _is_choice_of(value["roles"], ROLES):
        return _("Choose among the roles there are, each once.")
    if not _is_list_of(value["groups"], _is_name, MOST["names"]):
        return _("Name groups, each once.")
    return None if _is_list_of(value["sources"], _is_source, MOST["names"]) else _("Name sources, each once.")


def _excludes(value: object) -> Misfit:
    if not isinstance(value, list) or len(value) > MOST["excludes"]:
        return _("Give a list of at most %(most)d excludes.") % {"most": MOST["excludes"]}
    for entry in value:
        if message := _exclude(entry):
            return message
    named = [(entry["kind"], entry["value"]) for entry in value]
    return None if len(set(named)) == len(named) else _("Nobody is excluded twice.")


def _exclude(entry: object) -> Misfit:
    if not isinstance(entry, dict) or entry.keys() != {"kind", "value", "reason", "until"}:
        return _("An exclude says whom, why, and until when.")
    if entry["kind"] not in [kind.value for kind in Excluded] or not isinstance(entry["value"], str):
        return _("An exclude names a person, a group, a role or a source.")
    if not _NAMED[entry["kind"]](entry["value"]):
        return _("“%(value)s” cannot be excluded.") % {"value": _readable(entry["value"][:50])}
    if not _is_text(entry["reason"], LONGEST["reason"]) or not entry["reason"].strip():
        return _("An exclude needs a reason.")
    return None if _is_moment(entry["until"]) else _("An exclude needs a date on which it ends.")


def _strength(value: object) -> Misfit:
    if not isinstance(value, dict) or not _is_choice_of([*value], ROLES):
        return _("Choose among the roles there are, each once.")
    if not all(isinstance(name, str) and name in STRENGTHS for name in value.values()):
        return _("Choose multi_factor or phishing_resistant for each role.")
    return None


def _sso(value: object) -> Misfit:
    if not isinstance(value, dict) or value.keys() != {"trust_mfa", "amr", "acr", "max_age_minutes"}:
        return _("Say whether the provider's second factor is trusted, by which values, and for how long.")
    if type(value["trust_mfa"]) is not bool:
        return _("Say yes or no.")
    if not all(_is_list_of(value[name], _is_name, MOST["names"]) for name in ("amr", "acr")):
        return _("Name the accepted values, each once.")
    return _number(*MAX_AGE_MINUTES)(value["max_age_minutes"])


def _tests(value: object) -> Misfit:
    if not isinstance(value, list) or len(value) > MOST["tests"]:
        return _("Give a list of at most %(most)d tests.") % {"most": MOST["tests"]}
    for entry in value:
        if message := _test(entry):
            return message
    names = [entry["name"] for entry in value]
    return None if len(set(names)) == len(names) else _("Two tests have the same name.")


def _test(entry: object) -> Misfit:
    if not isinstance(entry, dict) or entry.keys() != {
        "name",
        "role",
        "groups",
        "source",
        "methods",
        "known",
        "expect",
    }:
        return _("A test says who signs in with what, and what is expected.")
    if not _is_text(entry["name"], LONGEST["test"]) or not entry["name"].strip():
        return _("A test needs a name.")
    fits = (
        isinstance(entry["role"], str)
        and entry["role"] in ROLES
        and _is_list_of(entry["groups"], _is_name, MOST["names"])
        and isinstance(entry["source"], str)
        and _is_source(entry["source"])
        and _is_choice_of(entry["methods"], METHODS)
        and entry["known"] in KNOWN
        and entry["expect"] in EXPECTATIONS
    )
    return None if fits else _("The test “%(name)s” cannot be read.") % {"name": entry["name"]}


def _choice(*choices: str) -> Callable[[object], Misfit]:
    def misfit(value: object) -> Misfit:
        return None if isinstance(value, str) and value in choices else _("Choose one of: %(choices)s.") % named

    named = {"choices": ", ".join(choices)}
    return misfit


def _choices(choices: Collection[str], message: Misfit) -> Callable[[object], Misfit]:
    return lambda value: None if _is_choice_of(value, choices) else message


def _uuids(most: int, message: Misfit) -> Callable[[object], Misfit]:
    return lambda value: None if _is_list_of(value, _is_uuid, most) else message


def _yes_or_no(value: object) -> Misfit:
    return None if type(value) is bool else _("Say yes or no.")


def _text(longest: int, *, required: bool = False) -> Callable[[object], Misfit]:
    def misfit(value: object) -> Misfit:
        if not _is_text(value, longest):
            return _("Give a text of at most %(longest)d characters.") % {"longest": longest}
        return _("This cannot be empty.") if required and not str(value).strip() else None

    return misfit


def _number(least: int, greatest: int) -> Callable[[object], Misfit]:
    def misfit(value: object) -> Misfit:
        if type(value) is int and least <= value <= greatest:
            return None
        return _("Give a whole number from %(least)d to %(greatest)d.") % {"least": least, "greatest": greatest}

    return misfit


def _is_choice_of(value: object, choices: Collection[str]) -> bool:
    return _is_list_of(value, lambda one: one in choices, len(choices))


def _is_list_of(value: object, fits: Callable[[str], bool], most: int) -> bool:
    if not isinstance(value, list) or len(value) > most or not all(isinstance(one, str) for one in value):
        return False
    return all(fits(one) for one in value) and len(set(value)) == len(value)


def _is_text(value: object, longest: int) -> bool:
    """A text of people: no control, format or surrogate characters, which could turn a page or a line around."""
    return isinstance(value, str) and len(value) <= longest and not hides(value)


def _readable(text: str) -> str:
    """The text without such characters."""
    return "".join(one for one in text if not hides(one))


def _is_name(value: str) -> bool:
    return bool(value.strip()) and _is_text(value, LONGEST["value"])


def _is_source(value: str) -> bool:
    return _SOURCE.fullmatch(value) is not None


def _is_uuid(value: str) -> bool:
    """In the one spelling that is stored: lower case, with hyphens."""
    try:
        return str(UUID(value)) == value
    except ValueError:
        return False


def _is_moment(value: object) -> bool:
    """A moment as RFC 3339 writes it, with its offset, and one that every clock can show."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return False
    try:
        return MINYEAR < datetime.fromisoformat(value).year < MAXYEAR
    except ValueError:
        return False


_NAMED: Final[Mapping[str, Callable[[str], bool]]] = {
    Excluded.PERSON.value: _is_uuid,
    Excluded.GROUP.value: _is_name,
    Excluded.ROLE.value: lambda value: value in ROLES and value != ADMINISTRATOR,
    Excluded.SOURCE.value: _is_source,
}

_FIELDS: Final[Mapping[str, Callable[[object], Misfit]]] = {
    "schema": _schema,
    "name": _text(LONGEST["name"], required=True),
    "description": _text(LONGEST["description"]),
    "contact": _text(LONGEST["contact"]),
    "enforcement": _enforcement,
    "scope": _scope,
    "excludes": _excludes,
    "allowed": _choices(METHODS, _("Choose among the methods there are, each once.")),
    "strength": _strength,
    "trusted_browser_never": _choices(ROLES, _("Choose among the roles there are, each once.")),
    "user_verification": _choice(*[one.value for one in UserVerification]),
    "attestation": _choice("none", "direct"),
    "aaguids_allowed": _uuids(MOST["aaguids"], _("Give AAGUIDs such as 00000000-0000-0000-0000-000000000000.")),
    "aaguids_denied": _uuids(MOST["aaguids"], _("Give AAGUIDs such as 00000000-0000-0000-0000-000000000000.")),
    "synced_passkeys": _yes_or_no,
    "passkey_login": _yes_or_no,
    "sso": _sso,
    "break_glass": _uuids(MOST["break_glass"], _("Name at most two accounts.")),
    "tests": _tests,
    **{name: _number(*bounds) for name, bounds in BOUNDS.items()},
}


def _contradictions(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where fields that are right by themselves cannot all be meant."""
    scope, allowed = document["scope"], document["allowed"]
    some = scope["roles"] or scope["groups"] or scope["staff"] or scope["sources"]
    if scope["everyone"] and some:
        yield "scope", str(_("Choose everyone or some, not both."))
    if not scope["everyone"] and not some:
        yield "scope", str(_("This would be for nobody. Choose optional if nobody is to be required."))
    demanding = document["enforcement"] != Enforcement.OPTIONAL
    if demanding and not {Method.WEBAUTHN, Method.TOTP} & set(allowed):
        yield "allowed", str(_("Nobody could enrol: allow security keys or an app."))
    if document["minimum_factors"] > 1 and Method.WEBAUTHN not in allowed and len(SINGLE & set(allowed)) < 2:
        yield "minimum_factors", str(_("Nobody could have two: allow security keys, of which people may have several."))
    if document["trusted_browser_days"] and document["enforcement"] == Enforcement.ALWAYS:
        yield "trusted_browser_days", str(_("“Always” means that no browser is trusted: choose required, or 0 days."))
    yield from _contradicting_keys(document)
    if document["sso"]["trust_mfa"] and not (document["sso"]["amr"] or document["sso"]["acr"]):
        yield "sso", str(_("Say which values of the provider are trusted."))
    if document["administrators_idle_minutes"] > document["idle_minutes"]:
        yield "administrators_idle_minutes", str(_("Administrators may not idle longer than others."))


def _contradicting_keys(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if set(document["aaguids_allowed"]) & set(document["aaguids_denied"]):
        yield "aaguids_denied", str(_("A product cannot be both allowed and denied."))
    if Method.WEBAUTHN in document["allowed"]:
        return
    if "phishing_resistant" in document["strength"].values():
        yield "strength", str(_("Only WebAuthn resists phishing: allow it, or demand less."))
    if document["passkey_login"]:
        yield "passkey_login", str(_("Passkeys are WebAuthn: allow it first."))
