"""A policy's document in sentences, in the language of the moment: what is listed is what is enforced."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.assurance import Method
from policies import floor as floors
from policies.document import binding, demands
from policies.models import MFAPolicy, PolicyVersion
from policies.terms import Enforcement, UserVerification


def public_summary(policy: MFAPolicy, version: PolicyVersion, methods: Collection[str]) -> dict[str, Any]:
    """A policy as other systems list it: as it binds, on the platform's floor, and the strict way if it cannot be read.

    `methods` are those the site supports; `created` is aware. Raises ImproperlyConfigured for a floor that cannot be
    read.
    """
    floor = floors.current()
    document = binding(version.document, floor, [Method(method) for method in methods])
    return {
        "id": policy.code,
        "name": document["name"],
        "description": document["description"],
        "type": "access",
        "rules": sentences(document, methods),
        "enabled": version.enabled or floors.forbids_switching_off(floor),
        "created": policy.created_at,
    }


def sentences(document: Mapping[str, Any], methods: Collection[str]) -> list[str]:
    """A valid document as sentences; methods that the site does not support are left out, as from the rules."""
    return [str(sentence) for sentence in _sentences(document, methods)]


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], methods: Collection[str]
) -> tuple[list[str], list[str]]:
    """What a change takes away and what it adds: the sentences of one valid document that the other has not."""
    old, new = sentences(before, methods), sentences(after, methods)
    return [one for one in old if one not in new], [one for one in new if one not in old]


def _sentences(document: Mapping[str, Any], methods: Collection[str]) -> Iterator[Any]:
    yield _LEVELS[document["enforcement"]]
    names = [METHOD_NAMES[method] for method in document["allowed"] if method in methods]
    for place, name in enumerate(names):
        yield (_("%(method)s as fallback") if place else _("%(method)s preferred")) % {"method": name}
    if demands(document):
        yield from _of_demand(document)
    yield from _of_keys(document)
    yield from _of_time(document)
    yield from _of_exceptions(document)


def _of_demand(document: Mapping[str, Any]) -> Iterator[Any]:
    if not document["scope"]["everyone"]:
        yield _("For %(people)s only") % {"people": ", ".join(_people(document["scope"]))}
    for role, strength in sorted(document["strength"].items()):
        if strength == "phishing_resistant":
            yield _("A security key or passkey required of %(people)s") % {"people": ROLE_NAMES[role]}
    if document["minimum_factors"] > 1:
        yield _("Two independent methods required")
    yield (
        ngettext(
            "%(days)d day of grace for people who were here before",
            "%(days)d days of grace for people who were here before",
            document["grace_days"],
        )
        % {"days": document["grace_days"]}
        if document["grace_days"]
        else _("No grace period")
    )
    if document["new_grace_days"]:
        yield ngettext(
            "%(days)d day of grace for new people, from their first sign-in",
            "%(days)d days of grace for new people, from their first sign-in",
            document["new_grace_days"],
        ) % {"days": document["new_grace_days"]}
    if document["administrators_grace_days"]:
        yield ngettext(
            "%(days)d day of grace for administrators",
            "%(days)d days of grace for administrators",
            document["administrators_grace_days"],
        ) % {"days": document["administrators_grace_days"]}
    if document["snoozes"]:
        yield ngettext(
            "The reminder can be put off %(times)d time",
            "The reminder can be put off %(times)d times",
            document["snoozes"],
        ) % {"times": document["snoozes"]}


def _of_keys(document: Mapping[str, Any]) -> Iterator[Any]:
    if document["user_verification"] == UserVerification.REQUIRED:
        yield _("Keys have to ask for a PIN, a fingerprint or a face")
    if document["user_verification"] == UserVerification.DISCOURAGED:
        yield _("Keys need not ask for a PIN, a fingerprint or a face")
    if document["attestation"] == "direct":
        yield _("Only keys whose maker vouches for them")
    if document["aaguids_allowed"]:
        yield ngettext(
            "Keys of %(count)d product only", "Keys of %(count)d products only", len(document["aaguids_allowed"])
        ) % {"count": len(document["aaguids_allowed"])}
    if document["aaguids_denied"]:
        yield ngettext(
            "Keys of %(count)d product refused", "Keys of %(count)d products refused", len(document["aaguids_denied"])
        ) % {"count": len(document["aaguids_denied"])}
    if not document["synced_passkeys"]:
        yield _("No passkeys that are copied between devices")
    if document["passkey_login"]:
        yield _("Sign-in by passkey alone allowed")


def _of_time(document: Mapping[str, Any]) -> Iterator[Any]:
    yield ngettext(
        "A second factor lasts for %(count)d hour",
        "A second factor lasts for %(count)d hours",
        document["second_factor_hours"],
    ) % {"count": document["second_factor_hours"]}
    yield ngettext(
        "Unused sessions end after %(count)d minute",
        "Unused sessions end after %(count)d minutes",
        document["idle_minutes"],
    ) % {"count": document["idle_minutes"]}
    yield ngettext(
        "Administrators’ unused sessions end after %(count)d minute",
        "Administrators’ unused sessions end after %(count)d minutes",
        document["administrators_idle_minutes"],
    ) % {"count": document["administrators_idle_minutes"]}
    yield ngettext(
        "Sensitive changes need a proof not older than %(count)d minute",
        "Sensitive changes need a proof not older than %(count)d minutes",
        document["fresh_minutes"],
    ) % {"count": document["fresh_minutes"]}


def _of_exceptions(document: Mapping[str, Any]) -> Iterator[Any]:
    if document["trusted_browser_days"]:
        yield ngettext(
            "Browsers may be trusted for %(count)d day: such sessions have a single factor",
            "Browsers may be trusted for %(count)d days: such sessions have a single factor",
            document["trusted_browser_days"],
        ) % {"count": document["trusted_browser_days"]}
        if document["trusted_browser_never"]:
            people = ", ".join(str(ROLE_NAMES[role]) for role in sorted(document["trusted_browser_never"]))
            yield _("Never for %(people)s") % {"people": people}
    for entry in document["excludes"]:
        yield _("Not demanded of %(whom)s until %(until)s") % {
            "whom": whom(entry),
            "until": entry["until"][:10],
        }
    if document["sso"]["trust_mfa"]:
        yield _("The second factor of the identity provider is trusted")
    if document["break_glass"]:
        yield ngettext(
            "%(count)d account for emergencies, which needs a security key",
            "%(count)d accounts for emergencies, which need a security key",
            len(document["break_glass"]),
        ) % {"count": len(document["break_glass"])}


def whom(entry: Mapping[str, str]) -> str:
    """Whom an exclude of a valid document names."""
    return f"{_KINDS[entry['kind']]} {ROLE_NAMES.get(entry['value'], entry['value'])}".strip()


def _people(scope: Mapping[str, Any]) -> list[str]:
    people = [str(ROLE_NAMES[role]) for role in sorted(scope["roles"])]
    groups = [str(_("the group %(name)s") % {"name": name}) for name in sorted(scope["groups"])]
    sources = [str(_("those who sign in by %(name)s") % {"name": name}) for name in sorted(scope["sources"])]
    return [*people, *groups, *sources, *([str(_("staff"))] if scope["staff"] else [])]


_LEVELS: Final = {
    Enforcement.OPTIONAL.value: _("MFA is optional"),
    Enforcement.REQUIRED.value: _("Require MFA for login"),
    Enforcement.ALWAYS.value: _("Require MFA at every login, without exception"),
}
METHOD_NAMES: Final = {
    "webauthn": _("WebAuthn"),
    "totp": _("TOTP"),
    "recovery_code": _("Recovery code"),
    "email_code": _("Code by e-mail"),
    "sms_code": _("Code by SMS"),
}
ROLE_NAMES: Final = {"user": _("users"), "administrator": _("administrators")}
_KINDS: Final = {"person": "", "group": _("the group"), "role": "", "source": _("the source")}
