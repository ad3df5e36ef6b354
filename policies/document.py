"""The JSON document of a tenant's policy, schema 1: what may stand in it, and the rules it states.

Every key is required and no other is known, so that what is published is what was meant. Another key, bound or
meaning is another schema. A process that meets a document it cannot read takes the strict way: see `rules_from`.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.assurance import Method, Strength
from policies.engine import ADMINISTRATOR, Enforcement, Rules, Scope

SCHEMA: Final = 1
ROLES: Final = ("user", ADMINISTRATOR)
METHODS: Final = (Method.WEBAUTHN.value, Method.TOTP.value, Method.RECOVERY_CODE.value)
"""What a document of this schema may allow; codes by e-mail and SMS come with a later one."""
STRENGTHS: Final = {"multi_factor": Strength.MULTI_FACTOR, "phishing_resistant": Strength.PHISHING_RESISTANT}
BOUNDS: Final = {
    "grace_days": (0, 90),
    "second_factor_hours": (1, 24),
    "idle_minutes": (10, 60),  # at least twice what passes between two notes that a session is in use
    "administrators_idle_minutes": (10, 60),
    "fresh_minutes": (1, 5),
}
"""The least and the greatest value of each number (security 51, 62, 64)."""

logger = logging.getLogger(__name__)


class DocumentError(ValueError):
    """A document that cannot be published. `errors` has one sentence for each field that is wrong."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(dict(errors))
        self.errors = dict(errors)


def default_document() -> dict[str, Any]:
    """What a new tenant demands: a second factor of everyone, with two weeks for the people it already has."""
    return {
        "schema": SCHEMA,
        "enforcement": Enforcement.REQUIRED.value,
        "scope": {"everyone": True, "roles": [], "staff": False},
        "allowed": list(METHODS),
        "strength": {},
        "grace_days": 14,
        "second_factor_hours": 12,
        "idle_minutes": 30,
        "administrators_idle_minutes": 15,
        "fresh_minutes": 5,
        "passkey_login": False,
    }


def validate(document: object) -> None:
    """Raise DocumentError unless this is a complete document that contradicts itself nowhere."""
    if not isinstance(document, Mapping):
        raise DocumentError({"document": str(_("A policy is an object with one entry for each rule."))})
    errors = dict(_misfits(document))
    if errors or (errors := dict(_contradictions(document))):
        raise DocumentError(errors)


def demands(document: Mapping[str, Any]) -> bool:
    """Whether a valid document requires a second factor of anybody."""
    return document["enforcement"] in (Enforcement.REQUIRED, Enforcement.ALWAYS)


def rules_from(
    document: Any,
    *,
    version: int,
    enabled: bool,
    enforced_since: datetime | None,
    ceilings: Collection[Method],
) -> Rules:
    """The rules a stored document states, with the methods the site supports (`ceilings`) as an upper bound.

    A document that cannot be read, because a newer process wrote it or because it is damaged, is never taken to
    demand less than it may: it means `strictest`. That stops people who have no key, but they can enrol one, and
    administrators who have one can publish again. `enabled` stands outside the document and holds regardless.
    """
    try:
        validate(document)
    except DocumentError:
        logger.error("Version %s of a policy cannot be read; the strictest rules apply.", version)
        return strictest(version=version, enabled=enabled, ceilings=ceilings)
    stated = _stated(document)
    stated["allowed"] = tuple(method for method in stated["allowed"] if method in ceilings)
    return Rules(version=version, enabled=enabled, enforced_since=enforced_since, **stated)


def strictest(*, version: int, enabled: bool, ceilings: Collection[Method]) -> Rules:
    """The strictest rules under which somebody with the strongest factor of this site still gets in."""
    strongest = (Method.WEBAUTHN,) if Method.WEBAUTHN in ceilings else (Method.TOTP,)
    strength = Strength.PHISHING_RESISTANT if Method.WEBAUTHN in ceilings else Strength.MULTI_FACTOR
    return Rules(
        version=version,
        enabled=enabled,
        enforcement=Enforcement.ALWAYS,
        allowed=tuple(method for method in strongest if method in ceilings),
        strength=dict.fromkeys(ROLES, strength),
        second_factor_lifetime=timedelta(hours=BOUNDS["second_factor_hours"][0]),
        idle=timedelta(minutes=BOUNDS["idle_minutes"][0]),
        administrators_idle=timedelta(minutes=BOUNDS["administrators_idle_minutes"][0]),
        fresh_for=timedelta(minutes=BOUNDS["fresh_minutes"][0]),
    )


def _stated(document: Mapping[str, Any]) -> dict[str, Any]:
    scope = document["scope"]
    return {
        "enforcement": Enforcement(document["enforcement"]),
        "scope": Scope(everyone=scope["everyone"], roles=frozenset(scope["roles"]), staff=scope["staff"]),
        "allowed": [Method(method) for method in document["allowed"]],
        "strength": {role: STRENGTHS[name] for role, name in document["strength"].items()},
        "grace_days": document["grace_days"],
        "second_factor_lifetime": timedelta(hours=document["second_factor_hours"]),
        "fresh_for": timedelta(minutes=document["fresh_minutes"]),
        "idle": timedelta(minutes=document["idle_minutes"]),
        "administrators_idle": timedelta(minutes=document["administrators_idle_minutes"]),
        "passkey_login": document["passkey_login"],
    }


def summary(document: Mapping[str, Any]) -> list[str]:
    """A valid document as sentences, in the language of the moment; what is listed is what is enforced."""
    return [str(sentence) for sentence in _sentences(document)]


def _sentences(document: Mapping[str, Any]) -> Iterator[Any]:
    yield _LEVELS[document["enforcement"]]
    names = [_METHOD_NAMES[method] for method in document["allowed"]]
    for place, name in enumerate(names):
        yield (_("%(method)s as fallback") if place else _("%(method)s preferred")) % {"method": name}
    if not demands(document):
        return
    if not document["scope"]["everyone"]:
        yield _("For %(people)s only") % {"people": ", ".join(_people(document["scope"]))}
    for role, strength in sorted(document["strength"].items()):
        if strength == "phishing_resistant":
            yield _("A security key or passkey required of %(people)s") % {"people": _ROLE_NAMES[role]}
    yield _days_of_grace(document["grace_days"])
    if document["passkey_login"]:
        yield _("Sign-in by passkey alone allowed")


def _people(scope: Mapping[str, Any]) -> list[str]:
    people = [str(_ROLE_NAMES[role]) for role in sorted(scope["roles"])]
    return [*people, str(_("staff"))] if scope["staff"] else people


def _days_of_grace(days: int) -> Any:
    if not days:
        return _("No grace period")
    return ngettext(
        "%(days)d day of grace for people who were here before",
        "%(days)d days of grace for people who were here before",
        days,
    ) % {"days": days}


_LEVELS: Final = {
    "off": _("MFA is off"),
    "optional": _("MFA is optional"),
    "required": _("Require MFA for login"),
    "always": _("Require MFA at every login, without exception"),
}
_METHOD_NAMES: Final = {"webauthn": _("WebAuthn"), "totp": _("TOTP"), "recovery_code": _("Recovery code")}
_ROLE_NAMES: Final = {"user": _("users"), "administrator": _("administrators")}


def _misfits(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each field that is unknown, missing or not what it should be."""
    for key in sorted(document.keys() - _FIELDS.keys(), key=str):
        yield str(key), str(_("There is no such rule."))
    for key, misfit in _FIELDS.items():
        message = misfit(document[key]) if key in document else _("This rule is missing.")
        if message:
            yield key, str(message)


def _schema(value: object) -> Any:
    return None if value == SCHEMA and type(value) is int else _("This site writes schema 1 only.")


def _enforcement(value: object) -> Any:
    return None if value in [level.value for level in Enforcement] else _("Choose off, optional, required or always.")


def _scope(value: object) -> Any:
    if not isinstance(value, dict) or value.keys() != {"everyone", "roles", "staff"}:
        return _("Say whether it is for everyone, for which roles, and whether for staff.")
    if type(value["everyone"]) is not bool or type(value["staff"]) is not bool:
        return _("Say yes or no to everyone and to staff.")
    return None if _is_choice_of(value["roles"], ROLES) else _("Choose among the roles there are, each once.")


def _allowed(value: object) -> Any:
    return None if _is_choice_of(value, METHODS) else _("Choose among the methods there are, each once.")


def _strength(value: object) -> Any:
    if not isinstance(value, dict) or not _is_choice_of([*value], ROLES):
        return _("Choose among the roles there are, each once.")
    if not all(isinstance(name, str) and name in STRENGTHS for name in value.values()):
        return _("Choose multi_factor or phishing_resistant for each role.")
    return None


def _passkey_login(value: object) -> Any:
    return None if type(value) is bool else _("Say yes or no.")


def _number(least: int, greatest: int) -> Callable[[object], Any]:
    def misfit(value: object) -> Any:
        if type(value) is int and least <= value <= greatest:
            return None
        return _("Give a whole number from %(least)d to %(greatest)d.") % {"least": least, "greatest": greatest}

    return misfit


def _is_choice_of(value: object, choices: Collection[str]) -> bool:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return False
    return set(value) <= set(choices) and len(set(value)) == len(value)


_FIELDS: Final[Mapping[str, Callable[[object], Any]]] = {
    "schema": _schema,
    "enforcement": _enforcement,
    "scope": _scope,
    "allowed": _allowed,
    "strength": _strength,
    "passkey_login": _passkey_login,
    **{name: _number(*bounds) for name, bounds in BOUNDS.items()},
}


def _contradictions(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where fields that are right by themselves cannot all be meant."""
    scope, allowed = document["scope"], document["allowed"]
    if scope["everyone"] and (scope["roles"] or scope["staff"]):
        yield "scope", str(_("Choose everyone or some, not both."))
    if not (scope["everyone"] or scope["roles"] or scope["staff"]):
        yield "scope", str(_("This would be for nobody. Choose optional if nobody is to be required."))
    if demands(document) and not {Method.WEBAUTHN, Method.TOTP} & set(allowed):
        yield "allowed", str(_("Nobody could enrol: allow security keys or an app."))
    if "phishing_resistant" in document["strength"].values() and Method.WEBAUTHN not in allowed:
        yield "strength", str(_("Only WebAuthn resists phishing: allow it, or demand less."))
    if document["passkey_login"] and Method.WEBAUTHN not in allowed:
        yield "passkey_login", str(_("Passkeys are WebAuthn: allow it first."))
    if document["administrators_idle_minutes"] > document["idle_minutes"]:
        yield "administrators_idle_minutes", str(_("Administrators may not idle longer than others."))
